//! What the program says of itself, and when it can't start.

use std::process::Command;

use super::{
    program::{Program, command},
    stub::Stub,
};

fn said(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn help_has_the_settings_and_the_exit_codes() {
    let (code, help) = said(Command::new(env!("CARGO_BIN_EXE_azp-agent")).arg("--help"));
    assert_eq!(code, Some(0));
    for word in [
        "Registers an Azure Pipelines agent, runs one job on it",
        "register",
        "run",
        "AZP_TOKEN_FILE",
        "AZP_AGENT_IDLE_TIMEOUT",
        "Exit codes",
        "SIGTERM",
    ] {
        assert!(help.contains(word), "{word} is missing:\n{help}");
    }
    assert!(help.lines().all(|line| line.len() <= 100), "{help}");
}

#[tokio::test]
async fn every_fault_is_told_at_once() {
    let stub = Stub::new();
    let mut register = command(&stub, "sidecar", "register");
    let register = register.env("AZP_AGENT_IDLE_TIMEOUT", "soon").env("AZP_TOKN", "hidden");
    let faults = Program::start(register).fails_with(&stub, 2).await;
    for word in ["AZP_TOKEN_FILE: is missing", "`soon`", "`AZP_TOKEN`"] {
        assert!(faults.contains(word), "{word} is missing:\n{faults}");
    }
    assert!(!faults.contains("hidden"));
}

#[tokio::test]
async fn a_sidecar_that_can_tell_nobody_ends() {
    let stub = Stub::new();
    let mut register = command(&stub, "sidecar", "register");
    let (code, faults) = said(register.env("AZP_AGENT_REGISTRATION_DIRECTORY", "/nowhere"));
    assert_eq!(code, Some(2), "{faults}");
    assert!(faults.contains("`/nowhere` is no directory"), "{faults}");
}

#[tokio::test]
async fn a_url_that_would_show_the_token_is_refused() {
    let stub = Stub::new();
    let mut register = command(&stub, "sidecar", "register");
    let register = register.env("AZP_URL", "http://tfs.example/tfs/contoso").env("AZP_TOKEN", "hidden");
    let fault = Program::start(register).fails_with(&stub, 2).await;
    assert!(fault.contains("AZP_URL") && fault.contains("https"), "{fault}");
}
