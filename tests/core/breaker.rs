//! Starts that fail, as far as they can be seen without the cluster: a ScaledJob whose agents never come is probed, not fed.

use azp_scaler::{
    decision::{Placement, Starts},
    trigger::Trigger,
};

use super::scene::*;

#[test]
fn agents_that_never_come_are_tried_one_at_a_time_at_growing_intervals() {
    let mut scene = Scene::new([trigger("T", "")]);
    let queue = jobs(1, 5, &[]);
    for _ in 0..=300 {
        assert_eq!(scene.look(&queue, &[]).0, [5]);
    }
    let told: Vec<u64> = (0..400).map(|_| scene.look(&queue, &[]).0[0]).collect();
    assert_eq!(told.iter().sum::<u64>(), 5, "{told:?}");
    let probes: Vec<usize> =
        told.iter().enumerate().filter(|(_, value)| **value > 0).map(|(second, _)| second).collect();
    let gaps: Vec<usize> = probes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps, [20, 40, 80, 160], "{probes:?}");
}

#[test]
fn one_registration_closes_the_breaker() {
    let mut scene = Scene::new([trigger("T", "")]);
    let queue = jobs(1, 5, &[]);
    let (values, decision) = scene.look_for(305, &queue, &[]);
    assert_eq!(values, [0]);
    assert_eq!(count(&decision, "start-failing"), 5);
    assert!(matches!(decision.scaled_jobs[0].starts, Starts::Failing { .. }));
    let came = agent("T-a", "");
    let (values, decision) = scene.look(&queue, &[came]);
    assert_eq!(values, [5], "A 4 + I 1");
    assert_eq!(decision.scaled_jobs[0].starts, Starts::Working);
}

#[test]
fn the_jobs_go_to_the_next_that_fits() {
    let mut scene = Scene::new([trigger("L", "docker, gpu"), trigger("S", "docker")]);
    let queue = [job(1, &["docker"]), job(2, &["docker", "gpu"])];
    let large = agent("L-a", "docker, gpu");
    assert_eq!(scene.look(&queue, &[]).0, [1, 1]);
    let running = [queue[0].clone(), queue[1].clone().on(&large)];
    let (values, decision) = scene.look_for(310, &running, &[large]);
    assert_eq!(starter(&decision, 1), Some("L"));
    assert_eq!(values, [2, 0], "A 1 + R 1");
}

#[test]
fn slow_polls_are_given_time() {
    let slow = trigger("T", "");
    let mut pool = pool(jiff::SignedDuration::ZERO);
    let queue = jobs(1, 2, &[]);
    let slow = std::sync::Arc::new(slow);
    for poll in 0..4 {
        let seconds = poll * 290;
        assert_eq!(pool.ask(&slow, &snapshot(seconds, &queue, &[]), at(seconds)).unwrap().value, 2, "poll {poll}");
    }
    pool.ask(&slow, &snapshot(1_160, &queue, &[]), at(1_160)).unwrap();
    let decision = std::sync::Arc::clone(pool.current().unwrap());
    assert!(matches!(placement(&decision, 1), Placement::StartFailing { .. } | Placement::Assigned { .. }));
}

#[test]
fn jobs_that_are_gone_start_the_time_anew_and_agents_that_come_do_too() {
    let mut scene = Scene::new([trigger("T", "")]);
    let queue = jobs(1, 2, &[]);
    for round in 0..4 {
        assert_eq!(scene.look_for(200, &queue, &[]).0, [2], "round {round}");
        assert_eq!(scene.look(&[], &[]).0, [0]);
    }
    let mut scene = Scene::new([trigger("T", "")]);
    for round in 0..4 {
        let came = agent(&format!("T-{round}"), "");
        let running = [job(9, &[]).on(&came), queue[0].clone(), queue[1].clone()];
        assert_eq!(scene.look_for(200, &running, &[came]).0, [3], "round {round}");
    }
}

#[test]
fn jobs_that_others_run_start_the_time_anew() {
    let mut scene = Scene::new([trigger("T", "")]);
    let mut agents = Vec::new();
    let mut queue = jobs(1, 4, &[]);
    for round in 0..4 {
        assert_eq!(scene.look_for(200, &queue[..=round], &agents).0, [1], "round {round}");
        let foreign = agent(&format!("vm-{round}"), "");
        queue[round] = queue[round].clone().on(&foreign);
        agents.push(foreign);
        assert_eq!(scene.look(&queue[..=round], &agents).0, [0]);
    }
}

#[test]
fn a_probe_comes_due_though_nothing_else_changes() {
    let mut scene = Scene::new([trigger("T", "")]);
    let queue = jobs(1, 5, &[]);
    assert_eq!(scene.look_for(305, &queue, &[]).0, [0]);
    let look = snapshot(305, &queue, &[]);
    let told = (306..320).map(|second| scene.pool.ask(&scene.triggers[0], &look, at(second)).unwrap().value);
    assert_eq!(told.sum::<u64>(), 1);
}

#[test]
fn agents_that_come_and_go_between_two_looks_are_no_failure() {
    // Polled every 30 s; each job has run before the next poll, and so has its agent.
    let short = std::sync::Arc::new(trigger("T", ""));
    let mut pool = pool(jiff::SignedDuration::ZERO);
    for poll in 0..60 {
        let seconds = poll * 30;
        let young = Job { queued: 1_000_000 + seconds, ..job(poll + 1, &[]) };
        let told = pool.ask(&short, &snapshot(seconds, &[young], &[]), at(seconds)).unwrap();
        assert_eq!(told.value, 1, "poll {poll}");
    }
}

#[test]
fn a_probe_whose_job_is_gone_closes_the_breaker() {
    let mut scene = Scene::new([trigger("T", "")]);
    let queue = jobs(1, 3, &[]);
    scene.look_for(305, &queue, &[]);
    let mut told = Vec::new();
    for _ in 0..40 {
        told.push(scene.look(&queue, &[]).0[0]);
        if told.last() == Some(&1) {
            break;
        }
    }
    assert_eq!(told.last(), Some(&1), "a probe");
    assert_eq!(scene.look(&queue[1..], &[]).0, [2], "the job has run, unseen");
}

#[test]
fn time_in_which_nobody_asks_at_all_is_no_failure() {
    let mut pool = pool(jiff::SignedDuration::ZERO);
    let trigger = std::sync::Arc::new(trigger("T", ""));
    let queue = jobs(1, 2, &[]);
    for seconds in (0..5).chain(700..900) {
        let told = pool.ask(&trigger, &snapshot(seconds, &queue, &[]), at(seconds)).unwrap();
        assert_eq!(told.value, 2, "{seconds} s");
    }
}

#[test]
fn time_in_which_nobody_asks_is_no_failure() {
    let mut pool = pool(jiff::SignedDuration::ZERO);
    let (paused, other) = (std::sync::Arc::new(trigger("T", "docker")), std::sync::Arc::new(trigger("U", "java")));
    let queue = jobs(1, 2, &["docker"]);
    let mut ask = |trigger: &std::sync::Arc<_>, seconds| {
        pool.ask(trigger, &snapshot(seconds, &queue, &[]), at(seconds)).unwrap().value
    };
    for seconds in 0..5 {
        assert_eq!(ask(&paused, seconds), 2);
    }
    for seconds in (5..700).step_by(5) {
        assert_eq!(ask(&other, seconds), 0);
    }
    for seconds in 700..900 {
        assert_eq!(ask(&paused, seconds), 2, "{seconds} s");
    }
}

#[test]
fn a_cancelled_job_that_was_not_the_probes_does_not_close_the_breaker() {
    let mut scene = Scene::new([trigger("T", "")]);
    let queue = jobs(1, 9, &[]);
    scene.look_for(305, &queue, &[]);
    for _ in 0..40 {
        if scene.look(&queue, &[]).0 == [1] {
            break;
        }
    }
    // The probe was for the first; people cancel the last.
    let (values, decision) = scene.look_for(8, &queue[..8], &[]);
    assert_eq!(values, [0]);
    assert_eq!(count(&decision, "start-failing"), 8);
}

#[test]
fn jobs_that_are_cancelled_now_and_then_do_not_keep_the_breaker_from_opening() {
    let mut scene = Scene::new([trigger("T", "")]);
    let queue = jobs(1, 9, &[]);
    scene.look_for(200, &queue, &[]);
    let (_, decision) = scene.look_for(105, &queue[..8], &[]);
    assert_eq!(count(&decision, "start-failing"), 8, "no agent comes and goes within a second");
}

#[test]
fn what_is_below_its_activation_starts_nothing_so_nothing_fails() {
    let mut scene = Scene::new([Trigger { activation: 5, ..trigger("T", "") }]);
    let (told, decision) = scene.look_for(400, &jobs(1, 3, &[]), &[]);
    assert_eq!((told, count(&decision, "start-failing")), (vec![3], 0));
    assert_eq!(scene.look(&jobs(1, 9, &[]), &[]).0, [9]);
}
