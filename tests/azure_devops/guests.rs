//! Triggers that bring tokens of their own: where they get, and what they see.

use std::{sync::Arc, time::Duration};

use azp_scaler::{
    azure_devops::directory::AzureDevOps,
    pools::{Brought, Desk, Directory, Failure, FailureClass},
    trigger::{ScaledJobId, TriggerId},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use prometheus::proto::{Metric, MetricFamily};
use tokio::time::timeout;

use crate::{
    fake::{Answer, Part},
    world::{World, named, pass, until},
};

const FORGOTTEN: Duration = Duration::from_mins(62);

/// The trigger of the ScaledJob `ci/NAME`, with a token for a URL.
fn brought(name: &str, token: &str, url: &str) -> Brought {
    let scaled_job = ScaledJobId { name: name.into(), namespace: "ci".into() };
    let by = TriggerId { scaled_job, metadata: Arc::default() };
    Brought { url: url.parse().unwrap(), token: token.into(), by }
}

async fn open(world: &World, name: &str, token: &str) -> Result<Arc<Desk>, Arc<Failure>> {
    world.azure.open_with(&brought(name, token, &world.fake.url), &named("Linux")).await
}

/// The desk after its first round.
async fn desk(world: &World, name: &str, token: &str) -> Arc<Desk> {
    let desk = open(world, name, token).await.unwrap();
    until(&desk, |look| look.rounds_ended > 0).await;
    desk
}

/// How a token travels.
fn sent(token: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!(":{token}")))
}

/// Asks anew at a desk; the token that was sent.
async fn token_sent(world: &World, desk: &Desk) -> String {
    world.fake.take();
    desk.snapshot().await.unwrap();
    world.fake.last().headers["authorization"].to_str().unwrap().to_owned()
}

fn names(azure: &AzureDevOps) -> Vec<String> {
    azure.desks().iter().map(|desk| desk.organization.to_string()).collect()
}

#[tokio::test]
async fn different_tokens_never_share_a_snapshot_and_the_same_one_does() {
    let world = World::start().await;
    let configured = world.desk().await;
    let (one, other) = (desk(&world, "one", "token-1").await, desk(&world, "other", "token-2").await);
    let same = desk(&world, "third", "token-1").await;
    assert!(Arc::ptr_eq(&one, &same), "they bring the same token");
    for (desk, token) in [(&one, "token-1"), (&other, "token-2"), (&configured, crate::world::TOKEN)] {
        assert_eq!(token_sent(&world, desk).await, sent(token));
    }
    let place = "127.0.0.1/tfs/Default%20Collection (own token";
    assert_eq!(names(&world.azure), [format!("{place} 2)"), format!("{place})"), "contoso".to_owned()]);
}

#[tokio::test]
async fn a_rotated_token_goes_on_with_the_pool_that_is_there_once_azure_has_taken_it() {
    let world = World::start().await;
    let old = desk(&world, "one", "token-1").await;
    world.fake.refuse(&[&sent("junk")]);
    for _ in 0..3 {
        let failure = open(&world, "one", "junk").await.unwrap_err();
        assert_eq!(failure.class, FailureClass::NotSignedIn);
        assert!(failure.message.contains("`personalAccessTokenFromEnv`"), "{failure}");
    }
    let junk = world.fake.take().iter().filter(|asked| asked.headers["authorization"] == sent("junk")).count();
    assert_eq!(junk, 1, "it is not hammered with");
    assert_eq!(token_sent(&world, &old).await, sent("token-1"), "nothing has changed for it");

    let new = open(&world, "one", "token-2").await.unwrap();
    assert!(Arc::ptr_eq(&old, &new), "what the pool knows is kept");
    assert_eq!(token_sent(&world, &new).await, sent("token-2"));
    assert!(Arc::ptr_eq(&old, &open(&world, "one", "token-2").await.unwrap()));
    assert_eq!(names(&world.azure).len(), 1);
}

#[tokio::test]
async fn news_of_a_configured_organization_are_told_to_those_at_its_url() {
    let world = World::start().await;
    let (configured, guest) = (world.desk().await, desk(&world, "one", "token-1").await);
    let rounds = |desk: &Desk| desk.look().borrow().rounds_ended;
    let before = [rounds(&configured), rounds(&guest)];
    world.azure.wake("fabrikam");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!([&configured, &guest].iter().all(|desk| desk.look().borrow().asking_since.is_none()), "another's news");
    world.azure.wake("contoso");
    // Without news they would be looked at within half a minute.
    let told = async {
        for (desk, before) in [&configured, &guest].into_iter().zip(before) {
            until(desk, |look| look.rounds_ended > before).await;
        }
    };
    timeout(Duration::from_secs(10), told).await.expect("at once");
}

#[tokio::test]
async fn a_token_that_several_use_is_not_taken_from_the_others() {
    let world = World::start().await;
    let shared = desk(&world, "one", "token-1").await;
    open(&world, "other", "token-1").await.unwrap();
    let own = desk(&world, "one", "token-2").await;
    assert!(!Arc::ptr_eq(&shared, &own));
    assert_eq!(token_sent(&world, &shared).await, sent("token-1"));
    assert!(Arc::ptr_eq(&own, &open(&world, "other", "token-2").await.unwrap()), "the other one follows");
}

#[tokio::test]
async fn only_what_is_outside_or_configured_is_reached() {
    let world = World::start().await;
    let beside = world.fake.url.replace("Default Collection", "Other");
    for (url, word) in [
        ("https://169.254.169.254/metadata", "link-local"),
        ("https://metadata.google.internal/contoso", "secrets"),
        ("https://localhost/contoso", "this machine itself"),
        ("http://tfs.example/contoso", "not `https://`"),
        (&*beside, "not `https://`"),
    ] {
        for _ in 0..100 {
            let failure = world.azure.open_with(&brought("one", "token-1", url), &named("Linux")).await.unwrap_err();
            assert_eq!(failure.class, FailureClass::Forbidden);
            assert!(failure.message.contains(word) && failure.message.contains(url), "{failure}");
        }
    }
    assert!(world.fake.take().is_empty());
    open(&world, "one", "token-1").await.expect("they took no room");
}

#[tokio::test]
async fn tokens_are_kept_up_to_a_bound_and_forgotten_when_nobody_asks() {
    let world = World::start().await;
    let first = desk(&world, "job-0", "token-0").await;
    for number in 1..64 {
        desk(&world, &format!("job-{number}"), &format!("token-{number}")).await;
    }
    let failure = open(&world, "job-64", "token-64").await.unwrap_err();
    assert_eq!(failure.class, FailureClass::TooMany, "{failure}");
    assert!(names(&world.azure).len() == 64 && counted(&world) > 64);

    for _ in 0..8 {
        pass(Duration::from_mins(8)).await;
        first.nudge();
        until(&first, |look| look.asking_since.is_none()).await;
    }
    gone(&world, 1).await;
    assert!(Arc::ptr_eq(&first, &open(&world, "job-0", "token-0").await.unwrap()), "a stream still asks there");
    pass(FORGOTTEN).await;
    gone(&world, 0).await;
    assert!(first.look().has_changed().is_err(), "its poller has ended");
    assert_eq!(counted(&world), 0, "no metric names it any more");
    world.fake.answer(Part::JobRequests, Answer::list(&[]));
    desk(&world, "job-64", "token-64").await;
}

/// Metrics of requests that are labelled with a guest.
fn counted(world: &World) -> usize {
    let families = world.metrics.registry().gather();
    let labels = families.iter().flat_map(MetricFamily::get_metric).flat_map(Metric::get_label);
    labels.filter(|label| label.value().contains("(own token")).count()
}

/// Waits until so many are left.
async fn gone(world: &World, left: usize) {
    while names(&world.azure).len() != left {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
