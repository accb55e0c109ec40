//! The configuration: a TOML or YAML file and the environment, which wins, merged and then judged as a whole.
//!
//! ```text
//! file ──┐
//!        ├─ sources ──▶ one tree ──sections──▶ [Settings], or every fault at once
//! environment ──┘
//! ```
//!
//! A setting that would do nothing is refused, not ignored. Reads the files it is given and nothing of the process: the
//! environment is an argument. No token is in any message or in [`Settings`]' debug output.

mod address;
mod credential;
mod decisions;
mod entra;
mod fault;
mod hooks;
mod kubernetes;
mod organizations;
mod section;
mod short_way;
mod sources;
mod tls;
mod values;

use std::{
    collections::BTreeMap,
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::SignedDuration;
use serde_json::{Map, Value};
use url::Url;

pub use entra::identity;
pub use fault::{Fault, Faults};
pub use kubernetes::KubernetesSettings;
use section::Section;

use crate::{
    azure_devops::{credential::Credential, organization::ParallelJobs},
    external_scaler::TlsFiles,
    parallel_jobs::Headroom,
    pool::Rules,
    pools::Freshness,
};

/// What the program is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where KEDA reaches it: `[grpc] listen`.
    pub grpc_listen: SocketAddr,
    /// With which certificates, where the connection is private: `[grpc] tls`.
    pub grpc_tls: Option<TlsFiles>,
    /// Whether triggers may bring tokens of their own over a connection that is not private.
    pub allow_tokens_without_tls: bool,
    /// Where people and Prometheus reach it: `[http] listen`.
    pub http_listen: SocketAddr,
    /// The file with the secret that service hooks must bring, where they are let in: `[http] hooks`.
    pub hooks_secret: Option<PathBuf>,
    /// How the log is written: `[log] format`.
    pub log_format: LogFormat,
    /// The organisations that triggers may name; at least one.
    pub organizations: Vec<Organization>,
    /// How fresh and how fast answers are: `[polling]`.
    pub freshness: Freshness,
    /// How often pools in use are looked at anyway: `[polling] background`.
    pub background: Duration,
    /// How long things may take before they are no longer believed: `[decisions]`.
    pub rules: Rules,
    /// How many agents are kept ready beyond the parallel jobs: `[decisions] parallel_job_headroom`.
    pub headroom: Headroom,
    /// What is done with the cluster: `[kubernetes]`.
    pub kubernetes: KubernetesSettings,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// One entry of `[[organizations]]`.
#[derive(Clone, Debug)]
pub struct Organization {
    /// What triggers call it.
    pub name: Arc<str>,
    /// Its address, or that of a collection on premises.
    pub url: Url,
    /// How the program signs in.
    pub credential: Credential,
    /// The Kubernetes namespaces that may use it; `*` is every one.
    pub namespaces: Vec<String>,
    /// Where the limit of its parallel jobs comes from.
    pub parallel_jobs: ParallelJobs,
    /// Certificates to trust besides the usual ones, as PEM.
    pub certificate_authority: Option<PathBuf>,
    /// The proxy to go through.
    pub proxy: Option<Url>,
    /// Whether `http://` may leave this machine.
    pub allow_plain_http: bool,
}

/// No call of KEDA is answered later, whatever happens.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);
/// A pool that is looked at less often is not looked at.
const LONGEST_BACKGROUND: Duration = Duration::from_hours(24);
/// What the first question of a pool may take.
const FIRST_ANSWER: Duration = Duration::from_secs(4);

/// The process's environment, as settings are read from it: what is not Unicode is no setting of ours.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

impl Settings {
    /// Reads the file, if there is one, and lays the environment over it.
    ///
    /// # Errors
    ///
    /// Every fault there is.
    pub fn load(file: Option<&Path>, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Faults> {
        let environment: BTreeMap<String, String> = environment.into_iter().collect();
        let mut faults = Vec::new();
        let tree = sources::merge(file, &environment).map_err(|fault| Faults(vec![fault]))?;
        let settings = Self::judge(tree, &environment, &mut faults);
        let faults: Vec<Fault> = faults.into_iter().map(|fault| sources::traced(fault, &environment)).collect();
        if faults.is_empty() { Ok(settings) } else { Err(Faults(faults)) }
    }

    /// What the tree says, defaults where it says nothing; worth nothing if there are faults.
    fn judge(tree: Map<String, Value>, environment: &BTreeMap<String, String>, faults: &mut Vec<Fault>) -> Self {
        let mut root = Section::new(String::new(), tree, faults);

        let (grpc_listen, grpc_tls, allow_tokens_without_tls) = root.section("grpc", |grpc| {
            let tls = grpc.take("tls").and_then(|table| grpc.table("tls", table, tls::read));
            let in_the_clear = grpc.read("allow_tokens_without_tls", values::flag).unwrap_or_default();
            (grpc.read("listen", values::address), tls, in_the_clear)
        });
        let (http_listen, hooks_secret) = root.section("http", |http| {
            let hooks = http.take("hooks").and_then(|table| http.table("hooks", table, hooks::read));
            (http.read("listen", values::address), hooks)
        });
        let log_format = root.section("log", |log| log.read("format", values::log_format));
        let (freshness, background) = root.section("polling", polling);
        let (rules, headroom) = root.section("decisions", decisions::read);
        let kubernetes = root.section("kubernetes", |section| kubernetes::read(section, environment));
        let organizations = organizations::read(&mut root, environment);
        root.finish();

        Self {
            grpc_listen: grpc_listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 6000))),
            grpc_tls,
            allow_tokens_without_tls,
            http_listen: http_listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 8080))),
            hooks_secret,
            log_format: log_format.unwrap_or(LogFormat::Json),
            organizations,
            freshness,
            background,
            rules,
            headroom,
            kubernetes,
        }
    }
}

/// The section `[polling]`, and what its values must be to each other; only sound values are compared.
fn polling(section: &mut Section<'_>) -> (Freshness, Duration) {
    let mut duration = |key, default| {
        let written = section.has(key);
        let read = section.read(key, values::duration);
        if written { read } else { Some(Duration::from_secs(default)) }
    };
    let fresh_for = duration("fresh_for", 1);
    let answer_within = duration("answer_within", 2);
    let tolerated_age = duration("tolerated_age", 10);
    let background = duration("background", 30);
    if let Some(time) = answer_within.filter(|time| time.is_zero() || *time >= LONGEST_ANSWER) {
        section.reject(
            "answer_within",
            told(time),
            "must be above 0 s and below 5 s, which is the most any call takes",
        );
    }
    let least = Duration::from_secs(1);
    if let Some(time) = tolerated_age.filter(|time| *time < least) {
        section.reject("tolerated_age", told(time), "must be at least `1s`");
    }
    if let (Some(fresh_for), Some(tolerated_age)) = (fresh_for, tolerated_age.filter(|time| *time >= least))
        && fresh_for > tolerated_age
    {
        section.reject("fresh_for", told(fresh_for), "must not be longer than `polling.tolerated_age`");
    }
    if let Some(time) = background.filter(|time| *time < least || *time > LONGEST_BACKGROUND) {
        section.reject("background", told(time), "must be from `1s` to `24h`");
    }
    let [fresh_for, answer_within, tolerated_age, background] =
        [fresh_for, answer_within, tolerated_age, background].map(Option::unwrap_or_default);
    let first_answer_within = answer_within.max(FIRST_ANSWER);
    (Freshness { fresh_for, answer_within, first_answer_within, tolerated_age }, background)
}

/// A length of time as people write it.
fn told(time: Duration) -> String {
    SignedDuration::try_from(time).map(|time| format!("{time:#}")).unwrap_or_default()
}
