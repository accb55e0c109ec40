//! What each trigger offers, or why it is refused.

use std::{collections::HashMap, sync::Arc};

use super::{World, ownership::clashes};
use crate::{
    agent::Agent,
    capability::CapabilitySet,
    caseless::Caseless,
    cluster_view::{InCluster, Written},
    decision::{Gained, Origin, Refusal, TriggerDecision},
    scaling,
    trigger::{CapabilitiesFrom, ScaledJobId, Strategy, Trigger},
};

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
    let in_cluster = |scaled_job: u32| world.cluster.get(scaled_job as usize).and_then(Option::as_ref);
    // The pods of ScaledObjects are another object's, and not looked at.
    let has_known_pods = |shown: &InCluster| shown.view.strategy != Strategy::ScaledObject;
    let clashes = clashes(&placed, ids, |scaled_job| in_cluster(scaled_job).is_some_and(has_known_pods));
    let wants_parent = placed.iter().any(|(trigger, _)| trigger.parent.is_some());
    let registered: HashMap<&Caseless, &Agent> = if wants_parent {
        world.snapshot.agents.iter().map(|agent| (&agent.name, agent)).collect()
    } else {
        HashMap::new()
    };
    let nothing = Arc::new(CapabilitySet::default());
    let gained = |trigger: &Trigger, scaled_job: u32| match trigger.capabilities_from {
        CapabilitiesFrom::Declared => None,
        CapabilitiesFrom::Learned => world.learned.get(scaled_job as usize).cloned().flatten(),
        CapabilitiesFrom::Environment => in_cluster(scaled_job)
            .map(|cluster| Gained { capabilities: Arc::clone(&cluster.view.environment), origin: Origin::Environment }),
    };
    let offered = |trigger: &Trigger, scaled_job: u32| {
        if let Some(clash) = clashes.get(&scaled_job) {
            return Err(clash.clone());
        }
        let gained = gained(trigger, scaled_job).map(|gained| gained.capabilities);
        let Some(parent) = &trigger.parent else {
            let declared = &trigger.capabilities;
            return Ok(gained.map_or_else(|| Arc::clone(declared), |gained| Arc::new(declared.over(&gained))));
        };
        let agent = registered.get(parent).ok_or_else(|| Refusal::NoParent(parent.to_string()))?;
        let own: &[&str] = if planted!(ParentLendsItsName) { &[] } else { &CapabilitySet::OF_ONE_AGENT_ONLY };
        let lent = agent.capabilities.without(own).without_secrets();
        // What its own agents say goes before what another one does.
        let lent = gained.map_or_else(|| lent.clone(), |gained| gained.over(&lent));
        let declared = &trigger.capabilities;
        Ok(Arc::new(if planted!(ParentWins) { lent.over(declared) } else { declared.over(&lent) }))
    };
    let decided = world.triggers.iter().zip(&placed).map(|(trigger, (_, scaled_job))| {
        let offered = offered(trigger, *scaled_job);
        let capabilities = offered.as_ref().map_or_else(|_| Arc::clone(&nothing), Arc::clone);
        let answer = offered.map(|_| scaling::NOTHING);
        TriggerDecision {
            trigger: match world.written.get(*scaled_job as usize) {
                Some(Some(written)) if !planted!(MetadataBelieved) => as_its_scaled_job_says(trigger, *written),
                _ => Arc::clone(trigger),
            },
            scaled_job: *scaled_job,
            capabilities,
            gained: gained(trigger, *scaled_job),
            given: 0,
            to_start: 0,
            answer,
        }
    });
    decided.collect()
}

/// A trigger with what its ScaledJob itself says: its strategy and minimum, and the smaller maximum where two are written.
fn as_its_scaled_job_says(declared: &Arc<Trigger>, written: Written) -> Arc<Trigger> {
    let Written { strategy, min_replicas, .. } = written;
    let says_maximum = declared.id.metadata.contains_key("maxReplicaCount");
    let max_replicas =
        if says_maximum { declared.max_replicas.min(written.max_replicas) } else { written.max_replicas };
    if (declared.strategy, declared.min_replicas, declared.max_replicas) == (strategy, min_replicas, max_replicas) {
        return Arc::clone(declared);
    }
    let mut trigger = Trigger { strategy, max_replicas, min_replicas, ..(**declared).clone() };
    let disagreements = [
        ("scalingStrategy", declared.strategy != strategy, "its strategy counts"),
        ("minReplicaCount", declared.min_replicas != min_replicas, "its minimum counts"),
        ("maxReplicaCount", declared.max_replicas != written.max_replicas, "the smaller of the two counts"),
    ];
    for (key, disagrees, which) in disagreements {
        if disagrees && declared.id.metadata.contains_key(key) {
            trigger.hints.push(format!(
                "`{key}` is not what the ScaledJob itself says: {which}; write the same, or leave it out"
            ));
        }
    }
    Arc::new(trigger)
}
