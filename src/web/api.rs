//! `/api/v1`: what the page says, for machines. Reads the query, answers in JSON, faults included.
//!
//! Knows HTTP and [`report`]; what the fields mean is said there and in `docs/api.md`.

use std::{collections::HashSet, sync::Arc};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    Shared, apart,
    report::{self, ClusterViewSaid, Job, Pool, Trigger},
    seen::PoolSeen,
};
use crate::{caseless::same, decision::Placement};

/// What can be asked for below `/api`.
const PATHS: &str = "`/api/v1/pools`, `/api/v1/triggers` and `/api/v1/jobs`";
/// What `/api/v1/jobs` can be asked.
const PARAMETERS: [&str; 4] = ["organization", "pool", "decision", "limit"];
/// How many jobs are listed where nobody says.
const JOBS: usize = 1000;
/// How many jobs can be listed.
pub(super) const MOST_JOBS: usize = 10_000;

#[derive(Serialize)]
struct Pools<'a> {
    cluster_view: ClusterViewSaid<'a>,
    pools: Vec<Pool<'a>>,
}

#[derive(Serialize)]
struct Triggers<'a> {
    triggers: Vec<Trigger<'a>>,
}

#[derive(Serialize)]
struct Jobs<'a> {
    /// How many the filters let through, listed or not.
    total: usize,
    jobs: Vec<Job<'a>>,
}

/// `/api/v1/pools`.
pub(super) async fn pools(State(shared): State<Arc<Shared>>) -> Response {
    let make = |shared: &Shared| {
        let view = shared.view.borrow().clone();
        let seen = shared.pools();
        Json(Pools { cluster_view: (&view).into(), pools: seen.iter().map(report::pool).collect() }).into_response()
    };
    apart(shared, make).await
}

/// `/api/v1/triggers`.
pub(super) async fn triggers(State(shared): State<Arc<Shared>>) -> Response {
    let make = |shared: &Shared| {
        Json(Triggers { triggers: shared.pools().iter().flat_map(report::triggers).collect() }).into_response()
    };
    apart(shared, make).await
}

/// `/api/v1/jobs`.
pub(super) async fn jobs(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let filter = match query.map_err(|_| BadQuery::Unreadable).and_then(|Query(pairs)| Filter::read(pairs)) {
        Ok(filter) => filter,
        Err(fault) => return fault.into_response(),
    };
    apart(shared, move |shared| Json(filter.apply(&shared.pools())).into_response()).await
}

/// Anything else below `/api`.
pub(super) fn not_found(uri: &Uri) -> Response {
    refuse(StatusCode::NOT_FOUND, None, &format!("there is no `{}`; there are {PATHS}", uri.path()))
}

/// Anything but GET and HEAD.
pub(super) fn only_get() -> Response {
    refuse(StatusCode::METHOD_NOT_ALLOWED, None, "the API only tells: ask with GET or HEAD")
}

/// Which jobs are asked for.
#[derive(Debug, PartialEq, Eq)]
struct Filter {
    organization: Option<String>,
    pool: Option<String>,
    decision: Option<String>,
    limit: usize,
}

/// The query can't be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum BadQuery {
    #[error(
        "the query can't be read: write it as `name=value&name=value`, with other characters as `%` and their number"
    )]
    Unreadable,
    #[error("`{name}` is no parameter of `/api/v1/jobs`; there are `organization`, `pool`, `decision` and `limit`")]
    Unknown { name: String, value: String },
    #[error("`{name}` stands twice; ask once for each value")]
    Twice { name: String, value: String },
    #[error("`{0}` is no decision; there are {all}", all = list_of_decisions())]
    NoDecision(String),
    #[error("`{0}` is no number from 0 to {MOST_JOBS}; leave `limit` out for {JOBS}")]
    NoLimit(String),
}

impl Filter {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, BadQuery> {
        let mut filter = Self { organization: None, pool: None, decision: None, limit: JOBS };
        let mut seen = HashSet::new();
        for (name, value) in pairs {
            if !PARAMETERS.contains(&name.as_str()) {
                return Err(BadQuery::Unknown { name, value });
            }
            if !seen.insert(name.clone()) {
                return Err(BadQuery::Twice { name, value });
            }
            match name.as_str() {
                "organization" => filter.organization = Some(value),
                "pool" => filter.pool = Some(value),
                "decision" if Placement::labels().any(|label| label == value) => filter.decision = Some(value),
                "decision" => return Err(BadQuery::NoDecision(value)),
                _ => {
                    let limit = value.parse().ok().filter(|limit| *limit <= MOST_JOBS);
                    filter.limit = limit.ok_or(BadQuery::NoLimit(value))?;
                }
            }
        }
        Ok(filter)
    }

    /// The jobs that are let through; only those that are listed are described.
    fn apply<'s>(&self, pools: &'s [PoolSeen]) -> Jobs<'s> {
        let mut found = Jobs { total: 0, jobs: Vec::new() };
        let wanted = |filter: &Option<String>, value: &str| filter.as_ref().is_none_or(|filter| same(filter, value));
        for seen in pools.iter().filter(|seen| wanted(&self.organization, &seen.organization)) {
            let Some(decision) = seen.decision.as_deref().filter(|_| wanted(&self.pool, &seen.name)) else { continue };
            for (place, placement) in decision.jobs.iter().enumerate() {
                if self.decision.as_ref().is_none_or(|label| label == placement.label()) {
                    found.total += 1;
                    if found.jobs.len() < self.limit {
                        found.jobs.push(report::job(seen, decision, place));
                    }
                }
            }
        }
        found
    }
}

impl IntoResponse for BadQuery {
    fn into_response(self) -> Response {
        let message = self.to_string();
        let parameter = match &self {
            Self::Unreadable => None,
            Self::Unknown { name, value } | Self::Twice { name, value } => Some((name.as_str(), value.as_str())),
            Self::NoDecision(value) => Some(("decision", value.as_str())),
            Self::NoLimit(value) => Some(("limit", value.as_str())),
        };
        refuse(StatusCode::BAD_REQUEST, parameter, &message)
    }
}

fn list_of_decisions() -> String {
    let labels: Vec<String> = Placement::labels().map(|label| format!("`{label}`")).collect();
    labels.join(", ")
}

fn refuse(status: StatusCode, parameter: Option<(&str, &str)>, message: &str) -> Response {
    #[derive(Serialize)]
    struct Fault<'a> {
        error: Said<'a>,
    }
    #[derive(Serialize)]
    struct Said<'a> {
        message: &'a str,
        parameter: Option<&'a str>,
        value: Option<&'a str>,
    }
    let (parameter, value) = parameter.unzip();
    (status, Json(Fault { error: Said { message, parameter, value } })).into_response()
}
