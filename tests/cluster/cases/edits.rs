//! What authors change while Jobs run.

use azp_scaler::trigger::Strategy;
use futures::future::join;
use kube::api::DeleteParams;
use serde_json::json;

use crate::{keda, rbac, scaler::Scaler, world::World};

pub(crate) async fn an_edited_scaled_job_is_followed_amid_a_burst(world: World) {
    rbac::apply_shipped(&world.client).await;
    let mut manifest = keda::manifest(&world.namespace, "linux");
    world.keda.apply(&manifest).await;
    let scaler = Scaler::new(&world).await;
    scaler.counts(&world, "linux", (0, 0)).await;
    let edits = async {
        manifest["spec"]["maxReplicaCount"] = json!(7);
        world.keda.apply(&manifest).await;
        scaler.scaled_job(&world, "linux", |seen| seen.max_replicas == 7).await;
        manifest["spec"]["scalingStrategy"] = json!({
            "strategy": "custom", "customScalingQueueLengthDeduction": 2, "customScalingRunningJobPercentage": "0.5",
        });
        world.keda.apply(&manifest).await;
        let custom = Strategy::Custom { deduction: 2, percentage: 0.5 };
        scaler.scaled_job(&world, "linux", |seen| seen.strategy == custom).await;
        manifest["spec"]["triggers"][0]["metadata"]["capabilities"] = json!("docker");
        world.keda.apply(&manifest).await;
        let docker = |seen: &azp_scaler::cluster_view::ScaledJobView| {
            seen.triggers[0].get("capabilities").map(String::as_str) == Some("docker")
        };
        scaler.scaled_job(&world, "linux", docker).await;
        manifest["metadata"]["annotations"] = json!({ "autoscaling.keda.sh/paused": "true" });
        world.keda.apply(&manifest).await;
        scaler.scaled_job(&world, "linux", |seen| seen.is_paused && docker(seen) && seen.max_replicas == 7).await;
    };
    let burst = async {
        let jobs = world.keda.create_jobs("linux", 8).await;
        for job in &jobs[..3] {
            world.kubelet.run(&world.kubelet.pod_of(job).await).await;
        }
    };
    join(edits, burst).await;
    scaler.counts(&world, "linux", (8, 5)).await;

    // What counts as pending is the author's, too: all are placed but those that nobody has looked at.
    manifest["spec"]["scalingStrategy"] = json!({ "pendingPodConditions": ["Ready", "PodScheduled"] });
    manifest["metadata"]["annotations"] = json!({});
    world.keda.apply(&manifest).await;
    scaler.scaled_job(&world, "linux", |seen| !seen.is_paused && seen.strategy == Strategy::Default).await;
    scaler.counts(&world, "linux", (8, 5)).await;
    manifest["spec"]["scalingStrategy"] = json!({ "pendingPodConditions": ["Ready", "Ready"] });
    world.keda.apply(&manifest).await;
    scaler.counts(&world, "linux", (8, 8)).await;
}

pub(crate) async fn a_scaled_job_that_asks_another_scaler_is_not_ours(world: World) {
    rbac::apply_shipped(&world.client).await;
    let mut manifest = keda::manifest(&world.namespace, "linux");
    world.keda.apply(&manifest).await;
    world.keda.create_jobs("linux", 1).await;
    let scaler = Scaler::new(&world).await;
    scaler.counts(&world, "linux", (1, 1)).await;
    let ours = manifest["spec"]["triggers"][0]["metadata"]["scalerAddress"].clone();
    manifest["spec"]["triggers"][0]["metadata"]["scalerAddress"] = json!("another.example.com:6000");
    world.keda.apply(&manifest).await;
    is_gone(&world, &scaler).await;
    manifest["spec"]["triggers"][0]["metadata"]["scalerAddress"] = ours;
    world.keda.apply(&manifest).await;
    scaler.counts(&world, "linux", (1, 1)).await;
}

pub(crate) async fn a_deleted_scaled_job_is_gone_with_its_jobs(world: World) {
    rbac::apply_shipped(&world.client).await;
    let manifest = keda::manifest(&world.namespace, "linux");
    world.keda.apply(&manifest).await;
    let [job] = world.keda.create_jobs("linux", 1).await.try_into().unwrap();
    let pod = world.kubelet.pod_of(&job).await;
    world.kubelet.run(&pod).await;
    let scaler = Scaler::new(&world).await;
    scaler.counts(&world, "linux", (1, 0)).await;
    let scaled_jobs = keda::scaled_jobs(world.client.clone(), &world.namespace);
    scaled_jobs.delete("linux", &DeleteParams::default()).await.unwrap();
    is_gone(&world, &scaler).await;
    // One of the same name inherits Jobs only for as long as they are there, as it does with KEDA.
    world.keda.apply(&manifest).await;
    world.kubelet.gone(&pod).await;
    let seen = scaler.counts(&world, "linux", (0, 0)).await;
    assert!(seen.jobs.is_empty(), "{seen:?}");
}

async fn is_gone(world: &World, scaler: &Scaler) {
    let id = world.id("linux");
    scaler.shows("it to be gone", |view| (!view.current()?.scaled_jobs.contains_key(&id)).then_some(())).await;
}
