//! To whom a job was given: what is remembered, and who inherits.

use super::scene::*;

/// S, preferred and with few places, and L, which takes what S has no room for.
fn small_and_large(max: u32) -> Scene {
    let mut small = trigger("S", "docker");
    small.max_replicas = max;
    Scene::new([small, trigger("L", "docker, gpu")])
}

#[test]
fn an_agent_that_comes_to_nothing_does_not_make_a_job_forget_where_it_was_given() {
    let mut scene = small_and_large(2);
    let queue = jobs(1, 3, &["docker"]);
    assert_eq!(scene.look(&queue, &[]).0, [2, 1]);
    // The older two are gone, and an agent could take the third; but it leaves.
    let passer_by = agent("vm-1", "docker");
    let (values, decision) = scene.look(&queue[2..], std::slice::from_ref(&passer_by));
    assert_eq!((values, placement(&decision, 3).label()), (vec![0, 0], "idle-agent"));
    let (values, decision) = scene.look(&queue[2..], &[]);
    assert_eq!(values, [0, 1], "its agent of L is on its way");
    assert_eq!(starter(&decision, 3), Some("L"));
}

#[test]
fn who_does_not_fit_inherits_nothing() {
    let mut scene = small_and_large(1);
    let queue = [job(1, &["docker"]), job(2, &["docker", "gpu"]), job(3, &["docker"])];
    assert_eq!(scene.look(&queue, &[]).0, [1, 2]);
    let large = agent("L-a", "docker, gpu");
    let (values, decision) = scene.look(&[queue[0].clone().on(&large), queue[1].clone(), queue[2].clone()], &[large]);
    assert_eq!(values, [1, 2], "S 1; L: A 1 + R 1");
    assert_eq!(starter(&decision, 2), Some("L"));
    assert_eq!(starter(&decision, 3), Some("S"), "the oldest that fits");
}

#[test]
fn a_job_whose_agent_was_taken_inherits_though_all_happened_between_two_looks() {
    let mut scene = small_and_large(1);
    let queue = jobs(1, 2, &["docker"]);
    assert_eq!(scene.look(&queue, &[]).0, [1, 1]);
    let done = finished_one(agent("L-a", "docker, gpu"));
    let (values, decision) = scene.look(&queue[1..], &[done]);
    assert_eq!(values, [1, 0]);
    assert_eq!(starter(&decision, 2), Some("S"));
}

#[test]
fn who_left_home_for_a_job_that_then_made_way_stays_at_home() {
    let mut scene = Scene::new([("A", "p, q"), ("X", "p, r"), ("Y", "q, r")].map(|(name, offers)| {
        let mut one = trigger(name, offers);
        one.max_replicas = 1;
        one
    }));
    let queue = [job(1, &["q"]), job(2, &["p"]), job(3, &["r"]), job(4, &["r"])];
    let (_, decision) = scene.look(&[queue[0].clone(), queue[3].clone()], &[]);
    assert_eq!([1, 4].map(|id| starter(&decision, id)), [Some("A"), Some("X")]);
    // Two that are older than the last come, and there is no room for it any more.
    let (_, decision) = scene.look(&queue, &[]);
    assert_eq!([1, 2, 3, 4].map(|id| starter(&decision, id)), [Some("A"), Some("X"), Some("Y"), None]);
}
