//! The Windows side, as both sides read and write it: lists of wsl.exe, results of the helper, command lines. First line:
//! which of them.

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl::windows::{Driver, Interop, ask, describe, read_result};
use kind_wsl_windows::cli::{self, Helper};
use kind_wsl_windows::info::HelperInfo;
use kind_wsl_windows::request::{RestartRequest, Scope};
use kind_wsl_windows::result::{RestartResult, State, StopResult};
use kind_wsl_windows::{names, quote, text, waiting, wslenv};

use super::system::{Machine, dev};
use super::{Shape, Target, choice, order};

pub(crate) const WINDOWS: Target = Target {
    name: "windows",
    words: &[
        "list",
        "result",
        "look",
        "quote",
        "helper",
        "driver",
        "waiting",
        "report",
        "env",
        "id=a-1",
        "state=",
        "stop=",
        "stopped",
        "hung",
        "failed",
        "abandoned",
        "ended",
        "still-running",
        "stopped_ms=",
        "detail=",
        "profile=C:\\Users\\x",
        "running=Debian",
        "able=yes",
        "listing=",
        "why=",
        "scope=vm",
        "scope=machine",
        "user=dev",
        "program=/x",
        "--id",
        "--distro",
        "Debian",
        "--scope",
        "distro",
        "--user",
        "dev",
        "--program",
        "/usr/local/bin/kind-wsl",
        "--patience",
        "1",
        "restart",
        "-d",
        "-u",
        "--",
        "setup",
        "\r\n",
        "\n",
        "\0",
        "\r\0\n\0",
        "\u{feff}",
        "\\",
        "\"",
        " ",
        "\\\"",
        "é",
        "\x1b[0m",
        "CON",
        "..",
    ],
    run: laws,
    ordinary: 4000,
};

const RESULT: &str = "/p/a-1.result";

fn laws(input: &[u8]) -> Shape {
    let (what, rest) = order(input);
    let said = String::from_utf8_lossy(rest);
    let shape = Shape::of(&what);
    match what.as_str() {
        "list" => list(rest),
        "result" => result(rest),
        "look" => look(rest),
        "quote" => quoted(&said),
        "helper" => helper(&said),
        "driver" => driver(&said),
        "waiting" => wait(&said),
        "report" => report(rest),
        _ => env(&said),
    }
    .and(shape.hash())
}

/// `wsl.exe --list --quiet`: both sides name the same distributions, and nothing that could not be one.
fn list(bytes: &[u8]) -> Shape {
    let decoded = text::decode(bytes);
    let windows = text::names(&decoded);
    assert!(windows.iter().all(|name| names::is_distribution(name)));
    let system = Machine::usual("$wsl.exe", bytes);
    let interop = Interop::new(&system, &dev()).expect("there is a session");
    let Ok(linux) = interop.running() else { return Shape::of("none") };
    assert!(linux.iter().all(|name| names::is_distribution(name)), "{linux:?}");
    Shape::default().few(windows.len()).few(linux.len()).and(windows == linux).and(bytes.contains(&0))
}

/// A result file, whoever wrote it.
fn result(bytes: &[u8]) -> Shape {
    let system = Machine::bare(RESULT, bytes);
    let places = [Utf8PathBuf::from("/nowhere"), Utf8PathBuf::from("/p")];
    let Some(seen) = read_result(&system, &places, "a-1") else { return Shape::of("none") };
    let text = String::from_utf8_lossy(bytes);
    assert!(text.contains("id=a-1"), "a result of another restart is nothing");
    let name = describe(&seen);
    assert!(!name.is_empty() && !name.chars().any(char::is_control), "{name:?}");
    assert!(name.chars().count() <= 400, "{name:?}");
    if seen.is_final() {
        assert!(text.contains("state="));
    }
    assert_eq!(
        RestartResult::parse(&seen.render()),
        Some(seen.clone()),
        "rendered and parsed it is the same"
    );
    Shape::of(seen.stop.map(StopResult::name)).and(seen.is_final()).and(seen.detail.is_some())
}

fn look(bytes: &[u8]) -> Shape {
    let system = Machine::usual("$helper.exe", bytes);
    let interop = Interop::new(&system, &dev()).expect("there is a session");
    let Ok(info) = ask(&interop, Utf8Path::new("/x/helper.exe")) else { return Shape::of("none") };
    let text = String::from_utf8_lossy(bytes);
    assert!(info.unable.is_some() || text.contains("able=yes"), "it is not able unless it says so");
    let _ = info.profile.as_ref().map(|profile| interop.path(profile));
    let again = HelperInfo::parse(&info.render());
    assert_eq!(HelperInfo::parse(&again.render()), again);
    Shape::of(info.unable.is_some()).few(info.running.map_or(0, |r| r.len() + 1)).and(info.profile.is_none())
}

/// Each line an argument: the program that is started gets exactly these.
fn quoted(text: &str) -> Shape {
    let args: Vec<&str> = text.split('\n').filter(|arg| !arg.contains('\0')).collect();
    let line = quote::command_line(std::iter::once("x.exe").chain(args.iter().copied()));
    let read = read_as_msvc(&line);
    assert_eq!(read.iter().skip(1).collect::<Vec<_>>(), args.iter().collect::<Vec<_>>(), "{line}");
    Shape::default().few(args.len()).and(line.contains('"')).and(line.contains('\\'))
}

/// How a C program splits its command line (Microsoft, "Parsing C command-line arguments"): 2n backslashes and a quote are n
/// backslashes and a quote that opens or closes; one more backslash, and the quote is a letter.
fn read_as_msvc(line: &str) -> Vec<String> {
    let letters: Vec<char> = line.chars().collect();
    let (mut args, mut at) = (Vec::new(), 0);
    while at < letters.len() {
        if matches!(letters[at], ' ' | '\t') {
            at += 1;
            continue;
        }
        let (mut arg, mut quoted) = (String::new(), false);
        while at < letters.len() && (quoted || !matches!(letters[at], ' ' | '\t')) {
            let slashes = letters[at..].iter().take_while(|c| **c == '\\').count();
            at += slashes;
            let is_quote = letters.get(at) == Some(&'"');
            arg.extend(std::iter::repeat_n('\\', if is_quote { slashes / 2 } else { slashes }));
            match letters.get(at) {
                Some('"') if slashes % 2 == 1 => arg.push('"'),
                Some('"') if quoted && letters.get(at + 1) == Some(&'"') => {
                    arg.push('"');
                    at += 1;
                }
                Some('"') => quoted = !quoted,
                Some(' ' | '\t') if !quoted => continue,
                Some(other) => arg.push(*other),
                None => break,
            }
            at += 1;
        }
        args.push(arg);
    }
    args
}

fn words(text: &str) -> Vec<String> {
    text.split('\n').map(str::to_owned).collect()
}

/// Each line an argument of `kind-wsl-helper.exe`.
fn helper(text: &str) -> Shape {
    let found = cli::helper(&words(text));
    match &found {
        Ok(Helper::Restart(request) | Helper::Work(request)) => {
            let again: Vec<String> = std::iter::once("work".to_owned()).chain(request.arguments()).collect();
            assert_eq!(
                cli::helper(&again),
                Ok(Helper::Work(request.clone())),
                "the copy is given the same request"
            );
            assert!(
                names::is_id(&request.id)
                    && names::is_user(&request.user)
                    && names::is_program(&request.program)
            );
            assert!(
                !request.distribution.contains([' ', '"', '\\', '\n'])
                    && !request.user.contains([' ', '"', '\\'])
            );
            for line in request.manual_commands() {
                assert!(!line.chars().any(char::is_control), "{line:?}");
            }
            let read = read_as_msvc(&request.manual_commands()[1]);
            assert!(read.contains(&request.program) && read.contains(&request.distribution));
        }
        Err(why) => assert!(!why.is_empty()),
        Ok(_) => {}
    }
    Shape::of(
        found
            .map(|helper| std::mem::discriminant(&helper))
            .map_err(|why| why.split(' ').next_back().map(str::to_owned)),
    )
}

/// Each line an argument of `kind-wsl.exe`.
fn driver(text: &str) -> Shape {
    let found = cli::driver(&words(text));
    if let Ok(cli::Driver::Run(run)) = &found {
        assert!(run.distribution.as_ref().is_none_or(|d| names::is_distribution(d)));
        assert!(run.user.as_ref().is_none_or(|u| names::is_user(u)));
        assert!(run.args.first().is_some_and(|first| !first.starts_with('-')));
        let given = words(text);
        assert!(run.args.iter().all(|arg| given.contains(arg)), "what is passed on was given");
    }
    Shape::of(found.map(|driver| std::mem::discriminant(&driver)).map_err(|why| why.len().min(8)))
}

fn wait(said: &str) -> Shape {
    let found = waiting::parse(said);
    match &found {
        Ok(Some(waiting)) => {
            assert!(
                names::is_id(&waiting.id)
                    && names::is_user(&waiting.user)
                    && names::is_program(&waiting.program)
            );
        }
        Ok(None) => assert!(said.trim().is_empty()),
        Err(why) => assert!(!why.chars().any(char::is_control), "{why:?}"),
    }
    Shape::of(found.is_ok()).and(said.len().min(2)).and(found.map(|w| w.map(|w| w.scope.is_some())).ok())
}

/// What the Windows side writes of a restart, the Linux side reads as that.
fn report(bytes: &[u8]) -> Shape {
    let request = RestartRequest {
        id: "a-1".into(),
        distribution: "Debian".into(),
        scope: if choice(bytes).is_multiple_of(2) { Scope::Vm } else { Scope::Distro },
        user: "dev".into(),
        program: "/x".into(),
        patience: None,
    };
    let (&first, said) = bytes.split_first().unwrap_or((&0, &[]));
    let said = String::from_utf8_lossy(said);
    let detail = Some(said.as_ref()).filter(|said| !said.is_empty());
    let stops = [StopResult::Stopped, StopResult::StillRunning, StopResult::Hung, StopResult::Failed];
    let stop = stops[usize::from(first) % 4];
    let state = [
        State::Waiting,
        State::Abandoned,
        State::Stopping,
        State::Stop(stop),
        State::Resuming,
        State::Ended(1),
    ][usize::from(first / 4) % 6];
    let mut result = RestartResult::new(&request);
    let is_stopped = matches!(state, State::Stop(_) | State::Resuming | State::Ended(_));
    if is_stopped {
        result.stopped(stop, 1234, detail);
    }
    if !matches!(state, State::Stop(_)) {
        result.enter(state, detail);
    }
    let file = result.render();
    let seen =
        read_result(&Machine::bare(RESULT, file.as_bytes()), &["/p".into()], "a-1").expect("it is a result");
    assert_eq!(seen, result, "{file}");
    assert_eq!(seen.stop, is_stopped.then_some(stop), "{file}");
    let is_last = matches!(
        state,
        State::Abandoned | State::Ended(_) | State::Stop(StopResult::Hung | StopResult::Failed)
    );
    assert_eq!(seen.is_final(), is_last, "{file}");
    let line = text::one_line(&said);
    assert!(!line.chars().any(char::is_control) && line.chars().count() <= 501);
    assert_eq!(seen.detail.is_some(), !line.is_empty(), "{file}");
    Shape::of(first % 24).and(detail.is_some())
}

fn env(said: &str) -> Shape {
    let ours = wslenv::with_ours(said);
    assert_eq!(wslenv::with_ours(&ours), ours, "twice is once");
    for name in [wslenv::DRIVER, wslenv::PROFILE, wslenv::RUNNING] {
        assert_eq!(ours.split(':').filter(|e| e.split('/').next() == Some(name)).count(), 1);
    }
    let driver = Driver::probe(&Machine::usual("%KIND_WSL_DRIVER", said.as_bytes()));
    assert_eq!(driver.is_some(), !said.is_empty());
    let line = said.lines().next().unwrap_or_default();
    let version = text::version(line);
    assert_eq!(text::version_of(&format!("kind-wsl {line}")), version);
    Shape::of(version.is_some()).and(ours.len() > 100)
}
