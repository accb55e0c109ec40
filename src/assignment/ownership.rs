//! Which ScaledJob an agent belongs to, by its name.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use crate::{
    agent::AgentNamePattern,
    caseless::{Caseless, folded},
    decision::Refusal,
    trigger::{ScaledJobId, Trigger},
};

/// The patterns of all triggers, found by the text before their first star.
pub(super) struct Owners<'a> {
    /// Longest text first: of the patterns that cover a name, the one that says more owns the agent.
    by_prefix: Vec<(usize, HashMap<&'a str, Vec<Claim<'a>>>)>,
}

/// A pattern, and the ScaledJob that has it.
type Claim<'a> = (&'a AgentNamePattern, u32);

impl<'a> Owners<'a> {
    /// Collects the patterns of triggers, each with the place of its ScaledJob.
    pub(super) fn new(triggers: impl Iterator<Item = (&'a Trigger, u32)>) -> Self {
        let mut by_prefix: BTreeMap<(bool, usize), HashMap<&str, Vec<Claim<'_>>>> = BTreeMap::new();
        for (trigger, scaled_job) in triggers {
            let pattern = &trigger.agent_names;
            let prefix = pattern.parts().first().map_or("", String::as_str);
            let claims = by_prefix.entry((pattern.has_star(), prefix.len())).or_default().entry(prefix).or_default();
            claims.push((pattern, scaled_job));
        }
        // Of two that begin alike, the one that says more in all goes first; then the order of the ScaledJobs.
        for claims in by_prefix.values_mut().flat_map(HashMap::values_mut) {
            claims.sort_by_key(|(pattern, _)| Reverse(pattern.parts().iter().map(String::len).sum::<usize>()));
        }
        // A pattern without any star says all there is to say; then the longer text before the star goes first.
        let (starred, exact): (Vec<_>, Vec<_>) = by_prefix.into_iter().rev().partition(|((star, _), _)| *star);
        let lengths = exact.into_iter().chain(starred).map(|((_, length), claims)| (length, claims));
        Self { by_prefix: lengths.collect() }
    }

    /// The ScaledJob that a name belongs to; nobody's is foreign.
    pub(super) fn of(&self, name: &Caseless) -> Option<u32> {
        let name: String = folded(name.as_str()).collect();
        self.by_prefix.iter().find_map(|(length, claims)| {
            let claims = claims.get(name.get(..*length)?)?;
            claims.iter().find(|(pattern, _)| pattern.matches_folded(&name)).map(|(_, scaled_job)| *scaled_job)
        })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::trigger::{JobsWithoutDemands, Strategy, TriggerId};

    fn claiming(pattern: &str) -> Trigger {
        let scaled_job = ScaledJobId { name: "any".into(), namespace: "any".into() };
        Trigger {
            id: TriggerId { scaled_job, metadata: Arc::default() },
            capabilities: Arc::default(),
            parent: None,
            jobs_without_demands: JobsWithoutDemands::Take,
            strategy: Strategy::Default,
            builtin: None,
            agent_names: pattern.parse().unwrap(),
            max_replicas: 1,
            min_replicas: 0,
            priority: 100,
            target: 1,
            activation: 0,
            hints: Vec::new(),
        }
    }

    #[test]
    fn the_pattern_that_says_more_owns() {
        let triggers = ["java-*", "Java-17-*", "*-gpu", "java-17-x", "jäva-*", "java-*-arm"].map(claiming);
        let owners = Owners::new(triggers.iter().zip(0..));
        for (name, owner) in [
            ("java-11-a", Some(0)),
            ("JAVA-17-a", Some(1)),
            ("java-17-x", Some(3)),
            ("java-17-xy", Some(1)),
            ("java-gpu", Some(0)),
            ("java-11-arm", Some(5)),
            ("big-gpu", Some(2)),
            ("JÄVA-1", Some(4)),
            ("vm-1", None),
            ("ja", None),
        ] {
            assert_eq!(owners.of(&name.into()), owner, "{name}");
        }
    }
}
