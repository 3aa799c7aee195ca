//! A distribution to import into WSL: the lines that make it, with the script in them.

use std::fmt::Write;

use super::shell::{self, comment};
use super::words::{Param, Piece, shell as quoted};
use super::{EVERYWHERE, Export, Text, noted};

/// What an image can not hold.
const NOTES: [&str; 3] = [
    ".wslconfig is a file of Windows, and in no image: `kind-wsl plan` in the imported distribution says what it needs there",
    "what only a running machine has (settings of the kernel, services of the user) comes with the first start, or with the script, run again there",
    "`kind-wsl setup --root` can not stand in for this: it judges the tree by its own /proc, which shows no WSL",
];

/// Ends the script in the recipe.
const END: &str = "end-of-kind-wsl-setup";

pub(super) fn write(export: &Export) -> Text {
    let script = shell::write(export);
    let mut notes: Vec<String> = NOTES.iter().chain(&EVERYWHERE).map(|n| (*n).to_owned()).collect();
    for note in script.notes {
        noted(&mut notes, note);
    }
    let mut text = "#!/bin/sh\n".to_owned();
    let usage = [
        "",
        "sh FILE IMAGE.tar [SUITE]     a new one, by mmdebstrap (root, or a user with sub-ids); SUITE is Debian's or Ubuntu's",
        "sh FILE IMAGE.tar OTHER.tar   from the tar of another distribution (`wsl.exe --export`); root",
        "KIND_WSL_USER is the user that the image gets. Then, in Windows:",
        "  wsl.exe --import NAME C:\\WSL\\NAME IMAGE.tar --version 2",
        "  wsl.exe -d NAME",
    ];
    for line in export.head(&notes).iter().map(String::as_str).chain(usage) {
        text.push_str(&comment(line));
        text.push('\n');
    }
    let none = |_: Param| String::new();
    let user = quoted(&Piece::text(export.places.user()), &none);
    let codename = export.release.as_deref().and_then(|r| r.split_once('(')?.1.split(')').next());
    let suite = codename.map_or_else(String::new, |c| quoted(&Piece::text(&c.to_lowercase()), &none));
    let _ = write!(
        text,
        "# shellcheck disable=SC2016\nset -eu\n\nuser=${{KIND_WSL_USER:-}}\n[ -n \"$user\" ] || user={user}\nsuite={suite}\n"
    );
    text.push_str(include_str!("sh/image.sh"));
    let _ = write!(
        text,
        "\n# The script that prepares the tree.\ncat >\"$work/setup.sh\" <<'{END}'\n{}{END}\n",
        script.text
    );
    text.push_str(include_str!("sh/image_end.sh"));
    Text { text, notes }
}
