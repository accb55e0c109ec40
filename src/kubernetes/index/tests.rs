//! Objects as the API server sends them, and the view of them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::cluster_view::{JobState, KubernetesJob, ScaledJobView, StartFailure};

const ADDRESS: &str = "azp-scaler:6000";

fn index() -> Index {
    Index::new([ADDRESS.to_owned()])
}

fn id(name: &str) -> ScaledJobId {
    ScaledJobId { name: name.into(), namespace: "ci".into() }
}

fn key(name: &str) -> Key {
    Key::from(&id(name))
}

fn scaled(kind: &str, name: &str, address: &str, strategy: &Value) -> Object {
    let object = json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": "ci"},
        "spec": {
            "jobTargetRef": {"template": {"spec": {"containers": [{"name": "agent"}]}}},
            "scalingStrategy": strategy,
            "triggers": [{"type": "external", "metadata": {"scalerAddress": address, "poolName": "Default"}}],
        },
    });
    let object = serde_json::from_value(object).unwrap();
    let read = if kind == "ScaledJob" { Object::scaled_job } else { Object::scaled_object };
    read(&object).unwrap()
}

fn scaled_job(name: &str) -> Object {
    scaled("ScaledJob", name, ADDRESS, &json!({}))
}

fn job(name: &str, owner: &str, second: i64, condition: Option<&str>) -> Object {
    let created = Timestamp::from_second(1_800_000_000 + second).unwrap().to_string();
    let conditions = condition.map(|kind| json!([{"type": kind, "status": "True", "reason": "BackoffLimitExceeded"}]));
    let job = json!({
        "metadata": {"name": name, "namespace": "ci", "labels": {"scaledjob.keda.sh/name": owner}, "creationTimestamp": created},
        "status": {"conditions": conditions},
    });
    Object::job(&serde_json::from_value(job).unwrap()).unwrap()
}

fn pod(name: &str, job: &str, phase: &str, conditions: &[&str]) -> Object {
    let conditions: Vec<Value> = conditions.iter().map(|kind| json!({"type": kind, "status": "True"})).collect();
    let pod = json!({
        "metadata": {"name": name, "namespace": "ci", "labels": {"job-name": job}},
        "spec": {"containers": [{"name": "agent"}]},
        "status": {"phase": phase, "conditions": conditions},
    });
    Object::pod(&serde_json::from_value(pod).unwrap()).unwrap()
}

fn seen(index: &mut Index, name: &str) -> Arc<ScaledJobView> {
    Arc::clone(&index.view().scaled_jobs[&id(name)])
}

#[test]
fn jobs_and_pods_find_their_scaled_job_in_any_order() {
    let mut objects =
        [scaled_job("build"), job("build-1", "build", 0, None), pod("build-1-a", "build-1", "Pending", &[])];
    for _ in 0..objects.len() {
        objects.rotate_left(1);
        let mut index = index();
        for object in objects.clone() {
            index.apply(object);
            index.view();
        }
        let build = seen(&mut index, "build");
        assert_eq!((build.unfinished(), build.pending()), (1, 1));
        assert_eq!(build.jobs[0].pods[0].agent, "build-1-a".into());
        index.apply(pod("build-1-a", "build-1", "Running", &[]));
        assert_eq!(seen(&mut index, "build").pending(), 0);
        index.delete(Kind::Pod, &key("build-1-a"));
        assert_eq!(seen(&mut index, "build").pending(), 1);
        index.delete(Kind::Job, &key("build-1"));
        assert_eq!(seen(&mut index, "build").unfinished(), 0);
        index.delete(Kind::ScaledJob, &key("build"));
        assert!(index.view().scaled_jobs.is_empty());
    }
}

#[test]
fn pending_pod_conditions_count_as_keda_counts_them() {
    let pending = |conditions: Value, phase: &str, met: &[&str]| {
        let mut index = index();
        index.apply(scaled("ScaledJob", "build", ADDRESS, &json!({"pendingPodConditions": conditions})));
        index.apply(job("build-1", "build", 0, None));
        index.apply(pod("build-1-a", "build-1", phase, met));
        seen(&mut index, "build").pending() == 1
    };
    assert!(!pending(json!([]), "Succeeded", &[]));
    assert!(pending(json!([]), "Failed", &["Ready"]));
    assert!(pending(json!(["Ready", "PodScheduled"]), "Running", &["PodScheduled"]));
    assert!(!pending(json!(["Ready", "PodScheduled"]), "Pending", &["PodScheduled", "Ready", "Initialized"]));
    assert!(pending(json!(["Ready", "Ready"]), "Running", &["Ready"]), "KEDA never finds both");
}

#[test]
fn ours_are_those_at_our_address_and_those_asked_about() {
    let mut index = index();
    index.apply(scaled("ScaledJob", "alias", "elsewhere:1", &json!({})));
    assert!(index.view().scaled_jobs.is_empty());
    index.asked(&id("alias"));
    assert_eq!(seen(&mut index, "alias").triggers.len(), 1);
    index.asked(&id("made-up"));
    assert_eq!(index.view().scaled_jobs.len(), 1);
    for number in 0..2 * MOST_ASKED {
        index.asked(&id(&number.to_string()));
    }
    assert!(index.asked.len() <= MOST_ASKED);
    index.apply(scaled("ScaledObject", "alias", ADDRESS, &json!({})));
    assert_eq!(seen(&mut index, "alias").strategy, crate::trigger::Strategy::Default, "the ScaledJob is meant");
    index.delete(Kind::ScaledJob, &key("alias"));
    assert_eq!(seen(&mut index, "alias").strategy, crate::trigger::Strategy::ScaledObject);
}

#[test]
fn a_new_list_replaces_what_was_known() {
    let mut index = index();
    index.apply(scaled_job("build"));
    index.replace_all(Kind::Job, vec![job("build-1", "build", 0, None), job("build-2", "build", 1, None)]);
    assert_eq!(seen(&mut index, "build").unfinished(), 2);
    let view = index.view();
    index.replace_all(Kind::Job, vec![job("build-1", "build", 0, None), job("build-2", "build", 1, None)]);
    assert!(!index.is_touched());
    assert!(Arc::ptr_eq(&view, &index.view()), "nothing has changed");
    index.replace_all(Kind::Job, vec![job("build-2", "build", 1, Some("Complete"))]);
    let build = seen(&mut index, "build");
    assert_eq!(build.jobs.iter().map(|job| job.state).collect::<Vec<_>>(), [JobState::Succeeded]);
    assert_eq!(index.count(Kind::Job), 1);
}

#[test]
fn a_change_touches_one_scaled_job() {
    let mut index = index();
    for number in 0..50 {
        index.apply(scaled_job(&format!("build-{number}")));
        for job_number in 0..10 {
            index.apply(job(&format!("build-{number}-{job_number}"), &format!("build-{number}"), job_number, None));
        }
    }
    let before = index.view();
    index.apply(pod("a", "build-7-3", "Running", &[]));
    let after = index.view();
    for (id, view) in &before.scaled_jobs {
        assert_eq!(Arc::ptr_eq(view, &after.scaled_jobs[id]), &*id.name != "build-7", "{id}");
    }
}

#[test]
fn failed_ones_stay_with_what_they_say_and_only_the_newest() {
    let mut index = index();
    index.apply(scaled_job("build"));
    for number in 0..150 {
        index.apply(job(&format!("build-{number}"), "build", number / 2, Some("Failed")));
    }
    index.apply(job("build-old", "build", -1, None));
    let build = seen(&mut index, "build");
    assert_eq!(build.jobs.len(), 101);
    assert_eq!(build.unfinished(), 1);
    let failed = build.jobs.iter().find(|job| job.state == JobState::Failed).unwrap();
    assert_eq!(failed.trouble().map(|trouble| trouble.reason), Some(StartFailure::ContainerFailed));
    let oldest = build.jobs.iter().filter(|job| !job.is_unfinished()).map(|job: &KubernetesJob| job.created_at).min();
    assert_eq!(oldest, Some(Timestamp::from_second(1_800_000_025).unwrap()));
}
