//! What all worlds of a run amount to, for people.

use std::{collections::BTreeMap, fmt, time::Duration};

use azp_scaler::simulator::{claims::Cause, world::BROKEN_IMAGE};

use super::judge::Verdict;

/// Totals.
#[derive(Default)]
pub(crate) struct Totals {
    worlds: u64,
    virtual_time: Duration,
    decisions: u64,
    answers: u64,
    outdated: u64,
    compared: u64,
    pub(crate) broken: Duration,
    pub(crate) jobs: u64,
    jobs_lost: u64,
    needed: u64,
    pub(crate) started: u64,
    surplus: BTreeMap<Cause, u64>,
    faults: BTreeMap<&'static str, u64>,
    failed_polls: u64,
    waits: Vec<(f64, f64)>,
    longest_wait: Duration,
    /// Jobs that waited for too long beside a ScaledJob with room and a free licence, and no agent was on its way.
    pub(crate) starved: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, verdict: &Verdict) {
        let summary = &verdict.summary;
        self.worlds += 1;
        self.virtual_time += Duration::from_secs_f64(summary.seconds);
        self.decisions += verdict.decisions;
        self.answers += verdict.answers;
        self.outdated += verdict.outdated;
        self.compared += verdict.compared;
        self.broken += verdict.broken;
        self.jobs += summary.jobs_run;
        self.jobs_lost += summary.jobs_lost;
        self.needed += summary.agents_used;
        self.started += summary.agents_started;
        for (cause, count) in &summary.surplus_by_cause {
            *self.surplus.entry(*cause).or_default() += count;
        }
        for (fault, count) in &summary.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.failed_polls += summary.failed_polls;
        self.waits.push((summary.wait_median, summary.wait_p95));
        self.longest_wait = self.longest_wait.max(verdict.longest_wait);
        self.starved += verdict.starved;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.worlds += other.worlds;
        self.virtual_time += other.virtual_time;
        self.decisions += other.decisions;
        self.answers += other.answers;
        self.outdated += other.outdated;
        self.compared += other.compared;
        self.broken += other.broken;
        self.jobs += other.jobs;
        self.jobs_lost += other.jobs_lost;
        self.needed += other.needed;
        self.started += other.started;
        for (cause, count) in other.surplus {
            *self.surplus.entry(cause).or_default() += count;
        }
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.failed_polls += other.failed_polls;
        self.waits.extend(other.waits);
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        self.starved += other.starved;
    }

    /// Pods of broken images for each minute in which a ScaledJob's image was broken and a job waited that it fits.
    pub(crate) fn broken_per_minute(&self) -> f64 {
        let pods = self.faults.get(BROKEN_IMAGE).copied().unwrap_or(0);
        60.0 * pods as f64 / self.broken.as_secs_f64().max(60.0)
    }

    /// Agents that are surplus by these causes.
    pub(crate) fn surplus_by(&self, causes: &[Cause]) -> u64 {
        causes.iter().filter_map(|cause| self.surplus.get(cause)).sum()
    }

    /// Of all agents started, the part that is surplus by a cause that is neither a fault nor wanted, in a thousand.
    pub(crate) fn per_mille(&self, causes: &[Cause]) -> f64 {
        1_000.0 * self.surplus_by(causes) as f64 / self.started.max(1) as f64
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let years = self.virtual_time.as_secs_f64() / (365.25 * 86_400.0);
        writeln!(f, "{} worlds, {years:.2} years of virtual time", self.worlds)?;
        writeln!(f, "{} answers to KEDA and {} decisions checked", self.answers, self.decisions)?;
        writeln!(f, "  {} of the answers from a look no longer fresh, {} compared", self.outdated, self.compared)?;
        writeln!(f, "{} jobs have run, {} were lost with their agents", self.jobs, self.jobs_lost)?;
        writeln!(f, "{} polls failed", self.failed_polls)?;
        writeln!(f, "\nfaults")?;
        for (fault, count) in &self.faults {
            writeln!(f, "  {fault:<58}{count:>9}")?;
        }
        let (rate, hours) = (self.broken_per_minute(), self.broken.as_secs_f64() / 3_600.0);
        writeln!(f, "  {rate:.2} pods a minute of a broken image that a job waits for, in {hours:.1} hours")?;
        let surplus: u64 = self.surplus.values().sum();
        writeln!(f, "\n{} agents started: {} have run jobs, {surplus} are surplus", self.started, self.needed)?;
        for (cause, count) in &self.surplus {
            writeln!(f, "  {:<58}{count:>9}", cause.text())?;
        }
        let mut waits = self.waits.clone();
        waits.sort_by(|one, other| one.0.total_cmp(&other.0));
        let median = waits.get(waits.len() / 2).map_or(0.0, |wait| wait.0);
        waits.sort_by(|one, other| one.1.total_cmp(&other.1));
        let p95 = waits.get(waits.len() / 2).map_or(0.0, |wait| wait.1);
        writeln!(f, "\nwait for an agent, median and p95 of the median world: {median:.1} s, {p95:.1} s")?;
        write!(
            f,
            "longest wait after the storm beside a ScaledJob with room and a free licence: {} s",
            self.longest_wait.as_secs()
        )
    }
}
