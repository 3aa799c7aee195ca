//! Users for whom no cluster can be.

use crate::support::Layout;
use crate::support::cli::Case;

#[test]
fn a_user_without_a_home_is_refused_with_the_command_that_makes_one() {
    Case::new(Layout::Modern)
        .file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndev:x:1000:1000::/home/gone:/bin/bash\n")
        .refuses(
            "setup --yes",
            2,
            "
            error: `/home/gone`, the home of `dev`, is not a directory
            hint: create it: `sudo install -d -o dev -g dev /home/gone`, or correct it with `sudo usermod -d`
            ",
        );
}

#[test]
fn a_user_whose_home_is_a_file_is_refused() {
    Case::new(Layout::Modern)
        .file("/home/file", "")
        .file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndev:x:1000:1000::/home/file:/bin/bash\n")
        .refuses(
            "setup --yes",
            2,
            "
            error: `/home/file`, the home of `dev`, is not a directory
            hint: create it: `sudo install -d -o dev -g dev /home/file`, or correct it with `sudo usermod -d`
            ",
        );
}

#[test]
fn an_unknown_user_is_answered_with_the_near_match() {
    Case::new(Layout::Modern).refuses(
        "setup --yes --user deb",
        2,
        "
        error: user `deb` does not exist
        hint: did you mean `--user dev`?
        ",
    );
}

#[test]
fn an_unknown_user_without_a_near_match_gets_a_hint() {
    Case::new(Layout::Modern).refuses(
        "plan --user somebody",
        2,
        "
        error: user `somebody` does not exist
        hint: `getent passwd` lists the users
        ",
    );
}

#[test]
fn root_as_the_target_user_is_refused_with_the_flag_that_names_another() {
    Case::new(Layout::Modern).dir("/root").refuses(
        "setup --yes --user root",
        2,
        "
        error: cannot set up for root: rootless containers need a regular user
        hint: specify the user: `kind-wsl setup --user dev`
        ",
    );
}

#[test]
fn root_as_the_only_user_is_refused_with_the_command_that_makes_one() {
    Case::new(Layout::Modern).file("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n").dir("/root").refuses(
        "setup --yes --user root",
        2,
        "
        error: cannot set up for root: rootless containers need a regular user
        hint: create one with `adduser NAME`, then run `kind-wsl setup --user NAME`
        ",
    );
}
