//! Values as they are written: each reader says what its kind must be.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use jiff::SignedDuration;
use serde_json::Value;
use url::Url;

use super::{LogFormat, kubernetes::Watching};
use crate::{azure_devops::organization::ParallelJobs, parallel_jobs::Headroom};

/// What a value must be, for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needed(pub(super) &'static str);

type Reading<T> = Result<T, Needed>;

/// Where a server listens.
pub(super) fn address(value: &Value) -> Reading<SocketAddr> {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .ok_or(Needed("an address and a port, such as `0.0.0.0:6000` or `[::]:6000`"))
}

/// A length of time, not negative.
pub(super) fn duration(value: &Value) -> Reading<Duration> {
    value
        .as_str()
        .and_then(|text| text.parse::<SignedDuration>().ok())
        .and_then(|duration| duration.try_into().ok())
        .ok_or(Needed("a length of time with its unit, such as `500ms`, `30s`, `5m` or `1h30m`"))
}

/// Yes or no.
pub(super) fn flag(value: &Value) -> Reading<bool> {
    value.as_bool().ok_or(Needed("`true` or `false`"))
}

/// A text that is not blank.
pub(super) fn text(value: &Value) -> Reading<String> {
    value
        .as_str()
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .ok_or(Needed("text that is not empty"))
}

/// A file's path.
pub(super) fn path(value: &Value) -> Reading<PathBuf> {
    text(value).map(PathBuf::from).map_err(|_| Needed("the path of a file"))
}

/// How the log is written.
pub(super) fn log_format(value: &Value) -> Reading<LogFormat> {
    match value.as_str() {
        Some("json") => Ok(LogFormat::Json),
        Some("text") => Ok(LogFormat::Text),
        _ => Err(Needed("`json` or `text`")),
    }
}

/// Where the limit of parallel jobs comes from.
pub(super) fn parallel_jobs(value: &Value) -> Reading<ParallelJobs> {
    match value.as_str() {
        Some("auto") => Ok(ParallelJobs::Auto),
        Some("off") => Ok(ParallelJobs::Off),
        _ => {
            jobs(value).map(ParallelJobs::Limit).ok_or(Needed("`auto`, `off` or a number of jobs from 0 to 2147483647"))
        }
    }
}

/// How many agents are kept ready beyond the parallel jobs.
pub(super) fn headroom(value: &Value) -> Reading<Headroom> {
    match value.as_str() {
        Some("auto") => Ok(Headroom::Quarter),
        _ => jobs(value).map(Headroom::Jobs).ok_or(Needed("`auto` or a number of jobs from 0 to 2147483647")),
    }
}

/// How many starts may fail in a row.
pub(super) fn starts(value: &Value) -> Reading<u32> {
    let starts = value.as_u64().and_then(|starts| u32::try_from(starts).ok());
    starts.filter(|starts| (1..=1_000).contains(starts)).ok_or(Needed("a number of starts from 1 to 1000"))
}

/// A number of jobs, which Azure counts in 32 bits with a sign.
fn jobs(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|jobs| i32::try_from(jobs).ok()).map(i32::unsigned_abs)
}

/// When the cluster is watched.
pub(super) fn watching(value: &Value) -> Reading<Watching> {
    match value.as_str() {
        Some("auto") => Ok(Watching::Auto),
        Some("on") => Ok(Watching::On),
        Some("off") => Ok(Watching::Off),
        _ => Err(Needed("`auto`, `on` or `off`")),
    }
}

/// Addresses as triggers write them: a host and a port, and no scheme.
pub(super) fn addresses(value: &Value) -> Reading<Vec<String>> {
    let needed = Needed(
        "a list of addresses as triggers write them in `scalerAddress`, such as `[\"azp-scaler.azp-scaler:6000\"]`; only a \
         file can hold it",
    );
    let listed = value.as_array().ok_or(needed)?;
    listed.iter().map(|address| text(address).map_err(|_| needed)).collect()
}

/// Names of namespaces, or `*`.
pub(super) fn namespaces(value: &Value) -> Reading<Vec<String>> {
    let names: Option<Vec<String>> =
        value.as_array().and_then(|names| names.iter().map(|name| text(name).ok()).collect());
    let names = names
        .filter(|names| !names.is_empty())
        .ok_or(Needed("a list of at least one namespace; `[\"*\"]` is every one"))?;
    if !names.iter().all(|name| name == "*" || is_label(name)) {
        return Err(Needed("a list of namespaces by full name; only `\"*\"` alone stands for every one"));
    }
    Ok(names)
}

/// Whether Kubernetes may call a namespace so: a label of RFC 1123.
fn is_label(name: &str) -> bool {
    name.len() <= 63
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// An address of Azure DevOps.
pub(super) fn url(value: &Value) -> Reading<Url> {
    address_of(value).ok_or(Needed(
        "an `https://` URL without a user, a password or a query, such as `https://dev.azure.com/contoso`",
    ))
}

/// An address of a proxy.
pub(super) fn proxy(value: &Value) -> Reading<Url> {
    address_of(value)
        .ok_or(Needed("an `http://` or `https://` URL without a user or a password, such as `http://proxy:3128`"))
}

fn address_of(value: &Value) -> Option<Url> {
    let url = Url::parse(value.as_str()?.trim()).ok()?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    (plain && ["http", "https"].contains(&url.scheme()) && url.has_host()).then_some(url)
}
