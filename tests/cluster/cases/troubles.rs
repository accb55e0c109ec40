//! Why agents don't come, in the cluster's words.

use azp_scaler::cluster_view::{JobState, KubernetesJob, StartFailure, Trouble};
use serde_json::json;

use crate::{keda, rbac, scaler::Scaler, world::World};

pub(crate) async fn each_trouble_has_its_reason(world: World) {
    use StartFailure::{ContainerFailed, CreateContainer, Evicted, ImagePull, OutOfMemory, Unschedulable};

    rbac::apply_shipped(&world.client).await;
    world.keda.apply(&keda::manifest(&world.namespace, "linux")).await;
    let jobs = world.keda.create_jobs("linux", 7).await;
    let mut pods = Vec::new();
    for job in &jobs {
        pods.push(world.kubelet.pod_of(job).await);
    }
    let (kubelet, scaler) = (&world.kubelet, Scaler::new(&world).await);
    kubelet.unschedulable(&pods[0]).await;
    kubelet.image_pull_back_off(&pods[1]).await;
    kubelet.create_container_config_error(&pods[2]).await;
    for pod in &pods[3..] {
        kubelet.run(pod).await;
    }
    kubelet.oom_killed(&pods[3]).await;
    kubelet.evict(&pods[4]).await;
    kubelet.fail(&pods[5], 3).await;
    let seen = scaler.counts(&world, "linux", (4, 3)).await;

    let low = "Evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi.";
    let nodes = "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available.";
    let image = "ImagePullBackOff: Back-off pulling image \"registry.example.com/azp-agent:1\"";
    let wanted = [
        Some((Unschedulable, nodes)),
        Some((ImagePull, image)),
        Some((CreateContainer, "CreateContainerConfigError: secret \"azp-token\" not found")),
        Some((OutOfMemory, "OOMKilled")),
        Some((Evicted, low)),
        Some((ContainerFailed, "Error: exit code 3")),
        None,
    ];
    for (job, wanted) in jobs.iter().zip(wanted) {
        let wanted = wanted.map(|(reason, message)| Trouble { reason, message: message.into() });
        assert_eq!(find(&seen.jobs, job).trouble(), wanted.as_ref());
    }

    // What is mended is no trouble any more.
    for pod in &pods[..3] {
        kubelet.run(pod).await;
    }
    let seen = scaler.counts(&world, "linux", (4, 0)).await;
    assert!(jobs[..3].iter().all(|job| find(&seen.jobs, job).trouble().is_none()), "{seen:?}");
}

pub(crate) async fn a_job_out_of_time_says_so_after_its_pods_are_gone(world: World) {
    rbac::apply_shipped(&world.client).await;
    let mut manifest = keda::manifest(&world.namespace, "linux");
    manifest["spec"]["jobTargetRef"]["activeDeadlineSeconds"] = json!(1);
    world.keda.apply(&manifest).await;
    let [job] = world.keda.create_jobs("linux", 1).await.try_into().unwrap();
    let scaler = Scaler::new(&world).await;
    // The Job controller deletes its pod, which has no node and so goes at once.
    let seen = scaler.counts(&world, "linux", (0, 0)).await;
    let seen = if seen.jobs.is_empty() {
        scaler.scaled_job(&world, "linux", |seen| seen.jobs.iter().any(|job| job.state == JobState::Failed)).await
    } else {
        seen
    };
    let job = find(&seen.jobs, &job);
    assert_eq!(job.trouble.as_ref().unwrap().reason, StartFailure::DeadlineExceeded);
    assert_eq!(job.state, JobState::Failed);
}

fn find<'a>(jobs: &'a [KubernetesJob], name: &str) -> &'a KubernetesJob {
    jobs.iter().find(|job| &*job.name == name).unwrap()
}
