//! What changes by the passing of time alone: settling, forgetting, and answers that hold for one poll.

use std::{collections::BTreeMap, sync::Arc};

use azp_scaler::{
    pool::Pool,
    trigger::{Strategy, Trigger},
};
use jiff::SignedDuration;

use super::scene::*;

fn ask(pool: &mut Pool, trigger: &Trigger, seconds: i64, queue: &[Job]) -> u64 {
    pool.ask(&Arc::new(trigger.clone()), &snapshot(seconds, queue, &[]), at(seconds)).unwrap().value
}

fn labels(pool: &Pool) -> Vec<&'static str> {
    pool.current().unwrap().jobs.iter().map(|placement| placement.label()).collect()
}

#[test]
fn nothing_is_asked_for_until_all_have_asked() {
    let mut pool = pool(SignedDuration::from_secs(30));
    let (large, small) = (trigger("L", "docker, gpu"), trigger("S", "docker"));
    let queue = jobs(1, 2, &["docker"]);
    assert_eq!(ask(&mut pool, &large, 0, &queue), 0);
    assert_eq!(labels(&pool), ["settling", "settling"]);
    assert_eq!(ask(&mut pool, &small, 20, &queue), 0);
    assert_eq!(ask(&mut pool, &large, 29, &queue), 0);
    assert_eq!(ask(&mut pool, &large, 30, &queue), 0, "settled, and the other fits better");
    assert_eq!(ask(&mut pool, &small, 31, &queue), 2);
    assert_eq!(labels(&pool), ["assigned", "assigned"]);
}

#[test]
fn a_decision_ends_with_settling_though_nothing_else_changes() {
    let mut pool = pool(SignedDuration::from_secs(30));
    let only = Arc::new(trigger("T", ""));
    let look = snapshot(0, &jobs(1, 1, &[]), &[]);
    assert_eq!(pool.ask(&only, &look, at(0)).unwrap().value, 0);
    assert_eq!(pool.ask(&only, &look, at(29)).unwrap().value, 0);
    assert_eq!(pool.ask(&only, &look, at(30)).unwrap().value, 1);
}

#[test]
fn scaled_objects_answer_while_settling() {
    let mut pool = pool(SignedDuration::from_secs(30));
    let mut object = trigger("W", "");
    object.strategy = Strategy::ScaledObject;
    assert_eq!(ask(&mut pool, &object, 0, &jobs(1, 2, &[])), 2);
}

#[test]
fn a_trigger_that_is_no_longer_asked_about_leaves_its_jobs_to_others() {
    let mut pool = pool(SignedDuration::ZERO);
    let (large, small) = (trigger("L", "docker, gpu"), trigger("S", "docker"));
    let queue = jobs(1, 1, &["docker"]);
    for second in [0, 20, 40] {
        ask(&mut pool, &small, second, &queue);
        assert_eq!(ask(&mut pool, &large, second, &queue), 0);
    }
    // Three of its intervals of 20 s.
    assert_eq!(ask(&mut pool, &large, 60, &queue), 0);
    assert_eq!(ask(&mut pool, &large, 99, &queue), 0);
    assert_eq!(ask(&mut pool, &large, 100, &queue), 1);
}

#[test]
fn how_long_a_trigger_is_kept_follows_its_interval_within_bounds() {
    // Interval, then the seconds after the last question until it is forgotten.
    for (interval, kept) in [(1, 30), (10, 30), (30, 90), (100, 300), (200, 300), (400, 600), (900, 1350)] {
        let mut pool = pool(SignedDuration::ZERO);
        let (leaver, stayer) = (trigger("A", "docker"), trigger("B", "docker, java"));
        let queue = jobs(1, 1, &["docker"]);
        for question in 0..3 {
            ask(&mut pool, &leaver, question * interval, &queue);
        }
        let last = 2 * interval;
        for second in (0..kept).step_by(29) {
            assert_eq!(ask(&mut pool, &stayer, last + second, &queue), 0, "interval {interval}, {second} s after");
        }
        assert_eq!(ask(&mut pool, &stayer, last + kept, &queue), 1, "interval {interval}");
    }
}

#[test]
fn until_its_interval_is_known_a_trigger_is_kept_for_five_minutes() {
    let mut pool = pool(SignedDuration::ZERO);
    let (leaver, stayer) = (trigger("A", "docker"), trigger("B", "docker, java"));
    let queue = jobs(1, 1, &["docker"]);
    ask(&mut pool, &leaver, 0, &queue);
    for second in (1..300).step_by(23) {
        assert_eq!(ask(&mut pool, &stayer, second, &queue), 0);
    }
    assert_eq!(ask(&mut pool, &stayer, 300, &queue), 1);
}

#[test]
fn what_was_learned_of_an_interval_survives_forgetting() {
    let mut pool = pool(SignedDuration::ZERO);
    let (leaver, stayer) = (trigger("A", "docker"), trigger("B", "docker, java"));
    let queue = jobs(1, 1, &["docker"]);
    for second in 0..3 {
        ask(&mut pool, &leaver, second, &queue);
        ask(&mut pool, &stayer, second, &queue);
    }
    for second in (3..60).step_by(10) {
        ask(&mut pool, &stayer, second, &queue);
    }
    ask(&mut pool, &leaver, 60, &queue);
    assert_eq!(ask(&mut pool, &stayer, 61, &queue), 1, "the job was given to the one that stayed");
    for second in (62..92).step_by(7) {
        ask(&mut pool, &stayer, second, &queue);
    }
    ask(&mut pool, &stayer, 90, &queue);
    assert_eq!(pool.current().unwrap().triggers.len(), 1, "one question was enough to know its pace");
}

#[test]
fn a_pool_that_everybody_forgot_settles_again() {
    let mut pool = pool(SignedDuration::from_secs(30));
    let only = trigger("T", "");
    let queue = jobs(1, 1, &[]);
    for second in (0..=40).step_by(10) {
        ask(&mut pool, &only, second, &queue);
    }
    assert_eq!(labels(&pool), ["assigned"]);
    assert_eq!(ask(&mut pool, &only, 200, &queue), 0);
    assert_eq!(labels(&pool), ["settling"]);
}

#[test]
fn an_edited_trigger_replaces_its_old_variant_once_that_misses_a_poll() {
    let mut pool = pool(SignedDuration::ZERO);
    let old = trigger("T", "docker");
    let mut new = trigger("T", "docker, java");
    new.id.metadata = Arc::new(BTreeMap::from([("capabilities".to_owned(), "docker, java".to_owned())]));
    let queue = jobs(1, 3, &["docker"]);
    assert_eq!(ask(&mut pool, &old, 0, &queue), 3);
    assert_eq!(ask(&mut pool, &old, 30, &queue), 3);
    assert_eq!(ask(&mut pool, &new, 60, &queue), 0, "both may exist: the old one may yet ask in this poll");
    assert_eq!(ask(&mut pool, &new, 90, &queue), 3);
    assert_eq!(pool.current().unwrap().triggers.len(), 1);
}

#[test]
fn two_triggers_of_one_scaled_job_share_agents_and_maximum() {
    let mut pool = pool(SignedDuration::ZERO);
    let mut both = [trigger("T", "docker"), trigger("T", "java")];
    for trigger in &mut both {
        trigger.max_replicas = 4;
    }
    let running = agent("T-a", "docker, java");
    let queue = [jobs(1, 3, &["docker"]), jobs(4, 2, &["java"]), vec![job(9, &[]).on(&running)]].concat();
    let mut values = [0, 0];
    for second in 0..3 {
        let look = snapshot(second, &queue, std::slice::from_ref(&running));
        for (value, trigger) in values.iter_mut().zip(&both) {
            *value = pool.ask(&Arc::new(trigger.clone()), &look, at(second)).unwrap().value;
        }
    }
    assert_eq!(values, [4, 0], "three jobs have room beside the one that runs, and KEDA adds the values up");
}

#[test]
fn activity_comes_from_the_decision_of_the_same_poll_once() {
    let mut pool = pool(SignedDuration::ZERO);
    let only = Arc::new(trigger("T", ""));
    let told = pool.ask(&only, &snapshot(0, &jobs(1, 2, &[]), &[]), at(0));
    pool.refresh(&snapshot(1, &[], &[]), at(1));
    assert_eq!(pool.take_answer(&only.id, at(1)), Some(told));
    assert_eq!(pool.take_answer(&only.id, at(1)), None, "taken");
    pool.ask(&only, &snapshot(2, &[], &[]), at(2)).unwrap();
    assert_eq!(pool.take_answer(&only.id, at(8)), None, "of an older poll");
}

#[test]
fn an_older_look_does_not_undo_a_newer_one() {
    let mut pool = pool(SignedDuration::ZERO);
    let only = Arc::new(trigger("T", ""));
    let (older, newer) = (snapshot(0, &jobs(1, 1, &[]), &[]), snapshot(1, &jobs(1, 2, &[]), &[]));
    assert_eq!(pool.ask(&only, &newer, at(2)).unwrap().value, 2);
    assert_eq!(pool.ask(&only, &older, at(2)).unwrap().value, 2);
}

#[test]
fn a_trigger_that_is_polled_rarely_gets_its_agents() {
    let mut pool = pool(SignedDuration::from_secs(30));
    let only = trigger("T", "");
    let values: Vec<u64> = (0..4).map(|poll| ask(&mut pool, &only, poll * 900, &jobs(1, 1, &[]))).collect();
    assert_eq!(values, [0, 0, 1, 1], "settling, forgotten once before its interval was known, then served");
}

#[test]
fn questions_that_azure_does_not_answer_keep_a_trigger_all_the_same() {
    let mut pool = pool(SignedDuration::ZERO);
    let (small, large) = (Arc::new(trigger("S", "docker")), Arc::new(trigger("L", "docker, gpu")));
    let queue = jobs(1, 5, &["docker"]);
    for second in (0..=60).step_by(10) {
        assert_eq!(ask(&mut pool, &small, second, &queue), 5);
        ask(&mut pool, &large, second, &queue);
    }
    for second in (70..=100).step_by(10) {
        pool.note(&small, at(second)).unwrap();
        pool.note(&large, at(second)).unwrap();
    }
    assert_eq!(ask(&mut pool, &large, 101, &queue), 0, "the jobs are still the other's");
    assert_eq!(ask(&mut pool, &small, 101, &queue), 5);
}

#[test]
fn a_sibling_that_asks_late_is_not_taken_for_an_old_variant() {
    let mut pool = pool(SignedDuration::ZERO);
    let siblings = ["docker", "java"].map(|offers| trigger("T", offers));
    for poll in 0..5 {
        // The two come in turn first, a second apart.
        let order = if poll % 2 == 0 { [0, 1] } else { [1, 0] };
        for (delay, which) in (0..).zip(order) {
            ask(&mut pool, &siblings[which], poll * 30 + delay, &[]);
            assert_eq!(pool.current().unwrap().triggers.len(), if (poll, delay) == (0, 0) { 1 } else { 2 });
        }
    }
}

#[test]
fn an_interval_that_becomes_longer_than_the_trigger_was_kept_for_is_learned() {
    let mut pool = pool(SignedDuration::from_secs(30));
    let only = trigger("T", "");
    let queue = jobs(1, 1, &[]);
    for second in 0..40 {
        ask(&mut pool, &only, second, &queue);
    }
    let told = [1, 2, 3, 4, 5].map(|poll| ask(&mut pool, &only, 39 + 33 * poll, &queue));
    assert_eq!(told, [0, 0, 1, 1, 1], "one gap may be an absence; two are an interval");
}

#[test]
fn an_absence_is_not_an_interval() {
    const WEEK: i64 = 7 * 24 * 3600;
    let mut pool = pool(SignedDuration::ZERO);
    let (leaver, stayer) = (trigger("A", "docker"), trigger("B", "docker, java"));
    let queue = jobs(1, 1, &["docker"]);
    ask(&mut pool, &leaver, 0, &[]);
    ask(&mut pool, &leaver, WEEK, &[]);
    assert_eq!(ask(&mut pool, &stayer, WEEK + 1, &queue), 0);
    assert_eq!(ask(&mut pool, &stayer, WEEK + 300, &queue), 1);
}

#[test]
fn a_trigger_that_asks_twice_at_once_makes_no_sibling_miss_a_poll() {
    let mut pool = pool(SignedDuration::ZERO);
    let siblings = ["docker", "java"].map(|offers| trigger("T", offers));
    ask(&mut pool, &siblings[0], 0, &[]);
    ask(&mut pool, &siblings[1], 1, &[]);
    ask(&mut pool, &siblings[1], 1, &[]);
    assert_eq!(pool.current().unwrap().triggers.len(), 2);
}
