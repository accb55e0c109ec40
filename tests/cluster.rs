//! The scaler in a real cluster: Kubernetes' own API server and controller manager, with KEDA's CRDs. What it sees of it, and
//! with KEDA's own operator what comes of what it says.
//!
//! ```sh
//! .ci/control-plane                # builds what is needed, and runs all cases
//! .ci/control-plane restart        # those with `restart` in their name
//! ```
//!
//! Cases run on one control plane, each in a namespace of its own: those with KEDA's operator some at a time, all others one
//! after the other. Where nobody has built a control plane, this says so and passes.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]
#![expect(clippy::print_stdout, reason = "the report is for people")]

#[path = "cluster/apply.rs"]
mod apply;
#[path = "cluster/cases.rs"]
mod cases;
#[path = "cluster/containers.rs"]
mod containers;
#[path = "cluster/control_plane.rs"]
mod control_plane;
#[path = "cluster/installation.rs"]
mod installation;
#[path = "cluster/keda.rs"]
mod keda;
#[path = "cluster/kubelet.rs"]
mod kubelet;
#[path = "cluster/nodes.rs"]
mod nodes;
#[path = "cluster/organization.rs"]
mod organization;
#[path = "cluster/process.rs"]
mod process;
#[path = "cluster/programs.rs"]
mod programs;
#[path = "cluster/published.rs"]
mod published;
#[path = "cluster/rbac.rs"]
mod rbac;
#[path = "cluster/replica.rs"]
mod replica;
#[path = "cluster/scaler.rs"]
mod scaler;
#[path = "cluster/users.rs"]
mod users;
#[path = "cluster/wire.rs"]
mod wire;
#[path = "cluster/within.rs"]
mod within;
#[path = "cluster/world.rs"]
mod world;

use std::{
    env,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use self::{
    cases::{CASES, Case, Company},
    control_plane::ControlPlane,
    world::World,
};

/// Where the programs of the control plane are, from `.ci/control-plane`.
const PROGRAMS: &str = "AZP_SCALER_CONTROL_PLANE";
/// How many cases run at the same time, of those that bear it: each has an operator and a scaler of its own.
const AT_A_TIME: usize = 4;

#[tokio::main]
async fn main() -> ExitCode {
    // The first word is a filter; options are for the test runner of a workspace, and passed over.
    let filter = env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let Some(programs) = env::var_os(PROGRAMS).map(PathBuf::from) else {
        println!("SKIPPED: no Kubernetes control plane: {PROGRAMS} is not set; `.ci/control-plane` sets it");
        return ExitCode::SUCCESS;
    };
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let mut interrupted = signal(SignalKind::interrupt()).unwrap();
    // Whoever stops us does not know of the control plane's programs. They end with `run`.
    tokio::select! {
        code = run(&programs, &filter) => code,
        _ = terminated.recv() => ExitCode::FAILURE,
        _ = interrupted.recv() => ExitCode::FAILURE,
    }
}

/// Runs the cases with `filter` in their name.
async fn run(programs: &Path, filter: &str) -> ExitCode {
    let chosen: Vec<_> = CASES.iter().filter(|case| case.name.contains(filter)).collect();
    let started = Instant::now();
    let control_plane = Arc::new(ControlPlane::start(programs).await);
    println!("a control plane came up in {:.1?}", started.elapsed());
    let (together, alone): (Vec<_>, Vec<_>) = chosen.iter().partition(|case| case.company == Company::Together);
    let alone = stream::iter(alone).map(|case| holds(case, &control_plane)).buffered(1);
    let together = stream::iter(together).map(|case| holds(case, &control_plane)).buffer_unordered(AT_A_TIME);
    let verdicts: Vec<bool> = alone.chain(together).collect().await;
    let passed = verdicts.iter().filter(|holds| **holds).count();
    let failed = verdicts.len() - passed;
    // As libtest says it: `.ci/parts.sh` counts these lines.
    let (verdict, filtered) = (if failed == 0 { "ok" } else { "FAILED" }, CASES.len() - chosen.len());
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out"
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a case, and says whether it holds. One that panics does not end the others.
async fn holds(case: &Case, control_plane: &Arc<ControlPlane>) -> bool {
    let started = Instant::now();
    let world = World::new(Arc::clone(control_plane), case.name).await;
    let result = AssertUnwindSafe((case.run)(world)).catch_unwind().await;
    let verdict = if result.is_ok() { "ok" } else { "FAILED" };
    println!("case {} ... {verdict} ({:.1?})", case.name, started.elapsed());
    result.is_ok()
}
