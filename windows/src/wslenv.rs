//! WSLENV: the variables of Windows that a Linux program gets.

/// The program that drives setup.
pub const DRIVER: &str = "KIND_WSL_DRIVER";
/// The profile directory of the Windows account.
pub const PROFILE: &str = "KIND_WSL_WINDOWS_PROFILE";
/// The other running distributions, separated by commas.
pub const RUNNING: &str = "KIND_WSL_RUNNING";

/// The value of WSLENV with the variables of kind-wsl appended. Flag u: from Windows to Linux only, as text, not as a path
/// (src/linux/init/util.cpp:2133-2287).
#[must_use]
pub fn with_ours(before: &str) -> String {
    let own = [DRIVER, PROFILE, RUNNING];
    let name = |entry: &str| entry.split('/').next().unwrap_or_default().to_string();
    let kept = before.split(':').filter(|e| !e.is_empty() && !own.contains(&name(e).as_str())).map(String::from);
    kept.chain(own.iter().map(|n| format!("{n}/u"))).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::with_ours;

    #[test]
    fn existing_entries_of_wslenv_are_kept() {
        let own = "KIND_WSL_DRIVER/u:KIND_WSL_WINDOWS_PROFILE/u:KIND_WSL_RUNNING/u";
        assert_eq!(with_ours(""), own);
        assert_eq!(with_ours("GOPATH/p:WT_SESSION::"), format!("GOPATH/p:WT_SESSION:{own}"));
        assert_eq!(with_ours("KIND_WSL_DRIVER/w:A:KIND_WSL_RUNNING"), format!("A:{own}"));
    }
}
