//! The program as a user runs it: its words, its exit codes, its answers to KEDA, and how it stops.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "program/agents.rs"]
mod agents;
#[path = "shared/certificates.rs"]
mod certificates;
#[path = "program/chart.rs"]
mod chart;
#[path = "program/demo.rs"]
mod demo;
#[path = "shared/private.rs"]
mod private;
#[path = "program/proxy.rs"]
mod proxy;
#[path = "program/readme.rs"]
mod readme;
#[path = "program/secrets.rs"]
mod secrets;
#[path = "program/serve.rs"]
mod serve;
#[path = "program/simulate.rs"]
mod simulate;
#[path = "program/usage.rs"]
mod usage;

use std::process::{Command, Output};

/// The program, without anything of this process's environment.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azp-scaler"));
    command.args(arguments).env_clear();
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}
