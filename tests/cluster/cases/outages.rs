//! The API server goes away and comes back: the scaler says that it sees nothing, and then sees the truth.

use std::time::Duration;

use azp_scaler::cluster_watch::View;
use kube::api::DeleteParams;
use tokio::time::Instant;

use crate::{keda, rbac, scaler::Scaler, users::User, wire::Wire, within::becomes, world::World};

/// What is there before an outage.
struct Before {
    runs: String,
    waits: String,
    /// The name of a Job, not of its pod.
    goes: String,
}

/// A ScaledJob with one Job that runs and two that wait, and a scaler that sees them.
async fn seen(world: &World) -> (Scaler, Before) {
    prepare(world).await;
    let scaler = Scaler::new(world).await;
    let before = three(world, &scaler).await;
    (scaler, before)
}

/// The same, through a wire of its own.
async fn seen_through_a_wire(world: &World) -> (Wire, Scaler, Before) {
    prepare(world).await;
    let wire = Wire::to(&world.control_plane.url()).await;
    let scaler = Scaler::of(world.control_plane.client_at(User::Scaler, &wire.url).await);
    let before = three(world, &scaler).await;
    (wire, scaler, before)
}

async fn prepare(world: &World) {
    rbac::apply_shipped(&world.client).await;
    world.keda.apply(&keda::manifest(&world.namespace, "linux")).await;
}

async fn three(world: &World, scaler: &Scaler) -> Before {
    let [runs, waits, goes] = world.keda.create_jobs("linux", 3).await.try_into().unwrap();
    let before = Before { runs: world.kubelet.pod_of(&runs).await, waits: world.kubelet.pod_of(&waits).await, goes };
    world.kubelet.run(&before.runs).await;
    scaler.counts(world, "linux", (3, 2)).await;
    before
}

/// The one that runs ends, one that waits runs, the other is deleted, and three more come.
async fn much_happens(world: &World, before: &Before) {
    world.kubelet.succeed(&before.runs).await;
    world.kubelet.run(&before.waits).await;
    world.keda.jobs().delete(&before.goes, &DeleteParams::background()).await.unwrap();
    world.keda.create_jobs("linux", 3).await;
}

/// Waits until the scaler sees what has happened, and tells how long it is behind the cluster, whose controllers have to
/// come back as well.
async fn sees_the_truth(world: &World, scaler: &Scaler) {
    becomes("what KEDA counts", (4, 3), || world.keda_counts("linux")).await;
    let since = Instant::now();
    scaler.counts(world, "linux", (4, 3)).await;
    println!("  seen {:.1?} after KEDA can", since.elapsed());
}

pub(crate) async fn an_api_server_that_is_away_is_a_loss(world: World) {
    let (scaler, before) = seen(&world).await;
    world.control_plane.kill_api_server().await;
    let reason = scaler.lost().await;
    assert!(reason.contains("the API server can't be reached"), "{reason}");
    world.control_plane.start_api_server().await;
    much_happens(&world, &before).await;
    sees_the_truth(&world, &scaler).await;
}

pub(crate) async fn an_api_server_that_restarts_is_followed(world: World) {
    let (scaler, before) = seen(&world).await;
    world.control_plane.kill_api_server().await;
    world.control_plane.start_api_server().await;
    much_happens(&world, &before).await;
    sees_the_truth(&world, &scaler).await;
}

pub(crate) async fn what_happens_while_the_wire_is_cut_is_seen_after_it(world: World) {
    let (wire, scaler, before) = seen_through_a_wire(&world).await;
    wire.cut();
    much_happens(&world, &before).await;
    let reason = scaler.lost().await;
    assert!(reason.contains("the API server can't be reached"), "{reason}");
    wire.mend();
    sees_the_truth(&world, &scaler).await;
}

pub(crate) async fn a_short_cut_is_no_loss_and_hides_nothing(world: World) {
    let (wire, scaler, before) = seen_through_a_wire(&world).await;
    wire.cut();
    let since = Instant::now();
    much_happens(&world, &before).await;
    wire.mend();
    let was_short = since.elapsed() < Duration::from_secs(3);
    let ended = scaler
        .shows("the truth, or a loss", |view| match view {
            View::Lost { reason, .. } => Some(Err(reason.to_string())),
            View::Current(seen) => {
                let seen = seen.scaled_jobs.get(&world.id("linux"))?;
                ((seen.unfinished(), seen.pending()) == (4, 3)).then_some(Ok(()))
            }
            _ => None,
        })
        .await;
    assert!(!was_short || ended.is_ok(), "{ended:?}");
    sees_the_truth(&world, &scaler).await;
}

pub(crate) async fn a_compacted_history_is_listed_again(world: World) {
    let (wire, scaler, before) = seen_through_a_wire(&world).await;
    // The watches end in good order, and go on from where they were when nobody knows that any more.
    wire.hold();
    world.control_plane.terminate_api_server().await;
    wire.waiting(4).await;
    world.control_plane.kill_api_server().await;
    world.control_plane.start_api_server().await;
    much_happens(&world, &before).await;
    world.control_plane.compact().await;
    world.control_plane.kill_api_server().await;
    world.control_plane.start_api_server().await;
    wire.mend();
    sees_the_truth(&world, &scaler).await;
    assert!(scaler.failures("gone") > 0, "no watch was told that what it had seen last is gone");
}

pub(crate) async fn a_frozen_api_server_is_a_loss_within_15_s(world: World) {
    let (scaler, before) = seen(&world).await;
    let frozen = Instant::now();
    world.control_plane.freeze_api_server().await;
    let reason = scaler.lost().await;
    let (after, verdict) = (frozen.elapsed(), reason.contains("doesn't answer in time"));
    world.control_plane.thaw_api_server().await;
    assert!(verdict, "{reason}");
    // The next heartbeat, and the silence that is borne.
    assert!(after < Duration::from_millis(16_500), "{after:?}");
    much_happens(&world, &before).await;
    sees_the_truth(&world, &scaler).await;
    println!("  lost after {after:.1?}");
}
