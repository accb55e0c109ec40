//! Which ScaledJob an agent belongs to, by its name.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use super::pods::Pods;
use crate::{
    agent::AgentNamePattern,
    caseless::{Caseless, folded},
    decision::Refusal,
    trigger::{ScaledJobId, Trigger},
};

/// The patterns of all triggers, found by the text before their first star.
pub(super) struct Owners<'a> {
    pods: &'a Pods<'a>,
    /// Longest text first: of the patterns that cover a name, the one that says more owns the agent.
    by_prefix: Vec<(usize, HashMap<&'a str, Vec<Claim<'a>>>)>,
}

/// A pattern, and the ScaledJob that has it.
type Claim<'a> = (&'a AgentNamePattern, u32);

impl<'a> Owners<'a> {
    /// Collects the patterns of triggers, each with the place of its ScaledJob.
    pub(super) fn new(triggers: impl Iterator<Item = (&'a Trigger, u32)>, pods: &'a Pods<'a>) -> Self {
        let mut by_prefix: BTreeMap<(bool, usize), HashMap<&str, Vec<Claim<'_>>>> = BTreeMap::new();
        for (trigger, scaled_job) in triggers {
            let pattern = &trigger.agent_names;
            let prefix = pattern.parts().first().map_or("", String::as_str);
            let claims = by_prefix.entry((pattern.has_star(), prefix.len())).or_default().entry(prefix).or_default();
            claims.push((pattern, scaled_job));
        }
        // Of two that begin alike, the one that says more in all goes first; then the order of the ScaledJobs.
        for claims in by_prefix.values_mut().flat_map(HashMap::values_mut) {
            claims.sort_by_key(|(pattern, _)| {
                let written: usize = pattern.parts().iter().map(String::len).sum();
                (Reverse(written), pattern.parts().len())
            });
        }
        // A pattern without any star says all there is to say; then the longer text before the star goes first.
        let (starred, exact): (Vec<_>, Vec<_>) = by_prefix.into_iter().rev().partition(|((star, _), _)| *star);
        let lengths = exact.into_iter().chain(starred).map(|((_, length), claims)| (length, claims));
        let mut by_prefix: Vec<_> = lengths.collect();
        if planted!(ShorterPatternOwns) {
            by_prefix.reverse();
        }
        Self { pods, by_prefix }
    }

    /// Whether an agent is dead, however online it looks.
    pub(super) fn is_dead(&self, name: &Caseless, owner: Option<u32>) -> bool {
        owner.is_some_and(|owner| self.pods.is_dead(name, owner))
    }

    /// The ScaledJob that a name belongs to; nobody's is foreign. A pod of that name says it better than any pattern.
    pub(super) fn of(&self, name: &Caseless) -> Option<u32> {
        self.pods.owner(name).or_else(|| self.by_pattern(name))
    }

    fn by_pattern(&self, name: &Caseless) -> Option<u32> {
        let name: String = folded(name.as_str()).collect();
        self.by_prefix.iter().find_map(|(length, claims)| {
            let claims = claims.get(name.get(..*length)?)?;
            claims.iter().find(|(pattern, _)| pattern.matches_folded(&name)).map(|(_, scaled_job)| *scaled_job)
        })
    }
}

/// The ScaledJobs whose agents can't be told from another's, by their places: their patterns begin alike, cover some names
/// both, and neither says more than the other. Two whose pods the cluster knows are told apart by them.
pub(super) fn clashes(
    triggers: &[(&Trigger, u32)],
    scaled_jobs: &[ScaledJobId],
    told_apart: impl Fn(u32) -> bool,
) -> BTreeMap<u32, Refusal> {
    let mut claims: BTreeMap<(bool, &str), Vec<(u32, &AgentNamePattern)>> = BTreeMap::new();
    for (trigger, scaled_job) in triggers {
        let pattern = &trigger.agent_names;
        let prefix = pattern.parts().first().map_or("", String::as_str);
        claims.entry((pattern.has_star(), prefix)).or_default().push((*scaled_job, pattern));
    }
    let clash = |one: &AgentNamePattern, other: &AgentNamePattern| {
        one.overlaps(other) && one.covers(other) == other.covers(one) && !planted!(ClashesAllowed)
    };
    let mut refused = BTreeMap::new();
    for claimants in claims.values() {
        for (scaled_job, pattern) in claimants {
            let may_clash = |other: u32| other != *scaled_job && !(told_apart(*scaled_job) && told_apart(other));
            let other = claimants.iter().find(|(other, theirs)| may_clash(*other) && clash(pattern, theirs));
            if let Some((other, _)) = other {
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
    use crate::trigger::{CapabilitiesFrom, JobsWithoutDemands, Strategy, TriggerId};

    fn claiming(pattern: &str) -> Trigger {
        let scaled_job = ScaledJobId { name: "any".into(), namespace: "any".into() };
        Trigger {
            id: TriggerId { scaled_job, metadata: Arc::default() },
            capabilities: Arc::default(),
            parent: None,
            capabilities_from: CapabilitiesFrom::Declared,
            jobs_without_demands: JobsWithoutDemands::Take,
            strategy: Strategy::Default,
            builtin: None,
            agent_names: pattern.parse().unwrap(),
            max_replicas: 1,
            min_replicas: 0,
            priority: 100,
            target: 1,
            activation: 0,
            keeps_placeholder: false,
            hints: Vec::new(),
        }
    }

    #[test]
    fn patterns_that_cannot_be_told_apart_clash() {
        let refused = |patterns: &[&str]| {
            let triggers: Vec<Trigger> = patterns.iter().map(|pattern| claiming(pattern)).collect();
            let ids: Vec<ScaledJobId> = triggers.iter().map(|trigger| trigger.id.scaled_job.clone()).collect();
            let placed: Vec<(&Trigger, u32)> = triggers.iter().zip(0..).collect();
            clashes(&placed, &ids, |_| false).into_keys().collect::<Vec<_>>()
        };
        assert_eq!(refused(&["a-*x*", "a-*y*", "b-*"]), [0, 1]);
        assert_eq!(refused(&["a-*", "A-*"]), [0, 1]);
        assert_eq!(refused(&["vm-1", "VM-1"]), [0, 1]);
        assert!(refused(&["a-*", "a-*-arm", "a-b-*", "a-b-1", "*-gpu"]).is_empty(), "the one that says more owns");
    }

    #[test]
    fn the_pattern_that_says_more_owns() {
        let triggers =
            ["java-*", "Java-17-*", "*-gpu", "java-17-x", "jäva-*", "java-*-arm", "m*n*o", "m*no"].map(claiming);
        let pods = Pods::of(&[], &[]);
        let owners = Owners::new(triggers.iter().zip(0..), &pods);
        for (name, owner) in [
            ("java-11-a", Some(0)),
            ("JAVA-17-a", Some(1)),
            ("java-17-x", Some(3)),
            ("java-17-xy", Some(1)),
            ("java-gpu", Some(0)),
            ("java-11-arm", Some(5)),
            ("big-gpu", Some(2)),
            ("JÄVA-1", Some(4)),
            ("m-no", Some(7)),
            ("vm-1", None),
            ("ja", None),
        ] {
            assert_eq!(owners.of(&name.into()), owner, "{name}");
        }
    }
}
