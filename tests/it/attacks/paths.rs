//! Before the setup, a path that it will write is occupied: by a link to a file of root, a pipe, a file of another user.
//! Every path that a setup writes (from its journal) with every kind of file.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;

use crate::attacks::seen::{Written, everything, exactly, tree, written};
use crate::support::cli::{Case, Seen, is_root};
use crate::support::{Layout, changes, step};

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plant {
    /// A link to a file that root alone may read, in a directory that root alone may enter.
    LinkToSecret,
    /// A link to a file that root alone may read, in a directory that everybody may enter.
    LinkToHidden,
    /// A link to a file that everybody may read and root alone may write.
    LinkToReadable,
    /// A link to where nothing is, in a directory of root's.
    DanglingLink,
    /// A link to itself.
    Loop,
    /// The directory above is a link to a directory of root's that holds a file of the same name.
    ParentToRoots,
    /// The same, to a directory that root's group may write to.
    ParentToGroups,
    /// Another name of a file that root alone may read.
    HardLink,
    /// A pipe without a writer.
    Pipe,
    /// A socket.
    Socket,
    /// A device that can be read for ever.
    Device,
    /// A directory, with something in it.
    Directory,
    /// A file of another user, which that user alone may read.
    AnotherUsers,
    /// A file of root's with the setuid bit.
    SetUid,
    /// A directory above that everybody may write to.
    WritableParent,
    /// A sparse file of a tebibyte.
    Endless,
    /// At the name of our temporary file: a link to a file of root's.
    TemporaryLink,
    /// At the name of our temporary file: a pipe.
    TemporaryPipe,
    /// At the name of our temporary file: a directory.
    TemporaryDirectory,
}

const ALL: [Plant; 19] = [
    Plant::LinkToSecret,
    Plant::LinkToHidden,
    Plant::LinkToReadable,
    Plant::DanglingLink,
    Plant::Loop,
    Plant::ParentToRoots,
    Plant::ParentToGroups,
    Plant::HardLink,
    Plant::Pipe,
    Plant::Socket,
    Plant::Device,
    Plant::Directory,
    Plant::AnotherUsers,
    Plant::SetUid,
    Plant::WritableParent,
    Plant::Endless,
    Plant::TemporaryLink,
    Plant::TemporaryPipe,
    Plant::TemporaryDirectory,
];

/// What a victim holds: a text that every editor of ours could take for its own file.
const SECRET: &str = "# 7d1f-top-secret\n[engine]\n[storage]\n[boot]\nsystemd=false\n";
/// A part of it that must appear nowhere.
const TELLTALE: &str = "7d1f-top-secret";

/// A machine with victims in it.
struct Field {
    case: Case,
    victims: Vec<Utf8PathBuf>,
}

impl Field {
    fn new(layout: Layout) -> Self {
        let case = Case::new(layout);
        let mut field = Self { case, victims: Vec::new() };
        field.victim("/root/secret", 0o600);
        field.mode("/root", 0o700);
        field.victim("/srv/hidden", 0o600);
        field.victim("/srv/readable", 0o644);
        field
    }

    fn path(&self, path: &str) -> Utf8PathBuf {
        self.case.machine.path(path)
    }

    fn victim(&mut self, path: &str, mode: u32) {
        self.case.machine.write(path, SECRET);
        self.mode(path, mode);
        self.victims.push(self.path(path));
    }

    fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Where the thing goes, with nothing there.
    fn cleared(&self, path: &Utf8Path) -> Utf8PathBuf {
        let _ = fs::remove_file(path);
        let above = path.parent().unwrap();
        fs::create_dir_all(above).unwrap();
        self.give(above);
        path.to_owned()
    }

    /// What is in the home and on the Windows side is the user's, whoever made it.
    fn give(&self, path: &Utf8Path) {
        let tops = [self.path("/home/dev"), self.path("/mnt/c/Users/dev")];
        for top in tops.iter().filter(|top| path.starts_with(top)) {
            for above in path.ancestors().take_while(|a| a.starts_with(top)) {
                lchown(above, Some(1000), Some(1000)).unwrap();
            }
        }
    }

    /// A directory of root's with a file of the same name in it, in the place of the one above the path.
    fn parent_to(&mut self, path: &Utf8Path, to: &str, mode: u32, group_may: bool) {
        let name = path.file_name().unwrap();
        self.victim(&format!("{to}/{name}"), if group_may { 0o660 } else { 0o600 });
        self.mode(to, mode);
        let above = path.parent().unwrap();
        let _ = fs::remove_dir_all(above);
        fs::create_dir_all(above.parent().unwrap()).unwrap();
        self.give(above.parent().unwrap());
        symlink(to, above).unwrap();
        lchown(above, Some(1000), Some(1000)).unwrap();
    }

    fn plant(&mut self, plant: Plant, target: &Written) {
        let path = self.path(&target.path);
        let temporary = path.with_file_name(format!(".{}.kind-wsl", path.file_name().unwrap()));
        let link = |to: &str, at: &Utf8Path| {
            symlink(to, self.cleared(at)).unwrap();
            self.give(at);
        };
        match plant {
            Plant::LinkToSecret => link("/root/secret", &path),
            Plant::LinkToHidden => link("/srv/hidden", &path),
            Plant::LinkToReadable => link("/srv/readable", &path),
            Plant::DanglingLink => link("/srv/not-there-yet", &path),
            Plant::Loop => link(path.file_name().unwrap(), &path),
            Plant::ParentToRoots => self.parent_to(&path, "/srv/roots", 0o755, false),
            Plant::ParentToGroups => self.parent_to(&path, "/srv/groups", 0o770, true),
            Plant::HardLink => fs::hard_link(self.path("/srv/hidden"), self.cleared(&path)).unwrap(),
            Plant::Pipe => {
                mkfifo(self.cleared(&path).as_std_path(), Mode::from_bits_truncate(0o666)).unwrap();
            }
            Plant::Socket => drop(UnixListener::bind(self.cleared(&path)).unwrap()),
            Plant::Device => {
                let zero = makedev(1, 5);
                mknod(
                    self.cleared(&path).as_std_path(),
                    SFlag::S_IFCHR,
                    Mode::from_bits_truncate(0o666),
                    zero,
                )
                .unwrap();
            }
            Plant::Directory => {
                fs::create_dir(self.cleared(&path)).unwrap();
                fs::write(path.join("something"), "of somebody").unwrap();
                self.give(&path);
            }
            Plant::AnotherUsers => {
                fs::write(self.cleared(&path), SECRET).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
                chown(&path, Some(2000), Some(2000)).unwrap();
            }
            Plant::SetUid => {
                fs::write(self.cleared(&path), SECRET.replace(TELLTALE, "no secret")).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o6755)).unwrap();
            }
            Plant::WritableParent => {
                let above = self.cleared(&path).parent().unwrap().to_owned();
                fs::set_permissions(above, fs::Permissions::from_mode(0o777)).unwrap();
            }
            Plant::Endless => {
                let file = fs::File::create(self.cleared(&path)).unwrap();
                file.set_len(1 << 40).unwrap();
                self.give(&path);
            }
            Plant::TemporaryLink => link("/srv/hidden", &temporary),
            Plant::TemporaryPipe => {
                mkfifo(self.cleared(&temporary).as_std_path(), Mode::from_bits_truncate(0o666)).unwrap();
            }
            Plant::TemporaryDirectory => {
                fs::create_dir(self.cleared(&temporary)).unwrap();
                self.give(&temporary);
            }
        }
    }

    /// The real program, which must come to its end.
    fn run(&self, args: &str) -> Seen {
        let mut command: Command = self.case.command(args);
        command.stdout(std::process::Stdio::piped());
        let child = command.spawn().unwrap();
        self.case.end(child)
    }

    fn state(&self) -> BTreeMap<String, String> {
        let mut seen = tree(&self.case.machine.root);
        seen.retain(|path, _| !path.starts_with("/var/lib/kind-wsl"));
        seen
    }
}

/// What [`exactly`] says of a file, but for the time at which its inode changed.
fn without_ctime(file: &str) -> String {
    let (head, rest) = file.split_once('(').unwrap();
    let (times, tail) = rest.split_once(')').unwrap();
    let mtime: Vec<_> = times.split(", ").take(2).collect();
    format!("{head}{}{tail}", mtime.join(", "))
}

/// One thing at one path: setup, then undo. Returns the message if it was refused.
fn attack(plant: Plant, layout: Layout, target: &Written, besides: &str) -> Option<Seen> {
    let named = format!("{plant:?} at {} on {layout:?}", target.path);
    let mut field = Field::new(layout);
    field.case = field.case.started_by(&["timeout", "--signal=KILL", "120"]);
    field.plant(plant, target);
    let victims: Vec<_> = field.victims.iter().map(|v| (v.clone(), exactly(v))).collect();
    let before = field.state();

    let seen = field.run(&format!("{}{besides}", everything()));
    assert!(matches!(seen.code, 0 | 1 | 3), "{named}: {seen:?}");
    // What stands in /etc root put there: a link to another file is followed there, and that file is put back.
    if target.is_users {
        // The user's own kind gets another name for as long as the wrapper has its own: of a file with a second name
        // elsewhere, that changes the time of its inode and nothing else.
        let is_renamed = plant == Plant::HardLink && target.path.ends_with("/.local/bin/kind");
        let shown = |file: &str| if is_renamed { without_ctime(file) } else { file.to_owned() };
        for (victim, was) in &victims {
            assert_eq!(shown(&exactly(victim)), shown(was), "{named}: {victim} was touched");
        }
        assert!(!field.path("/srv/not-there-yet").exists(), "{named}: root made a file for somebody");
    }
    let refused = seen.code == 1;
    if refused {
        // A directory that cannot be used is named by the first file that setup wants in it.
        let dir = target.path.rsplit_once('/').map_or("", |(dir, _)| dir);
        let names = [dir, "/srv/", "/root/secret", ".kind-wsl"];
        assert!(names.iter().any(|n| seen.stderr.contains(n)), "{named} is not named: {}", seen.stderr);
        assert!(seen.stderr.contains("hint: "), "{named}: nothing is said to do: {}", seen.stderr);
    }
    let leaked = |text: &str| text.contains(TELLTALE) && plant != Plant::LinkToReadable && target.is_users;
    assert!(!leaked(&seen.stdout) && !leaked(&seen.stderr), "{named}: a secret is shown: {seen:?}");

    let undone = field.run("undo --yes --packages");
    assert_eq!(undone.code, 0, "{named}: {undone:?}\n{seen:?}");
    let mut after = field.state();
    if !before.contains_key(&temporary(&target.path)) {
        assert!(!after.contains_key(&temporary(&target.path)), "{named}: a leftover of ours");
    } else if matches!(plant, Plant::TemporaryLink | Plant::TemporaryPipe) {
        // The name is ours, and what stood there was swept away, as after a crash.
        after.insert(temporary(&target.path), before[&temporary(&target.path)].clone());
    }
    // The user's own kind is renamed and not written: it comes back as it was. With a storage.conf of the user's podman
    // takes overlay, so setup leaves that file alone.
    let is_written =
        !["/.local/bin/kind", "/containers/storage.conf"].iter().any(|p| target.path.ends_with(p));
    if plant == Plant::SetUid && target.is_users && !refused && is_written {
        // In a home root acts as the user, who cannot give root's file back to root: its bytes, without the bits.
        let now = after.insert(target.path.clone(), before[&target.path].clone());
        assert_eq!(now.unwrap(), before[&target.path].replace("6755 0:0", "755 1000:1000"), "{named}");
    }
    let differs = changes(&before, &after);
    assert_eq!(differs, Vec::<String>::new(), "{named}: not as it was; {}", seen.stderr);
    refused.then_some(seen)
}

fn temporary(path: &str) -> String {
    let path = Utf8Path::new(path);
    path.with_file_name(format!(".{}.kind-wsl", path.file_name().unwrap())).to_string()
}

/// Plants things at the paths that setup writes on a machine of this layout: each thing at each path in CI, otherwise every
/// fifth pair, so that each path and each thing has its turn.
fn sweep(layout: Layout, besides: &str, wanted: impl Fn(&Written) -> bool) {
    if !is_root() {
        println!("root alone can be led astray: nothing was tried");
        return;
    }
    let targets: Vec<_> = written(layout, besides).into_iter().filter(wanted).collect();
    assert!(targets.len() >= 4, "{targets:?}");
    let (mut tried, mut refused) = (0, 0);
    let mut pairs = 0..;
    let every = step(5, 1);
    for target in &targets {
        // In /etc a directory of root's is what there is.
        let fits =
            |plant: &Plant| target.is_users || !matches!(plant, Plant::ParentToRoots | Plant::ParentToGroups);
        let is_tried = |_: &Plant| pairs.next().is_some_and(|pair| pair % every == 0);
        for plant in ALL.into_iter().filter(fits).filter(is_tried) {
            tried += 1;
            refused += usize::from(attack(plant, layout, target, besides).is_some());
        }
    }
    println!("{layout:?}{besides}: {} paths, {tried} plants, {refused} refused", targets.len());
    assert!(refused > 0 && refused < tried);
}

#[test]
fn links_in_a_home_do_not_lead_root_elsewhere() {
    sweep(Layout::Classic, "", |w| w.is_users);
}

#[test]
fn replaced_files_of_the_system_are_restored() {
    sweep(Layout::Classic, " --guide", |w| !w.is_users && !w.path.starts_with("/etc/sub"));
}

#[test]
fn the_same_if_systemd_already_runs() {
    sweep(Layout::Isolated, "", |w| w.is_users || w.path.contains("controllers"));
}

#[test]
fn links_in_a_home_on_wsl_3_do_not_lead_root_elsewhere() {
    sweep(Layout::Namespaced, "", |w| w.is_users);
}

/// `sudo kind-wsl report -o FILE`: a file of another user at that name does not choose what root overwrites.
#[test]
fn a_report_is_written_through_no_link() {
    if !is_root() {
        println!("root alone can be led astray: nothing was tried");
        return;
    }
    for (layout, dir) in [(Layout::Modern, "/home/dev"), (Layout::Modern, "/srv/everybodys")] {
        let field = Field::new(layout);
        fs::create_dir_all(field.path(dir)).unwrap();
        if dir == "/srv/everybodys" {
            field.mode(dir, 0o1777);
        }
        let at = |name: &str| field.path(dir).join(name);
        symlink(field.path("/srv/hidden"), at("link.json")).unwrap();
        symlink(field.path("/srv/not-there-yet"), at("dangling.json")).unwrap();
        fs::hard_link(field.path("/srv/hidden"), at("hard.json")).unwrap();
        mkfifo(at("pipe.json").as_std_path(), Mode::from_bits_truncate(0o666)).unwrap();
        symlink(field.path("/root"), at("roots")).unwrap();
        let was = exactly(&field.path("/srv/hidden"));
        for name in ["link.json", "dangling.json", "hard.json", "pipe.json"] {
            let seen = field.run(&format!("report -o [ROOT]{dir}/{name}"));
            assert_eq!(seen.code, 1, "{name}: {seen:?}");
            assert!(seen.stderr.contains(&format!("{dir}/{name}`: ")), "{name}: {seen:?}");
        }
        assert_eq!(exactly(&field.path("/srv/hidden")), was);
        assert!(!field.path("/srv/not-there-yet").exists());
        let seen = field.run(&format!("report -o [ROOT]{dir}/report.json"));
        assert_eq!(seen.code, 0, "{seen:?}");
        let owner = fs::metadata(at("report.json")).map(|m| std::os::unix::fs::MetadataExt::uid(&m)).unwrap();
        assert_eq!(owner, if dir == "/home/dev" { 1000 } else { 0 });
    }
}
