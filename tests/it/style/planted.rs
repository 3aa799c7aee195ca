//! Sentences that break a rule, and sentences that must pass.

use super::extract::Kind::{self, Comment, Docs, Screen, TestName};

/// The rule that must find the sentence.
pub const BROKEN: [(&str, Kind, &str); 24] = [
    ("R1", Screen, "End with exit code 3, where a restart is needed."),
    ("R1", Docs, "kind-wsl installs a newer crun, but only where yours is too old."),
    ("R2", Screen, "Should none open within a minute, run these commands."),
    ("R2", Comment, "What was seen is what is written over."),
    ("R2", TestName, "what stands in the systems own directories is put back"),
    (
        "R2",
        Screen,
        "The kernel of this machine lacks a module that netavark needs for the firewall rules of the network that kind creates, and no package of this distribution has it.",
    ),
    ("R3", Docs, "A set-up that was cut off anywhere can be undone."),
    ("R3", Screen, "WSL was restarted; going on"),
    ("R3", Screen, "taken back: /etc/wsl.conf"),
    ("R3", Comment, "Puts it back, so that the administrator's line stays."),
    ("R3", Screen, "Run `kind-wsl setup` to mend these."),
    ("R3", Screen, "`foo` is no provider"),
    ("R3", Comment, "Starts the download anew."),
    ("R4", Screen, "Work on the tree at this directory instead of the running system, with its own programs"),
    ("R5", Screen, "nobody is there to agree to the plan"),
    ("R5", Comment, "The file says `systemd=true`."),
    ("R5", Docs, "Only root reads them, which kind minds."),
    ("R6", Screen, "dev has no sub-ids, and needs 65536"),
    ("R6", Comment, "The controllers that the user manager has."),
    ("R7", Screen, "Also write steps without effect, as the guide does"),
    ("R7", Screen, "crun is too old for this podman (symptom 28)"),
    ("R7", Comment, "A file of that name is not a write of ours."),
    ("R10", Screen, "The archive can not be read."),
    ("R10", Docs, "`NO_COLOR` switches colours off."),
];

pub const FINE: [(Kind, &str); 14] = [
    (Screen, "Do not restart WSL; exit with code 3 if a restart is required"),
    (Docs, "The directory where kind keeps its kubeconfig is `~/.kube`."),
    (Screen, "Run `kind-wsl setup` to fix these (preview with `kind-wsl plan`)."),
    (Screen, "cgroup v1 is no longer mounted."),
    (Docs, "No file is changed without a diff, e.g. for `/etc/wsl.conf`."),
    (Comment, "WSL reads `kernelCommandLine` only from .wslconfig (WSL configfile.cpp:211)."),
    (Screen, "The systemd user manager `user@1000.service` is not running."),
    (Screen, "`can not` and `set-up` are code here."),
    (Docs, "- setup resumes after the restart"),
    (Screen, "What should kind-wsl do?"),
    (Screen, "Undo will remove 9 files, restore 4 and keep 9 packages. Proceed?"),
    (Screen, "found crun 1.8.1; need 1.9.1 or later"),
    (TestName, "undo restores the original bytes"),
    (Comment, "Returns the exit code, or the signal that ended the program."),
];
