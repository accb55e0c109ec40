//! The status page: how fresh the knowledge is, what KEDA is told, and for every waiting job why it waits.
//!
//! Made on the server, without scripts; what stands on it is what the API says ([`report`]), with times and
//! sums for people. Long lists are cut, with the whole number said.

use std::{collections::BTreeMap, time::Duration};

use askama::Template;
use jiff::Timestamp;

use super::{
    api::MOST_JOBS,
    report::{self, ClusterViewSaid, Job, Limits, ParallelJobsSaid, Pool, ScaledJobName, Trigger},
    seen::{PoolSeen, between},
    start_times::{StageTook, StartTimes},
};
use crate::decision::{AgentState, Decision, Placement};

/// How many triggers, waiting jobs, running jobs and agents are listed for each pool.
const ROWS: usize = 200;

/// What the page says besides the pools.
pub(super) struct Frame<'a> {
    /// When somebody looks.
    pub(super) now: Timestamp,
    /// When the process started.
    pub(super) started_at: Timestamp,
    /// Where the style is.
    pub(super) style: &'a str,
    /// Why KEDA's questions are not answered, where they aren't.
    pub(super) not_ready: Option<&'static str>,
    /// How the cluster is seen.
    pub(super) cluster_view: ClusterViewSaid<'a>,
    /// How long agents took to start.
    pub(super) times: &'a StartTimes,
    /// Whether the page loads itself again.
    pub(super) refreshing: bool,
}

/// Makes the page.
///
/// # Errors
///
/// Never with the templates as they are.
pub(super) fn render(frame: Frame<'_>, pools: &[PoolSeen]) -> Result<String, askama::Error> {
    let pools: Vec<_> = pools.iter().map(|seen| Section::of(seen, frame.times)).collect();
    let waiting = pools.iter().map(|section| section.queued).sum();
    Page { up: spoken(between(frame.started_at, frame.now)), frame, waiting, pools }.render()
}

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    frame: Frame<'a>,
    up: String,
    waiting: usize,
    pools: Vec<Section<'a>>,
}

/// One pool.
struct Section<'a> {
    /// When somebody looks.
    now: Timestamp,
    pool: Pool<'a>,
    decided: bool,
    age: Option<String>,
    /// How long a snapshot stays fresh, where that is longer than usual.
    stretched: Option<String>,
    /// How much longer no agents are asked for, and what keeps the cluster from being seen whole, where it is that.
    settling: Option<(String, Option<&'a str>)>,
    queued: usize,
    longest_wait: Option<String>,
    unplaced: usize,
    /// A line for each kind of parallel jobs that is limited.
    parallel_jobs: Vec<String>,
    times: &'a StartTimes,
    triggers: Vec<Trigger<'a>>,
    all_triggers: usize,
    waiting: JobTable<'a>,
    running: JobTable<'a>,
    agents: Agents<'a>,
}

/// The first jobs of a kind.
#[derive(Default)]
struct JobTable<'a> {
    total: usize,
    rows: Vec<JobRow<'a>>,
}

struct JobRow<'a> {
    job: Job<'a>,
    waited: Option<String>,
    runs: Option<String>,
}

/// Agents, counted by owner and state, and the first of them by name.
#[derive(Default)]
struct Agents<'a> {
    total: usize,
    owners: BTreeMap<Option<u32>, AgentsOf<'a>>,
    rows: Vec<AgentRow<'a>>,
}

struct AgentsOf<'a> {
    owner: Option<ScaledJobName<'a>>,
    counts: [usize; AgentState::ALL.len()],
}

struct AgentRow<'a> {
    name: &'a str,
    state: &'static str,
}

impl<'a> Section<'a> {
    fn of(seen: &'a PoolSeen, times: &'a StartTimes) -> Self {
        let mut triggers = report::triggers(seen);
        let all_triggers = triggers.len();
        triggers.truncate(ROWS);
        let pool = report::pool(seen);
        let mut section = Self {
            now: seen.now,
            parallel_jobs: pool.parallel_jobs.iter().flat_map(|limits| in_words(limits, pool.organization)).collect(),
            pool,
            decided: seen.decision.is_some(),
            age: seen.snapshot_age().map(spoken),
            stretched: Some(seen.fresh_for).filter(|(_, longer)| *longer).map(|(time, _)| spoken(time)),
            settling: None,
            queued: seen.queued().count(),
            longest_wait: seen.longest_wait().map(spoken),
            unplaced: 0,
            times,
            triggers,
            all_triggers,
            waiting: JobTable::default(),
            running: JobTable::default(),
            agents: Agents::default(),
        };
        if let Some(decision) = seen.decision.as_deref() {
            let settling = decision.settling.as_ref().filter(|settling| settling.until > seen.now);
            section.settling =
                settling.map(|settling| (spoken(between(seen.now, settling.until)), settling.doubt.as_deref()));
            section.unplaced = Placement::UNPLACED.into_iter().map(|label| section.jobs(label)).sum();
            for (place, placement) in decision.jobs.iter().enumerate() {
                let runs = matches!(placement, Placement::Running { .. });
                let table = if runs { &mut section.running } else { &mut section.waiting };
                table.add(seen, decision, place);
            }
            section.agents = Agents::of(decision);
        }
        section
    }

    /// How many jobs have this decision.
    fn jobs(&self, label: &str) -> usize {
        self.pool.jobs.as_ref().and_then(|counts| counts.get(label)).copied().unwrap_or_default()
    }

    /// How long the agents of a trigger's ScaledJob took to start.
    fn took(&self, trigger: &Trigger<'_>) -> Vec<StageTook> {
        let ScaledJobName { namespace, name } = trigger.scaled_job;
        self.times.took([trigger.organization, trigger.pool, namespace, name])
    }

    /// How long ago something was.
    fn ago(&self, then: &Timestamp) -> String {
        spoken(between(*then, self.now))
    }

    /// How long it is until then.
    fn until(&self, then: &Timestamp) -> String {
        spoken(between(self.now, *then))
    }

    /// Where the jobs that are not listed can be read.
    fn all_jobs(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("organization", self.pool.organization).append_pair("pool", self.pool.name);
        format!("/api/v1/jobs?{}&limit={MOST_JOBS}", query.finish())
    }
}

impl Frame<'_> {
    /// For how long the cluster has not been seen, where its view is lost.
    fn lost_for(&self) -> String {
        self.cluster_view.since.map(|since| spoken(between(since, self.now))).unwrap_or_default()
    }
}

impl StageTook {
    /// How long it took on average, in words.
    fn usually(&self) -> String {
        spoken(self.mean)
    }

    /// What 99 of 100 took at most, in words.
    fn at_most(&self) -> String {
        self.most.map_or_else(|| "over 10 min".to_owned(), |most| format!("≤ {}", spoken(most)))
    }
}

impl Trigger<'_> {
    /// Whether more is said of it than fits into its row.
    fn goes_on(&self) -> bool {
        self.refusal.is_some()
            || self.starts_failing_since.is_some()
            || self.cluster.is_some()
            || !self.hints.is_empty()
    }

    /// Where one of its capabilities comes from that its metadata does not declare.
    fn origin(&self, capability: &str) -> Option<&'static str> {
        self.capability_origins.get(capability).copied()
    }
}

/// How the parallel jobs of an organisation stand, a sentence for each kind that is limited.
fn in_words(limits: &Limits, organization: &str) -> Vec<String> {
    let said = |(kind, counted): (&str, Option<ParallelJobsSaid>)| {
        let ParallelJobsSaid { limit, running, taken, .. } = counted?;
        let run = format!("{running} of {limit} {kind} parallel jobs of {organization} run");
        Some(match taken {
            0 => run,
            1 => format!("{run}, 1 more has or gets an agent"),
            _ => format!("{run}, {taken} more have or get an agent"),
        })
    };
    [("private", limits.private), ("public", limits.public)].into_iter().filter_map(said).collect()
}

impl<'a> JobTable<'a> {
    fn add(&mut self, seen: &'a PoolSeen, decision: &'a Decision, place: usize) {
        self.total += 1;
        if self.rows.len() < ROWS {
            let job = report::job(seen, decision, place);
            let runs = job.assigned_at.filter(|_| matches!(decision.jobs[place], Placement::Running { .. }));
            let end_of_wait = runs.unwrap_or(seen.now);
            let waited = job.queued_at.map(|since| spoken(between(since, end_of_wait)));
            let runs = runs.map(|since| spoken(between(since, seen.now)));
            self.rows.push(JobRow { job, waited, runs });
        }
    }
}

impl JobRow<'_> {
    /// Whether somebody has to do something about it, so that the reasons are shown unasked while they are few.
    fn is_to_be_mended(&self) -> bool {
        matches!(self.job.decision, "unmatched" | "not-understood") && self.job.reasons.len() <= 5
    }
}

impl<'a> Agents<'a> {
    fn of(decision: &'a Decision) -> Self {
        let mut agents = Self { total: decision.agents.len(), ..Self::default() };
        for (place, standing) in decision.agents.iter().enumerate() {
            let owner = standing.owner.map(|owner| (&decision.scaled_jobs[owner as usize].id).into());
            let of_owner = agents
                .owners
                .entry(standing.owner)
                .or_insert_with(|| AgentsOf { owner, counts: [0; AgentState::ALL.len()] });
            if let Some(state) = AgentState::ALL.iter().position(|state| *state == standing.state) {
                of_owner.counts[state] += 1;
            }
            if place < ROWS {
                let (agent, _) = report::agent_at(decision, place);
                agents.rows.push(AgentRow { name: agent.name.as_str(), state: standing.state.label() });
            }
        }
        agents
    }
}

/// A message in its pieces: `true` for those between backticks, which are names and values.
fn pieces(message: &str) -> impl Iterator<Item = (bool, &str)> {
    message.split('`').enumerate().map(|(place, piece)| (place % 2 == 1, piece)).filter(|(_, piece)| !piece.is_empty())
}

/// A time as people say it, in two units at most.
fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
