//! Which agents have a pod, and whose: what the cluster knows, by the names of the agents.

use std::collections::HashMap;

use crate::{caseless::Caseless, cluster_view::InCluster};

/// The agents of unfinished Kubernetes Jobs.
pub(super) struct Pods<'a> {
    owners: HashMap<&'a Caseless, u32>,
    /// For each ScaledJob, whether all its agents that are alive are among them.
    known: Vec<bool>,
}

impl<'a> Pods<'a> {
    /// Those of ScaledJobs, by their places; the pods of ScaledObjects (those that take job after job) are not looked at.
    pub(super) fn of(cluster: &'a [Option<InCluster>], takes_jobs_on: &[bool]) -> Self {
        let scaled_jobs = || (0..).zip(cluster).zip(takes_jobs_on);
        let of_jobs = scaled_jobs().filter_map(|((place, cluster), takes_jobs_on)| {
            Some((place, cluster.as_ref().filter(|_| !takes_jobs_on)?))
        });
        let mut known = vec![false; takes_jobs_on.len()];
        let mut owners = HashMap::new();
        for (place, cluster) in of_jobs {
            known[place as usize] = true;
            owners.extend(cluster.agents().map(|agent| (agent, place)));
        }
        Self { owners, known }
    }

    /// The ScaledJob whose pod bears this name.
    pub(super) fn owner(&self, agent: &Caseless) -> Option<u32> {
        if self.owners.is_empty() || planted!(PodsOwnNobody) { None } else { self.owners.get(agent).copied() }
    }

    /// Whether an agent of this ScaledJob has no pod any more: its Kubernetes Job is finished or gone, so it is dead, however
    /// online it looks.
    pub(super) fn is_dead(&self, agent: &Caseless, owner: u32) -> bool {
        self.known[owner as usize] && !self.owners.contains_key(agent) && !planted!(DeadIsCapacity)
    }
}
