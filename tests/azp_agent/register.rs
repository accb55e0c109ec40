//! The sidecar: registering, sharing, removing, and every signal and fault meanwhile.

use std::{fs, future::IntoFuture as _};

use axum::Router;
use tokio::net::TcpListener;

use super::{
    program::{Program, command},
    stub::Stub,
    world::{TOKEN, World},
};

#[tokio::test]
async fn it_registers_shares_the_files_and_removes_the_registration_when_told() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let mut sidecar = world.register(&stub, &[]);
    assert_eq!(stub.event("config").await, "--unattended", "the rest is told by the environment");
    sidecar.says(" registered ").await;
    assert_eq!(world.agents().await, ["pod-1"]);
    let mut shared: Vec<_> =
        fs::read_dir(stub.path("registration/ready")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    shared.sort();
    assert_eq!(shared, [".agent", ".credentials", ".credentials_rsaparams"]);
    sidecar.signal("TERM");
    let log = sidecar.ends_with(0).await;
    assert!(log.contains("the registration is removed") && !log.contains(TOKEN), "{log}");
    assert!(world.agents().await.is_empty());
}

#[tokio::test]
async fn an_agent_of_the_same_name_is_replaced() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let mut first = world.register(&stub, &[]);
    stub.event("config").await;
    first.says(" registered ").await;
    first.signal("KILL");
    first.ends().await;
    fs::remove_dir_all(stub.path("registration/ready")).unwrap();
    fs::remove_file(stub.path("sidecar/.agent")).unwrap();
    let mut second = world.register(&stub, &[]);
    stub.event("config").await;
    second.says(" registered ").await;
    assert_eq!(world.agents().await, ["pod-1"]);
}

#[tokio::test]
async fn told_to_end_before_it_has_registered_it_ends() {
    let (world, mut stub) = (World::start().await, Stub::new());
    world.answer(Some(503)).await;
    let mut sidecar = world.register(&stub, &[]);
    sidecar.says("not registered").await;
    sidecar.signal("TERM");
    sidecar.ends_with(0).await;
    stub.is_quiet().await;
}

#[tokio::test]
async fn told_to_end_while_it_registers_it_removes_what_comes_of_it() {
    let (world, mut stub) = (World::start().await, Stub::new());
    stub.behave(&["config-waits"]);
    let sidecar = world.register(&stub, &[]);
    stub.event("config").await;
    sidecar.signal("TERM");
    stub.go().await;
    let log = sidecar.ends_with(0).await;
    assert!(log.contains("the registration is removed"), "{log}");
    assert!(world.agents().await.is_empty());
}

#[tokio::test]
async fn a_registration_that_fails_is_tried_again() {
    let (world, mut stub) = (World::start().await, Stub::new());
    stub.behave(&["config-fails-once"]);
    let mut sidecar = world.register(&stub, &[]);
    for _ in 0..2 {
        stub.event("config").await;
    }
    sidecar.says(" registered ").await;
    sidecar.signal("INT");
    let log = sidecar.ends_with(0).await;
    assert!(log.contains("no luck with …") && log.contains("read & manage") && !log.contains(TOKEN), "{log}");
}

#[tokio::test]
async fn what_a_crashed_config_left_behind_is_removed() {
    let (world, mut stub) = (World::start().await, Stub::new());
    stub.behave(&["config-dies-after"]);
    let sidecar = world.register(&stub, &[("AZP_AGENT_REGISTER_TIMEOUT", "500ms")]);
    stub.event("config").await;
    let log = sidecar.fails_with(&stub, 1).await;
    assert!(log.contains("signal: 9"), "{log}");
    assert!(world.agents().await.is_empty());
    assert!(!stub.path("registration/ready").exists());
}

#[tokio::test]
async fn a_refused_token_and_a_missing_pool_are_told_before_config_runs() {
    let (world, mut stub) = (World::start().await, Stub::new());
    for (variable, value, word) in [("AZP_TOKEN", "a-wrong-token", "token"), ("AZP_POOL", "windows", "`windows`")] {
        let log = world.register(&stub, &[(variable, value)]).fails_with(&stub, 1).await;
        assert!(log.contains(word) && log.contains("read & manage") && !log.contains("a-wrong-token"), "{log}");
        fs::remove_file(stub.path("registration/failed")).unwrap();
    }
    stub.is_quiet().await;
}

#[tokio::test]
async fn started_again_after_a_failure_it_does_better() {
    let (world, mut stub) = (World::start().await, Stub::new());
    fs::write(stub.path("registration/failed"), "the token is refused").unwrap();
    let mut sidecar = world.register(&stub, &[]);
    stub.event("config").await;
    sidecar.says(" registered ").await;
    assert!(!stub.path("registration/failed").exists());
}

#[tokio::test]
async fn a_busy_agent_is_removed_once_azure_lets_it() {
    let (world, mut stub) = (World::start().await, Stub::new());
    stub.behave(&["config-online"]);
    let mut sidecar = world.register(&stub, &[]);
    stub.event("config").await;
    sidecar.says(" registered ").await;
    world.run_job(1500).await;
    sidecar.signal("TERM");
    sidecar.says("not removed").await;
    sidecar.signal("TERM");
    let log = sidecar.ends_with(0).await;
    assert!(log.contains("answered 400"), "{log}");
    assert!(world.agents().await.is_empty());
}

#[tokio::test]
async fn with_the_network_gone_it_gives_up_in_time_and_says_what_is_left() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let mut sidecar = world.register(&stub, &[("AZP_AGENT_REMOVE_TIMEOUT", "2s")]);
    stub.event("config").await;
    sidecar.says(" registered ").await;
    world.live.stop().await;
    sidecar.signal("TERM");
    sidecar.says("not removed").await;
    let log = sidecar.ends_with(1).await;
    for word in ["agent `pod-1`", "pool `linux`", "left behind", "Organization settings"] {
        assert!(log.contains(word), "{word} is missing: {log}");
    }
}

#[tokio::test]
async fn started_anew_it_keeps_the_registration_that_the_job_uses() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let mut first = world.register(&stub, &[]);
    stub.event("config").await;
    first.says(" registered ").await;
    first.signal("KILL");
    first.ends().await;
    let mut second = world.register(&stub, &[]);
    second.says("registered already").await;
    stub.is_quiet().await;
    second.signal("TERM");
    second.ends_with(0).await;
    assert!(world.agents().await.is_empty());
}

#[tokio::test]
async fn files_that_hold_the_token_are_not_shared() {
    let (world, mut stub) = (World::start().await, Stub::new());
    stub.behave(&["config-leaks"]);
    let sidecar = world.register(&stub, &[]);
    stub.event("config").await;
    let log = sidecar.fails_with(&stub, 1).await;
    assert!(log.contains(".credentials`, which the job could read"), "{log}");
    assert!(!stub.path("registration/ready").exists());
    assert!(world.agents().await.is_empty(), "and the agent is removed again");
}

#[tokio::test]
async fn the_token_may_be_in_a_file() {
    let (world, mut stub) = (World::start().await, Stub::new());
    fs::write(stub.path("token"), format!("{TOKEN}\n")).unwrap();
    let mut program = command(&stub, "sidecar", "register");
    program.env("AZP_URL", world.live.organization_url()).env("AZP_TOKEN_FILE", stub.path("token"));
    let mut sidecar = Program::start(&mut program);
    stub.event("config").await;
    sidecar.says(" registered ").await;
}

#[tokio::test]
async fn a_managed_identity_registers_and_removes() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let machine = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", machine.local_addr().unwrap());
    let answer = format!(r#"{{"access_token":"{TOKEN}","expires_in":"3600","token_type":"Bearer"}}"#);
    let machine = axum::serve(machine, Router::new().fallback(move || async { answer })).into_future();
    tokio::spawn(machine);
    let mut program = command(&stub, "sidecar", "register");
    program
        .env("AZP_URL", world.live.organization_url())
        .env("AZP_AGENT_CREDENTIAL", "managed_identity")
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", address);
    let mut sidecar = Program::start(&mut program);
    stub.event("config").await;
    sidecar.says(" registered ").await;
    assert_eq!(world.agents().await, ["pod-1"]);
    sidecar.signal("TERM");
    let log = sidecar.ends_with(0).await;
    assert!(world.agents().await.is_empty() && !log.contains(TOKEN), "{log}");
}
