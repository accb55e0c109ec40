//! Whether an agent satisfies a job, told from the texts alone: a rule of its own, so that the code's is judged by another.

use azp_scaler::{
    capability::CapabilitySet,
    decision::{Decision, TriggerDecision},
    demand::DemandSet,
    job_request::JobRequest,
};

/// The one capability that triggers need not declare.
const AGENT_VERSION: &str = "Agent.Version";

/// Whether an agent with these capabilities satisfies a job.
pub(crate) fn satisfies(capabilities: &CapabilitySet, demands: &DemandSet) -> bool {
    let offered = capabilities.sorted();
    demands.written().iter().all(|demand| meets(&offered, demand, false))
}

/// Whether an agent that the trigger would start satisfies a job; the version of such an agent is not known.
pub(crate) fn takes(decided: &TriggerDecision, decision: &Decision, job: &JobRequest) -> bool {
    let offered = decided.capabilities.sorted();
    decision.snapshot.demands_of(job).written().iter().all(|demand| meets(&offered, demand, true))
}

fn meets(offered: &[(&str, &str)], demand: &str, version_may_be_unknown: bool) -> bool {
    let mut words = demand.split(' ');
    let name = words.next().unwrap_or_default();
    let Some((_, value)) = offered.iter().find(|(offered, _)| offered.eq_ignore_ascii_case(name)) else {
        return version_may_be_unknown && name == AGENT_VERSION;
    };
    match (words.next(), words.next()) {
        (Some("-equals"), Some(wanted)) => value.eq_ignore_ascii_case(wanted),
        (Some("-gtVersion"), Some(wanted)) => numbers(value) >= numbers(wanted),
        _ => true,
    }
}

/// The parts of a version, four of them.
fn numbers(version: &str) -> [u32; 4] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    [(); 4].map(|()| parts.next().unwrap_or(0))
}
