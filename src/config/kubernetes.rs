//! The section `[kubernetes]`: whether the cluster is watched, who is meant by which address, and whether one replica leads.

use std::collections::BTreeMap;

use super::{section::Section, values};

/// Set in every pod that may reach its cluster.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";
/// Whether this program can watch a cluster at all.
const CAN_WATCH: bool = cfg!(feature = "kubernetes");

/// What is to be done with the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesSettings {
    /// Whether it is watched: `view`, where `auto` is settled by whether the program runs in a cluster.
    pub view: bool,
    /// The values of `scalerAddress` that mean this scaler, besides those that KEDA has asked at: `addresses`.
    pub addresses: Vec<String>,
    /// Whether the replicas elect one that leads: `leader_election`.
    pub leader_election: bool,
}

/// When the cluster is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Watching {
    /// In a cluster.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// What the section says, defaults where it says nothing.
pub(super) fn read(section: &mut Section<'_>, environment: &BTreeMap<String, String>) -> KubernetesSettings {
    let is_in_cluster = environment.get(IN_CLUSTER).is_some_and(|host| !host.is_empty());
    let watching = section.read("view", values::watching).unwrap_or_default();
    let leader_election = section.read("leader_election", values::flag).unwrap_or_default();
    let addresses = section.read("addresses", values::addresses).unwrap_or_default();
    if !CAN_WATCH && watching == Watching::On {
        let rule = "this program is built without the feature `kubernetes`: use one that has it, or write `off`";
        section.reject("view", "on", rule);
    }
    if !CAN_WATCH && leader_election {
        let rule = "this program is built without the feature `kubernetes`: use one that has it, or leave it out";
        section.reject("leader_election", "true", rule);
    }
    if watching == Watching::Off && !addresses.is_empty() {
        let rule = "nobody looks for them while `kubernetes.view` is `off`: leave them out, or write `auto`";
        section.reject("addresses", addresses.join(", "), rule);
    }
    let view = CAN_WATCH
        && match watching {
            Watching::Auto => is_in_cluster,
            Watching::On => true,
            Watching::Off => false,
        };
    KubernetesSettings { view, addresses, leader_election }
}
