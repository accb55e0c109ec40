//! The keeper, told what is heard: no API server, and a clock that stands still until it is needed.

use serde_json::json;

use super::*;
use crate::{
    cluster_watch::Asked,
    kubernetes::index::{Key, Object},
    metrics::Metrics,
    pools::Clock,
    trigger::ScaledJobId,
};

struct World {
    teller: mpsc::Sender<Heard>,
    views: watch::Receiver<View>,
    generation: watch::Receiver<u64>,
    options: (Arc<Asked>, Metrics),
    stop: CancellationToken,
}

impl World {
    fn start() -> Self {
        let (teller, hearing) = mpsc::channel(UNHEARD);
        let (generations, generation) = watch::channel(0);
        let (sender, views) = watch::channel(View::Off);
        let (asked, metrics, stop) = (Arc::new(Asked::default()), Metrics::new(), CancellationToken::new());
        let options = Options {
            addresses: vec!["azp-scaler:6000".to_owned()],
            asked: Arc::clone(&asked),
            clock: Clock::starting_at(Timestamp::UNIX_EPOCH),
            metrics: metrics.clone(),
        };
        tokio::spawn(Keeper::new(options, sender, generations).keep(hearing, stop.clone()));
        Self { teller, views, generation, options: (asked, metrics), stop }
    }

    async fn list_all(&self) {
        for kind in Kind::ALL {
            let generation = *self.generation.borrow();
            self.teller.send(Heard::Listed { kind, generation, objects: Vec::new() }).await.unwrap();
        }
    }

    async fn current() -> Self {
        let mut world = Self::start();
        world.list_all().await;
        world.until(|view| view.current().is_some()).await;
        world
    }

    async fn apply(&self, name: &str, address: &str) {
        let object = json!({"metadata": {"name": name, "namespace": "ci"}, "spec": {
            "triggers": [{"type": "external", "metadata": {"scalerAddress": address, "poolName": "Default"}}]}});
        let object = Object::scaled_object(&serde_json::from_value(object).unwrap()).unwrap();
        self.teller.send(Heard::Applied(object)).await.unwrap();
    }

    async fn until(&mut self, is: impl FnMut(&View) -> bool) -> View {
        self.views.wait_for(is).await.unwrap().clone()
    }
}

fn id(name: &str) -> ScaledJobId {
    ScaledJobId { name: name.into(), namespace: "ci".into() }
}

fn has(view: &View, name: &str) -> bool {
    view.current().is_some_and(|view| view.scaled_jobs.contains_key(&id(name)))
}

#[tokio::test(start_paused = true)]
async fn a_change_is_published_at_once_and_a_burst_a_few_times() {
    let mut world = World::current().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = Instant::now();
    world.apply("first", "azp-scaler:6000").await;
    world.until(|view| has(view, "first")).await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    let mut published = 0;
    for number in 0..100 {
        world.apply(&number.to_string(), "azp-scaler:6000").await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        published += u32::from(world.views.has_changed().unwrap());
        world.views.mark_unchanged();
    }
    world.until(|view| has(view, "99")).await;
    assert!((2..=5).contains(&published), "{published}");
    assert_eq!(world.options.1.cluster.objects.with_label_values(&["scaledobjects.keda.sh"]).get(), 101);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_ours_wakes_nobody_until_it_is_asked_about() {
    let mut world = World::current().await;
    world.views.mark_unchanged();
    world.apply("alias", "elsewhere:1").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!world.views.has_changed().unwrap());
    world.options.0.asked(&id("alias"));
    world.until(|view| has(view, "alias")).await;
    world.teller.send(Heard::Deleted(Kind::ScaledObject, Key::from(&id("alias")))).await.unwrap();
    world.until(|view| !has(view, "alias")).await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_loses_the_view_until_all_is_listed_again() {
    let mut world = World::current().await;
    let begun = Instant::now();
    let failure = Failure::timed_out(Kind::Job, "list");
    world.teller.send(Heard::Beat { begun, outcome: Err(failure) }).await.unwrap();
    let lost = world.until(|view| matches!(view, View::Lost { .. })).await;
    assert!(begun.elapsed() >= Duration::from_secs(10) && begun.elapsed() < Duration::from_secs(11));
    let View::Lost { since, reason } = lost else { panic!("lost") };
    assert_eq!(since, Timestamp::UNIX_EPOCH, "since the first heartbeat without an answer");
    assert!(reason.contains("can't list `jobs.batch`"), "{reason}");
    let up = || world.options.1.cluster.view_up.with_label_values::<&str>(&[]).get();
    assert_eq!(up(), 0);
    assert_eq!(*world.generation.borrow(), 1);
    world.teller.send(Heard::Beat { begun: Instant::now(), outcome: Ok(()) }).await.unwrap();
    world.generation.wait_for(|generation| *generation == 2).await.unwrap();
    world.list_all().await;
    world.until(|view| view.current().is_some()).await;
    assert_eq!(world.options.1.cluster.view_up.with_label_values::<&str>(&[]).get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_is_doubted_until_it_holds() {
    let mut world = World::current().await;
    let broken = Instant::now();
    let failure = Failure::timed_out(Kind::Job, "watch");
    world.teller.send(Heard::Failed { generation: 0, failure }).await.unwrap();
    let doubted = world.until(|view| view.current().is_some_and(|view| view.doubt.is_some())).await;
    assert_eq!(broken.elapsed(), Duration::ZERO);
    let doubt = doubted.current().unwrap().doubt.clone().unwrap();
    assert!(doubt.until >= Timestamp::from_second(5).unwrap(), "{doubt:?}");
    assert!(doubt.reason.contains("can't watch `jobs.batch`"), "{doubt:?}");
    // What is heard all the same is told, and doubted.
    world.apply("first", "azp-scaler:6000").await;
    let told = world.until(|view| has(view, "first")).await;
    assert_eq!(told.current().unwrap().doubt.as_ref().map(|doubt| &doubt.reason), Some(&doubt.reason));
    let listed = Heard::Listed { kind: Kind::Job, generation: 0, objects: Vec::new() };
    world.teller.send(listed).await.unwrap();
    let whole = world.until(|view| view.current().is_some_and(|view| view.doubt.is_none())).await;
    assert!(has(&whole, "first"));
    assert!(broken.elapsed() >= Duration::from_secs(1), "it must hold for a second");
}

#[tokio::test(start_paused = true)]
async fn it_stops_when_told() {
    let mut world = World::current().await;
    world.stop.cancel();
    while world.views.changed().await.is_ok() {}
}
