//! Azure's REST interface over a live world, as far as scalers use it. Without the token it answers as Azure does: with
//! a page for signing in and a status that looks like success.

mod registrations;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Controls, Shared, control,
    line::{Door, Line},
    traffic::{self, Trouble},
};
use crate::{
    azure_devops::wire::List,
    caseless::same,
    job_request::Parallelism,
    simulator::{
        accounts::Endpoint,
        answers::{self, AgentDetails},
    },
};

/// Serves until cancelled.
pub(super) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    token: SecretString,
    controls: Controls,
    cancel: CancellationToken,
) {
    let token = Arc::new(token);
    let root = format!("/{}/_apis/distributedtask", shared.now().plan().organization);
    let base = format!("{root}/pools");
    let mut router = Router::new()
        .route(&base, get(pools))
        .route(&format!("{base}/{{pool}}"), get(pool))
        .route(&format!("{base}/{{pool}}/jobrequests"), get(job_requests))
        .route(&format!("{base}/{{pool}}/agents"), get(agents).post(registrations::register))
        .route(
            &format!("{base}/{{pool}}/agents/{{agent}}"),
            get(registrations::agent)
                .put(registrations::replace)
                .patch(registrations::change)
                .delete(registrations::remove),
        )
        .route(&format!("{root}/resourceusage"), get(resource_usage))
        .route(&format!("{root}/resourcelimits"), get(resource_limits))
        .layer(middleware::from_fn_with_state(Arc::clone(&token), sign_in))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared.traffic), traffic::pass));
    if controls == Controls::OverHttp {
        router = router.merge(control::routes().layer(middleware::from_fn_with_state(token, let_in_or_refuse)));
    }
    let traffic = Arc::clone(&shared.traffic);
    let router = router.with_state(shared).into_make_service_with_connect_info::<Line>();
    let told_to_stop = {
        let traffic = Arc::clone(&traffic);
        async move {
            cancel.cancelled().await;
            // Connections that hang let go.
            traffic.trouble(Trouble::default());
        }
    };
    let served = match Door::new(listener, traffic) {
        Ok(door) => axum::serve(door, router).with_graceful_shutdown(told_to_stop).await,
        Err(fault) => Err(fault),
    };
    if let Err(fault) = served {
        tracing::error!(%fault, "the simulated organization no longer answers");
    }
}

async fn sign_in(State(token): State<Arc<SecretString>>, request: Request, next: Next) -> Response {
    if has_token(&request, &token) {
        next.run(request).await
    } else {
        let page = "<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head></html>";
        (StatusCode::NON_AUTHORITATIVE_INFORMATION, Html(page)).into_response()
    }
}

/// The control API says plainly that it wants the token.
async fn let_in_or_refuse(State(token): State<Arc<SecretString>>, request: Request, next: Next) -> Response {
    if has_token(&request, &token) {
        next.run(request).await
    } else {
        let told =
            "not signed in: send the organization's token as the password of basic authentication, without a user";
        (StatusCode::UNAUTHORIZED, told).into_response()
    }
}

/// As a personal access token, or as one of Entra's.
fn has_token(request: &Request, token: &SecretString) -> bool {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let decoded = given.and_then(|value| BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).ok());
    decoded.is_some_and(|pair| pair.strip_prefix(b":") == Some(token.expose_secret().as_bytes()))
        || given.and_then(|value| value.strip_prefix("Bearer ")) == Some(token.expose_secret())
}

/// What Azure says of a pool that is not there.
fn no_such_pool(pool: i64) -> Response {
    let message = format!("VS402375: Agent pool {pool} does not exist or you do not have permissions to view it.");
    refusal(StatusCode::NOT_FOUND, "TaskAgentPoolNotFoundException", message)
}

/// How Azure refuses.
fn refusal(status: StatusCode, type_key: &'static str, message: String) -> Response {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Refusal {
        message: String,
        type_key: &'static str,
    }
    (status, Json(Refusal { message, type_key })).into_response()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PoolsQuery {
    pool_name: Option<String>,
}

async fn pools(State(shared): State<Arc<Shared>>, Query(query): Query<PoolsQuery>) -> Response {
    let mut world = shared.now();
    world.count_request(Endpoint::Pools);
    let asked = |name: &str| query.pool_name.as_deref().is_none_or(|wanted| same(wanted, name));
    let pools: Vec<_> = world.pools().filter(|pool| asked(&pool.name)).map(answers::pool).collect();
    Json(List::from(pools)).into_response()
}

async fn pool(State(shared): State<Arc<Shared>>, Path(id): Path<i64>) -> Response {
    let mut world = shared.now();
    world.count_request(Endpoint::Pools);
    world.pool(id).map_or_else(|| no_such_pool(id), |pool| Json(answers::pool(pool)).into_response())
}

/// The unfinished job requests, whatever the query says: there is no history here. A pool that does not exist has none.
async fn job_requests(State(shared): State<Arc<Shared>>, Path(id): Path<i64>) -> Response {
    let mut world = shared.now();
    world.count_request(Endpoint::JobRequests);
    match world.pool(id) {
        Some(pool) => Json(answers::job_requests(&world, pool)).into_response(),
        None => Json(List::<()>::from(Vec::new())).into_response(),
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AgentsQuery {
    include_capabilities: bool,
    include_assigned_request: bool,
    include_last_completed_request: bool,
}

async fn agents(State(shared): State<Arc<Shared>>, Path(id): Path<i64>, Query(query): Query<AgentsQuery>) -> Response {
    let details = AgentDetails {
        capabilities: query.include_capabilities,
        assigned_request: query.include_assigned_request,
        last_completed_request: query.include_last_completed_request,
    };
    let mut world = shared.now();
    world.count_request(Endpoint::Agents);
    match world.pool(id) {
        Some(pool) => Json(answers::agents(&world, pool, details)).into_response(),
        None => no_such_pool(id),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct UsageQuery {
    parallelism_tag: String,
    include_running_requests: bool,
}

impl Default for UsageQuery {
    fn default() -> Self {
        Self { parallelism_tag: Parallelism::Private.tag().to_owned(), include_running_requests: false }
    }
}

async fn resource_usage(State(shared): State<Arc<Shared>>, Query(query): Query<UsageQuery>) -> Response {
    let mut world = shared.now();
    world.count_request(Endpoint::ResourceUsage);
    match Parallelism::read(&query.parallelism_tag) {
        Some(parallelism) => {
            Json(answers::resource_usage(&world, parallelism, query.include_running_requests)).into_response()
        }
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

async fn resource_limits(State(shared): State<Arc<Shared>>) -> Response {
    let mut world = shared.now();
    world.count_request(Endpoint::ResourceLimits);
    Json(answers::resource_limits(&world)).into_response()
}
