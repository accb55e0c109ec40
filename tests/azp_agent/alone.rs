//! Everything in one container.

use std::{fs, os::unix::process::CommandExt as _, process::Command};

use super::{
    program::{Program, command, give},
    stub::Stub,
    world::{TOKEN, World},
};

/// Any user but root, who reads everything.
const NOBODY: u32 = 65534;

fn start(world: &World, stub: &Stub) -> Program {
    let mut program = command(stub, "all", "run");
    Program::start(program.env("AZP_URL", world.live.organization_url()).env("AZP_TOKEN", TOKEN))
}

#[tokio::test]
async fn it_registers_runs_one_job_and_removes_the_registration() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let program = start(&world, &stub);
    stub.event("config").await;
    stub.event("listener").await;
    stub.begin_job().await;
    assert_eq!(world.agents().await, ["pod-1"]);
    stub.end_job().await;
    let log = program.ends_with(0).await;
    assert!(log.contains("the registration is removed"), "{log}");
    assert!(world.agents().await.is_empty());
}

#[tokio::test]
async fn told_to_end_it_stops_the_listener_and_removes_the_registration() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let program = start(&world, &stub);
    stub.event("config").await;
    stub.event("listener").await;
    program.signal("TERM");
    stub.event("stopped").await;
    program.ends_with(0).await;
    assert!(world.agents().await.is_empty());
}

#[tokio::test]
async fn a_job_that_comes_as_it_is_told_to_end_is_run() {
    let (world, mut stub) = (World::start().await, Stub::new());
    stub.behave(&["config-online"]);
    let mut program = start(&world, &stub);
    stub.event("config").await;
    stub.event("listener").await;
    // Azure has given it to the agent, whose listener does not know of it yet.
    world.run_job(3_000).await;
    program.signal("TERM");
    program.says("it is run before the agent ends").await;
    assert!(!world.is_enabled().await);
    stub.begin_job().await;
    stub.end_job().await;
    program.ends_with(0).await;
    assert!(world.agents().await.is_empty());
}

#[tokio::test]
async fn told_to_end_while_it_registers_it_starts_nothing() {
    let (world, mut stub) = (World::start().await, Stub::new());
    stub.behave(&["config-waits"]);
    let program = start(&world, &stub);
    stub.event("config").await;
    program.signal("TERM");
    stub.go().await;
    program.ends_with(0).await;
    stub.is_quiet().await;
    assert!(world.agents().await.is_empty());
}

#[tokio::test]
async fn a_failure_is_told_though_the_registration_is_removed() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let program = start(&world, &stub);
    stub.event("config").await;
    stub.event("listener").await;
    stub.command("1").await;
    let log = program.ends_with(1).await;
    assert!(log.contains("before it had a job"), "{log}");
    assert!(world.agents().await.is_empty());
}

/// The token stands in the environment of the program, which the job's user owns; the job can't read it all the same.
#[tokio::test]
async fn the_job_does_not_read_the_token_of_the_program() {
    let (world, mut stub) = (World::start().await, Stub::new());
    // Where the tests run as root, the program doesn't; it must reach its files.
    let binary = stub.path("azp-agent");
    fs::copy(env!("CARGO_BIN_EXE_azp-agent"), &binary).unwrap();
    stub.directory("all");
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut program = Command::new(binary);
    if is_root {
        let owned = Command::new("chown").args(["-R", &NOBODY.to_string()]).arg(stub.folder.path()).status();
        assert!(owned.unwrap().success());
        program.uid(NOBODY).gid(NOBODY);
    }
    give(program.arg("run"), &stub, "all").env("AZP_URL", world.live.organization_url()).env("AZP_TOKEN", TOKEN);
    let program = Program::start(&mut program);
    stub.event("config").await;
    stub.event("listener").await;
    stub.begin_job().await;
    let seen = String::from_utf8_lossy(&fs::read(stub.path("dump")).unwrap()).into_owned();
    let refused = format!("/proc/{}/environ: Permission denied", program.id());
    assert!(seen.contains(&refused), "{seen}");
    assert!(seen.contains("the key of this agent"), "the agent's own files are read");
    assert!(!seen.contains(TOKEN), "{seen}");
    stub.end_job().await;
    program.ends_with(0).await;
}
