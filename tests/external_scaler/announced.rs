//! Triggers that the cluster shows before KEDA asks about them.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use azp_scaler::{
    cluster_view::{ClusterView, ScaledJobView},
    cluster_watch::View,
    external_scaler::{Came, Request, announce},
    pools::{Directory, FailureClass},
    protocol::ScaledObjectRef,
    trigger::ScaledJobId,
};
use jiff::SignedDuration;
use tokio::{sync::watch, task::yield_now, time::advance};

use super::world::*;

/// A cluster with the ScaledJob `ci/build`, of so many at most.
fn shown(metadata: &BTreeMap<String, String>, max_replicas: u32) -> View {
    shown_with(std::slice::from_ref(metadata), max_replicas)
}

/// The same, with several triggers.
fn shown_with(triggers: &[BTreeMap<String, String>], max_replicas: u32) -> View {
    let id = ScaledJobId { name: "build".into(), namespace: "ci".into() };
    let triggers = triggers.iter().cloned().map(Arc::new).collect();
    let own = ScaledJobView { triggers, max_replicas, ..ScaledJobView::default() };
    View::Current(Arc::new(ClusterView { scaled_jobs: [(id, Arc::new(own))].into(), doubt: None }))
}

fn metadata(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    reference(entries).scaler_metadata.into_iter().collect()
}

/// A pool that settles, and the announcer beside it.
fn announced(view: &watch::Receiver<View>) -> World {
    let world = World::watching(view.clone(), SignedDuration::from_secs(30));
    let directory: Arc<dyn Directory> = Arc::clone(&world.directory) as _;
    tokio::spawn(announce(view.clone(), true, directory, organizations(), world.stop.clone()));
    world
}

/// Lets the announcer run while time stands still; how often a pool was opened until it had nothing more to do.
async fn opened(world: &World, times: usize) {
    for _ in 0..100 {
        yield_now().await;
    }
    assert_eq!(world.directory.asked.load(Ordering::Relaxed), times);
}

/// What KEDA is told when it first asks, two jobs being queued.
fn first_answer(world: &World) -> u64 {
    let trigger = Request::read(reference(&[]), Came::InTheClear, &organizations()).unwrap().trigger;
    let snapshot = world.queue(2);
    world.desk.pool().ask(&trigger, &snapshot, world.clock.now()).unwrap().value
}

#[tokio::test(start_paused = true)]
async fn a_pool_whose_triggers_are_all_shown_need_not_settle() {
    let (views, view) = watch::channel(View::Starting);
    let world = announced(&view);
    views.send_replace(shown(&metadata(&[]), 10));
    opened(&world, 1).await;
    assert_eq!(first_answer(&world), 2);
    assert_eq!(first_answer(&World::watching(view, SignedDuration::from_secs(30))), 0, "without the announcer");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_cannot_be_opened_is_tried_again_in_time_and_not_at_each_change() {
    let (views, view) = watch::channel(View::Starting);
    let world = announced(&view);
    world.directory.fail(FailureClass::ServerError, "down");
    views.send_replace(shown(&metadata(&[]), 10));
    opened(&world, 1).await;
    for most in 11..20 {
        views.send_replace(shown(&metadata(&[]), most));
        opened(&world, 1).await;
    }
    world.directory.mend();
    assert_eq!(first_answer(&world), 0, "the pool may have more triggers than it knows");
    advance(Duration::from_secs(31)).await;
    opened(&world, 2).await;
    assert_eq!(first_answer(&world), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pool_settles_beside_a_trigger_whose_organization_only_keda_knows() {
    let (views, view) = watch::channel(View::Starting);
    let world = announced(&view);
    let View::Current(shown) = shown(&metadata(&[]), 10) else { unreachable!() };
    let hides = |own: &ScaledJobView| Arc::new(ScaledJobView { hides_a_trigger: true, ..own.clone() });
    let scaled_jobs = shown.scaled_jobs.iter().map(|(id, own)| (id.clone(), hides(own))).collect();
    views.send_replace(View::Current(Arc::new(ClusterView { scaled_jobs, doubt: None })));
    opened(&world, 1).await;
    assert_eq!(first_answer(&world), 0, "it may be this pool's");
}

#[tokio::test(start_paused = true)]
async fn a_pool_need_not_settle_where_a_plain_variable_has_the_url() {
    let (views, view) = watch::channel(View::Starting);
    let world = announced(&view);
    // As the cluster shows it: KEDA puts the variable's value for its name.
    let place = [("organizationURLFromEnv", "https://dev.azure.com/contoso"), ("poolName", "linux")];
    let resolved = place.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    views.send_replace(shown(&resolved, 10));
    opened(&world, 1).await;
    let trigger = Request::read(
        ScaledObjectRef { scaler_metadata: resolved.into_iter().collect(), ..reference(&[]) },
        Came::InTheClear,
        &organizations(),
    );
    let answer = world.desk.pool().ask(&trigger.unwrap().trigger, &world.queue(2), world.clock.now()).unwrap();
    assert_eq!(answer.value, 2);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_is_passed_over_and_an_edit_is_announced() {
    let (views, view) = watch::channel(View::Starting);
    let world = announced(&view);
    views.send_replace(shown(&metadata(&[("maxReplicaCount", "many")]), 10));
    views.send_replace(View::Lost { since: world.clock.now(), reason: "gone".into() });
    opened(&world, 0).await;
    let bare: ScaledObjectRef = reference(&[]);
    views.send_replace(shown(&bare.scaler_metadata.into_iter().collect(), 10));
    opened(&world, 1).await;
    assert_eq!(first_answer(&world), 2);
    views.send_replace(shown(&metadata(&[("priority", "1")]), 10));
    opened(&world, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_there_is_not_makes_no_other_settle() {
    let (views, view) = watch::channel(View::Starting);
    let world = announced(&view);
    world.directory.fail(FailureClass::NotFound, "no such pool");
    views.send_replace(shown(&metadata(&[]), 10));
    opened(&world, 1).await;
    assert_eq!(first_answer(&world), 2, "whoever named it will be told, and this one has all its triggers");
}

#[tokio::test(start_paused = true)]
async fn a_trigger_with_a_token_of_its_own_is_not_announced() {
    let (views, view) = watch::channel(View::Starting);
    let world = announced(&view);
    // As the cluster shows one: a secret's name, and not what it says.
    let place = [("organizationURLFromEnv", "https://dev.azure.com/contoso"), ("poolName", "other")];
    let with_token = place.into_iter().chain([("personalAccessTokenFromEnv", "")]);
    let with_token = with_token.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    views.send_replace(shown_with(&[metadata(&[]), with_token], 10));
    opened(&world, 1).await;
    assert_eq!(first_answer(&world), 2);
}
