//! What a world has cost and what it has brought: counted as it happens, summed up as a [`Summary`].

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;

use super::claims::Cause;

/// The requests that Azure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// `pools` and `pools/{id}`.
    Pools,
    /// `pools/{id}/jobrequests`.
    JobRequests,
    /// `pools/{id}/agents`.
    Agents,
    /// Agents registered, replaced and removed.
    Registrations,
    /// `resourceusage`.
    ResourceUsage,
    /// `resourcelimits`.
    ResourceLimits,
}

/// Running counts of a world. Its size does not grow with time: waits are counted by the hundredth of a second.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    pub(super) jobs_run: u64,
    pub(super) jobs_on_started_agents: u64,
    pub(super) jobs_cancelled: u64,
    pub(super) jobs_lost: u64,
    /// Agents that have been given a job.
    pub(super) agents_used: u64,
    /// Agents that have left without a job: why they were started.
    pub(super) left_unused: Vec<(Cause, Duration)>,
    /// What went wrong, and how often.
    pub(super) faults: BTreeMap<&'static str, u64>,
    pub(super) jobs_no_trigger_fits: u64,
    pub(super) failed_polls: u64,
    pub(super) requests: BTreeMap<Endpoint, u64>,
    waits: BTreeMap<u64, u64>,
}

impl Accounts {
    /// A job has been given to an agent after this time.
    pub(super) fn waited(&mut self, wait: Duration) {
        let hundredths = u64::try_from(wait.as_millis() / 10).unwrap_or(u64::MAX);
        *self.waits.entry(hundredths).or_default() += 1;
    }

    /// The wait that this part of the jobs did not exceed, in seconds.
    fn wait(&self, part: f64) -> f64 {
        let total: u64 = self.waits.values().sum();
        let mut passed = 0;
        let within = self.waits.iter().find(|(_, count)| {
            passed += **count;
            float(passed) >= part * float(total)
        });
        within.map_or(0.0, |(hundredths, _)| float(*hundredths) / 100.0)
    }

    /// Sums up after `elapsed`, with the agents that were started, and for each of those that have had no job the cause and
    /// by how much the decision was late; none where the agent is still on its way to its job.
    pub(super) fn sum_up(
        &self,
        elapsed: Duration,
        started: u64,
        unused: impl Iterator<Item = Option<(Cause, Duration)>>,
    ) -> Summary {
        let (mut surplus, mut stalest, mut on_their_way) = (BTreeMap::new(), Duration::ZERO, 0);
        for cause in unused {
            let Some((cause, late)) = cause else {
                on_their_way += 1;
                continue;
            };
            *surplus.entry(cause).or_default() += 1;
            stalest = stalest.max(late);
        }
        let requests: u64 = self.requests.values().sum();
        let minutes = elapsed.as_secs_f64() / 60.0;
        Summary {
            seconds: elapsed.as_secs_f64(),
            jobs_run: self.jobs_run,
            jobs_on_started_agents: self.jobs_on_started_agents,
            jobs_cancelled: self.jobs_cancelled,
            jobs_lost: self.jobs_lost,
            agents_used: self.agents_used,
            faults: self.faults.clone(),
            jobs_no_trigger_fits: self.jobs_no_trigger_fits,
            agents_started: started,
            agents_on_their_way: on_their_way,
            agents_per_job: ratio(float(started.saturating_sub(on_their_way)), float(self.jobs_on_started_agents)),
            surplus_agents: surplus.values().sum(),
            surplus_by_cause: surplus,
            stalest_decision: stalest.as_secs_f64(),
            wait_median: self.wait(0.5),
            wait_p95: self.wait(0.95),
            wait_max: self.wait(1.0),
            azure_requests: self.requests.clone(),
            azure_requests_per_minute: ratio(float(requests), minutes),
            failed_polls: self.failed_polls,
        }
    }
}

/// How wide the summary is: names on the left, values on the right.
const WIDTH: usize = 72;

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵²")]
fn float(count: u64) -> f64 {
    count as f64
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// A world summed up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How long the world has gone on.
    pub seconds: f64,
    /// Jobs that have run.
    pub jobs_run: u64,
    /// Jobs that were given to agents that KEDA had started, and so needed one; some may still run.
    pub jobs_on_started_agents: u64,
    /// Jobs that were cancelled while they waited.
    pub jobs_cancelled: u64,
    /// Jobs whose agents died.
    pub jobs_lost: u64,
    /// Agents that KEDA started and that were given a job.
    pub agents_used: u64,
    /// What went wrong, and how often.
    pub faults: BTreeMap<&'static str, u64>,
    /// Jobs that no agent of any ScaledJob could run.
    pub jobs_no_trigger_fits: u64,
    /// Agents that KEDA started.
    pub agents_started: u64,
    /// Those of them that are still on their way to a job that waits.
    pub agents_on_their_way: u64,
    /// Agents started for each job that needed one, without those still on their way; 1 is perfect.
    pub agents_per_job: f64,
    /// Agents started that have never been given a job, and are on their way to none.
    pub surplus_agents: u64,
    /// The same by why they were started.
    pub surplus_by_cause: BTreeMap<Cause, u64>,
    /// Where staleness is the cause: how old at most was what the decision had seen when KEDA acted, in seconds.
    pub stalest_decision: f64,
    /// Half of the jobs waited no longer for their agent, in seconds.
    pub wait_median: f64,
    /// All but one in twenty waited no longer.
    pub wait_p95: f64,
    /// None waited longer.
    pub wait_max: f64,
    /// Requests to Azure DevOps.
    pub azure_requests: BTreeMap<Endpoint, u64>,
    /// All of them, for each minute.
    pub azure_requests_per_minute: f64,
    /// Polls that the scaler did not answer, or answered with an error.
    pub failed_polls: u64,
}

impl Summary {
    /// Surplus agents for which no cause was found.
    #[must_use]
    pub fn unexplained(&self) -> u64 {
        self.surplus_by_cause.get(&Cause::Unexplained).copied().unwrap_or(0)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: String| {
            let rest = WIDTH.saturating_sub(name.chars().count());
            writeln!(f, "{name}{value:>rest$}")
        };
        row("time", format!("{:.0} s", self.seconds))?;
        row("jobs run", self.jobs_run.to_string())?;
        row("jobs given to agents that KEDA started", self.jobs_on_started_agents.to_string())?;
        row("jobs cancelled while they waited", self.jobs_cancelled.to_string())?;
        row("jobs that only static agents can run, or nobody", self.jobs_no_trigger_fits.to_string())?;
        row("agents started", self.agents_started.to_string())?;
        if self.agents_on_their_way > 0 {
            row("  still on their way", self.agents_on_their_way.to_string())?;
        }
        row("  per job that needed one", format!("{:.3}", self.agents_per_job))?;
        row("surplus agents", self.surplus_agents.to_string())?;
        for (cause, count) in &self.surplus_by_cause {
            row(&format!("  {}", cause.text()), count.to_string())?;
        }
        if self.stalest_decision > 0.0 {
            row("  oldest decision among those that were too old", format!("{:.1} s", self.stalest_decision))?;
        }
        let wait = format!("{:.1} / {:.1} / {:.1} s", self.wait_median, self.wait_p95, self.wait_max);
        row("wait for an agent, median / p95 / longest", wait)?;
        row("Azure DevOps requests per minute", format!("{:.1}", self.azure_requests_per_minute))?;
        row("polls that the scaler failed to answer", self.failed_polls.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    #[test]
    fn waits_are_ranked() {
        let mut accounts = Accounts::default();
        for seconds in 1..=100 {
            accounts.waited(Duration::from_secs(seconds));
        }
        let summary = accounts.sum_up(Duration::from_mins(1), 0, iter::empty());
        assert_eq!((summary.wait_median, summary.wait_p95, summary.wait_max), (50.0, 95.0, 100.0));
    }

    #[test]
    fn agents_on_their_way_are_neither_surplus_nor_counted_for_each_job() {
        let accounts = Accounts { jobs_on_started_agents: 3, ..Accounts::default() };
        let unused = [None, Some((Cause::Cancelled, Duration::ZERO)), None];
        let summary = accounts.sum_up(Duration::from_secs(9), 6, unused.into_iter());
        assert_eq!((summary.agents_on_their_way, summary.surplus_agents), (2, 1));
        assert!((summary.agents_per_job - 4.0 / 3.0).abs() < 1e-9, "{summary}");
        assert!(summary.to_string().contains("  still on their way "), "{summary}");
    }

    #[test]
    fn the_summary_lines_up() {
        let causes = [
            Cause::StaleJob,
            Cause::StaleAgent,
            Cause::ForeignCameFree,
            Cause::WasIdle,
            Cause::OtherScaledJob,
            Cause::StartedTwice,
            Cause::Cancelled,
            Cause::StartUpRace,
            Cause::MinimumReplicas,
            Cause::Unexplained,
        ];
        let mut accounts = Accounts::default();
        accounts.waited(Duration::from_secs(1234));
        let unused = causes.map(|cause| Some((cause, Duration::from_secs(123)))).into_iter().chain([None]);
        let summary = accounts.sum_up(Duration::from_secs(123_456), 12_345, unused).to_string();
        for line in summary.lines() {
            assert_eq!(line.chars().count(), WIDTH, "{line}\n{summary}");
        }
    }

    #[test]
    fn a_world_without_jobs_divides_by_nothing() {
        let summary = Accounts::default().sum_up(Duration::ZERO, 0, iter::empty());
        assert_eq!((summary.agents_per_job, summary.azure_requests_per_minute), (0.0, 0.0));
    }
}
