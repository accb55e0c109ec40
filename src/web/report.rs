//! What is told of pools, triggers and jobs: the same words to machines, as JSON, and to people, on the page.
//!
//! These are the types of `/api/v1`, documented in `docs/api.md`: fields may be added, none is renamed, removed or given
//! another meaning. They borrow from [`seen`](super::seen) and know the core, nothing of HTTP.

mod cluster;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

pub(super) use self::cluster::{ClusterViewSaid, InClusterSaid, StartFailureSaid};
use super::seen::PoolSeen;
use crate::{
    agent::Agent,
    caseless::Caseless,
    decision::{AgentStanding, AgentState, Decision, ParallelJobs, Placement, Starts, TriggerDecision},
    demand::Demand,
    explain::{explain, hints},
    job_request::{JobRequest, Parallelism},
    trigger::{JobsWithoutDemands, ScaledJobId, Strategy},
};

/// How many there are of each name.
pub(super) type Counts = BTreeMap<&'static str, usize>;

/// A pool and how much is known of it.
#[derive(Debug, Serialize)]
pub(super) struct Pool<'a> {
    pub(super) organization: &'a str,
    pub(super) id: i64,
    pub(super) name: &'a str,
    /// When Azure was asked for what is known.
    pub(super) snapshot_taken_at: Option<Timestamp>,
    pub(super) snapshot_age_seconds: Option<f64>,
    /// A question asked of an older snapshot asks Azure first; longer than usual while little may be asked.
    pub(super) fresh_for_seconds: f64,
    /// Why the last round of requests failed, if it did.
    pub(super) failure: Option<FailureSaid<'a>>,
    /// Until when no agents are asked for, because not all triggers have asked yet.
    pub(super) settling_until: Option<Timestamp>,
    /// Unfinished jobs by decision; every decision is there. Nothing before the first one.
    pub(super) jobs: Option<Counts>,
    /// Agents by state, those that are starting included where the cluster shows them; every state is there.
    pub(super) agents: Option<Counts>,
    /// The organisation's parallel jobs, as the decision counted them.
    pub(super) parallel_jobs: Option<Limits>,
}

/// The parallel jobs of each kind; nothing where there is no limit, or none is known.
#[derive(Debug, Serialize)]
pub(super) struct Limits {
    pub(super) private: Option<ParallelJobsSaid>,
    pub(super) public: Option<ParallelJobsSaid>,
}

/// Parallel jobs of one kind, in the whole organisation.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct ParallelJobsSaid {
    /// Jobs that may run at once.
    pub(super) limit: u32,
    /// Agents kept ready beyond that.
    pub(super) headroom: u32,
    /// Jobs that run.
    pub(super) running: u32,
    /// Queued jobs that agents are there or started for.
    pub(super) taken: u32,
}

/// Why a round of requests failed.
#[derive(Debug, Serialize)]
pub(super) struct FailureSaid<'a> {
    pub(super) class: &'static str,
    pub(super) message: &'a str,
}

/// A ScaledJob or ScaledObject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ScaledJobName<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

/// A trigger, what it offers, what it was given and what KEDA is told.
#[derive(Debug, Serialize)]
pub(super) struct Trigger<'a> {
    pub(super) organization: &'a str,
    pub(super) pool: &'a str,
    pub(super) scaled_job: ScaledJobName<'a>,
    /// Whose rules say which jobs count.
    pub(super) matching: &'static str,
    pub(super) capabilities: BTreeMap<&'a str, &'a str>,
    /// Where those come from that its metadata does not declare.
    pub(super) capability_origins: BTreeMap<&'a str, &'static str>,
    pub(super) parent: Option<&'a str>,
    pub(super) jobs_without_demands: &'static str,
    pub(super) scaling_strategy: &'static str,
    pub(super) agent_name_pattern: &'a str,
    pub(super) max_replica_count: u32,
    pub(super) min_replica_count: u32,
    pub(super) priority: i32,
    pub(super) target_pipelines_queue_length: u32,
    pub(super) activation_target_pipelines_queue_length: u32,
    /// Jobs that it starts agents for (A).
    pub(super) placed: u32,
    /// Agents that are to be started for them.
    pub(super) starting: u32,
    /// Whether the agents that KEDA starts for its ScaledJob come.
    pub(super) starts: &'static str,
    /// Since when they are known not to.
    pub(super) starts_failing_since: Option<Timestamp>,
    /// When the next one is tried.
    pub(super) next_probe: Option<Timestamp>,
    /// Why they don't, where the cluster tells.
    pub(super) start_failure: Option<StartFailureSaid<'a>>,
    /// What the cluster shows of its ScaledJob, shared by all triggers of that; nothing where it is not seen.
    pub(super) cluster: Option<InClusterSaid>,
    /// Agents of its ScaledJob, shared by all triggers of that.
    pub(super) agents: OwnAgents,
    /// What KEDA is told; nothing while it is refused.
    pub(super) value: Option<u64>,
    pub(super) active: Option<bool>,
    /// Why KEDA is told an error, and the mend.
    pub(super) refusal: Option<String>,
    /// What its author should know.
    pub(super) hints: Vec<String>,
}

/// A ScaledJob's own agents that are online.
#[derive(Debug, Serialize)]
pub(super) struct OwnAgents {
    /// Idle, with a queued job that it will take (I).
    pub(super) matched: u32,
    /// With a running job (R).
    pub(super) running: u32,
    /// Every other (X).
    pub(super) others: u32,
}

/// An unfinished job and where it goes.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "these are the fields' names in the API")]
pub(super) struct Job<'a> {
    pub(super) id: i64,
    pub(super) organization: &'a str,
    pub(super) pool: &'a str,
    pub(super) pipeline: Option<&'a str>,
    pub(super) job: Option<&'a str>,
    /// Where the run can be looked at; http and https only.
    pub(super) link: Option<&'a str>,
    pub(super) queued_at: Option<Timestamp>,
    pub(super) assigned_at: Option<Timestamp>,
    pub(super) priority: i32,
    pub(super) demands: Vec<String>,
    pub(super) demands_not_understood: Vec<&'a str>,
    /// The agent that has the job, or that can take it.
    pub(super) agent: Option<&'a str>,
    /// The ScaledJob that owns that agent, or that starts one.
    pub(super) scaled_job: Option<ScaledJobName<'a>>,
    pub(super) decision: &'static str,
    pub(super) summary: String,
    pub(super) reasons: Vec<String>,
}

impl<'a> From<&'a ScaledJobId> for ScaledJobName<'a> {
    fn from(id: &'a ScaledJobId) -> Self {
        Self { namespace: &id.namespace, name: &id.name }
    }
}

/// What is known of a pool.
pub(super) fn pool(seen: &PoolSeen) -> Pool<'_> {
    let decision = seen.decision.as_deref();
    Pool {
        organization: &seen.organization,
        id: seen.id,
        name: &seen.name,
        snapshot_taken_at: seen.snapshot.as_ref().map(|snapshot| snapshot.taken_at),
        snapshot_age_seconds: seen.snapshot_age().map(|age| age.as_secs_f64()),
        fresh_for_seconds: seen.fresh_for.0.as_secs_f64(),
        failure: seen
            .failure
            .as_ref()
            .map(|failure| FailureSaid { class: failure.class.label(), message: &failure.message }),
        settling_until: decision.and_then(|decision| decision.settling.as_ref()).map(|settling| settling.until),
        jobs: decision.map(jobs_by_decision),
        agents: decision.map(agents_by_state),
        parallel_jobs: decision.map(limits),
    }
}

fn limits(decision: &Decision) -> Limits {
    let of = |parallelism| {
        let counted = decision.parallel_jobs.of(parallelism).as_ref();
        counted.map(|&ParallelJobs { limit, headroom, running, taken }| ParallelJobsSaid {
            limit,
            headroom,
            running,
            taken,
        })
    };
    Limits { private: of(Parallelism::Private), public: of(Parallelism::Public) }
}

/// How many jobs there are of each decision.
pub(super) fn jobs_by_decision(decision: &Decision) -> Counts {
    let mut counts: Counts = Placement::labels().map(|label| (label, 0)).collect();
    for placement in &decision.jobs {
        *counts.entry(placement.label()).or_default() += 1;
    }
    counts
}

/// The state of agents that are not registered yet.
const STARTING: &str = "starting";

/// How many agents there are of each state.
pub(super) fn agents_by_state(decision: &Decision) -> Counts {
    let mut counts: Counts = AgentState::ALL.into_iter().map(|state| (state.label(), 0)).collect();
    for standing in &decision.agents {
        *counts.entry(standing.state.label()).or_default() += 1;
    }
    counts.insert(STARTING, cluster::starting(decision));
    counts
}

/// Without it KEDA takes the largest of the values, and starts too few agents.
const ADD_UP: &str = "this ScaledJob has several triggers on the pool, each with a part of its jobs: KEDA must add their values up, \
                      `scalingStrategy.multipleScalersCalculation: sum` in the ScaledJob";

/// All triggers of a pool.
pub(super) fn triggers(seen: &PoolSeen) -> Vec<Trigger<'_>> {
    let Some(decision) = seen.decision.as_deref() else { return Vec::new() };
    decision.triggers.iter().map(|trigger| describe_trigger(seen, decision, trigger)).collect()
}

fn describe_trigger<'a>(seen: &'a PoolSeen, decision: &'a Decision, decided: &'a TriggerDecision) -> Trigger<'a> {
    let trigger = &*decided.trigger;
    let own = &decision.scaled_jobs[decided.scaled_job as usize];
    let capabilities = match decided.answer {
        Ok(_) => &decided.capabilities,
        Err(_) => &trigger.capabilities,
    }
    .sorted();
    let answer = decided.answer.as_ref().ok();
    let (starts, starts_failing_since, next_probe) = match own.starts {
        Starts::Working => ("working", None, None),
        Starts::Failing { since, next_probe } => ("failing", Some(since), Some(next_probe)),
        Starts::Probing { since } => ("probing", Some(since), None),
    };
    let mut hints = hints(decision, decided);
    if decision.triggers.iter().filter(|other| other.scaled_job == decided.scaled_job).count() > 1 {
        hints.push(ADD_UP.to_owned());
    }
    if let Some(trouble) = seen.placeholder_trouble.as_ref().filter(|_| trigger.keeps_placeholder) {
        hints.push(format!("`placeholder: managed`: {trouble}"));
    }
    Trigger {
        organization: &seen.organization,
        pool: &seen.name,
        scaled_job: (&own.id).into(),
        matching: if trigger.builtin.is_some() { "builtin" } else { "capabilities" },
        capability_origins: capabilities
            .iter()
            .filter_map(|(name, _)| Some((*name, decided.origin(&(*name).into())?.label())))
            .collect(),
        capabilities: capabilities.into_iter().collect(),
        parent: match &trigger.builtin {
            Some(builtin) => builtin.parent.as_deref(),
            None => trigger.parent.as_ref().map(Caseless::as_str),
        },
        jobs_without_demands: match trigger.jobs_without_demands {
            JobsWithoutDemands::Take => "take",
            JobsWithoutDemands::Leave => "leave",
            JobsWithoutDemands::Last => "last",
        },
        scaling_strategy: match trigger.strategy {
            Strategy::Default => "default",
            Strategy::Accurate => "accurate",
            Strategy::Eager => "eager",
            Strategy::Custom { .. } => "custom",
            Strategy::ScaledObject => "none",
        },
        agent_name_pattern: trigger.agent_names.as_str(),
        max_replica_count: trigger.max_replicas,
        min_replica_count: trigger.min_replicas,
        priority: trigger.priority,
        target_pipelines_queue_length: trigger.target,
        activation_target_pipelines_queue_length: trigger.activation,
        placed: decided.given,
        starting: decided.to_start,
        starts,
        starts_failing_since,
        next_probe,
        start_failure: own.trouble.as_deref().map(Into::into),
        cluster: InClusterSaid::of(own),
        agents: OwnAgents { matched: own.matched, running: own.running, others: own.others },
        value: answer.map(|answer| answer.value),
        active: answer.map(|answer| answer.active),
        refusal: decided.answer.as_ref().err().map(ToString::to_string),
        hints,
    }
}

/// All about the job at a place among the decision's, the explanation included.
pub(super) fn job<'a>(seen: &'a PoolSeen, decision: &'a Decision, place: usize) -> Job<'a> {
    let snapshot = &*decision.snapshot;
    let request: &JobRequest = &snapshot.jobs[place];
    let demands = snapshot.demands_of(request);
    let mut in_order: Vec<&Demand> = demands.demands().iter().collect();
    in_order.sort_by(|one, other| one.name.cmp_by_text(&other.name));
    let owner = |place: u32| ScaledJobName::from(&decision.scaled_jobs[place as usize].id);
    let trigger_of = |place: u32| owner(decision.triggers[place as usize].scaled_job);
    let reserved = request.agent.as_ref().map(|agent| agent.name.as_str());
    let (agent, scaled_job) = match decision.jobs[place] {
        Placement::Running { owner: by } | Placement::LostAgent { owner: by } => (reserved, by.map(owner)),
        Placement::IdleAgent { agent } => {
            let (agent, standing) = agent_at(decision, agent as usize);
            (Some(agent.name.as_str()), standing.owner.map(owner))
        }
        Placement::StartingAgent { trigger }
        | Placement::Assigned { trigger }
        | Placement::Settling { trigger }
        | Placement::StartFailing { trigger } => (None, Some(trigger_of(trigger))),
        Placement::Held { agent } => (Some(decision.snapshot.agents[agent as usize].name.as_str()), None),
        Placement::WaitingForCapacity
        | Placement::WaitingForParallelJob
        | Placement::Unmatched
        | Placement::NotUnderstood => (None, None),
    };
    let explanation = explain(decision, place, seen.now);
    Job {
        id: request.id.0,
        organization: &seen.organization,
        pool: &seen.name,
        pipeline: request.title.pipeline.as_deref(),
        job: request.title.job.as_deref(),
        link: request.title.link.as_deref().filter(|link| leads_to_the_web(link)),
        queued_at: request.queued_at,
        assigned_at: request.assigned_at,
        priority: request.priority,
        demands: in_order.into_iter().map(ToString::to_string).collect(),
        demands_not_understood: demands.not_understood().iter().map(|fault| fault.0.as_str()).collect(),
        agent,
        scaled_job,
        decision: explanation.decision,
        summary: explanation.summary,
        reasons: explanation.reasons,
    }
}

/// An agent and what it is.
pub(super) fn agent_at(decision: &Decision, place: usize) -> (&Agent, &AgentStanding) {
    (&decision.snapshot.agents[place], &decision.agents[place])
}

/// Whether a link from Azure's data is one that a browser may be given.
fn leads_to_the_web(link: &str) -> bool {
    url::Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}
