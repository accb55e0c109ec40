//! The real KEDA operator with the scaler's own program, its roles and its manifest: exactly the agents that are missing.

use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::{installation::Installation, keda::scaled_jobs, nodes::Pace, wire::Wire, within::becomes, world::World};

/// Pods and agents as quick as on a node that has the image.
pub(super) const QUICK: Pace = Pace { start: Duration::from_millis(1_500), registration: Duration::from_millis(500) };
/// How long a job runs that is still running when something happens.
pub(super) const A_WHILE: Duration = Duration::from_secs(4);

/// KEDA asks a few times more, and nothing more is started than these.
pub(super) async fn started_no_more_than(installed: &Installation, agents: usize) {
    installed.scaler.asked_again(3).await;
    assert_eq!(installed.nodes.started(), agents, "{}", installed.story());
}

pub(crate) async fn keda_starts_an_agent_for_each_job(world: World) {
    let installed = Installation::new(world, QUICK).await;
    installed.apply(&installed.manifest("linux", "docker, java=17")).await;
    installed.organization.queue(8, &["java -equals 17"], A_WHILE).await;
    installed.organization.has_run(8).await;
    started_no_more_than(&installed, 8).await;
}

pub(crate) async fn keda_starts_one_agent_for_a_job_that_three_scaled_jobs_fit(world: World) {
    let installed = Installation::new(world, QUICK).await;
    for (name, capabilities) in [("small", "docker"), ("java", "docker, java=17"), ("large", "docker, java=17, gpu")] {
        installed.apply(&installed.manifest(name, capabilities)).await;
    }
    // Azure gives an agent the oldest job that it fits, so these are given out as they were placed.
    installed.organization.queue(2, &["gpu"], A_WHILE).await;
    installed.organization.queue(3, &["java"], A_WHILE).await;
    installed.organization.queue(4, &["docker"], A_WHILE).await;
    installed.organization.has_run(9).await;
    started_no_more_than(&installed, 9).await;
    assert_eq!(["small", "java", "large"].map(|name| installed.nodes.started_for(name)), [4, 3, 2]);
}

pub(crate) async fn keda_keeps_idle_agents_beside_those_that_work(world: World) {
    let installed = Installation::new(world, QUICK).await;
    let mut manifest = installed.manifest("linux", "docker");
    manifest["spec"]["minReplicaCount"] = json!(2);
    manifest["spec"]["triggers"][0]["metadata"]["minReplicaCount"] = json!("2");
    installed.apply(&manifest).await;
    becomes("the number of idle agents", 2, || installed.organization.idle_agents()).await;
    started_no_more_than(&installed, 2).await;
    // Two go to the idle ones, which are replaced.
    installed.organization.queue(3, &["docker"], A_WHILE).await;
    installed.organization.has_run(3).await;
    becomes("the number of idle agents", 2, || installed.organization.idle_agents()).await;
    started_no_more_than(&installed, 5).await;
}

pub(crate) async fn keda_goes_on_when_the_api_server_is_restarted(world: World) {
    let installed = Installation::new(world, QUICK).await;
    installed.apply(&installed.manifest("linux", "docker")).await;
    installed.organization.queue(4, &["docker"], A_WHILE).await;
    installed.organization.has_begun(1).await;
    installed.world.control_plane.kill_api_server().await;
    installed.organization.queue(2, &["docker"], A_WHILE).await;
    installed.world.control_plane.start_api_server().await;
    installed.organization.has_run(6).await;
    // All are for jobs, but those that KEDA started twice by itself.
    let twice = installed.started_twice();
    println!("  KEDA started {twice} a second time");
    started_no_more_than(&installed, 6 + twice).await;
}

pub(crate) async fn keda_starts_nothing_for_jobs_that_end_unseen(world: World) {
    let wire = Wire::to(&world.control_plane.url()).await;
    let installed = Installation::through(world, QUICK, &wire.url).await;
    installed.apply(&installed.manifest("linux", "docker")).await;
    installed.organization.queue(4, &["docker"], A_WHILE).await;
    installed.organization.has_begun(4).await;
    installed.scaler.asked_again(2).await;
    wire.cut();
    // KEDA counts four fewer, and the scaler does not know.
    installed.organization.has_run(4).await;
    installed.organization.queue(1, &["docker"], A_WHILE).await;
    installed.organization.has_run(5).await;
    started_no_more_than(&installed, 5).await;
}

pub(crate) async fn keda_goes_on_when_its_operator_is_restarted(world: World) {
    let mut installed = Installation::new(world, QUICK).await;
    installed.apply(&installed.manifest("linux", "docker")).await;
    installed.organization.queue(4, &["docker"], A_WHILE).await;
    installed.organization.has_begun(1).await;
    installed.operator.kill();
    installed.organization.queue(2, &["docker"], A_WHILE).await;
    installed.operator = installed.world.control_plane.operator(&installed.world.namespace);
    installed.organization.has_run(6).await;
    started_no_more_than(&installed, 6).await;
}

pub(crate) async fn keda_goes_on_when_the_scaler_is_restarted(world: World) {
    let mut installed = Installation::new(world, QUICK).await;
    installed.apply(&installed.manifest("linux", "docker")).await;
    installed.organization.queue(4, &["docker"], A_WHILE).await;
    // Some agents are on their way, which Azure does not show.
    becomes("whether agents are on their way", true, async || installed.nodes.started() > 0).await;
    let restarted = installed.another_scaler(2).await;
    std::mem::replace(&mut installed.scaler, restarted).kill();
    installed.service.leads_to(&installed.scaler);
    installed.organization.queue(2, &["docker"], A_WHILE).await;
    installed.organization.has_run(6).await;
    started_no_more_than(&installed, 6).await;
}

pub(crate) async fn keda_is_led_from_one_replica_to_the_next_in_a_burst(world: World) {
    let mut installed = Installation::new(world, QUICK).await;
    for (name, capabilities) in [("small", "docker"), ("large", "docker, java")] {
        installed.apply(&installed.manifest(name, capabilities)).await;
    }
    installed.organization.queue(3, &["java"], A_WHILE).await;
    becomes("whether agents are on their way", true, async || installed.nodes.started() > 0).await;
    // As a rolling update does: the new one is ready before the old one is told to go.
    let next = installed.another_scaler(2).await;
    installed.service.leads_to(&next);
    installed.organization.queue(4, &["docker"], A_WHILE).await;
    std::mem::replace(&mut installed.scaler, next).stop().await;
    installed.organization.has_run(7).await;
    started_no_more_than(&installed, 7).await;
    assert_eq!(["small", "large"].map(|name| installed.nodes.started_for(name)), [4, 3]);
}

pub(crate) async fn keda_lets_agents_work_when_their_scaled_job_is_edited(world: World) {
    let installed = Installation::new(world, QUICK).await;
    installed.apply(&installed.manifest("linux", "docker")).await;
    installed.organization.queue(4, &["docker"], A_WHILE).await;
    installed.organization.has_begun(1).await;
    installed.apply(&installed.manifest("linux", "docker, java=17")).await;
    installed.organization.queue(2, &["java"], A_WHILE).await;
    installed.organization.has_run(6).await;
    started_no_more_than(&installed, 6).await;
    assert_eq!(installed.organization.jobs("lost").await, 0);
}

pub(crate) async fn keda_starts_nothing_while_a_scaled_job_is_paused(world: World) {
    let installed = Installation::new(world, QUICK).await;
    installed.apply(&installed.manifest("other", "java")).await;
    installed.apply(&installed.manifest("linux", "docker")).await;
    let annotate = async |paused: serde_json::Value| {
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { "autoscaling.keda.sh/paused": paused } } }));
        let scaled_jobs = scaled_jobs(installed.world.client.clone(), &installed.world.namespace);
        scaled_jobs.patch("linux", &PatchParams::default(), &patch).await.unwrap();
    };
    annotate(json!("true")).await;
    // The other one is still polled.
    installed.scaler.asked_again(3).await;
    installed.organization.queue(3, &["docker"], A_WHILE).await;
    started_no_more_than(&installed, 0).await;
    annotate(json!(null)).await;
    installed.organization.has_run(3).await;
    started_no_more_than(&installed, 3).await;
}

pub(crate) async fn jobs_of_a_scaled_job_that_is_deleted_go_to_the_next(world: World) {
    let installed = Installation::new(world, QUICK).await;
    let mut small = installed.manifest("small", "docker");
    small["spec"]["maxReplicaCount"] = json!(1);
    small["spec"]["triggers"][0]["metadata"]["maxReplicaCount"] = json!("1");
    installed.apply(&small).await;
    installed.organization.queue(3, &["docker"], A_WHILE).await;
    installed.organization.has_begun(1).await;
    // The scaler, too, has seen that it has.
    installed.scaler.asked_again(2).await;
    let scaled_jobs = scaled_jobs(installed.world.client.clone(), &installed.world.namespace);
    scaled_jobs.delete("small", &DeleteParams::background()).await.unwrap();
    installed.apply(&installed.manifest("large", "docker, java")).await;
    // The one that was running ends well or is lost with its agent, depending on how soon Kubernetes takes the pod away.
    becomes("the number of jobs that wait", 0, || installed.organization.jobs("queued")).await;
    started_no_more_than(&installed, 3).await;
    let started = ["small", "large"].map(|name| installed.nodes.started_for(name));
    assert_eq!(started, [1, 2], "{}", installed.story());
}
