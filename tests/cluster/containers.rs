//! The status that a kubelet writes for a pod on its node: phase, conditions and containers' states that agree.

use std::time::SystemTime;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

/// How a pod's containers are.
#[derive(Clone, Copy)]
pub(crate) enum Life {
    /// They have not started.
    Waits {
        /// Why, as Kubernetes calls it.
        reason: &'static str,
        /// What the kubelet says.
        message: Option<&'static str>,
    },
    /// They run.
    Runs,
    /// They have ended.
    Ended {
        /// Why, as Kubernetes calls it.
        reason: &'static str,
        /// Theirs.
        exit_code: i32,
    },
}

/// Now, as objects of Kubernetes say it: in whole seconds.
#[expect(clippy::disallowed_methods, reason = "a kubelet reads its node's clock")]
pub(crate) fn now() -> String {
    let now = Timestamp::try_from(SystemTime::now()).unwrap();
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The status of `pod` from now on. What began before keeps its time.
pub(crate) fn status(pod: &Pod, phase: &str, life: Life) -> Value {
    let before = serde_json::to_value(pod.status.as_ref()).unwrap();
    let containers = pod.spec.as_ref().unwrap().containers.iter().map(|container| {
        let state = state(life, &before["containerStatuses"][0]["state"]);
        let (is_up, has_begun) = (matches!(life, Life::Runs), !matches!(life, Life::Waits { .. }));
        json!({
            "name": container.name, "image": container.image, "ready": is_up, "started": is_up, "restartCount": 0,
            "imageID": if has_begun { "registry.example.com/azp-agent@sha256:0" } else { "" }, "state": state,
        })
    });
    let ready = match life {
        Life::Runs => ("True", None),
        Life::Waits { .. } => ("False", Some("ContainersNotReady")),
        Life::Ended { exit_code: 0, .. } => ("False", Some("PodCompleted")),
        Life::Ended { .. } => ("False", Some("PodFailed")),
    };
    let conditions = [
        (
            "PodReadyToStartContainers",
            if matches!(life, Life::Ended { .. }) { ("False", None) } else { ("True", None) },
        ),
        ("Initialized", ("True", None)),
        ("Ready", ready),
        ("ContainersReady", ready),
        ("PodScheduled", ("True", None)),
    ];
    json!({
        "phase": phase,
        "startTime": kept(&before["startTime"]),
        "conditions": conditions.map(|(kind, (holds, reason))| condition(&before, kind, holds, reason)),
        "containerStatuses": containers.collect::<Vec<_>>(),
    })
}

/// A condition's time is that of its last change.
fn condition(before: &Value, kind: &str, holds: &str, reason: Option<&str>) -> Value {
    let known = before["conditions"].as_array().into_iter().flatten();
    let same = known.into_iter().find(|one| one["type"] == kind && one["status"] == holds);
    let since = same.map_or_else(|| json!(now()), |one| kept(&one["lastTransitionTime"]));
    json!({ "type": kind, "status": holds, "reason": reason, "lastTransitionTime": since })
}

fn state(life: Life, before: &Value) -> Value {
    // A merge keeps what it is not told of; only `null` removes the state before.
    let mut state = json!({ "waiting": null, "running": null, "terminated": null });
    match life {
        Life::Waits { reason, message } => state["waiting"] = json!({ "reason": reason, "message": message }),
        Life::Runs => state["running"] = json!({ "startedAt": kept(&before["running"]["startedAt"]) }),
        Life::Ended { reason, exit_code } => {
            state["terminated"] = json!({
                "reason": reason, "exitCode": exit_code,
                "startedAt": kept(&before["running"]["startedAt"]), "finishedAt": now(),
            });
        }
    }
    state
}

/// A time that was known, or now.
fn kept(time: &Value) -> Value {
    if time.is_null() { json!(now()) } else { time.clone() }
}
