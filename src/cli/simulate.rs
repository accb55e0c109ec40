//! `azp-scaler simulate`.

use std::{
    env, fs,
    io::{self, Write as _},
    net::SocketAddr,
};

use clap::Args;
use secrecy::SecretString;
use serde::Serialize;
use tokio::signal::unix::SignalKind;

use super::{Failed, help, signals::Signals};
use crate::{
    app,
    config::LogFormat,
    simulator::live::{LiveWorld, control},
    telemetry,
};

/// Serves a simulated organization over HTTP, with a control API for jobs, agents and faults
#[derive(Debug, Args)]
#[command(after_long_help = help::SIMULATE, after_help = "--help has the control API.")]
pub(super) struct Simulate {
    /// Where to answer; port 0 is any free one
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,

    /// A pool that is there from the beginning; may be given again, and they are numbered from 1
    #[arg(long = "pool", value_name = "NAME")]
    pools: Vec<String>,

    /// The organization's name: the last segment of its URL
    #[arg(long, value_name = "NAME", default_value = "contoso", value_parser = organization)]
    organization: String,

    /// Which agent of several Azure chooses, and how long it takes
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

fn organization(name: &str) -> Result<String, String> {
    let legal = |character: char| character.is_ascii_alphanumeric() || character == '-';
    if !name.is_empty() && name.chars().all(legal) {
        Ok(name.to_owned())
    } else {
        Err("expected letters, digits and `-`, such as `contoso`".to_owned())
    }
}

/// What is printed once the organisation listens.
#[derive(Serialize)]
struct Ready {
    organization_url: String,
    address: SocketAddr,
    control: String,
}

impl Simulate {
    pub(super) fn run(self) -> Result<(), Failed> {
        let filter = env::var("RUST_LOG").ok();
        telemetry::start(LogFormat::Text, Some(filter.as_deref().unwrap_or("warn")))
            .map_err(|fault| Failed::Usage(fault.to_string()))?;
        let token = token()?;
        super::run_to_end(self.serve(token))
    }

    async fn serve(self, token: SecretString) -> Result<(), Failed> {
        let signals = Signals::listen([SignalKind::terminate(), SignalKind::interrupt()])?;
        let plan = control::plan(self.seed, &self.organization, &self.pools);
        let world = LiveWorld::start_with_control(plan, self.listen, token, app::clock()).await.map_err(|error| {
            Failed::Run(format!("--listen: can't listen on `{}`: {error}: choose another address", self.listen))
        })?;
        let address = world.address();
        let ready = Ready {
            organization_url: world.organization_url(),
            address,
            control: format!("http://{address}/_control"),
        };
        let line = serde_json::to_string(&ready).map_err(|error| Failed::Run(format!("can't print: {error}")))?;
        writeln!(io::stdout().lock(), "{line}").map_err(|error| Failed::Run(format!("can't print: {error}")))?;
        signals.any().await;
        world.stop().await;
        Ok(())
    }
}

/// The token that is let in. It is in no message.
fn token() -> Result<SecretString, Failed> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let (place, text) = match (variable("AZP_TOKEN"), variable("AZP_TOKEN_FILE")) {
        (Some(_), Some(_)) => {
            return Err(Failed::Usage("AZP_TOKEN and AZP_TOKEN_FILE are both set: keep one of them".to_owned()));
        }
        (Some(token), None) => ("AZP_TOKEN".to_owned(), token),
        (None, Some(file)) => {
            let text = fs::read_to_string(&file)
                .map_err(|error| Failed::Usage(format!("AZP_TOKEN_FILE: can't read `{file}`: {error}")))?;
            (format!("`{file}`"), text)
        }
        (None, None) => {
            let told = "no token: set AZP_TOKEN to the token that scalers are to sign in with, or AZP_TOKEN_FILE to the \
                        path of a file that holds it";
            return Err(Failed::Usage(told.to_owned()));
        }
    };
    let mut words = text.split_whitespace();
    match (words.next(), words.next()) {
        (Some(token), None) => Ok(token.into()),
        _ => Err(Failed::Usage(format!("{place} must hold one token, and nothing else"))),
    }
}
