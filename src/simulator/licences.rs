//! The organisation's licences: how many jobs may run at once in all its pools together, and how many do.

use crate::{job_request::Parallelism, parallel_jobs::Each};

/// Limits and use.
#[derive(Clone, Debug)]
pub(super) struct Licences {
    limits: Each<Option<u32>>,
    used: Each<u32>,
}

impl Licences {
    /// Nothing runs yet.
    pub(super) fn new(limits: Each<Option<u32>>) -> Self {
        Self { limits, used: Each::default() }
    }

    /// How many jobs may run at once; `None` where any number may.
    pub(super) fn limit(&self, parallelism: Parallelism) -> Option<u32> {
        *self.limits.of(parallelism)
    }

    /// Changes the limit; more jobs than that may run already.
    pub(super) fn set_limit(&mut self, parallelism: Parallelism, limit: Option<u32>) {
        *self.limits.of_mut(parallelism) = limit;
    }

    /// How many jobs run.
    pub(super) fn used(&self, parallelism: Parallelism) -> u32 {
        *self.used.of(parallelism)
    }

    /// Whether another job may run.
    pub(super) fn allow(&self, parallelism: Parallelism) -> bool {
        self.limit(parallelism).is_none_or(|limit| self.used(parallelism) < limit)
    }

    /// A job runs.
    pub(super) fn take(&mut self, parallelism: Parallelism) {
        *self.used.of_mut(parallelism) += 1;
    }

    /// A job has run. Says whether others may have waited for that.
    pub(super) fn give_back(&mut self, parallelism: Parallelism) -> bool {
        let used = self.used.of_mut(parallelism);
        *used = used.saturating_sub(1);
        self.limit(parallelism).is_some()
    }
}
