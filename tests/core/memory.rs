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
