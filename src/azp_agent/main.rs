//! The entrypoint of an agent's container: registers an Azure Pipelines agent, runs one job on it, removes it.
//!
//! ```text
//! sidecar, alone with the credential         container of the job
//!   [registration] ── config.sh                [supervision] ── run.sh --once
//!        └──▶ [files]: .agent and its like ──▶ ├─ [watch]: is it time to end it?
//!   disables it ◀──────── [leaving] ────────── └─ and has it been given a job just now?
//!   SIGTERM: [registration] removes            SIGTERM: idle, at once; busy, after the job
//! ```
//!
//! With a credential, `run` does both in one container. Of the library it knows the edge to Azure DevOps, the log and the
//! words; nothing in the library knows this program.

mod child;
mod environment;
mod files;
mod help;
mod leaving;
mod pauses;
mod processes;
mod registration;
mod settings;
mod supervision;
mod watch;

use std::{env, process::ExitCode};

use azp_scaler::{
    config::{LogFormat, environment},
    telemetry,
};
use clap::{Parser, Subcommand};
use rustix::process::{DumpableBehavior, set_child_subreaper, set_dumpable_behavior};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::{
    registration::Registrar,
    settings::{Mode, Settings},
};

/// Registers an Azure Pipelines agent, runs one job on it, and removes it: the entrypoint of an agent's container.
#[derive(Debug, Parser)]
#[command(name = "azp-agent", version = env!("AZP_SCALER_VERSION"), after_help = help::AFTER_HELP, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Waits for the registration that a sidecar shares, and runs one job; with a token, registers and removes too (default)
    Run,
    /// In a sidecar: registers, shares the registration, and removes it on SIGTERM
    Register,
}

/// How the program ends when it does not end well: one message, and which kind it is.
#[derive(Debug)]
enum Failed {
    /// Wrong usage or configuration.
    Usage(String),
    /// Anything else.
    Run(String),
}

impl Failed {
    fn message(&self) -> &str {
        let (Self::Usage(message) | Self::Run(message)) = self;
        message
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mode = match cli.command {
        Some(Command::Register) => Mode::Register,
        Some(Command::Run) | None => Mode::Run,
    };
    match start(mode) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => end(&failed),
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a program that failed")]
fn say(words: &str) {
    eprintln!("{words}");
}

fn end(failed: &Failed) -> ExitCode {
    say(failed.message());
    match failed {
        Failed::Usage(_) => ExitCode::from(2),
        Failed::Run(_) => ExitCode::FAILURE,
    }
}

fn start(mode: Mode) -> Result<(), Failed> {
    let system =
        |error| Failed::Run(format!("the system refuses what this program needs to guard its memory: {error}"));
    // Nobody with the same user reads this process's environment or memory, which may hold the token.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(system)?;
    // A worker whose listener has crashed stays in sight.
    set_child_subreaper(Some(rustix::process::getpid())).map_err(system)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failed::Run(format!("can't start: {error}")))?;
    runtime.block_on(async {
        let stop = stop()?;
        let served = serve(mode, &stop).await;
        if let (Mode::Register, Err(failed)) = (mode, &served) {
            rest(failed, &stop).await;
        }
        served
    })
}

async fn serve(mode: Mode, stop: &CancellationToken) -> Result<(), Failed> {
    if mode == Mode::Register {
        files::forget_failure(&settings::registration());
    }
    let settings = Settings::read(mode, environment().collect()).map_err(|faults| Failed::Usage(faults.join("\n")))?;
    telemetry::start(LogFormat::Text, env::var("RUST_LOG").ok().as_deref())
        .map_err(|fault| Failed::Usage(fault.to_string()))?;
    match (mode, Registrar::new(&settings)?) {
        (Mode::Register, Some(registrar)) => register(&registrar, stop).await,
        (Mode::Run, Some(registrar)) => alone(&registrar, &settings, stop).await,
        (_, None) => {
            if files::wait_and_take(&settings, stop).await? {
                supervision::run(&settings, stop, &async || leaving::ask(&settings.registration).await).await?;
            }
            Ok(())
        }
    }
}

/// What a sidecar does that has failed: it tells the container of the job, which ends the pod, and waits for that. If it ended
/// it would be started again and again, and each time show a credential that is refused; and a sidecar that ends at
/// once keeps the other container from being started at all.
async fn rest(failed: &Failed, stop: &CancellationToken) {
    if !stop.is_cancelled() && files::tell_failure(&settings::registration(), failed.message()).is_ok() {
        say(failed.message());
        say("the container of the job is told so, and ends with the pod; waiting for that");
        stop.cancelled().await;
    }
}

/// The sidecar's whole life.
async fn register(registrar: &Registrar<'_>, stop: &CancellationToken) -> Result<(), Failed> {
    let Some(registered) = registrar.register_and_share(stop).await? else { return Ok(()) };
    match registrar.open_door() {
        Ok(door) => {
            stop.run_until_cancelled(door.answer(async || registrar.leave(&registered).await)).await;
        }
        Err(error) => {
            tracing::warn!("the container of the job can't ask whether there is a job before it ends: {error}");
            stop.cancelled().await;
        }
    }
    registrar.remove(&registered).await
}

/// Everything in one container.
async fn alone(registrar: &Registrar<'_>, settings: &Settings, stop: &CancellationToken) -> Result<(), Failed> {
    let Some(registered) = registrar.register(stop).await? else { return Ok(()) };
    let ran = supervision::run(settings, stop, &async || registrar.leave(&registered).await).await;
    let removed = registrar.remove(&registered).await;
    if let (Err(Failed::Run(message)), Err(_)) = (&ran, &removed) {
        tracing::error!("{message}");
        return removed;
    }
    ran.and(removed)
}

/// Is cancelled when the program is asked to end. The first signal says all: what is going on has its own deadline.
fn stop() -> Result<CancellationToken, Failed> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).map_err(|error| Failed::Run(format!("can't listen for signals: {error}")))?;
        let stop = stop.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                stop.cancel();
            }
        });
    }
    Ok(stop)
}
