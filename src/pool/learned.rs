//! What own agents register with: for triggers that leave it to them to say what they offer.
//!
//! An image changes, and its agents with it, so only the last few count, and of them what all have in common. While none has been
//! seen, the placeholder that stands for them says what they offer.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    agent::Agent,
    capability::CapabilitySet,
    decision::{Decision, Gained, Origin},
    placeholder::{Mark, offered_by},
    trigger::{CapabilitiesFrom, ScaledJobId, Trigger},
};

/// How many agents are learned from.
const LEARNED_FROM: usize = 5;

/// What the ScaledJobs of a pool have learned.
#[derive(Debug, Default)]
pub(super) struct Learned {
    scaled_jobs: BTreeMap<ScaledJobId, Lessons>,
}

/// The last agents of one ScaledJob, which have the highest of Azure's numbers, and what they have in common.
#[derive(Debug, Default)]
struct Lessons {
    agents: BTreeMap<i64, Arc<CapabilitySet>>,
    common: Option<Arc<CapabilitySet>>,
}

impl Learned {
    /// What each of some ScaledJobs has learned, or its placeholder says; nothing at all where none learns.
    pub(super) fn of(&self, ids: &[ScaledJobId], triggers: &[Arc<Trigger>], agents: &[Agent]) -> Vec<Option<Gained>> {
        if !triggers.iter().any(|trigger| trigger.capabilities_from == CapabilitiesFrom::Learned) {
            return Vec::new();
        }
        let mut placeholders = BTreeMap::new();
        for agent in agents {
            let Some(mark) = Mark::of(agent) else { continue };
            placeholders.entry(mark.scaled_job).or_insert(agent);
        }
        let gained = |id| {
            let learned = self.scaled_jobs.get(id).and_then(|lessons| lessons.common.clone());
            let learned = learned.map(|capabilities| Gained { capabilities, origin: Origin::Learned });
            learned.or_else(|| {
                let capabilities = Arc::new(offered_by(placeholders.get(id)?).without_secrets());
                Some(Gained { capabilities, origin: Origin::Placeholder })
            })
        };
        ids.iter().map(gained).collect()
    }

    /// Learns from a decision's agents. Says whether anything was learned.
    pub(super) fn look(&mut self, decision: &Decision) -> bool {
        let learning = |id: &ScaledJobId| {
            let mut triggers = decision.triggers.iter().map(|decided| &decided.trigger);
            triggers
                .any(|trigger| trigger.capabilities_from == CapabilitiesFrom::Learned && trigger.id.scaled_job == *id)
        };
        if !decision.triggers.iter().any(|decided| decided.trigger.capabilities_from == CapabilitiesFrom::Learned) {
            self.scaled_jobs.clear();
            return false;
        }
        self.scaled_jobs.retain(|id, _| learning(id));
        let mut changed = false;
        for (place, scaled_job) in (0..).zip(&decision.scaled_jobs).filter(|(_, scaled_job)| learning(&scaled_job.id)) {
            let lessons = self.scaled_jobs.entry(scaled_job.id.clone()).or_default();
            let agents = decision.snapshot.agents.iter().zip(&decision.agents);
            let own = agents.filter(|(_, standing)| standing.owner == Some(place)).map(|(agent, _)| agent);
            changed |= lessons.learn(own);
        }
        changed
    }
}

impl Lessons {
    /// Learns from agents that are registered. Says whether that changes which are the last.
    fn learn<'a>(&mut self, own: impl Iterator<Item = &'a Agent>) -> bool {
        let known: Vec<i64> = self.agents.keys().copied().collect();
        for agent in own {
            self.agents.entry(agent.id).or_insert_with(|| Arc::clone(&agent.capabilities));
        }
        while self.agents.len() > LEARNED_FROM {
            self.agents.pop_first();
        }
        if self.agents.keys().eq(&known) {
            return false;
        }
        let mut sets = self.agents.values();
        let first = sets.next().map(|first| (**first).clone());
        let common = first.map(|first| sets.fold(first, |common, set| common.in_common_with(set)));
        self.common =
            common.map(|common| Arc::new(common.without(&CapabilitySet::OF_ONE_AGENT_ONLY).without_secrets()));
        true
    }
}
