//! The desk of a pool: how long questions wait for a snapshot, for which one, and when there is no answer.

use std::{sync::Arc, time::Duration};

use azp_scaler::{
    parallel_jobs::{Headroom, Ledger},
    pool::{Pool, Rules},
    pools::{Clock, Desk, Failure, FailureClass, Freshness, Look, Publisher},
    snapshot::{Queue, Snapshot},
};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, advance};

const FRESHNESS: Freshness = Freshness {
    fresh_for: Duration::from_secs(1),
    answer_within: Duration::from_secs(2),
    first_answer_within: Duration::from_secs(4),
    tolerated_age: Duration::from_secs(10),
};

fn desk() -> (Arc<Desk>, Publisher) {
    let clock = Clock::starting_at(Timestamp::constant(1_790_000_000, 0));
    Desk::new(
        "contoso".into(),
        7,
        "linux".into(),
        clock,
        FRESHNESS,
        Pool::new(
            7,
            Rules { settle: SignedDuration::ZERO, ..Rules::default() },
            Arc::new(Ledger::new(Headroom::Quarter)),
        ),
        azp_scaler::cluster_watch::off(),
    )
}

/// The poller begins a round.
fn begin(publisher: &Publisher) {
    publisher.look.send_modify(|look| look.asking_since = Some(Instant::now()));
}

/// The poller ends a round well: the jobs were asked for now.
fn succeed(desk: &Desk, publisher: &Publisher) -> Arc<Snapshot> {
    let now = desk.now();
    let snapshot = Arc::new(Snapshot::new(now, Queue::default(), now, Arc::default()));
    end(publisher, |look| (look.snapshot, look.failure) = (Some(Arc::clone(&snapshot)), None));
    snapshot
}

fn fail(publisher: &Publisher) {
    let failure = Failure { class: FailureClass::ServerError, message: "answered 503".to_owned() };
    end(publisher, |look| look.failure = Some(Arc::new(failure)));
}

fn end(publisher: &Publisher, change: impl FnOnce(&mut Look)) {
    publisher.look.send_modify(|look| {
        change(look);
        look.asking_since = None;
        look.rounds_ended += 1;
    });
}

#[tokio::test(start_paused = true)]
async fn a_fresh_snapshot_is_answered_from_without_asking() {
    let (desk, mut publisher) = desk();
    publisher.questions.mark_unchanged();
    let snapshot = succeed(&desk, &publisher);
    advance(Duration::from_millis(900)).await;
    assert!(Arc::ptr_eq(&desk.snapshot().await.unwrap(), &snapshot));
    assert!(!publisher.questions.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn many_questions_at_one_moment_wait_for_one_round() {
    let (desk, mut publisher) = desk();
    let askers: Vec<_> = (0..200)
        .map(|_| {
            let desk = Arc::clone(&desk);
            tokio::spawn(async move { desk.snapshot().await })
        })
        .collect();
    publisher.questions.changed().await.unwrap();
    begin(&publisher);
    let snapshot = succeed(&desk, &publisher);
    for asker in askers {
        assert!(Arc::ptr_eq(&asker.await.unwrap().unwrap(), &snapshot));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_round_is_answered_from_the_last_good_snapshot() {
    let (desk, publisher) = desk();
    let old = succeed(&desk, &publisher);
    advance(Duration::from_secs(3)).await;
    begin(&publisher);
    let start = Instant::now();
    assert!(Arc::ptr_eq(&desk.snapshot().await.unwrap(), &old));
    assert_eq!(start.elapsed().as_secs(), 2, "it was given its time");
    let start = Instant::now();
    assert!(Arc::ptr_eq(&desk.snapshot().await.unwrap(), &old));
    assert_eq!(start.elapsed(), Duration::ZERO, "a round that is late already is not waited for again");
}

#[tokio::test(start_paused = true)]
async fn the_first_question_has_more_time() {
    let (desk, _publisher) = desk();
    let start = Instant::now();
    let failure = desk.snapshot().await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 4);
    assert_eq!(failure.class, FailureClass::Stale);
    assert!(failure.message.contains("pool `linux` of organization `contoso`"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_round_is_answered_from_the_last_good_snapshot_until_that_is_too_old() {
    let (desk, publisher) = desk();
    let old = succeed(&desk, &publisher);
    for (wait, second) in [(2, 2), (7, 9)] {
        advance(Duration::from_secs(wait)).await;
        let asker = tokio::spawn({
            let desk = Arc::clone(&desk);
            async move { desk.snapshot().await }
        });
        tokio::task::yield_now().await;
        begin(&publisher);
        fail(&publisher);
        assert!(Arc::ptr_eq(&asker.await.unwrap().unwrap(), &old), "after {second} s");
    }
    advance(Duration::from_secs(2)).await;
    let failure = desk.last_good().unwrap_err();
    assert_eq!(failure.message, "answered 503", "the failure says why, not that time has passed");
}
