//! The Windows side, as both sides read and write it: lists of wsl.exe, results of the helper, command lines. First line:
//! which of them.

use camino::{Utf8Path, Utf8PathBuf};
use kind_wsl::windows::{Driver, Interop, Look, Outcome as Seen, Stop};
use kind_wsl_windows::cli::{self, Helper, Order, Scope};
use kind_wsl_windows::report::{Report, State};
use kind_wsl_windows::restart::Outcome;
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
    let Some(seen) = Seen::probe(&system, &places, "a-1") else { return Shape::of("none") };
    let text = String::from_utf8_lossy(bytes);
    assert!(text.contains("id=a-1"), "a result of another restart is nothing");
    assert!(!seen.name().is_empty() && !seen.name().chars().any(char::is_control), "{:?}", seen.name());
    assert!(seen.detail.as_ref().is_none_or(|d| d.chars().count() <= 300));
    if seen.is_last {
        assert!(text.contains("state="));
    }
    Shape::of(std::mem::discriminant(&seen.stop)).and(seen.is_last).and(seen.detail.is_some())
}

fn look(bytes: &[u8]) -> Shape {
    let system = Machine::usual("$helper.exe", bytes);
    let interop = Interop::new(&system, &dev()).expect("there is a session");
    let Ok(look) = Look::of(&interop, Utf8Path::new("/x/helper.exe")) else { return Shape::of("none") };
    let text = String::from_utf8_lossy(bytes);
    assert!(look.unable.is_some() || text.contains("able=yes"), "it is not able unless it says so");
    let _ = interop.path(&look.profile);
    Shape::of(look.unable.is_some()).few(look.running.map_or(0, |r| r.len() + 1)).and(look.profile.is_empty())
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
        Ok(Helper::Restart(order) | Helper::Work(order)) => {
            let again: Vec<String> = std::iter::once("work".to_owned()).chain(order.arguments()).collect();
            assert_eq!(
                cli::helper(&again),
                Ok(Helper::Work(order.clone())),
                "the copy is given the same order"
            );
            assert!(
                names::is_id(&order.id) && names::is_user(&order.user) && names::is_program(&order.program)
            );
            assert!(
                !order.distribution.contains([' ', '"', '\\', '\n'])
                    && !order.user.contains([' ', '"', '\\'])
            );
            for line in order.by_hand() {
                assert!(!line.chars().any(char::is_control), "{line:?}");
            }
            let read = read_as_msvc(&order.by_hand()[1]);
            assert!(read.contains(&order.program) && read.contains(&order.distribution));
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
    let order = Order {
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
    let outcomes = [Outcome::Stopped, Outcome::StillRunning, Outcome::Hung, Outcome::Failed];
    let outcome = outcomes[usize::from(first) % 4];
    let state = [
        State::Waiting,
        State::Abandoned,
        State::Stopping,
        State::Stop(outcome),
        State::Resuming,
        State::Ended(1),
    ][usize::from(first / 4) % 6];
    let mut report = Report::new(&order);
    let is_stopped = matches!(state, State::Stop(_) | State::Resuming | State::Ended(_));
    if is_stopped {
        report.stopped(outcome, 1234, detail);
    }
    if !matches!(state, State::Stop(_)) {
        report.enter(state, detail);
    }
    let file = report.render();
    let seen =
        Seen::probe(&Machine::bare(RESULT, file.as_bytes()), &["/p".into()], "a-1").expect("it is a result");
    let wanted = match (is_stopped, outcome, state) {
        (true, Outcome::Stopped, _) => Stop::Stopped { milliseconds: Some(1234) },
        (true, Outcome::StillRunning, _) => Stop::StillRunning,
        (true, Outcome::Hung, _) => Stop::Hung,
        (true, Outcome::Failed, _) => Stop::Failed,
        (false, _, State::Abandoned) => Stop::Abandoned,
        _ => Stop::Unfinished,
    };
    assert_eq!(seen.stop, wanted, "{file}");
    let is_last =
        matches!(state, State::Abandoned | State::Ended(_) | State::Stop(Outcome::Hung | Outcome::Failed));
    assert_eq!(seen.is_last, is_last, "{file}");
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
