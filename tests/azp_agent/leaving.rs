//! An idle agent that ends: Azure gives it no further job first, and one that it was given in that moment is run.

use std::{
    fs,
    os::{linux::net::SocketAddrExt as _, unix::net as std_net},
};

use tokio::{
    io::AsyncWriteExt as _,
    net::{UnixListener, UnixStream},
};

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

/// The job that has begun is run to its end, and no other.
async fn goes_on_to_its_end(run: Program, mut stub: Stub) {
    stub.end_job().await;
    let log = run.ends_with(0).await;
    assert!(log.contains("the job is over"), "{log}");
    stub.is_quiet().await;
}

/// The container of the job with its listener, and where it asks: a sidecar whose answer can be waited for.
async fn beside_a_door(behaviour: &[&str], variables: &[(&str, &str)]) -> (UnixListener, Stub, Program) {
    let mut stub = Stub::new();
    stub.share();
    stub.behave(behaviour);
    let name = stub.path("door").display().to_string();
    let address = std_net::SocketAddr::from_abstract_name(&name).unwrap();
    let listener = std_net::UnixListener::bind_addr(&address).unwrap();
    listener.set_nonblocking(true).unwrap();
    fs::write(stub.path("registration/leave-at"), name).unwrap();
    let door = UnixListener::from_std(listener).unwrap();
    let run = Program::start(command(&stub, "container", "run").envs(variables.iter().copied()));
    stub.event("listener").await;
    (door, stub, run)
}

/// As a sidecar answers.
async fn say_that_it_has_a_job(mut asked: UnixStream) {
    asked.write_all(b"has a job").await.unwrap();
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
    goes_on_to_its_end(run, stub).await;
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

#[tokio::test]
async fn a_job_that_begins_while_the_sidecar_is_asked_is_run() {
    let (door, mut stub, run) = beside_a_door(&[], &[]).await;
    run.signal("TERM");
    let (asked, _) = door.accept().await.unwrap();
    stub.begin_job().await;
    // Nobody can say.
    drop(asked);
    run.signal("TERM");
    goes_on_to_its_end(run, stub).await;
}

#[tokio::test]
async fn a_job_that_comes_after_its_own_and_an_update_is_run() {
    let (door, mut stub, mut run) = beside_a_door(&["updates"], &[]).await;
    stub.begin_job().await;
    stub.end_job().await;
    let (asked, _) = door.accept().await.unwrap();
    stub.event("listener").await;
    say_that_it_has_a_job(asked).await;
    run.says("it is run before the agent ends").await;
    stub.begin_job().await;
    goes_on_to_its_end(run, stub).await;
}

#[tokio::test]
async fn a_listener_that_ends_before_the_job_that_it_was_given_is_a_failure() {
    for code in ["0", "2"] {
        let (door, mut stub, mut run) = beside_a_door(&[], &[]).await;
        run.signal("TERM");
        say_that_it_has_a_job(door.accept().await.unwrap().0).await;
        run.says("it is run before the agent ends").await;
        stub.command(code).await;
        let log = run.ends_with(1).await;
        assert!(log.contains("before it began it"), "{log}");
    }
}

#[tokio::test]
async fn a_job_that_is_given_to_it_and_does_not_begin_is_told() {
    let (door, mut stub, run) = beside_a_door(&[], &[("AZP_AGENT_START_TIMEOUT", "300ms")]).await;
    run.signal("TERM");
    say_that_it_has_a_job(door.accept().await.unwrap().0).await;
    stub.event("stopped").await;
    let log = run.ends_with(1).await;
    assert!(log.contains("has not begun it within 300ms"), "{log}");
}
