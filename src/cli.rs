//! The command line: what the program can be told, and what it says of itself.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

mod agents;
mod demo;
mod help;
mod placeholder;
mod pool;
mod screen;
mod serve;
mod shell;
mod signals;
mod simulate;
mod view;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

/// Starts exactly the Azure Pipelines agents that are missing: a KEDA external scaler.
#[derive(Debug, Parser)]
#[command(name = "azp-scaler", version = env!("AZP_SCALER_VERSION"), about, after_help = help::AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    Simulate(simulate::Simulate),
    #[command(subcommand)]
    Placeholder(placeholder::Placeholder),
    #[command(subcommand)]
    Agents(agents::Agents),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// How the program ends when it does not end well: one message, and which kind it is.
#[derive(Debug)]
enum Failed {
    /// Wrong usage or configuration.
    Usage(String),
    /// Anything else.
    Run(String),
}

/// How long the last threads have to end: a name that is being resolved can't be called off.
const THREADS_END_WITHIN: Duration = Duration::from_secs(1);

/// Writes what a command tells. Whoever reads may have seen enough.
fn put(text: &[u8]) -> Result<(), Failed> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failed::Run(format!("can't print: {error}"))),
        _ => Ok(()),
    }
}

/// Runs a command to its end.
fn run_to_end<E: From<Failed>>(command: impl Future<Output = Result<(), E>>) -> Result<(), E> {
    let runtime = Runtime::new().map_err(|error| Failed::Run(format!("can't start threads: {error}")))?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    outcome
}

/// Does what it is told.
#[must_use]
#[expect(clippy::print_stderr, reason = "the last words of a program that failed")]
pub fn run(cli: Cli) -> ExitCode {
    let outcome = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Demo(demo) => demo.run(),
        Command::Simulate(simulate) => simulate.run(),
        Command::Placeholder(placeholder) => placeholder.run(),
        Command::Agents(agents) => agents.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Usage(message)) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
        Err(Failed::Run(message)) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
