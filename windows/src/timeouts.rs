//! The timeouts of the steps.

use std::time::Duration;

/// The timeout of each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a new process runs; a virus scanner may check the program first.
    pub start: Duration,
    /// Until the Linux side has synced its journal to disk and reported it.
    pub ready: Duration,
    /// One `wsl.exe --terminate` or `--shutdown`. WSL itself gives the machine 30 s + 30 s (WslCoreVm.h:34-35), and a
    /// distribution with systemd up to 10 s before that (src/linux/init/init.cpp:2796-2836).
    pub stop: Duration,
    /// After it, until the distribution is no longer listed as running.
    pub gone: Duration,
    /// The same after the second try.
    pub gone_again: Duration,
    /// One `wsl.exe --list`.
    pub list: Duration,
    /// Until the user's session is open. The virtual machine and the distribution start, and WSL waits for the systemd user
    /// manager up to `[boot] initTimeout` (src/linux/init/config.cpp:2719-2810).
    pub session: Duration,
    /// A short command in the distribution, which may have to start first.
    pub question: Duration,
    /// Copying the Linux program into the distribution.
    pub copy: Duration,
    /// Between two reads of the list.
    pub pause: Duration,
}

impl Timeouts {
    pub const NORMAL: Timeouts = Timeouts {
        start: Duration::from_secs(10),
        ready: Duration::from_secs(120),
        stop: Duration::from_secs(90),
        gone: Duration::from_secs(60),
        gone_again: Duration::from_secs(15),
        list: Duration::from_secs(10),
        session: Duration::from_secs(120),
        question: Duration::from_secs(120),
        copy: Duration::from_secs(300),
        pause: Duration::from_millis(500),
    };

    /// Bounds every step but the start of a process to this many seconds: `--patience`, for tests.
    #[must_use]
    pub fn with_patience(patience: Option<u32>) -> Timeouts {
        let most = patience.map_or(Duration::MAX, |s| Duration::from_secs(s.into()));
        let n = Timeouts::NORMAL;
        Timeouts {
            start: n.start,
            ready: n.ready.min(most),
            stop: n.stop.min(most),
            gone: n.gone.min(most),
            gone_again: n.gone_again.min(most),
            list: n.list.min(most),
            session: n.session.min(most),
            question: n.question.min(most),
            copy: n.copy.min(most),
            pause: if patience.is_some() { Duration::from_millis(100) } else { n.pause },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_only_shortens() {
        assert_eq!(Timeouts::with_patience(None), Timeouts::NORMAL);
        let short = Timeouts::with_patience(Some(12));
        assert_eq!((short.ready.as_secs(), short.stop.as_secs(), short.list.as_secs()), (12, 12, 10));
        assert_eq!(Timeouts::with_patience(Some(100_000)).ready, Timeouts::NORMAL.ready);
    }
}
