//! What the commands about one pool have in common: which pool, signed in as `serve` would be, and how a table is printed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Failed, put};
use crate::{
    agent::Agent,
    app,
    azure_devops::{
        client::Client,
        decode::{AgentReader, PoolReference},
    },
    caseless::same,
    config::{Settings, environment},
    metrics::Metrics,
    pools::{Failure, FailureClass, PoolSelector},
    wording::list,
};

/// Which pool.
#[derive(Debug, Args)]
pub(super) struct PoolArgs {
    /// The pool, by name or by number
    #[arg(long, value_name = "POOL")]
    pool: String,

    /// The organization; may be left out where one is configured
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,

    /// Configuration file as for `serve`; without it, the environment: `AZP_URL` and `AZP_TOKEN_FILE`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// How what is found is printed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
}

/// How what is found is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people
    Table,
    /// For programs: a list of objects
    Json,
}

/// A pool that can be asked.
pub(super) struct OpenPool {
    pub(super) client: Client,
    pub(super) pool: PoolReference,
}

impl PoolArgs {
    /// Looks the pool up.
    pub(super) async fn open(&self) -> Result<OpenPool, Failed> {
        let settings = Settings::load(self.config.as_deref(), environment())
            .map_err(|faults| Failed::Usage(faults.to_string()))?;
        let names = || settings.organizations.iter().map(|organization| &organization.name);
        let organization = match &self.organization {
            Some(name) => settings.organizations.iter().find(|known| same(&known.name, name)).ok_or_else(|| {
                Failed::Usage(format!("--organization: `{name}` is not configured; there is {}", list(names(), "and")))
            })?,
            None => match settings.organizations.as_slice() {
                [only] => only,
                _ => return Err(Failed::Usage(format!("--organization: name one of {}", list(names(), "or")))),
            },
        };
        let client = Client::new(&app::organization(organization), app::clock(), Metrics::new())
            .map_err(|fault| Failed::Usage(fault.to_string()))?;
        let selector = match self.pool.parse() {
            Ok(id) => PoolSelector::Id(id),
            Err(_) => PoolSelector::Name(self.pool.as_str().into()),
        };
        let pool = client.pool(&selector).await?;
        Ok(OpenPool { client, pool })
    }
}

impl OpenPool {
    /// The registered agents.
    pub(super) async fn agents(&self) -> Result<Vec<Agent>, Failed> {
        Ok(self.client.agents(&self.pool, &mut AgentReader::default()).await?)
    }
}

/// A pool that is not there is wrong usage.
impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        match failure.class {
            FailureClass::NotFound => Self::Usage(failure.message),
            _ => Self::Run(failure.message),
        }
    }
}

/// Prints rows as they are asked for; `columns` says what a row's cells are.
pub(super) fn print<R: Serialize, const N: usize>(
    output: Output,
    header: [&str; N],
    rows: &[R],
    columns: impl Fn(&R) -> [String; N],
) -> Result<(), Failed> {
    let told = match output {
        Output::Json => serde_json::to_string_pretty(rows).expect("texts, numbers and times are JSON") + "\n",
        Output::Table => table(header, rows.iter().map(columns).collect()),
    };
    put(told.as_bytes())
}

fn table<const N: usize>(header: [&str; N], rows: Vec<[String; N]>) -> String {
    let lines: Vec<[String; N]> = std::iter::once(header.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut told = String::new();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        told.push_str(cells.join("  ").trim_end());
        told.push('\n');
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows = vec![["büild-1".to_owned(), "online".to_owned()], ["b".to_owned(), String::new()]];
        assert_eq!(table(["NAME", "STATUS"], rows), "NAME     STATUS\nbüild-1  online\nb\n");
    }
}
