//! An idle agent that ends: Azure gives it no further job first, and one that it was given in that moment is run.

use super::{
    program::{Program, command},
    stub::Stub,
    world::World,
};

/// A sidecar that has registered an agent which Azure sees online, and the container of the job with its listener.
async fn start(world: &World, stub: &mut Stub) -> (Program, Program) {
    stub.behave(&["config-online"]);
    let mut sidecar = world.register(stub, &[]);
    stub.event("config").await;
    sidecar.says(" registered ").await;
    let run = Program::start(&mut command(stub, "container", "run"));
    stub.event("listener").await;
    (sidecar, run)
}

#[tokio::test]
async fn it_gets_no_further_job_before_it_stops() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let (sidecar, run) = start(&world, &mut stub).await;
    assert!(world.is_enabled().await);
    run.signal("TERM");
    stub.event("stopped").await;
    assert!(!world.is_enabled().await);
    let log = run.ends_with(0).await;
    assert!(log.contains("it had no job"), "{log}");
    sidecar.signal("TERM");
    sidecar.ends_with(0).await;
    assert!(world.agents().await.is_empty());
}

#[tokio::test]
async fn a_job_that_comes_in_that_moment_is_run() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let (_sidecar, mut run) = start(&world, &mut stub).await;
    // Azure has given it to the agent, whose listener does not know of it yet.
    world.run_job(60_000).await;
    run.signal("TERM");
    run.says("it is run before the agent ends").await;
    stub.begin_job().await;
    stub.end_job().await;
    let log = run.ends_with(0).await;
    assert!(log.contains("the job is over"), "{log}");
    stub.is_quiet().await;
}

#[tokio::test]
async fn where_nobody_can_say_it_stops_all_the_same() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let (sidecar, run) = start(&world, &mut stub).await;
    sidecar.signal("KILL");
    sidecar.ends().await;
    run.signal("TERM");
    stub.event("stopped").await;
    let log = run.ends_with(0).await;
    assert!(log.contains("the sidecar can't be asked"), "{log}");
}
