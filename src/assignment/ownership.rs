//! Which ScaledJob an agent belongs to, by its name.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    agent::AgentNamePattern,
    caseless::{Caseless, folded},
    decision::Refusal,
    trigger::{ScaledJobId, Trigger},
};

/// The patterns of all triggers, the one that says most first.
pub(super) struct Owners<'a> {
    patterns: Vec<(&'a AgentNamePattern, u32)>,
}

impl<'a> Owners<'a> {
    /// Collects the patterns of triggers, each with the place of its ScaledJob.
    pub(super) fn new(triggers: impl Iterator<Item = (&'a Trigger, u32)>) -> Self {
        let mut patterns: Vec<_> = triggers.map(|(trigger, scaled_job)| (&trigger.agent_names, scaled_job)).collect();
        patterns.sort_by_key(|(pattern, scaled_job)| (Reverse(pattern.literal_prefix()), *scaled_job));
        patterns.dedup_by(|(later, owner), (kept, kept_owner)| owner == kept_owner && later.parts() == kept.parts());
        Self { patterns }
    }

    /// The ScaledJob that a name belongs to; nobody's is foreign.
    pub(super) fn of(&self, name: &Caseless) -> Option<u32> {
        let name: String = folded(name.as_str()).collect();
        self.patterns.iter().find(|(pattern, _)| pattern.matches_folded(&name)).map(|(_, scaled_job)| *scaled_job)
    }
}

/// The ScaledJobs that claim the very names that another claims, too, by their places.
pub(super) fn clashes(triggers: &[(&Trigger, u32)], scaled_jobs: &[ScaledJobId]) -> BTreeMap<u32, Refusal> {
    let mut claims: BTreeMap<&[String], Vec<(u32, &AgentNamePattern)>> = BTreeMap::new();
    for (trigger, scaled_job) in triggers {
        claims.entry(trigger.agent_names.parts()).or_default().push((*scaled_job, &trigger.agent_names));
    }
    let mut refused = BTreeMap::new();
    for claimants in claims.values() {
        for (scaled_job, pattern) in claimants {
            if let Some((other, _)) = claimants.iter().find(|(other, _)| other != scaled_job) {
                let other = scaled_jobs[*other as usize].clone();
                refused.insert(*scaled_job, Refusal::SameAgents { other, pattern: pattern.as_str().to_owned() });
            }
        }
    }
    refused
}
