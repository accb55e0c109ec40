//! `azp-scaler serve`.

use std::{env, path::PathBuf};

use clap::Args;
use tokio::signal::unix::SignalKind;

use super::{Failed, help, signals::Signals};
use crate::{
    app::{self, Scaler},
    config::{Settings, environment},
    telemetry,
};

/// Serves KEDA over gRPC, and people and Prometheus over HTTP
#[derive(Debug, Args)]
#[command(after_long_help = help::SERVE, after_help = "--help has the whole configuration.")]
pub(super) struct Serve {
    /// Configuration file, TOML or YAML; without it, the environment: `AZP_URL` and `AZP_TOKEN_FILE`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self) -> Result<(), Failed> {
        let settings = Settings::load(self.config.as_deref(), environment())
            .map_err(|faults| Failed::Usage(faults.to_string()))?;
        telemetry::start(settings.log_format, env::var("RUST_LOG").ok().as_deref())
            .map_err(|fault| Failed::Usage(fault.to_string()))?;
        super::run_to_end(serve(&settings))
    }
}

async fn serve(settings: &Settings) -> Result<(), Failed> {
    let signals = Signals::listen([SignalKind::terminate(), SignalKind::interrupt()])?;
    let scaler = Scaler::start(settings, app::clock()).await.map_err(|fault| {
        let kind = if fault.is_configuration() { Failed::Usage } else { Failed::Run };
        kind(fault.to_string())
    })?;
    scaler.run_until(signals.any()).await.map_err(|ended| Failed::Run(ended.to_string()))
}
