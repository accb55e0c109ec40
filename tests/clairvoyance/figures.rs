//! The figures over many worlds.

use std::{fmt, time::Duration};

/// How many times as long as at best the jobs of each world waited.
#[derive(Default)]
pub(crate) struct Figures {
    worlds: u32,
    jobs: usize,
    ratios: f64,
    ours: Duration,
    best: Duration,
    equal: u32,
    /// Worlds where our scaler started an agent that the clairvoyant may not start.
    not_allowed: u32,
    worst: (f64, u64),
}

impl Figures {
    pub(crate) fn add(&mut self, seed: u64, jobs: usize, ours: Duration, best: Duration) {
        let ratio = ours.as_secs_f64() / best.as_secs_f64();
        self.worlds += 1;
        self.jobs += jobs;
        self.ratios += ratio;
        self.ours += ours;
        self.best += best;
        self.equal += u32::from(ours == best);
        if ratio > self.worst.0 {
            self.worst = (ratio, seed);
        }
    }

    pub(crate) fn not_allowed(&mut self) {
        self.not_allowed += 1;
    }

    pub(crate) fn mean(&self) -> f64 {
        self.ratios / f64::from(self.worlds)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, jobs, equal, not_allowed, worst: (worst, seed), .. } = self;
        let (mean, all) = (self.mean(), self.ours.as_secs_f64() / self.best.as_secs_f64());
        write!(
            f,
            "{worlds} worlds, {jobs} jobs: mean {mean:.3}, of all waiting {all:.3}, worst {worst:.3} (seed {seed}), \
             equal to the optimum {equal}, an agent too many {not_allowed}"
        )
    }
}
