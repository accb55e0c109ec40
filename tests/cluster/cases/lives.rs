//! Jobs and their pods from beginning to end, counted as KEDA counts them.

use k8s_openapi::api::batch::v1::Job;
use kube::{
    api::{DeleteParams, ListParams},
    runtime::wait::await_condition,
};
use serde_json::json;
use tokio::time::timeout;

use crate::{
    keda,
    within::{PATIENCE, becomes},
    world::World,
};

/// KEDA's numbers of running and of pending Jobs.
async fn counts(world: &World) -> (usize, usize) {
    (world.keda.running("linux").await, world.keda.pending("linux").await)
}

/// A ScaledJob with so many Jobs, and the Jobs' names.
async fn with_jobs<const COUNT: usize>(world: &World) -> [String; COUNT] {
    world.keda.apply(&keda::manifest(&world.namespace, "linux")).await;
    world.keda.create_jobs("linux", COUNT).await.try_into().unwrap()
}

/// Waits until a Job has a condition.
async fn comes_to(world: &World, job: &str, kind: &'static str) {
    let has_condition = move |job: Option<&Job>| {
        let conditions = job.and_then(|job| job.status.as_ref()?.conditions.as_ref());
        conditions.is_some_and(|all| all.iter().any(|one| one.type_ == kind && one.status == "True"))
    };
    let met = await_condition(world.keda.jobs(), job, has_condition);
    timeout(PATIENCE, met).await.expect("the Job controller sees to it in time").unwrap();
}

pub(crate) async fn a_job_succeeds(world: World) {
    let [job] = with_jobs(&world).await;
    let pod = world.kubelet.pod_of(&job).await;
    assert_eq!(counts(&world).await, (1, 1));
    world.kubelet.hang(&pod).await;
    assert_eq!(counts(&world).await, (1, 1));
    world.kubelet.run(&pod).await;
    assert_eq!(counts(&world).await, (1, 0));
    world.kubelet.succeed(&pod).await;
    comes_to(&world, &job, "Complete").await;
    assert_eq!(counts(&world).await, (0, 0));
}

pub(crate) async fn a_job_fails(world: World) {
    let [job, other] = with_jobs(&world).await;
    let pod = world.kubelet.pod_of(&job).await;
    world.kubelet.run(&pod).await;
    assert_eq!(counts(&world).await, (2, 1));
    world.kubelet.fail(&pod, 1).await;
    comes_to(&world, &job, "Failed").await;
    assert_eq!(counts(&world).await, (1, 1));
    world.kubelet.run(&world.kubelet.pod_of(&other).await).await;
    assert_eq!(counts(&world).await, (1, 0));
}

pub(crate) async fn an_evicted_pod_is_replaced(world: World) {
    let mut manifest = keda::manifest(&world.namespace, "linux");
    // An eviction is not the agent's fault.
    manifest["spec"]["jobTargetRef"]["podFailurePolicy"] = json!({
        "rules": [{ "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] }],
    });
    world.keda.apply(&manifest).await;
    let [job] = world.keda.create_jobs("linux", 1).await.try_into().unwrap();
    let first = world.kubelet.pod_of(&job).await;
    world.kubelet.run(&first).await;
    world.kubelet.evict(&first).await;
    let second = world.kubelet.pod_of(&job).await;
    assert_ne!(first, second);
    assert_eq!(counts(&world).await, (1, 1));
    world.kubelet.run(&second).await;
    world.kubelet.succeed(&second).await;
    comes_to(&world, &job, "Complete").await;
    assert_eq!(counts(&world).await, (0, 0));
}

pub(crate) async fn pods_that_cannot_start_are_pending(world: World) {
    let jobs: [String; 4] = with_jobs(&world).await;
    let mut pods = Vec::new();
    for job in &jobs {
        pods.push(world.kubelet.pod_of(job).await);
    }
    world.kubelet.unschedulable(&pods[0]).await;
    world.kubelet.image_pull_back_off(&pods[1]).await;
    world.kubelet.create_container_config_error(&pods[2]).await;
    world.kubelet.run(&pods[3]).await;
    assert_eq!(counts(&world).await, (4, 3));
    // Each may still come.
    for pod in &pods[..3] {
        world.kubelet.run(pod).await;
    }
    assert_eq!(counts(&world).await, (4, 0));
}

pub(crate) async fn a_kill_for_memory_fails_the_job(world: World) {
    let [job] = with_jobs(&world).await;
    let pod = world.kubelet.pod_of(&job).await;
    world.kubelet.run(&pod).await;
    world.kubelet.oom_killed(&pod).await;
    comes_to(&world, &job, "Failed").await;
    let pod = world.kubelet.pods().get(&pod).await.unwrap();
    let state = serde_json::to_value(pod.status.unwrap().container_statuses.unwrap()[0].state.as_ref()).unwrap();
    assert_eq!(state["terminated"]["reason"], "OOMKilled");
    assert!(state.get("running").is_none(), "{state}");
}

pub(crate) async fn conditions_say_what_is_pending(world: World) {
    let mut manifest = keda::manifest(&world.namespace, "linux");
    manifest["spec"]["scalingStrategy"] = json!({ "pendingPodConditions": ["PodScheduled"] });
    world.keda.apply(&manifest).await;
    let [job] = world.keda.create_jobs("linux", 1).await.try_into().unwrap();
    let pod = world.kubelet.pod_of(&job).await;
    world.kubelet.unschedulable(&pod).await;
    assert_eq!(counts(&world).await, (1, 1));
    world.kubelet.hang(&pod).await;
    assert_eq!(counts(&world).await, (1, 0));
}

pub(crate) async fn a_deleted_pod_fails_its_job(world: World) {
    let [job] = with_jobs(&world).await;
    let pod = world.kubelet.pod_of(&job).await;
    world.kubelet.run(&pod).await;
    world.kubelet.delete(&pod).await;
    // The Job controller has given it up, but KEDA counts it until its pod has ended.
    comes_to(&world, &job, "FailureTarget").await;
    assert_eq!(counts(&world).await, (1, 0));
    world.kubelet.gone(&pod).await;
    comes_to(&world, &job, "Failed").await;
    assert_eq!(counts(&world).await, (0, 0));
}

pub(crate) async fn a_scaled_job_takes_its_jobs_along(world: World) {
    let [job] = with_jobs(&world).await;
    let pod = world.kubelet.pod_of(&job).await;
    world.kubelet.run(&pod).await;
    let scaled_jobs = keda::scaled_jobs(world.client.clone(), &world.namespace);
    scaled_jobs.delete("linux", &DeleteParams::default()).await.unwrap();
    let terminating = async || world.kubelet.pods().get(&pod).await.unwrap().metadata.deletion_timestamp.is_some();
    becomes("whether the pod is terminating", true, terminating).await;
    world.kubelet.gone(&pod).await;
    becomes("the number of Jobs", 0, async || {
        world.keda.jobs().list(&ListParams::default()).await.unwrap().items.len()
    })
    .await;
}
