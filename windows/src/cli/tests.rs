use super::*;

fn words(line: &str) -> Vec<String> {
    line.split(' ').filter(|w| !w.is_empty()).map(String::from).collect()
}

const REQUEST: &str = "--id a-1 --distro Ubuntu-24.04 --scope vm --user dev --program /usr/local/bin/kind-wsl";

#[test]
fn a_request_is_parsed_as_it_was_rendered() {
    for more in ["", " --patience 5"] {
        let request = match helper(&words(&format!("restart {REQUEST}{more}"))) {
            Ok(Helper::Restart(request)) => request,
            other => panic!("{other:?}"),
        };
        let again = [vec!["work".to_string()], request.arguments()].concat();
        assert_eq!(helper(&again), Ok(Helper::Work(request)));
    }
}

#[test]
fn a_request_has_its_command_lines() {
    let mut request = request(&words(REQUEST)).unwrap();
    assert_eq!(
        request.resume().join(" "),
        "-d Ubuntu-24.04 -u root --cd ~ --exec /usr/local/bin/kind-wsl setup --resume a-1"
    );
    assert_eq!(request.session().join(" "), "-d Ubuntu-24.04 -u dev --exec /bin/true");
    assert_eq!(request.manual_commands()[0], "wsl.exe --shutdown");
    request.scope = Scope::Distro;
    request.program = "/home/a b/kind-wsl".into();
    assert_eq!(request.manual_commands()[0], "wsl.exe --terminate Ubuntu-24.04");
    assert_eq!(request.manual_commands()[1], "wsl.exe -d Ubuntu-24.04 --cd ~ --exec \"/home/a b/kind-wsl\" setup");
}

#[test]
fn an_invalid_command_line_is_refused() {
    let cases = [
        ("", "missing command"),
        ("look around", "unexpected argument"),
        ("sing", "unknown command \"sing\""),
        ("restart", "--id is missing"),
        ("restart --id", "--id needs a value"),
        ("restart --force yes", "unknown option \"--force\""),
    ];
    for (line, expected) in cases {
        let error = helper(&words(line)).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
    let swaps = [
        ("a-1", "../a"),
        ("a-1", "nul"),
        ("Ubuntu-24.04", "--shutdown"),
        ("vm", "all"),
        ("dev", "-u"),
        ("/usr", "usr"),
    ];
    for (from, to) in swaps {
        let error = helper(&words(&format!("restart {}", REQUEST.replace(from, to)))).unwrap_err();
        assert!(error.contains(" is not "), "{to}: {error}");
    }
    for more in ["--id b", "--patience 0", "--patience x", "extra"] {
        assert!(helper(&words(&format!("restart {REQUEST} {more}"))).is_err(), "{more}");
    }
}

#[test]
fn the_driver_removes_its_own_options() {
    let run = |line: &str| match driver(&words(line)) {
        Ok(Driver::Run(run)) => run,
        other => panic!("{line}: {other:?}"),
    };
    let setup = run("setup -d Debian --yes -u dev --no-restart");
    assert_eq!((setup.distribution.as_deref(), setup.user.as_deref()), (Some("Debian"), Some("dev")));
    assert_eq!(setup.args, words("setup --yes --no-restart"));
    assert!(setup.is_setup() && setup.no_restart());
    let kind = run("--distribution=Debian kind create cluster -- -d x -u y --");
    assert_eq!(kind.args, words("kind create cluster -- -d x -u y --"));
    assert!(!kind.is_setup() && kind.user.is_none());
    assert_eq!(run("--patience 3 setup --patience 4").args, words("setup --patience 4"));
}

#[test]
fn a_rescue_has_its_own_options() {
    let line = "rescue -d Debian --last --yes --drift keep --program=/opt/kind-wsl";
    let order = Rescue {
        distribution: Some("Debian".into()),
        last: true,
        drift: Some("keep".into()),
        program: Some("/opt/kind-wsl".into()),
        yes: true,
        patience: None,
    };
    assert_eq!(driver(&words(line)), Ok(Driver::Rescue(order)));
    assert_eq!(driver(&words("rescue")), Ok(Driver::Rescue(Rescue::default())));
    assert_eq!(driver(&words("rescue --help")), Ok(Driver::RescueHelp));
    for bad in ["--drift", "--drift all", "--program x", "-u dev", "--last=1", "--force", "Debian"] {
        assert!(driver(&words(&format!("rescue -d Debian {bad}"))).is_err(), "{bad}");
    }
}

#[test]
fn profile_version_and_help_need_no_distribution() {
    assert_eq!(driver(&[]), Ok(Driver::Help));
    assert_eq!(driver(&words("--help")), Ok(Driver::Help));
    assert_eq!(driver(&words("--version")), Ok(Driver::Version));
    assert_eq!(driver(&words("profile")), Ok(Driver::Profile));
    for bad in [
        "-d",
        "-d Debian",
        "setup -d",
        "setup -d -x",
        "setup -u a:b",
        "setup -d A -d B",
        "--yes setup",
        "--patience x setup",
    ] {
        assert!(driver(&words(bad)).is_err(), "{bad}");
    }
}
