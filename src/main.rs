//! The scaler's program.

use std::process::ExitCode;

use azp_scaler::cli::{Cli, run};
use clap::Parser as _;

fn main() -> ExitCode {
    run(Cli::parse())
}
