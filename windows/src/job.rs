//! Job objects: whether this process and its children are killed when another process ends.
//!
//! From 2.8.7 on the wslhost.exe that serves a distribution's own init is in a job that ends its processes when it closes,
//! without breakaway (WSL src/windows/common/helpers.cpp:289-299, WslCoreInstance.cpp:430-440): what a systemd unit or
//! cron starts ends with WSL. A wslhost.exe of a session is in no job (svccomm.cpp:137).

/// Kills its processes when its last handle closes: JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE.
pub const KILL_ON_CLOSE: u32 = 0x2000;
/// A process may leave the job by CREATE_BREAKAWAY_FROM_JOB: JOB_OBJECT_LIMIT_BREAKAWAY_OK.
pub const BREAKAWAY: u32 = 0x0800;
/// Every new process is outside the job: JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK.
pub const SILENT_BREAKAWAY: u32 = 0x1000;

/// The job of this process; of nested jobs, the innermost, the only one that Windows reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    limits: Option<u32>,
}

impl Job {
    /// From the limits of the job; `None`: in no job.
    #[must_use]
    pub fn of(limits: Option<u32>) -> Job {
        Job { limits }
    }

    /// Whether the process is in a job. A new process then asks for breakaway, which fails if one of the nested jobs forbids it.
    #[must_use]
    pub fn inside(self) -> bool {
        self.limits.is_some()
    }

    /// A new process that stays in the job is not killed by it.
    #[must_use]
    pub fn is_safe(self) -> bool {
        !self.has(KILL_ON_CLOSE) || self.has(SILENT_BREAKAWAY)
    }

    /// A new process is killed with the job and cannot leave it.
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
