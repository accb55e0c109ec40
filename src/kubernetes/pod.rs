//! A pod as the API tells it, read into what the view needs.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{ContainerStatus, Pod, PodSpec, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::trouble;
use crate::{
    caseless::Caseless,
    cluster_view::{Pod as Seen, Stages},
};

/// The longest name that a host can have.
const LONGEST_HOST_NAME: usize = 63;

/// What is kept of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub(super) created_at: Timestamp,
    /// As the view shows it.
    pub(super) seen: Seen,
    /// Whether its phase is Running or Succeeded: KEDA no longer takes its Kubernetes Job for pending.
    pub(super) has_run: bool,
    /// The types of its conditions that are met.
    pub(super) conditions: Vec<String>,
}

impl Record {
    pub(super) fn of(pod: &Pod) -> Self {
        let (spec, status) = (pod.spec.as_ref(), pod.status.as_ref());
        let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or_default();
        let met = status.and_then(|status| status.conditions.as_ref()).into_iter().flatten();
        let mut conditions: Vec<String> =
            met.filter(|condition| condition.status == "True").map(|condition| condition.type_.clone()).collect();
        conditions.sort_unstable();
        conditions.dedup();
        let is_over = matches!(phase, "Succeeded" | "Failed")
            || pod.metadata.deletion_timestamp.is_some()
            || spec.zip(status).is_some_and(|(spec, status)| have_all_ended(spec, status));
        Self {
            created_at: pod.metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            seen: Seen {
                agent: host_name(pod),
                stages: stages(spec, status),
                has_ended: is_over,
                trouble: trouble::of_pod(pod),
            },
            has_run: matches!(phase, "Running" | "Succeeded"),
            conditions,
        }
    }
}

/// The pod's host name: its own, or its name cut as the kubelet cuts it.
fn host_name(pod: &Pod) -> Caseless {
    let own = pod.spec.as_ref().and_then(|spec| spec.hostname.as_deref()).filter(|name| !name.is_empty());
    let name = own.or(pod.metadata.name.as_deref()).unwrap_or_default();
    match name.get(..LONGEST_HOST_NAME).filter(|_| name.len() > LONGEST_HOST_NAME) {
        Some(cut) => cut.trim_end_matches(['-', '.']).into(),
        None => name.into(),
    }
}

fn stages(spec: Option<&PodSpec>, status: Option<&PodStatus>) -> Stages {
    let Some(status) = status else { return Stages::default() };
    let scheduled = status.conditions.iter().flatten().find(|condition| condition.type_ == "PodScheduled");
    let scheduled = scheduled.filter(|condition| condition.status == "True");
    let main = || status.container_statuses.iter().flatten();
    let started: Vec<Timestamp> = main().filter_map(first_start).collect();
    let first = status.init_container_statuses.iter().flatten().filter_map(first_start).chain(started.iter().copied());
    let containers = spec.map_or(0, |spec| spec.containers.len()).max(1);
    Stages {
        scheduled: scheduled.and_then(|condition| time(condition.last_transition_time.as_ref())),
        pulled: first.min(),
        running: started.iter().copied().max().filter(|_| started.len() >= containers),
    }
}

/// When a container first started, as far as its last two runs tell.
fn first_start(container: &ContainerStatus) -> Option<Timestamp> {
    let states = [container.last_state.as_ref(), container.state.as_ref()].into_iter().flatten();
    let starts = states.flat_map(|state| {
        let running = state.running.as_ref().and_then(|running| running.started_at.as_ref());
        let ended = state.terminated.as_ref().and_then(|ended| ended.started_at.as_ref());
        [time(running), time(ended)]
    });
    starts.flatten().min()
}

/// A time that was really written: one that never came is that of the epoch.
fn time(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0).filter(|time| *time > Timestamp::UNIX_EPOCH)
}

/// Whether all main containers have ended and none is started again.
fn have_all_ended(spec: &PodSpec, status: &PodStatus) -> bool {
    let containers: Vec<&ContainerStatus> = status.container_statuses.iter().flatten().collect();
    let is_for_good = |container: &&ContainerStatus| {
        let ended = container.state.as_ref().and_then(|state| state.terminated.as_ref());
        ended.is_some_and(|ended| ended.exit_code == 0 || spec.restart_policy.as_deref() == Some("Never"))
    };
    !containers.is_empty() && containers.len() >= spec.containers.len() && containers.iter().all(is_for_good)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(pod: Value) -> Record {
        Record::of(&serde_json::from_value(pod).unwrap())
    }

    fn container(state: &Value) -> Value {
        json!({"name": "agent", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": state})
    }

    fn at(second: u32) -> Option<Timestamp> {
        format!("2026-01-01T00:00:{second:02}Z").parse().ok()
    }

    #[test]
    fn an_agent_bears_the_pods_host_name() {
        let name = |name: &str, host: Value| {
            record(json!({"metadata": {"name": name}, "spec": {"hostname": host, "containers": []}}))
                .seen
                .agent
                .to_string()
        };
        assert_eq!(name("build-x7k2p-abcde", Value::Null), "build-x7k2p-abcde");
        assert_eq!(name("build-x7k2p-abcde", "agent".into()), "agent");
        let long = format!("{}-.{}", "a".repeat(61), "b".repeat(20));
        assert_eq!(name(&long, Value::Null), "a".repeat(61));
        assert_eq!(name(&"a".repeat(63), Value::Null), "a".repeat(63));
    }

    #[test]
    fn stages_follow_conditions_and_containers() {
        let scheduled =
            json!([{"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T00:00:01Z"}]);
        let ended = json!({"terminated": {"exitCode": 0, "startedAt": "2026-01-01T00:00:05Z"}});
        let running = json!({"running": {"startedAt": "2026-01-01T00:00:09Z"}});
        let pod = |main: Vec<Value>| {
            record(json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "agent"}, {"name": "docker"}]},
                "status": {"phase": "Pending", "conditions": scheduled, "initContainerStatuses": [container(&ended)],
                    "containerStatuses": main}}))
        };
        let stages = |main| pod(main).seen.stages;
        assert_eq!(stages(vec![]), Stages { scheduled: at(1), pulled: at(5), running: None });
        assert_eq!(stages(vec![container(&running)]).running, None);
        assert_eq!(stages(vec![container(&running), container(&running)]).running, at(9));
        assert!(!pod(vec![]).has_run);
        assert_eq!(pod(vec![]).conditions, ["PodScheduled"]);
    }

    #[test]
    fn a_pod_has_ended_when_nothing_starts_again() {
        let ended = |exit: i32, policy: &str, phase: &str| {
            record(json!({"metadata": {"name": "a"}, "spec": {"restartPolicy": policy, "containers": [{"name": "agent"}]},
                "status": {"phase": phase, "containerStatuses": [container(&json!({"terminated": {"exitCode": exit}}))]}}))
            .seen
            .has_ended
        };
        assert!(ended(0, "OnFailure", "Running"));
        assert!(ended(1, "Never", "Running"));
        assert!(!ended(1, "OnFailure", "Running"));
        assert!(ended(1, "OnFailure", "Failed"));
        let deleted = json!({"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"}});
        assert!(record(deleted).seen.has_ended);
        assert!(!record(json!({"metadata": {"name": "a"}})).seen.has_ended);
    }
}
