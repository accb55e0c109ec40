//! When Azure is asked, and what becomes of the answers.

use std::{sync::Arc, time::Duration};

use azp_scaler::{
    azure_devops::credential::Credential,
    pools::{Desk, FailureClass},
};

use crate::{
    fake::{Answer, Part},
    world::{World, in_no_time, pass, until},
};

const QUEUED: &str = r#"{"requestId":1,"queueTime":"2026-11-01T08:00:00Z"}"#;
const FAILURE: &str = "the fault is on its side";

/// An empty list, with so many of 200 units left.
fn left(units: &str) -> Answer {
    Answer::list(&[]).with("x-ratelimit-limit", "200").with("x-ratelimit-remaining", units)
}

/// A question that is answered, and the number of jobs in the answer.
async fn jobs(desk: &Desk) -> usize {
    desk.snapshot().await.unwrap().jobs.len()
}

#[tokio::test]
async fn questions_of_one_moment_cost_one_request() {
    let world = World::start().await;
    let desk = world.desk().await;
    world.fake.set_open(false);
    let questions: Vec<_> = (0..200)
        .map(|_| {
            let desk = Arc::clone(&desk);
            tokio::spawn(async move { desk.snapshot().await.unwrap().taken_at })
        })
        .collect();
    world.fake.until_asked(Part::JobRequests, 2).await;
    assert!(desk.look().borrow().asking_since.is_some());
    world.fake.set_open(true);
    let mut moments = Vec::new();
    for question in questions {
        moments.push(question.await.unwrap());
    }
    moments.dedup();
    assert_eq!(moments.len(), 1, "all are answered from one snapshot");
    assert_eq!(world.fake.count(Part::JobRequests), 2, "the first round's, and one for all of them");
    let requests = &world.metrics.azure_requests_total;
    assert_eq!(requests.with_label_values(&["contoso", "job-requests", "ok"]).get(), 2);
    assert_eq!(requests.with_label_values(&["contoso", "pools", "ok"]).get(), 1);
}

#[tokio::test]
async fn agents_are_asked_for_when_something_is_queued() {
    let world = World::start().await;
    let desk = world.desk().await;
    assert_eq!(world.fake.count(Part::Agents), 1, "the first time always");
    jobs(&desk).await;
    assert_eq!(world.fake.count(Part::Agents), 1);
    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]));
    assert_eq!(jobs(&desk).await, 1);
    assert_eq!(world.fake.count(Part::Agents), 2);
}

#[tokio::test]
async fn a_pool_in_use_is_looked_at_in_the_background() {
    let world = World::start().await;
    let desk = world.desk().await;
    for round in 2..4 {
        pass(Duration::from_secs(30)).await;
        until(&desk, |look| look.rounds_ended == round).await;
        let asked = [Part::JobRequests, Part::Agents, Part::Pools].map(|part| world.fake.count(part));
        assert_eq!(asked, [usize::try_from(round).unwrap(); 3], "jobs, agents and the pool itself");
    }
    pass(Duration::from_mins(10)).await;
    let look = until(&desk, |look| look.rounds_ended == 4).await;
    let before = desk.now();
    pass(Duration::from_mins(10)).await;
    assert_eq!(desk.look().borrow().rounds_ended, look.rounds_ended, "nobody has asked for long");
    let snapshot = desk.snapshot().await.unwrap();
    assert!(snapshot.taken_at > before, "a question wakes it");
}

#[tokio::test]
async fn the_tear_between_jobs_and_agents_is_mended() {
    let world = World::start().await;
    let done = r#"{"requestId":2,"queueTime":"2026-11-01T08:00:00Z"}"#;
    let agent = r#"{"id":5,"name":"vm-1","status":"online","enabled":true,"assignedRequest":{"requestId":1},
        "lastCompletedRequest":{"requestId":2}}"#;
    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED, done]));
    world.fake.answer(Part::Agents, Answer::list(&[agent]));
    let snapshot = world.desk().await.snapshot().await.unwrap();
    let [job] = snapshot.jobs.as_slice() else { panic!("the finished one is gone: {:?}", snapshot.jobs) };
    assert_eq!(job.agent.as_ref().unwrap().name.as_str(), "vm-1");
}

#[tokio::test]
async fn a_failure_is_bridged_while_the_snapshot_is_young() {
    let world = World::start().await;
    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]));
    let desk = world.desk().await;
    world.fake.answer(Part::JobRequests, Answer::new(503, ""));
    assert_eq!(jobs(&desk).await, 1, "the last good snapshot");
    pass(Duration::from_secs(11)).await;
    let failure = desk.snapshot().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::ServerError, "not knowing is not zero");
    assert!(failure.message.contains(FAILURE), "{failure}");
    world.fake.answer(Part::JobRequests, Answer::list(&[]));
    pass(Duration::from_secs(2)).await;
    assert_eq!(jobs(&desk).await, 0, "it recovers");
}

#[tokio::test]
async fn jobs_without_agents_are_half_an_answer() {
    let world = World::start().await;
    let desk = world.desk().await;
    let before = desk.last_good().unwrap().taken_at;
    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]));
    world.fake.answer(Part::Agents, Answer::new(500, ""));
    assert_eq!(desk.snapshot().await.unwrap().taken_at, before);
    assert!(desk.look().borrow().failure.as_ref().unwrap().message.contains("the agents of pool `Linux`"));
}

#[tokio::test]
async fn after_a_failure_azure_is_left_alone_for_a_while() {
    let world = World::start().await;
    let desk = world.desk().await;
    world.fake.answer(Part::JobRequests, Answer::new(503, ""));
    jobs(&desk).await;
    for _ in 0..5 {
        assert_eq!(in_no_time(jobs(&desk)).await, 0, "answered at once");
    }
    assert_eq!(world.fake.count(Part::JobRequests), 2);
    pass(Duration::from_secs(1)).await;
    jobs(&desk).await;
    in_no_time(async {
        tokio::time::advance(Duration::from_secs(1)).await;
        jobs(&desk).await;
    })
    .await;
    assert_eq!(world.fake.count(Part::JobRequests), 3, "the pause has doubled");
}

#[tokio::test]
async fn azure_is_not_asked_before_the_time_it_asks_for() {
    let world = World::start().await;
    let desk = world.desk().await;
    world.fake.answer(Part::JobRequests, Answer::new(429, "").with("retry-after", "20"));
    assert_eq!(jobs(&desk).await, 0, "the last good snapshot");
    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]));
    pass(Duration::from_secs(15)).await;
    let failure = desk.snapshot().await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Throttled);
    assert!(failure.message.contains("asks for patience"), "{failure}");
    assert_eq!(world.fake.count(Part::JobRequests), 2);
    pass(Duration::from_secs(5)).await;
    assert_eq!(jobs(&desk).await, 1);
}

#[tokio::test]
async fn news_is_looked_at_at_once_and_again_where_it_came_during_a_round() {
    let world = World::start().await;
    let desk = world.desk().await;
    desk.wake();
    until(&desk, |look| look.rounds_ended == 2).await;
    world.fake.set_open(false);
    desk.wake();
    world.fake.until_asked(Part::JobRequests, 3).await;
    desk.wake();
    desk.wake();
    world.fake.set_open(true);
    until(&desk, |look| look.rounds_ended == 4).await;
    jobs(&desk).await;
    assert_eq!(world.fake.count(Part::JobRequests), 5, "one more for the two, and the question's own");
}

#[tokio::test]
async fn news_is_looked_at_no_more_often_than_questions_and_not_at_all_where_little_is_left() {
    let world = World::start().await;
    world.fake.answer(Part::JobRequests, left("20"));
    let desk = world.desk().await;
    pass(Duration::from_secs(9)).await;
    desk.wake();
    until(&desk, |look| look.rounds_ended == 2).await;
    for _ in 0..7 {
        desk.wake();
        in_no_time(tokio::time::sleep(Duration::from_secs(1))).await;
    }
    assert_eq!(desk.look().borrow().rounds_ended, 2, "snapshots are fresh for 8 s");
    world.fake.answer(Part::JobRequests, left("10"));
    in_no_time(tokio::time::sleep(Duration::from_secs(2))).await;
    until(&desk, |look| look.rounds_ended == 3).await;
    desk.wake();
    in_no_time(tokio::time::sleep(Duration::from_secs(20))).await;
    assert_eq!(desk.look().borrow().rounds_ended, 3, "what is left is for who waits");
}

#[tokio::test]
async fn news_wakes_nothing_while_azure_asks_for_patience_or_fails() {
    let world = World::start().await;
    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]).with("retry-after", "20"));
    let desk = world.desk().await;
    desk.wake();
    in_no_time(tokio::time::sleep(Duration::from_secs(1))).await;
    let look = desk.look().borrow().clone();
    assert_eq!((look.rounds_ended, look.failure), (1, None), "nobody asked, so nobody is told why not");
    assert_eq!(in_no_time(jobs(&desk)).await, 1, "questions are answered as ever");
    assert_eq!(desk.look().borrow().rounds_ended, 2);
    assert_eq!(world.fake.count(Part::JobRequests), 1);

    world.fake.answer(Part::JobRequests, Answer::new(503, ""));
    pass(Duration::from_secs(20)).await;
    desk.wake();
    until(&desk, |look| look.rounds_ended == 3).await;
    desk.wake();
    in_no_time(tokio::time::sleep(Duration::from_millis(900))).await;
    assert_eq!(desk.look().borrow().rounds_ended, 3);
    assert_eq!(world.fake.count(Part::JobRequests), 2);
}

#[tokio::test]
async fn patience_may_be_asked_for_with_a_good_answer() {
    let world = World::start().await;
    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]).with("retry-after", "20"));
    let desk = world.desk().await;
    assert_eq!(jobs(&desk).await, 1);
    pass(Duration::from_secs(15)).await;
    assert_eq!(desk.snapshot().await.unwrap_err().class, FailureClass::Throttled);
    assert_eq!(world.fake.count(Part::JobRequests), 1);
    pass(Duration::from_secs(5)).await;
    assert_eq!(jobs(&desk).await, 1);
}

#[tokio::test]
async fn a_token_that_is_good_for_something_else_is_not_let_be() {
    let world = World::start().await;
    world.fake.answer(Part::JobRequests, Answer::new(401, ""));
    let desk = world.desk().await;
    assert_eq!(desk.snapshot().await.unwrap_err().class, FailureClass::NotSignedIn);
    pass(Duration::from_secs(11)).await;
    world.fake.answer(Part::JobRequests, Answer::new(403, ""));
    assert_eq!(desk.snapshot().await.unwrap_err().class, FailureClass::Forbidden);
    // Who may not do this is signed in; only this failure's own pause is waited for.
    pass(Duration::from_secs(3)).await;
    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]));
    assert_eq!(jobs(&desk).await, 1);
}

#[tokio::test]
async fn a_new_token_is_tried_at_once_and_a_refused_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "old").unwrap();
    let file = Credential::PersonalAccessTokenFile(path.clone());
    let world = World::with(|organization| organization.credential = file).await;
    world.fake.answer(Part::JobRequests, Answer::new(401, ""));
    let desk = world.desk().await;
    for _ in 0..3 {
        let failure = in_no_time(desk.snapshot()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::NotSignedIn);
        assert!(failure.message.contains(path.to_str().unwrap()), "{failure}");
    }
    assert_eq!(world.fake.count(Part::JobRequests), 1);

    world.fake.answer(Part::JobRequests, Answer::list(&[QUEUED]));
    std::fs::write(&path, "told-anew\n").unwrap();
    assert_eq!(jobs(&desk).await, 1);
    assert_eq!(world.fake.count(Part::JobRequests), 2);

    std::fs::remove_file(&path).unwrap();
    assert_eq!(jobs(&desk).await, 1, "the last good snapshot");
    pass(Duration::from_secs(11)).await;
    let failure = desk.snapshot().await.unwrap_err();
    assert!(failure.message.contains("can't be read"), "{failure}");
    std::fs::write(&path, "told-anew").unwrap();
    assert_eq!(jobs(&desk).await, 1, "the same token is good again");
    assert_eq!(world.fake.last().headers["authorization"], "Basic OnRvbGQtYW5ldw==");
}

#[tokio::test]
async fn snapshots_stay_fresh_for_longer_while_little_may_be_asked() {
    let world = World::start().await;
    world.fake.answer(Part::JobRequests, left("20"));
    let desk = world.desk().await;
    assert_eq!(desk.fresh_for(), (Duration::from_secs(8), true), "0.8 of what is tolerated");
    pass(Duration::from_secs(7)).await;
    in_no_time(jobs(&desk)).await;
    assert_eq!(world.fake.count(Part::JobRequests), 1, "the snapshot is fresh");
    pass(Duration::from_secs(2)).await;
    world.fake.answer(Part::JobRequests, left("10"));
    jobs(&desk).await;
    assert_eq!(world.fake.count(Part::JobRequests), 2);
    pass(Duration::from_mins(4)).await;
    assert_eq!(world.fake.count(Part::JobRequests), 2, "nobody waits");
    world.fake.answer(Part::JobRequests, left("200"));
    jobs(&desk).await;
    assert_eq!(desk.fresh_for(), (Duration::ZERO, false));
}
