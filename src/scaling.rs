//! From counted jobs and agents to the number that KEDA is told.
//!
//! Pure. Each row says what KEDA does with the number, which is why it is what it is.

use crate::{
    decision::Answer,
    trigger::{Strategy, Trigger},
};

/// What counts for one trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Agents that are to be started for the jobs given to it: see [`agents_to_start`].
    pub to_start: u32,
    /// Whether any trigger of its ScaledJob is to start an agent.
    pub any_to_start: bool,
    /// The ScaledJob's own agents; none for all of its triggers but the first, since KEDA adds the values up.
    pub own: Option<Own>,
}

/// What KEDA subtracts from the value, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// As Azure shows it: the agents that are registered.
    Agents(OwnAgents),
    /// As the cluster shows it: the very Kubernetes Jobs that KEDA counts.
    Jobs(OwnJobs),
}

/// A ScaledJob's Kubernetes Jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnJobs {
    /// Those that KEDA counts as running (K).
    pub unfinished: u32,
    /// Those of them that KEDA counts as pending (P).
    pub pending: u32,
    /// Idle agents to start beyond those that jobs need, so that the minimum is idle.
    pub to_keep: u32,
}

/// A ScaledJob's own agents that are registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnAgents {
    /// Idle, and a queued job is matched to each (I).
    pub matched: u32,
    /// With a running job (R).
    pub running: u32,
    /// Every other online one (X).
    pub others: u32,
    /// Those of the others that could never serve a job (U).
    pub unusable: u32,
}

/// What KEDA is told where no agent is to be started.
pub const NOTHING: Answer = Answer { value: 0, active: false };

/// How many agents a trigger starts for the jobs given to it (A), where `matched` own idle agents wait for jobs already
/// (I): one for each `target` jobs, those agents included.
#[must_use]
pub fn agents_to_start(given: u32, matched: u32, target: u32) -> u32 {
    let (jobs, target) = (given + matched, target.max(1));
    let agents = if planted!(TargetRoundedDown) { jobs / target } else { jobs.div_ceil(target) };
    agents.saturating_sub(matched)
}

/// What KEDA is told about a trigger.
#[must_use]
pub fn answer(trigger: &Trigger, counts: Counts) -> Answer {
    let Counts { to_start, any_to_start, own } = counts;
    let agents = match own {
        Some(Own::Jobs(jobs)) => beside_jobs(trigger, to_start, any_to_start, jobs),
        Some(Own::Agents(agents)) => beside_agents(trigger, to_start, any_to_start, Some(with_faults(agents))),
        None => beside_agents(trigger, to_start, any_to_start, None),
    };
    // KEDA divides the value by the target, but not what it subtracts.
    let target = if planted!(TargetNotMultiplied) { 1 } else { trigger.target.max(1) };
    let value = u64::from(target) * u64::from(agents);
    Answer { value, active: is_active(value, trigger) }
}

/// The number of agents that stands for a value where the cluster tells which Kubernetes Jobs there are.
fn beside_jobs(trigger: &Trigger, to_start: u32, any_to_start: bool, jobs: OwnJobs) -> u32 {
    let OwnJobs { unfinished, pending, to_keep } = jobs;
    let minimum = if planted!(MinimumIgnored) { 0 } else { trigger.min_replicas };
    match trigger.strategy {
        // KEDA starts value - (unfinished - minimum).
        Strategy::Default if any_to_start || to_keep > 0 => (to_start + to_keep + unfinished).saturating_sub(minimum),
        // KEDA starts value - pending.
        Strategy::Accurate if any_to_start => to_start + if planted!(PendingLeftOut) { 0 } else { pending },
        Strategy::Custom { deduction, percentage } if any_to_start => {
            beside_what_custom_subtracts(to_start, deduction, share(unfinished.saturating_sub(minimum), percentage))
        }
        Strategy::Default | Strategy::Accurate | Strategy::Custom { .. } => 0,
        Strategy::Eager | Strategy::ScaledObject => to_start,
    }
}

/// The number of agents that stands for a value where only Azure tells which agents there are.
fn beside_agents(trigger: &Trigger, to_start: u32, any_to_start: bool, own: Option<OwnAgents>) -> u32 {
    let registered = own.map_or(0, |own| own.matched + own.running + own.others);
    match trigger.strategy {
        // KEDA starts value - (unfinished - minimum): the Kubernetes Job of every registered agent is among the unfinished.
        Strategy::Default if trigger.min_replicas > 0 && !planted!(MinimumIgnored) => {
            to_start + own.map_or(0, |own| own.matched + own.running + own.unusable)
        }
        Strategy::Default if any_to_start || planted!(NobodyNeededNotZero) => to_start + registered,
        // KEDA subtracts what its author says, once, whatever the number of triggers.
        Strategy::Custom { deduction, percentage } if any_to_start => {
            let unfinished = registered.saturating_sub(trigger.min_replicas);
            own.map_or(to_start, |_| beside_what_custom_subtracts(to_start, deduction, share(unfinished, percentage)))
        }
        Strategy::Default | Strategy::Custom { .. } => 0,
        // KEDA subtracts only what has not started yet, which nobody but the cluster knows.
        Strategy::Accurate | Strategy::Eager => to_start,
        // KEDA runs as many agents as the value says, and stops those beyond.
        Strategy::ScaledObject if planted!(ScaledObjectDropsRunning) => to_start + own.map_or(0, |own| own.matched),
        Strategy::ScaledObject => to_start + own.map_or(0, |own| own.matched + own.running),
    }
}

/// What KEDA has subtracted its author's share from is what is to be started. It never starts more than the value.
fn beside_what_custom_subtracts(to_start: u32, deduction: i32, share: i64) -> u32 {
    let deduction = if planted!(DeductionDropped) { 0 } else { deduction };
    let agents = share.saturating_add(deduction.into()).saturating_add(to_start.into());
    u32::try_from(agents.max(to_start.into())).unwrap_or(u32::MAX)
}

/// What KEDA is told about a trigger that wants the built-in scaler's number, which is
/// [`Builtin::count`](crate::builtin::Builtin::count). It is told as it is, whatever the strategy: KEDA itself divides it
/// by the target, and does with it what it does with the built-in scaler's.
#[must_use]
pub fn builtin_answer(trigger: &Trigger, count: u32) -> Answer {
    Answer { value: count.into(), active: is_active(count.into(), trigger) }
}

/// A trigger is active above its threshold.
fn is_active(value: u64, trigger: &Trigger) -> bool {
    let threshold = u64::from(trigger.activation);
    if planted!(ActiveAtThreshold) { value >= threshold } else { value > threshold }
}

/// The part of the unfinished Kubernetes Jobs that `custom` subtracts, cut to a whole number as KEDA does.
#[expect(clippy::cast_possible_truncation, reason = "a cast from a float saturates, which is what is wanted")]
fn share(unfinished: u32, percentage: f64) -> i64 {
    let share = f64::from(unfinished) * percentage;
    if planted!(PercentageRoundedUp) { share.ceil() as i64 } else { share as i64 }
}

/// The same agents, unless a fault is planted in what is counted of them.
fn with_faults(own: OwnAgents) -> OwnAgents {
    OwnAgents {
        matched: if planted!(IdleLeftOut) { 0 } else { own.matched },
        running: if planted!(RunningLeftOut) { 0 } else { own.running },
        others: match own.others {
            _ if planted!(OthersLeftOut) => 0,
            _ if planted!(UnusableForOthers) => own.unusable,
            others => others,
        },
        unusable: if planted!(OthersForUnusable) { own.others } else { own.unusable },
    }
}
