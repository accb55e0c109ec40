//! More than one scaler, one after the other and side by side: what they show comes of the cluster alone.

use std::time::Duration;

use futures::future::join;

use crate::{keda, rbac, scaler::Scaler, world::World};

/// For how long nothing must be told before two views are compared: longer than views are apart.
const QUIET: Duration = Duration::from_millis(500);

async fn prepare(world: &World) {
    rbac::apply_shipped(&world.client).await;
    for name in ["linux", "windows"] {
        world.keda.apply(&keda::manifest(&world.namespace, name)).await;
    }
}

/// Jobs of two ScaledJobs come, start, end and fail.
async fn burst(world: &World) {
    let (linux, windows) = join(world.keda.create_jobs("linux", 6), world.keda.create_jobs("windows", 6)).await;
    for (number, job) in linux.iter().chain(&windows).enumerate() {
        let pod = world.kubelet.pod_of(job).await;
        match number % 6 {
            0 => world.kubelet.unschedulable(&pod).await,
            1 => world.kubelet.run(&pod).await,
            2 => world.kubelet.succeed(&pod).await,
            3 => world.kubelet.fail(&pod, 1).await,
            4 => world.kubelet.evict(&pod).await,
            _ => {}
        }
    }
}

pub(crate) async fn two_replicas_show_the_same(world: World) {
    prepare(&world).await;
    let replicas = [Scaler::new(&world).await, Scaler::new(&world).await];
    burst(&world).await;
    for replica in &replicas {
        replica.counts(&world, "linux", (3, 2)).await;
        replica.counts(&world, "windows", (3, 2)).await;
    }
    let seen = replicas[0].agrees_with(&replicas[1], QUIET).await;
    assert_eq!(seen.scaled_jobs[&world.id("linux")].jobs.len(), 6);
}

pub(crate) async fn a_scaler_that_restarts_amid_a_burst_misses_nothing(world: World) {
    prepare(&world).await;
    let witness = Scaler::new(&world).await;
    witness.current().await;
    // One after the other, each killed as soon as it has seen something; the last one stays.
    let restarts = async {
        for number in 1..=5 {
            let scaler = Scaler::new(&world).await;
            let jobs = |seen: &azp_scaler::cluster_view::ClusterView| {
                seen.scaled_jobs.values().map(|seen| seen.jobs.len()).sum::<usize>()
            };
            scaler.shows("a Job", |view| view.current().map(|seen| jobs(seen)).filter(|count| *count >= number)).await;
        }
        Scaler::new(&world).await
    };
    let (last, ()) = join(restarts, burst(&world)).await;
    last.counts(&world, "linux", (3, 2)).await;
    last.counts(&world, "windows", (3, 2)).await;
    last.agrees_with(&witness, QUIET).await;
    // One that begins when all is quiet lists what the others have heard of bit by bit.
    Scaler::new(&world).await.agrees_with(&witness, QUIET).await;
}
