//! Places that are full or may not be written to.

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};

use kind_wsl::fetch::{Artifact, Origin, Source, check};
use kind_wsl::host::digest;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};

use crate::fetch::parts::{Part, run};
use crate::fetch::server::{ranged, serve};
use crate::fetch::{BODY, artifact};
use crate::support::child::{Child, trusting};

const SPACE: &str = "free some space, or check that the directory can be written to";

#[test]
fn a_full_sink_is_reported_with_its_cause() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let artifact = artifact("https://github.com/crun");
    let error =
        check(&artifact, &mut &BODY[..], Origin::File("here".into()), &mut Full, &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "cannot save crun 1.21 after 0 bytes");
    assert_eq!(error.source().unwrap().to_string(), "no storage space");
    assert_eq!(error.hint().unwrap(), SPACE);
}

#[test]
fn a_part_that_has_no_room_is_not_kept() {
    trusting(|pki| {
        // Blocked, the signal of a limit that is reached is an error of the write instead (setrlimit(2)).
        SigSet::from(Signal::SIGXFSZ).thread_block().unwrap();
        let (_, most) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
        for (kept, room) in [(0, 0), (0, 10), (5, 5), (5, 10)] {
            let server = serve(pki, "good", |request| ranged(request, BODY));
            let mut part = Part::of(&BODY[..kept]);
            setrlimit(Resource::RLIMIT_FSIZE, room, most).unwrap();
            let error = run(&server.artifact(), &Source::default(), &mut part, 9).outcome.unwrap_err();
            setrlimit(Resource::RLIMIT_FSIZE, most, most).unwrap();
            assert_eq!(error.to_string(), format!("cannot save crun 1.21 after {kept} bytes"));
            assert_eq!(error.source().unwrap().to_string(), "File too large (os error 27)");
            assert_eq!((&part.bytes()[..], server.given().len()), (&b""[..], 1));
        }
    });
}

#[test]
fn a_disk_that_fills_up_is_named_and_has_its_room_back() {
    // Four pages, and a file of sixteen.
    let mounts = Some("mkdir $D/disk; mount -t tmpfs -o size=16k none $D/disk");
    Child { mounts, ..Child::default() }.run(|pki| {
        let body = BODY.repeat(3277);
        let sent = body.clone();
        let server = serve(pki, "good", move |request| ranged(request, &sent));
        let artifact = Artifact { sha256: digest(&body), size: None, ..server.artifact() };
        let mut part = Part::at(&pki.join("disk"));
        let error = run(&artifact, &Source::default(), &mut part, 9).outcome.unwrap_err();
        assert!(error.to_string().starts_with("cannot save crun 1.21 after "), "{error}");
        assert_eq!(error.source().unwrap().to_string(), "No space left on device (os error 28)");
        assert_eq!(error.hint().unwrap(), SPACE);
        assert!(!part.partial().exists());
        File::create(pki.join("disk/other")).unwrap().write_all(&[0; 16 << 10]).unwrap();
    });
}

#[test]
fn a_place_that_may_not_be_written_to_is_named() {
    let mounts = Some(
        "mkdir $D/disk; mkdir $D/disk/kept; printf twent > $D/disk/kept/crun.partial; mkdir $D/disk/new; mount --bind $D/disk $D/disk; \
         mount -o remount,bind,ro $D/disk",
    );
    Child { mounts, ..Child::default() }.run(|pki| {
        for (name, kept) in [("new", 0), ("kept", 5)] {
            let server = serve(pki, "good", |request| ranged(request, BODY));
            let mut part = Part::at(&pki.join("disk").join(name));
            let error = run(&server.artifact(), &Source::default(), &mut part, 9).outcome.unwrap_err();
            assert_eq!(error.to_string(), "cannot save crun 1.21 after 0 bytes");
            assert_eq!(error.source().unwrap().to_string(), "Read-only file system (os error 30)");
            assert_eq!(part.bytes(), BODY[..kept]);
        }
    });
}
