//! What each trigger offers, or why it is refused.

use std::{collections::HashMap, sync::Arc};

use super::{World, ownership::clashes};
use crate::{
    agent::Agent,
    capability::CapabilitySet,
    caseless::Caseless,
    decision::{Refusal, TriggerDecision},
    scaling,
    trigger::{ScaledJobId, Trigger},
};

/// What is true of one agent and would be of no other: a trigger's `parent` does not lend it.
const OF_ONE_AGENT_ONLY: [&str; 2] = ["Agent.Name", "Agent.ComputerName"];

/// The triggers before anything is decided about jobs; `ids` are their ScaledJobs.
pub(super) fn offers(world: &World<'_>, ids: &[ScaledJobId]) -> Vec<TriggerDecision> {
    let mut place = 0;
    let placed: Vec<(&Trigger, u32)> = world
        .triggers
        .iter()
        .enumerate()
        .map(|(at, trigger)| {
            place += u32::from(at > 0 && world.triggers[at - 1].id.scaled_job != trigger.id.scaled_job);
            (&**trigger, place)
        })
        .collect();
    let clashes = clashes(&placed, ids);
    let wants_parent = placed.iter().any(|(trigger, _)| trigger.parent.is_some());
    let registered: HashMap<&Caseless, &Agent> = if wants_parent {
        world.snapshot.agents.iter().map(|agent| (&agent.name, agent)).collect()
    } else {
        HashMap::new()
    };
    let nothing = Arc::new(CapabilitySet::default());
    let offered = |trigger: &Trigger, scaled_job: u32| {
        if let Some(clash) = clashes.get(&scaled_job) {
            return Err(clash.clone());
        }
        let Some(parent) = &trigger.parent else { return Ok(Arc::clone(&trigger.capabilities)) };
        let agent = registered.get(parent).ok_or_else(|| Refusal::NoParent(parent.to_string()))?;
        let own: &[&str] = if planted!(ParentLendsItsName) { &[] } else { &OF_ONE_AGENT_ONLY };
        let lent = agent.capabilities.without(own);
        let declared = &trigger.capabilities;
        Ok(Arc::new(if planted!(ParentWins) { lent.over(declared) } else { declared.over(&lent) }))
    };
    let decided = world.triggers.iter().zip(&placed).map(|(trigger, (_, scaled_job))| {
        let offered = offered(trigger, *scaled_job);
        let capabilities = offered.as_ref().map_or_else(|_| Arc::clone(&nothing), Arc::clone);
        let answer = offered.map(|_| scaling::NOTHING);
        TriggerDecision {
            trigger: Arc::clone(trigger),
            scaled_job: *scaled_job,
            capabilities,
            given: 0,
            to_start: 0,
            answer,
        }
    });
    decided.collect()
}
