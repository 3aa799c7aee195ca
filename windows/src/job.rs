//! Job objects: whether this process, and what it starts, would be ended with somebody else.
//!
//! From 2.8.7 on the wslhost.exe that serves a distribution's own init is in a job that ends its processes when it closes,
//! without a way out (WSL src/windows/common/helpers.cpp:289-299, WslCoreInstance.cpp:430-440): what a systemd unit or
//! cron starts ends with WSL. A wslhost.exe of a session is in none (svccomm.cpp:137).

/// ExitCode its processes when its last handle closes: JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE.
pub const KILL_ON_CLOSE: u32 = 0x2000;
/// Lets a process out that asks for it: JOB_OBJECT_LIMIT_BREAKAWAY_OK.
pub const BREAKAWAY: u32 = 0x0800;
/// Lets every new process out: JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK.
pub const SILENT_BREAKAWAY: u32 = 0x1000;

/// The job that this process is in, as far as Windows tells: of several, one inside the other, the innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    limits: Option<u32>,
}

impl Job {
    /// From the job's limits; none: in no job.
    #[must_use]
    pub fn of(limits: Option<u32>) -> Job {
        Job { limits }
    }

    /// In a job at all. A new process then asks to be let out, which fails where one of the jobs does not let it.
    #[must_use]
    pub fn inside(self) -> bool {
        self.limits.is_some()
    }

    /// A new process that stays in it is not ended by it.
    #[must_use]
    pub fn is_safe(self) -> bool {
        !self.has(KILL_ON_CLOSE) || self.has(SILENT_BREAKAWAY)
    }

    /// A new process is ended with it, and is not let out.
    #[must_use]
    pub fn kills_children(self) -> bool {
        !self.is_safe() && !self.has(BREAKAWAY)
    }

    fn has(self, limit: u32) -> bool {
        self.limits.unwrap_or(0) & limit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_job_that_kills_its_children_is_an_obstacle() {
        let judge = |limits| (Job::of(limits).inside(), Job::of(limits).is_safe(), Job::of(limits).kills_children());
        assert_eq!(judge(None), (false, true, false));
        assert_eq!(judge(Some(0)), (true, true, false));
        assert_eq!(judge(Some(BREAKAWAY)), (true, true, false));
        assert_eq!(judge(Some(KILL_ON_CLOSE)), (true, false, true));
        assert_eq!(judge(Some(KILL_ON_CLOSE | 0x100)), (true, false, true));
        assert_eq!(judge(Some(KILL_ON_CLOSE | SILENT_BREAKAWAY)), (true, true, false));
        assert_eq!(judge(Some(KILL_ON_CLOSE | BREAKAWAY)), (true, false, false));
    }
}
