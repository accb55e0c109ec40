//! What people and Prometheus see: the status page, probes, metrics and JSON.
//!
//! ```text
//! [Directory] ──desks──▶ seen ──▶ report ──▶ api (JSON)
//!                          │          └────▶ page (HTML)
//!                          └──▶ exposition (Prometheus)
//! [View] (of the cluster) ──▶ report
//! Azure DevOps ──POST──▶ hooks ──wake──▶ [Desk](crate::pools::Desk)
//! ```
//!
//! Reads desks and never asks Azure; changes nothing, but that service hooks wake pollers. Whether the process lives and is ready does not depend on Azure:
//! a scaler that can't reach it must go on saying so.

mod api;
mod exposition;
mod hooks;
mod page;
mod report;
mod seen;
mod server;
mod start_times;

use std::{
    hash::{DefaultHasher, Hasher},
    sync::Arc,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    middleware::map_response,
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use prometheus::IntCounterVec;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    cluster_watch::View,
    metrics::{self, Metrics},
    pools::{Clock, Directory},
};
use exposition::Exposition;
pub use hooks::Hooks;
use seen::PoolSeen;
use start_times::StartTimes;

/// What the pages are made of.
pub struct Site {
    /// Finds the pools in use.
    pub directory: Arc<dyn Directory>,
    /// What is counted.
    pub metrics: Metrics,
    /// Whether KEDA's questions are answered.
    pub readiness: watch::Receiver<Readiness>,
    /// Whether this replica is the one that answers; always, where no leader is elected.
    pub leads: watch::Receiver<bool>,
    /// What is known of the cluster.
    pub view: watch::Receiver<View>,
    /// Service hooks of Azure DevOps, where they are let in.
    pub hooks: Option<Arc<Hooks>>,
    /// The process's clock.
    pub clock: Clock,
}

/// Whether KEDA's questions are answered, which is all that being ready means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Not yet.
    Starting,
    /// They are.
    Ready,
    /// Not any more.
    Stopping,
}

impl Readiness {
    /// Why it is not ready.
    fn reason(self) -> Option<&'static str> {
        match self {
            Self::Starting => Some("starting: KEDA's questions are not answered yet"),
            Self::Ready => None,
            Self::Stopping => Some("stopping: KEDA's questions are not answered any more"),
        }
    }
}

/// Serves the pages until it is stopped; returns when the last answer under way has been given or given up, a few seconds
/// later at most.
pub async fn serve(listener: TcpListener, site: Site, stop: CancellationToken) {
    let hooks = site.hooks.clone();
    let waking = async {
        if let Some(hooks) = hooks {
            hooks.wake_pollers(stop.clone()).await;
        }
    };
    tokio::join!(server::serve(listener, router(site), stop.clone()), waking);
}

/// Why a replica that could answer is not asked.
const NOT_THE_LEADER: &str = "not the leader: another replica answers KEDA's questions";

/// How many answers about pools are made at a time.
const TURNS: usize = 2;

/// What requests share.
struct Shared {
    directory: Arc<dyn Directory>,
    exposition: Exposition,
    starts: metrics::Starts,
    readiness: watch::Receiver<Readiness>,
    leads: watch::Receiver<bool>,
    view: watch::Receiver<View>,
    hooks: Option<Arc<Hooks>>,
    hooks_total: IntCounterVec,
    clock: Clock,
    started_at: Timestamp,
    turns: Arc<Semaphore>,
}

impl Shared {
    fn pools(&self) -> Vec<PoolSeen> {
        PoolSeen::all(&*self.directory)
    }

    /// Why this replica is not ready.
    fn not_ready(&self) -> Option<&'static str> {
        let follows = || (!*self.leads.borrow()).then_some(NOT_THE_LEADER);
        self.readiness.borrow().reason().or_else(follows)
    }
}

const STYLE: &str = include_str!("web/templates/style.css");

/// No page needs anything from elsewhere, or a script.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; \
                                       form-action 'none'; frame-ancestors 'none'";

/// Headers that every answer has.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// The pages, without connections.
pub fn router(site: Site) -> Router {
    let Site { directory, metrics, readiness, leads, view, hooks, clock } = site;
    let (starts, hooks_total) = (metrics.starts.clone(), metrics.hooks_total.clone());
    let exposition = Exposition::new(metrics);
    let turns = Arc::new(Semaphore::new(TURNS));
    let started_at = clock.now();
    let shared =
        Shared { directory, exposition, starts, readiness, leads, view, hooks, hooks_total, clock, started_at, turns };
    Router::new()
        .route("/", get(status_page))
        .route("/style.css", get(style))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_page))
        .route("/api/v1/pools", get(api::pools))
        .route("/api/v1/triggers", get(api::triggers))
        .route("/api/v1/jobs", get(api::jobs))
        .route(hooks::PATH, post(hooks::receive))
        .fallback(not_found)
        .method_not_allowed_fallback(another_method)
        .layer(map_response(with_headers))
        .with_state(Arc::new(shared))
}

async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    match shared.not_ready() {
        None => "ready\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics_page(State(shared): State<Arc<Shared>>) -> Response {
    let make = |shared: &Shared| match shared.exposition.text(&shared.pools()) {
        Ok(text) => ([(header::CONTENT_TYPE, exposition::TEXT_FORMAT)], text).into_response(),
        Err(fault) => failed(&fault),
    };
    apart(shared, make).await
}

async fn status_page(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    let refreshing = uri.query() != Some("refresh=off");
    let make = move |shared: &Shared| {
        let view = shared.view.borrow().clone();
        let times = StartTimes::of(&shared.starts);
        let frame = page::Frame {
            now: shared.clock.now(),
            started_at: shared.started_at,
            style: &style_path(),
            not_ready: shared.not_ready(),
            cluster_view: (&view).into(),
            times: &times,
            refreshing,
        };
        match page::render(frame, &shared.pools()) {
            Ok(text) => Html(text).into_response(),
            Err(fault) => failed(&fault),
        }
    };
    apart(shared, make).await
}

/// Makes an answer where it holds up nobody: long queues take long to describe, and KEDA's questions come first.
async fn apart(shared: Arc<Shared>, make: impl FnOnce(&Shared) -> Response + Send + 'static) -> Response {
    let turn = Arc::clone(&shared.turns).acquire_owned().await.expect("turns are never closed");
    let answer = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        make(&shared)
    });
    answer.await.unwrap_or_else(|fault| failed(&fault))
}

/// Where the style is now: another place for another content, so that it can be kept for ever.
fn style_path() -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(STYLE.as_bytes());
    format!("/style.css?v={:016x}", hasher.finish())
}

async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, STYLE).into_response()
}

async fn not_found(uri: Uri) -> Response {
    if is_api(&uri) {
        return api::not_found(&uri);
    }
    (StatusCode::NOT_FOUND, "There is no such page. The status page is at /\n").into_response()
}

async fn another_method(uri: Uri) -> Response {
    if is_api(&uri) {
        return api::only_get();
    }
    let mend = if uri.path() == hooks::PATH {
        "Azure DevOps sends service hooks here, with POST.\n"
    } else {
        "Ask with GET or HEAD.\n"
    };
    (StatusCode::METHOD_NOT_ALLOWED, mend).into_response()
}

fn is_api(uri: &Uri) -> bool {
    uri.path() == "/api" || uri.path().starts_with("/api/")
}

/// A page that could not be made, which is a fault of this program.
fn failed(fault: &dyn std::error::Error) -> Response {
    tracing::error!(%fault, "a page could not be made");
    (StatusCode::INTERNAL_SERVER_ERROR, "This page could not be made; the log says why.\n").into_response()
}
