//! A decision told in prose, made only when somebody reads it.
//!
//! Pure. Knows [`decision`](crate::decision) and what it points to.

mod elsewhere;

use jiff::Timestamp;

use self::elsewhere::Server;
pub use self::elsewhere::served_elsewhere;
use crate::{
    cluster_view::Trouble,
    decision::{Decision, ParallelJobs, Placement, Starts, TriggerDecision},
    demand::{Demand, DemandSet},
    job_request::JobRequest,
    trigger::{JobsWithoutDemands, ScaledJobId, Strategy, Trigger},
};

/// How many triggers are named in one explanation.
const MOST_REASONS: usize = 20;

/// Why one job is where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The decision's name: `assigned`, `unmatched`, …
    pub decision: &'static str,
    /// One sentence.
    pub summary: String,
    /// A line for each trigger that matters: what it lacks, or that it is at its maximum.
    pub reasons: Vec<String>,
}

/// Tells why the job at `place` in the snapshot's list is where it is.
///
/// # Panics
///
/// When the snapshot has no such place.
#[must_use]
pub fn explain(decision: &Decision, place: usize, now: Timestamp) -> Explanation {
    let job = &decision.snapshot.jobs[place];
    let placement = decision.jobs[place];
    let demands = decision.snapshot.demands_of(job);
    let (summary, reasons) = match placement {
        Placement::Running { owner } => (format!("{} has it", agent(decision, job, owner)), Vec::new()),
        Placement::LostAgent { owner } => (
            format!(
                "{} has it, and is offline or without its pod: if it does not come back, Azure gives the job up when \
                 its lease runs out, usually within 10 minutes",
                agent(decision, job, owner)
            ),
            Vec::new(),
        ),
        Placement::IdleAgent { agent } => {
            let name = &decision.snapshot.agents[agent as usize].name;
            (format!("agent `{name}` is online and idle and can take it, so none is started"), Vec::new())
        }
        Placement::StartingAgent { trigger } => (
            format!("an agent of {} is starting and can take it, so no other is started", owner_of(decision, trigger)),
            Vec::new(),
        ),
        Placement::Assigned { trigger } => {
            let summary = format!("{} starts an agent for it", owner_of(decision, trigger));
            (summary, standings(decision, all_but(decision, trigger), demands))
        }
        Placement::WaitingForCapacity => (
            "every ScaledJob that fits is at its maximum; it gets an agent when one of theirs ends, or when a \
             `maxReplicaCount` is raised"
                .to_owned(),
            standings(decision, decision.triggers.iter(), demands),
        ),
        Placement::WaitingForParallelJob => (waits_for_parallel_job(decision, job), Vec::new()),
        Placement::StartFailing { trigger } => {
            (starts_fail(decision, trigger, now), standings(decision, all_but(decision, trigger), demands))
        }
        Placement::Held { agent } => (
            format!(
                "idle agents can take it and don't, `{}` among them, so something in Azure DevOps holds it, such as a limit \
                 of parallel jobs that is not known here, an approval or a check: look at the run there; no \
                 further agent is started for it while they idle",
                decision.snapshot.agents[agent as usize].name
            ),
            Vec::new(),
        ),
        Placement::Settling { trigger } => (settles(decision, trigger, now), Vec::new()),
        Placement::Unmatched => (
            match elsewhere::server(decision, job) {
                Some(Server::Agent(name, state)) => {
                    format!("no ScaledJob offers what it demands; it waits for agent `{name}`, which is {state}")
                }
                Some(Server::Builtin(name)) => format!(
                    "no ScaledJob among which jobs are shared out offers what it demands; {name} counts it as KEDA's built-in \
                     scaler does (`matching: builtin`), and starts agents by that number"
                ),
                None if decision.triggers.iter().any(|trigger| offers_all(trigger, demands)) => {
                    "no ScaledJob takes it, though one offers what it demands: see below what keeps it".to_owned()
                }
                None => {
                    "no ScaledJob offers what it demands: add the capabilities to one whose agents have them".to_owned()
                }
            },
            standings(decision, decision.triggers.iter(), demands),
        ),
        Placement::NotUnderstood => (
            "it carries a demand that Azure Pipelines can't read, so what it needs is not known: mend the pipeline"
                .to_owned(),
            demands.not_understood().iter().take(MOST_REASONS).map(ToString::to_string).collect(),
        ),
    };
    Explanation { decision: placement.label(), summary, reasons }
}

/// What a trigger's author should know: what its metadata tells, and what shows only once it is decided.
#[must_use]
pub fn hints(decision: &Decision, trigger: &TriggerDecision) -> Vec<String> {
    let mut hints = trigger.trigger.hints.clone();
    let own = &decision.scaled_jobs[trigger.scaled_job as usize];
    let is_seen = own.cluster.is_some();
    match trigger.trigger.strategy {
        // The built-in scaler's number is told whatever the strategy.
        _ if trigger.trigger.builtin.is_some() => {}
        Strategy::Accurate if !is_seen => hints.push(
            "`scalingStrategy: accurate`: KEDA starts agents again that run and have not registered yet, which only the \
             cluster's view shows: turn it on (`[kubernetes] view`) and let agents register under their pods' names, or \
             use `default`, here and in the ScaledJob"
                .to_owned(),
        ),
        Strategy::Eager => hints.push(
            "`scalingStrategy: eager`: near the maximum KEDA subtracts agents that are pending twice, and starts too few: \
             use `default`, here and in the ScaledJob"
                .to_owned(),
        ),
        Strategy::Default | Strategy::Accurate | Strategy::Custom { .. } | Strategy::ScaledObject => {}
    }
    if own.starts != Starts::Working && !is_seen {
        hints.push(
            "without the cluster's view, starts that fail are noticed late, only by agents that don't register, and the \
             reason is not known: turn it on (`[kubernetes] view`) and let agents register under their pods' names"
                .to_owned(),
        );
    }
    hints
}

/// Why a job has no licence.
fn waits_for_parallel_job(decision: &Decision, job: &JobRequest) -> String {
    let counted = job.parallelism.and_then(|parallelism| {
        let jobs = decision.parallel_jobs.of(parallelism).as_ref()?;
        Some((parallelism.label(), jobs))
    });
    let Some((label, &ParallelJobs { limit, headroom, running, taken })) = counted else {
        return "the organization runs as many jobs at once as it may".to_owned();
    };
    let jobs = if limit == 1 { "job" } else { "jobs" };
    let mut used = vec![format!("{running} {}", if running == 1 { "runs" } else { "run" })];
    if taken > 0 {
        used.push(format!("{taken} more {} an agent", if taken == 1 { "has or gets" } else { "have or get" }));
    }
    let early = (running + taken).saturating_sub(limit).min(taken);
    if early > 0 {
        used.push(format!("{early} of them to be ready when a job ends"));
    }
    if running + taken < limit + headroom {
        used.push("the rest is for jobs that stand in front of it".to_owned());
    }
    format!(
        "the organization may run {limit} {jobs} of {label} projects at once on self-hosted agents: {}; this one gets an \
         agent when a job ends, or when more parallel jobs are bought",
        used.join(", ")
    )
}

/// Why no agent is started for a job though a trigger fits.
fn starts_fail(decision: &Decision, trigger: u32, now: Timestamp) -> String {
    let scaled_job = &decision.scaled_jobs[decision.triggers[trigger as usize].scaled_job as usize];
    let id = &scaled_job.id;
    let next = match scaled_job.starts {
        Starts::Failing { next_probe, .. } => {
            format!("the next in {} s", next_probe.duration_since(now).as_secs().max(0))
        }
        Starts::Probing { .. } | Starts::Working => "now for another job".to_owned(),
    };
    let trouble = scaled_job.trouble.as_deref().map(told).unwrap_or_default();
    format!(
        "{id} fits, but the agents that KEDA starts for it don't register{trouble}; one at a time is tried, {next}. See what \
         becomes of its pods: `kubectl get pods -n {}`",
        id.namespace
    )
}

/// Why starts fail, as the cluster tells it.
fn told(trouble: &Trouble) -> String {
    let Trouble { reason, message } = trouble;
    if message.is_empty() { format!(" ({})", reason.label()) } else { format!(" ({}: {message})", reason.label()) }
}

/// The triggers that a job was not meant for.
fn all_but(decision: &Decision, trigger: u32) -> impl Iterator<Item = &TriggerDecision> {
    (0..).zip(&decision.triggers).filter(move |(other, _)| *other != trigger).map(|(_, other)| other)
}

/// How the first triggers stand to a job's demands, and how many more there are.
fn standings<'a>(
    decision: &Decision,
    mut triggers: impl Iterator<Item = &'a TriggerDecision>,
    demands: &DemandSet,
) -> Vec<String> {
    let named = triggers.by_ref().take(MOST_REASONS).map(|trigger| standing(decision, trigger, demands));
    let mut lines: Vec<String> = named.collect();
    let more = triggers.count();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// How one trigger stands to a job's demands.
fn standing(decision: &Decision, trigger: &TriggerDecision, demands: &DemandSet) -> String {
    let name = &decision.scaled_jobs[trigger.scaled_job as usize].id;
    if let Err(refusal) = &trigger.answer {
        return format!("{name} takes no jobs: {refusal}");
    }
    if trigger.trigger.builtin.is_some() {
        return format!("{name} takes no part in sharing out jobs (`matching: builtin`)");
    }
    let mut lacks: Vec<String> =
        trigger.trigger.lacks(&trigger.capabilities, demands).map(|demand| lack(trigger, demand)).collect();
    lacks.sort();
    if !lacks.is_empty() {
        return format!("{name} lacks {}", lacks.join(", "));
    }
    if trigger.trigger.jobs_without_demands == JobsWithoutDemands::Leave && demands.is_without_demands() {
        return format!("{name} leaves jobs without demands to others (`jobsWithoutDemands: leave`)");
    }
    let own = &decision.scaled_jobs[trigger.scaled_job as usize];
    if own.is_paused() {
        return format!("{name} fits, but is paused (`autoscaling.keda.sh/paused`), so it starts nothing");
    }
    if let Starts::Failing { since, .. } | Starts::Probing { since } = own.starts {
        let trouble = own.trouble.as_deref().map(told).unwrap_or_default();
        return format!(
            "{name} fits, but the agents that KEDA starts for it don't register{trouble}; since {since:.0} one at a time is tried"
        );
    }
    let given: u32 = decision.given_to(trigger.scaled_job);
    let (room, most) = (own.room, trigger.trigger.max_replicas);
    if given >= room {
        let agents = own.running + own.others + own.matched;
        format!("{name} fits and is at its maximum of {most} (agents up: {agents}, jobs given to it: {given})")
    } else {
        format!(
            "{name} fits, too; it comes later by priority, tightness of fit or name, or the job was given away before"
        )
    }
}

/// A demand that a trigger does not meet, and what it offers instead.
fn lack(trigger: &TriggerDecision, demand: &Demand) -> String {
    match (trigger.capabilities.get(&demand.name), trigger.origin(&demand.name)) {
        (Some(value), None) => format!("`{demand}` (offers `{value}`)"),
        (Some(value), Some(from)) => format!("`{demand}` (offers `{value}`, {})", from.text()),
        (None, _) => format!("`{demand}`"),
    }
}

/// Whether a trigger's agents would meet all demands, whether it takes such jobs or not.
fn offers_all(trigger: &TriggerDecision, demands: &DemandSet) -> bool {
    if trigger.trigger.builtin.is_some() {
        return false;
    }
    let Trigger { capabilities: declared, .. } = &*trigger.trigger;
    let offered = if trigger.answer.is_ok() { &trigger.capabilities } else { declared };
    trigger.trigger.lacks(offered, demands).next().is_none()
}

/// What a job waits for that a trigger would start an agent for.
fn settles(decision: &Decision, trigger: u32, now: Timestamp) -> String {
    let owner = owner_of(decision, trigger);
    let until = decision.settling.as_ref().map_or(now, |settling| settling.until);
    let left = until.duration_since(now).as_secs().max(0);
    let begins = match decision.settling.as_ref().and_then(|settling| settling.doubt.as_ref()) {
        None => format!(
            "the scaler has just begun to serve this pool and waits {left} s more for all ScaledJobs to have asked"
        ),
        Some(reason) => format!(
            "what KEDA has started may have changed unseen, so the scaler waits {left} s more at most to see the cluster \
             again ({reason})"
        ),
    };
    format!("{begins}; as things stand {owner} would start an agent for it")
}

fn owner_of(decision: &Decision, trigger: u32) -> &ScaledJobId {
    let scaled_job = decision.triggers[trigger as usize].scaled_job;
    &decision.scaled_jobs[scaled_job as usize].id
}

/// The agent of a running job, in words.
fn agent(decision: &Decision, job: &JobRequest, owner: Option<u32>) -> String {
    let name = job.agent.as_ref().map_or("?", |agent| agent.name.as_str());
    match owner {
        Some(owner) => format!("agent `{name}` of {}", decision.scaled_jobs[owner as usize].id),
        None => format!("agent `{name}`, which is no ScaledJob's,"),
    }
}
