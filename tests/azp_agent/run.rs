//! The container of the job: waiting for the registration, the job, and every signal, crash and silence meanwhile.

use std::fs;

use super::{
    program::{Program, command, send},
    stub::Stub,
};

/// Starts it with a registration that is shared, and waits for its listener; that one's process.
async fn start(stub: &mut Stub, variables: &[(&str, &str)]) -> (Program, String) {
    stub.share();
    let program = Program::start(command(stub, "container", "run").envs(variables.iter().copied()));
    let said = stub.event("listener").await;
    let (listener, arguments) = said.split_once(' ').unwrap();
    assert_eq!(arguments, "run --once");
    (program, listener.to_owned())
}

async fn check(program: Program, code: i32, words: &str) {
    let log = program.ends_with(code).await;
    assert!(log.contains(words), "{log}");
}

#[tokio::test]
async fn one_job_runs_and_it_ends() {
    let mut stub = Stub::new();
    let (program, _) = start(&mut stub, &[]).await;
    stub.begin_job().await;
    stub.end_job().await;
    let log = program.ends_with(0).await;
    assert!(log.contains("Running job: stub"), "the listener's words are shown: {log}");
    assert!(log.contains("the job is over"), "{log}");
}

#[tokio::test]
async fn told_to_end_before_there_is_a_registration_it_ends() {
    let mut stub = Stub::new();
    let mut program = Program::start(&mut command(&stub, "container", "run"));
    program.says("waiting for the registration").await;
    program.signal("TERM");
    check(program, 0, "before there was a registration").await;
    stub.is_quiet().await;
}

#[tokio::test]
async fn a_registration_that_never_comes_is_told() {
    let stub = Stub::new();
    let program = Program::start(command(&stub, "container", "run").env("AZP_AGENT_REGISTER_TIMEOUT", "300ms"));
    check(program, 1, "look at the log of the sidecar").await;
}

#[tokio::test]
async fn a_sidecar_that_has_failed_ends_it_at_once() {
    let stub = Stub::new();
    fs::write(stub.path("registration/failed"), "the token is refused").unwrap();
    let program = Program::start(&mut command(&stub, "container", "run"));
    check(program, 1, "the sidecar (`azp-agent register`) has failed: the token is refused").await;
}

#[tokio::test]
async fn a_listener_that_updates_itself_after_its_job_takes_no_other() {
    let mut stub = Stub::new();
    stub.behave(&["updates"]);
    let (program, _) = start(&mut stub, &[]).await;
    stub.begin_job().await;
    stub.end_job().await;
    check(program, 0, "before it took another").await;
}

#[tokio::test]
async fn an_idle_listener_is_stopped_at_once() {
    let mut stub = Stub::new();
    let (program, _) = start(&mut stub, &[]).await;
    program.signal("TERM");
    stub.event("stopped").await;
    check(program, 0, "it had no job").await;
}

#[tokio::test]
async fn an_idle_listener_that_does_not_stop_is_killed() {
    let mut stub = Stub::new();
    stub.behave(&["deaf"]);
    let (program, _) = start(&mut stub, &[("AZP_AGENT_EXIT_TIMEOUT", "500ms")]).await;
    program.signal("TERM");
    check(program, 0, "is killed").await;
}

#[tokio::test]
async fn a_job_goes_on_to_its_end_however_often_it_is_told_to_end() {
    let mut stub = Stub::new();
    let (mut program, _) = start(&mut stub, &[]).await;
    stub.begin_job().await;
    program.signal("TERM");
    program.says("the job goes on to its end").await;
    program.signal("INT");
    program.signal("TERM");
    stub.end_job().await;
    check(program, 0, "the job is over").await;
    stub.is_quiet().await;
}

#[tokio::test]
async fn without_a_job_it_ends_in_time() {
    let mut stub = Stub::new();
    let (program, _) = start(&mut stub, &[("AZP_AGENT_IDLE_TIMEOUT", "1s")]).await;
    stub.event("stopped").await;
    check(program, 0, "no job came within 1s").await;
}

#[tokio::test]
async fn a_listener_that_never_listens_is_ended() {
    let mut stub = Stub::new();
    stub.behave(&["mute", "deaf"]);
    let times = [("AZP_AGENT_START_TIMEOUT", "1s"), ("AZP_AGENT_EXIT_TIMEOUT", "500ms")];
    let (program, _) = start(&mut stub, &times).await;
    check(program, 1, "has not said `Listening for Jobs` within 1s").await;
}

#[tokio::test]
async fn a_listener_that_hangs_after_its_job_is_ended() {
    for (behaviour, words) in [(vec!["hangs"], "did not exit within"), (vec!["hangs", "deaf"], "is killed")] {
        let mut stub = Stub::new();
        stub.behave(&behaviour);
        let (program, _) = start(&mut stub, &[("AZP_AGENT_EXIT_TIMEOUT", "1s")]).await;
        stub.begin_job().await;
        stub.end_job().await;
        check(program, 0, words).await;
    }
}

#[tokio::test]
async fn a_crashed_listener_does_not_take_the_job_along() {
    let mut stub = Stub::new();
    let (mut program, listener) = start(&mut stub, &[]).await;
    stub.begin_job().await;
    program.says("Running job").await;
    send("KILL", &listener);
    fs::write(stub.path("job"), "\n").unwrap();
    stub.event("worker ended").await;
    check(program, 1, "though it had a job").await;
}

#[tokio::test]
async fn a_crashed_worker_ends_the_job() {
    let mut stub = Stub::new();
    let (program, _) = start(&mut stub, &[]).await;
    let worker = stub.begin_job().await;
    send("KILL", &worker);
    stub.event("completed").await;
    check(program, 0, "the job is over").await;
}

#[tokio::test]
async fn an_idle_listener_that_crashes_is_a_failure() {
    let mut stub = Stub::new();
    let (program, listener) = start(&mut stub, &[]).await;
    send("KILL", &listener);
    check(program, 1, "before it had a job").await;
}

#[tokio::test]
async fn a_listener_that_asks_for_it_is_started_again() {
    let mut stub = Stub::new();
    let (mut program, _) = start(&mut stub, &[]).await;
    stub.command("2").await;
    program.says("it is started again").await;
    stub.event("listener").await;
    stub.begin_job().await;
    stub.end_job().await;
    check(program, 0, "the job is over").await;
}

#[tokio::test]
async fn a_listener_that_gives_up_is_a_failure() {
    let mut stub = Stub::new();
    let (program, _) = start(&mut stub, &[]).await;
    stub.command("1").await;
    check(program, 1, "exit status: 1 before it had a job").await;
}

#[tokio::test]
async fn what_a_job_leaves_behind_is_reaped() {
    let mut stub = Stub::new();
    let (program, _) = start(&mut stub, &[]).await;
    stub.begin_job().await;
    let parent = format!("PPid:\t{}\n", program.id());
    let is_zombie = |status: String| status.contains(&parent) && status.contains("State:\tZ");
    let zombies = || {
        let folders = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("status"));
        folders.filter_map(|path| fs::read_to_string(path).ok()).filter(|status| is_zombie(status.clone())).count()
    };
    while zombies() > 0 {
        tokio::task::yield_now().await;
    }
    stub.end_job().await;
    check(program, 0, "the job is over").await;
}
