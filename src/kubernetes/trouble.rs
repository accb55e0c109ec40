//! What keeps a pod or a Kubernetes Job from bringing an agent, in the cluster's words.
//!
//! What a container wrote itself (its termination message, which may be its log) is not repeated: it may hold secrets.

use k8s_openapi::api::{
    batch::v1::JobCondition,
    core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodStatus},
};

use super::text::one_line;
use crate::cluster_view::{StartFailure, Trouble};

/// What is wrong with a pod: what has ended it, then what its containers lack, then what keeps it from a node.
pub(super) fn of_pod(pod: &Pod) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    let is_being_stopped = pod.metadata.deletion_timestamp.is_some();
    let mut containers = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    put_out(status)
        .or_else(|| containers.find_map(|container| of_container(container, is_being_stopped)))
        .or_else(|| unschedulable(status))
        .or_else(|| ended(status))
}

/// What is wrong with a Kubernetes Job that has failed.
pub(super) fn of_job(failed: &JobCondition) -> Trouble {
    let reason = failed.reason.as_deref().unwrap_or_default();
    let failure = match reason {
        "DeadlineExceeded" => StartFailure::DeadlineExceeded,
        "BackoffLimitExceeded" | "PodFailurePolicy" => StartFailure::ContainerFailed,
        _ => StartFailure::Other,
    };
    trouble(failure, reason, failed.message.as_deref())
}

fn trouble(reason: StartFailure, word: &str, message: Option<&str>) -> Trouble {
    let message = match message.map(str::trim).unwrap_or_default() {
        "" => one_line(word),
        message if word.is_empty() || message.contains(word) => one_line(message),
        message => one_line(&format!("{word}: {message}")),
    };
    Trouble { reason, message }
}

/// The node or the control plane has put the pod out.
fn put_out(status: &PodStatus) -> Option<Trouble> {
    let reason = status.reason.as_deref().unwrap_or_default();
    let disruption = || {
        let mut conditions = status.conditions.iter().flatten();
        conditions.find(|condition| condition.type_ == "DisruptionTarget" && condition.status == "True")
    };
    match reason {
        "Evicted" | "Preempting" | "Terminated" | "NodeShutdown" | "NodeLost" => {
            Some(trouble(StartFailure::Evicted, reason, status.message.as_deref()))
        }
        "DeadlineExceeded" => Some(trouble(StartFailure::DeadlineExceeded, reason, status.message.as_deref())),
        _ => disruption().map(|condition| {
            let word = condition.reason.as_deref().unwrap_or_default();
            trouble(StartFailure::Evicted, word, condition.message.as_deref())
        }),
    }
}

fn of_container(container: &ContainerStatus, is_being_stopped: bool) -> Option<Trouble> {
    let state = container.state.as_ref();
    let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let out_of_memory = || last.filter(|last| last.reason.as_deref() == Some("OOMKilled")).map(of_ended);
    match state {
        Some(ContainerState { terminated: Some(ended), .. }) => {
            // What is told to stop ends with the signal's number.
            let was_told = is_being_stopped && matches!(ended.exit_code, 137 | 143);
            let is_out_of_memory = ended.reason.as_deref() == Some("OOMKilled");
            (ended.exit_code != 0 && (!was_told || is_out_of_memory)).then(|| of_ended(ended))
        }
        Some(ContainerState { waiting: Some(waiting), .. }) => {
            let word = waiting.reason.as_deref().unwrap_or_default();
            let failure = match word {
                "ImagePullBackOff"
                | "ErrImagePull"
                | "InvalidImageName"
                | "ErrImageNeverPull"
                | "ImageInspectError"
                | "RegistryUnavailable"
                | "SignatureValidationFailed" => StartFailure::ImagePull,
                "CreateContainerConfigError"
                | "CreateContainerError"
                | "RunContainerError"
                | "PreStartHookError"
                | "PostStartHookError" => StartFailure::CreateContainer,
                "CrashLoopBackOff" => {
                    let crash = last.map(of_ended).filter(|trouble| trouble.reason != StartFailure::Other);
                    return Some(crash.unwrap_or_else(|| trouble(StartFailure::ContainerFailed, word, None)));
                }
                _ => return out_of_memory(),
            };
            Some(trouble(failure, word, waiting.message.as_deref()))
        }
        _ => out_of_memory(),
    }
}

/// How a container has ended. Its own message is told only where it is the runtime's: the container never ran then.
fn of_ended(ended: &ContainerStateTerminated) -> Trouble {
    let word = ended.reason.as_deref().unwrap_or("Error");
    match word {
        "OOMKilled" => trouble(StartFailure::OutOfMemory, word, None),
        "DeadlineExceeded" => trouble(StartFailure::DeadlineExceeded, word, None),
        "StartError" | "ContainerCannotRun" => trouble(StartFailure::CreateContainer, word, ended.message.as_deref()),
        _ => trouble(StartFailure::ContainerFailed, word, Some(&format!("exit code {}", ended.exit_code))),
    }
}

fn unschedulable(status: &PodStatus) -> Option<Trouble> {
    let condition = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    let word = condition.reason.as_deref().unwrap_or_default();
    Some(trouble(StartFailure::Unschedulable, word, condition.message.as_deref()))
}

/// The pod has failed for a reason of its own, as where a node refuses it.
fn ended(status: &PodStatus) -> Option<Trouble> {
    let reason = status.reason.as_deref().filter(|_| status.phase.as_deref() == Some("Failed"))?;
    let refused = reason.starts_with("OutOf") || matches!(reason, "NodeAffinity" | "NodePorts" | "TaintToleration");
    let failure = if refused { StartFailure::Unschedulable } else { StartFailure::Other };
    Some(trouble(failure, reason, status.message.as_deref()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(status: &Value, expected: Option<(StartFailure, &str)>) {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "a"}, "status": status})).unwrap();
        let seen = of_pod(&pod);
        assert_eq!(seen.as_ref().map(|trouble| (trouble.reason, &*trouble.message)), expected);
    }

    fn waiting(reason: &str, last: &Value) -> Value {
        json!({"containerStatuses": [{"name": "agent", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": "as\nsaid"}}, "lastState": last}]})
    }

    fn ended(exit: i32, reason: &str) -> Value {
        json!({"terminated": {"exitCode": exit, "reason": reason, "message": "hidden"}})
    }

    #[test]
    fn containers_that_wait_say_why() {
        for reason in ["ImagePullBackOff", "ErrImagePull", "InvalidImageName"] {
            check(&waiting(reason, &json!({})), Some((StartFailure::ImagePull, &format!("{reason}: as said"))));
        }
        check(
            &waiting("CreateContainerConfigError", &json!({})),
            Some((StartFailure::CreateContainer, "CreateContainerConfigError: as said")),
        );
        check(&waiting("ContainerCreating", &json!({})), None);
        check(&waiting("ContainerCreating", &ended(137, "OOMKilled")), Some((StartFailure::OutOfMemory, "OOMKilled")));
        check(&waiting("CrashLoopBackOff", &ended(137, "OOMKilled")), Some((StartFailure::OutOfMemory, "OOMKilled")));
        check(
            &waiting("CrashLoopBackOff", &ended(3, "Error")),
            Some((StartFailure::ContainerFailed, "Error: exit code 3")),
        );
    }

    #[test]
    fn containers_that_ended_say_how_and_not_what_they_wrote() {
        let status = |state: Value| json!({"containerStatuses": [{"name": "agent", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state}]});
        check(&status(ended(0, "Completed")), None);
        check(&status(ended(1, "Error")), Some((StartFailure::ContainerFailed, "Error: exit code 1")));
        check(&status(ended(137, "OOMKilled")), Some((StartFailure::OutOfMemory, "OOMKilled")));
    }

    #[test]
    fn pods_without_containers_say_why() {
        let scheduled =
            json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]);
        check(&json!({"conditions": scheduled}), Some((StartFailure::Unschedulable, "Unschedulable: 0/3 nodes")));
        check(
            &json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}),
            Some((StartFailure::Evicted, "Evicted: low on memory")),
        );
        check(&json!({"phase": "Failed", "reason": "OutOfcpu"}), Some((StartFailure::Unschedulable, "OutOfcpu")));
        check(&json!({"phase": "Pending"}), None);
    }

    #[test]
    fn what_is_told_to_stop_is_no_trouble() {
        let pod = json!({"metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"containerStatuses": [{"name": "agent", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": ended(143, "Error")}]}});
        assert_eq!(of_pod(&serde_json::from_value(pod).unwrap()), None);
    }
}
