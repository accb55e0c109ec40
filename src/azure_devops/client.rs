//! The REST interface of one organisation: a few questions, each answered by the domain's types or by a failure.
//!
//! Redirects are not followed, answers are bounded in size and time, and what is not the answer that was asked for is a
//! failure, never an empty queue. Where Azure asks for patience, the client remembers until when, for all its users, and
//! every request is taken out of one [`budget`](super::budget): limits are per user of Azure, not per pool. May touch
//! [`pools`](crate::pools), [`metrics`](crate::metrics) and the rest of this edge.

mod registrations;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reqwest::{
    RequestBuilder, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::SecretString;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
    time::{Instant, sleep},
};
use url::Url;

use super::{
    body::{self, Bounds},
    budget::{Budget, Heard, stretched},
    decode::{self, AgentReader, Limit, NotTheAnswer, ParallelJobs, PoolReference},
    failure::{Request, class_of},
    organization::{BadOrganization, Organization},
    sign_in::{Authorization, SignIn},
};
use crate::{
    agent::Agent,
    caseless::Caseless,
    job_request::Parallelism,
    metrics::Metrics,
    pools::{Clock, Failure, FailureClass, PoolSelector},
    snapshot::Queue,
};

/// Asks for agents with all that is read of them.
const WHOLE_AGENTS: &str = "includeCapabilities=true&includeAssignedRequest=true&includeLastCompletedRequest=true";
/// However long Azure asks to wait, no longer than this.
const LONGEST_PATIENCE: Duration = Duration::from_mins(5);

/// A client for one organisation.
#[derive(Debug)]
pub struct Client {
    organization: Arc<str>,
    base: Url,
    sign_in: SignIn,
    http: reqwest::Client,
    metrics: Metrics,
    /// Until when Azure asks for patience.
    patience: Mutex<Option<Instant>>,
    budget: Mutex<Budget>,
    bounds: Bounds,
}

/// The parts of the interface, as the metrics call them.
#[derive(Clone, Copy)]
enum Endpoint {
    Pools,
    JobRequests,
    Agents,
    Registrations,
    ResourceUsage,
    ResourceLimits,
}

impl Client {
    /// Makes a client; nothing is sent.
    ///
    /// # Errors
    ///
    /// When a setting is wrong.
    pub fn new(organization: &Organization, clock: Clock, metrics: Metrics) -> Result<Self, BadOrganization> {
        let bad = |fault| BadOrganization { organization: Arc::clone(&organization.name), fault };
        let base = organization.base().map_err(bad)?;
        let http = organization.http_client(&base).map_err(bad)?;
        let sign_in = SignIn::new(&organization.credential, &http, &organization.name, clock, &metrics);
        let organization = Arc::clone(&organization.name);
        // From the beginning: what grows from nothing at all has not grown, for Prometheus.
        metrics.azure_throttled_seconds_total.with_label_values(&[&*organization]).inc_by(0.0);
        let (patience, budget, bounds) = (Mutex::default(), Mutex::default(), Bounds::of_configured());
        Ok(Self { organization, base, sign_in, http, metrics, patience, budget, bounds })
    }

    /// The same with other bounds to its answers.
    pub(super) fn within(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// The organisation's name.
    #[must_use]
    pub fn organization(&self) -> &Arc<str> {
        &self.organization
    }

    /// The organisation's address.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Looks a pool up; it must exist.
    ///
    /// # Errors
    ///
    /// When there is no such pool, or Azure does not say.
    pub async fn pool(&self, selector: &PoolSelector) -> Result<PoolReference, Failure> {
        let what = format!("pool {selector}");
        match selector {
            PoolSelector::Id(id) => {
                let url = self.url(&["pools", &id.to_string()]);
                self.ask(Endpoint::Pools, &what, url, |body| decode::pool(body, *id)).await
            }
            PoolSelector::Name(name) => {
                let mut url = self.url(&["pools"]);
                url.query_pairs_mut().append_pair("poolName", name.as_str());
                let pools = self.ask(Endpoint::Pools, &what, url, decode::pools).await?;
                let found = pools.into_iter().find(|pool| Caseless::new(&pool.name) == *name);
                found.ok_or_else(|| self.request(&what).no_such_pool())
            }
        }
    }

    /// The unfinished job requests of a pool.
    ///
    /// # Errors
    ///
    /// When Azure does not say. A pool that does not exist looks empty: look it up now and then.
    pub async fn job_requests(&self, pool: &PoolReference) -> Result<Queue, Failure> {
        let mut url = self.url(&["pools", &pool.id.to_string(), "jobrequests"]);
        url.set_query(Some("completedRequestCount=0"));
        let what = format!("the job requests of pool `{}` ({})", pool.name, pool.id);
        self.ask(Endpoint::JobRequests, &what, url, decode::queue).await
    }

    /// The agents of a pool, by name. The reader is the pool's own.
    ///
    /// # Errors
    ///
    /// When Azure does not say.
    pub async fn agents(&self, pool: &PoolReference, reader: &mut AgentReader) -> Result<Vec<Agent>, Failure> {
        let mut url = self.url(&["pools", &pool.id.to_string(), "agents"]);
        url.set_query(Some(WHOLE_AGENTS));
        let what = format!("the agents of pool `{}` ({})", pool.name, pool.id);
        self.ask(Endpoint::Agents, &what, url, |body| reader.read(body)).await
    }

    /// The token at present, for a program that signs in by itself.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn token(&self) -> Result<SecretString, Failure> {
        let with = self.sign_in.authorization().await;
        with.map(|with| with.token).map_err(|denial| self.request("the token").unsigned(&denial))
    }

    /// The parallel jobs of the organisation: what may run and what runs, on agents of one's own.
    ///
    /// # Errors
    ///
    /// When Azure does not say; not found where it has no such thing, as on premises.
    pub async fn parallel_jobs(&self, parallelism: Parallelism) -> Result<ParallelJobs, Failure> {
        let mut url = self.url(&["resourceusage"]);
        let query =
            [("parallelismTag", parallelism.tag()), ("poolIsHosted", "false"), ("includeRunningRequests", "true")];
        url.query_pairs_mut().extend_pairs(query);
        let what = format!("the use of {} parallel jobs", parallelism.label());
        self.ask(Endpoint::ResourceUsage, &what, url, decode::usage).await
    }

    /// The limit alone, for where [`parallel_jobs`](Self::parallel_jobs) leaves it out: its documentation promises the
    /// limit, but the interface is a preview.
    ///
    /// # Errors
    ///
    /// When Azure does not say.
    pub async fn parallel_job_limit(&self, parallelism: Parallelism) -> Result<Limit, Failure> {
        let what = format!("the limit of {} parallel jobs", parallelism.label());
        let read = |body: &[u8]| decode::limit(body, parallelism);
        self.ask(Endpoint::ResourceLimits, &what, self.url(&["resourcelimits"]), read).await
    }

    /// How much longer Azure asks for patience; `None` where requests may be made.
    #[must_use]
    pub fn patience_left(&self) -> Option<Duration> {
        let until = (*self.patience.lock().unwrap_or_else(PoisonError::into_inner))?;
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Waits for as long as Azure asks for patience.
    pub async fn wait_patiently(&self) {
        while let Some(left) = self.patience_left() {
            sleep(left).await;
        }
    }

    /// Why nothing may be asked now, if so: Azure asks for patience, or the budget is spent.
    pub(super) fn too_early(&self, what: &str) -> Option<Failure> {
        let patience = self.patience_left().map(|left| self.request(what).too_early(left));
        patience.or_else(|| self.budget().wait(Instant::now()).map(|wait| self.request(what).over_budget(wait)))
    }

    /// Whether only what somebody waits for is to be asked.
    pub(super) fn is_scarce(&self) -> bool {
        self.budget().is_scarce(Instant::now())
    }

    /// A time that grows from the usual to the longest as the budget shrinks.
    pub(super) fn stretched(&self, usual: Duration, longest: Duration) -> Duration {
        stretched(usual, longest, self.budget().left(Instant::now()))
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a credential that was not refused last time.
    pub async fn has_another_token(&self) -> bool {
        self.sign_in.has_another().await
    }

    /// Whether the credential was refused, and is not shown again for a while unless it changes.
    #[must_use]
    pub fn is_let_be(&self) -> bool {
        self.sign_in.is_let_be()
    }

    /// Names what is asked for, for a failure's message.
    pub(super) fn request<'a>(&'a self, what: &'a str) -> Request<'a> {
        let Self { organization, base, sign_in, .. } = self;
        Request { what, organization, url: base.as_str(), credential: sign_in.credential(), manages: false }
    }

    /// The address of a part of the interface.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["_apis", "distributedtask"]).extend(path);
        }
        url
    }

    /// Asks.
    async fn ask<T>(
        &self,
        endpoint: Endpoint,
        what: &str,
        url: Url,
        read: impl FnMut(&[u8]) -> Result<T, NotTheAnswer>,
    ) -> Result<T, Failure> {
        self.send(endpoint, self.request(what), self.http.get(url), read).await
    }

    /// Signs in and sends. What Azure refuses to take is sent once more where there is another credential.
    async fn send<T>(
        &self,
        endpoint: Endpoint,
        request: Request<'_>,
        message: RequestBuilder,
        mut read: impl FnMut(&[u8]) -> Result<T, NotTheAnswer>,
    ) -> Result<T, Failure> {
        let with = self.sign_in.authorization().await.map_err(|denial| request.unsigned(&denial))?;
        // A token that may not ask for licences, or manage agents, may be good for all else.
        let is_refused = |answer: &Result<T, Failure>| {
            let is_refused = answer.as_ref().is_err_and(|failure| failure.class == FailureClass::NotSignedIn);
            is_refused && !endpoint.is_about_licences() && !request.manages
        };
        let again = message.try_clone();
        let mut answer = self.send_with(&with, endpoint, request, message, &mut read).await;
        if is_refused(&answer)
            && let Some(again) = again
            && let Some(another) = self.sign_in.another(&with).await
        {
            answer = self.send_with(&another, endpoint, request, again, &mut read).await;
            if is_refused(&answer) {
                self.sign_in.refused(&another);
            }
        }
        // Whoever is told that it may not, or that there is no such thing, has been signed in.
        let is_signed_in =
            |class| matches!(class, FailureClass::Forbidden | FailureClass::NotFound | FailureClass::Taken);
        if answer.as_ref().map_or_else(|failure| is_signed_in(failure.class), |_| true) {
            self.sign_in.accepted();
        }
        answer
    }

    /// Sends, reads and counts.
    async fn send_with<T>(
        &self,
        with: &Authorization,
        endpoint: Endpoint,
        request: Request<'_>,
        message: RequestBuilder,
        read: impl FnOnce(&[u8]) -> Result<T, NotTheAnswer>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        self.budget().take(started).map_err(|wait| request.over_budget(wait))?;
        let answer = self.exchange(with, endpoint, request, message, read).await;
        let (organization, endpoint) = (&*self.organization, endpoint.label());
        let outcome = answer.as_ref().map_or_else(|failure| failure.class.label(), |_| "ok");
        let Metrics { azure_requests_total: total, azure_request_duration_seconds: duration, .. } = &self.metrics;
        total.with_label_values(&[organization, endpoint, outcome]).inc();
        duration.with_label_values(&[organization, endpoint]).observe(started.elapsed().as_secs_f64());
        tracing::debug!(organization, endpoint, outcome, "asked Azure DevOps");
        answer
    }

    async fn exchange<T>(
        &self,
        with: &Authorization,
        endpoint: Endpoint,
        request: Request<'_>,
        message: RequestBuilder,
        read: impl FnOnce(&[u8]) -> Result<T, NotTheAnswer>,
    ) -> Result<T, Failure> {
        let message = message.header(ACCEPT, endpoint.accept()).header(AUTHORIZATION, with.header.clone());
        let response = message.send().await.map_err(|error| request.unanswered(error))?;
        let status = response.status();
        let Heard { patience, remaining, left, lasts } = Heard::read(response.headers());
        if let Some(remaining) = remaining {
            let gauge = self.metrics.azure_rate_limit_remaining.with_label_values(&[&*self.organization]);
            #[expect(clippy::cast_possible_truncation, reason = "whole units are enough")]
            gauge.set(remaining as i64);
        }
        if let Some(left) = left {
            self.budget().hear(left, lasts, Instant::now());
        }
        if let Some(patience) = patience {
            self.be_patient(patience);
        }
        let is_html =
            response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
        let body = body::read_in_turn(response, &self.bounds).await;
        let body = body.map_err(|error| request.unanswered(error))?;
        let body = body.ok_or_else(|| request.too_large(self.bounds.most))?;
        let bytes = &body.bytes;

        let is_html = is_html || bytes.trim_ascii_start().starts_with(b"<");
        match class_of(status, is_html, patience.is_some()) {
            Some(class) => {
                let class = match class {
                    _ if endpoint.is_absent(status) => FailureClass::NotFound,
                    FailureClass::Taken if !request.manages => FailureClass::BadAnswer,
                    class => class,
                };
                let said = decode::refusal(bytes).map(|said| with.hide(&said));
                Err(request.refused(class, status, said.as_deref()))
            }
            None => apart(|| read(bytes)).map_err(|reason| request.misread(&with.hide(&reason.to_string()))),
        }
    }

    fn be_patient(&self, asked: Duration) {
        let now = Instant::now();
        let until = now + asked.min(LONGEST_PATIENCE);
        let mut patience = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let added = until.saturating_duration_since(patience.unwrap_or(now).max(now));
        let throttled = self.metrics.azure_throttled_seconds_total.with_label_values(&[&*self.organization]);
        throttled.inc_by(added.as_secs_f64());
        *patience = (*patience).max(Some(until));
    }
}

/// Reads an answer, which can be long, without keeping the other tasks of this thread waiting.
fn apart<T>(read: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => block_in_place(read),
        _ => read(),
    }
}

impl Endpoint {
    fn label(self) -> &'static str {
        match self {
            Self::Pools => "pools",
            Self::JobRequests => "job-requests",
            Self::Agents => "agents",
            Self::Registrations => "registrations",
            Self::ResourceUsage => "resource-usage",
            Self::ResourceLimits => "resource-limits",
        }
    }

    /// The kind and version of the answer that is asked for.
    fn accept(self) -> &'static str {
        match self {
            Self::Pools | Self::JobRequests | Self::Agents | Self::Registrations => "application/json;api-version=7.0",
            Self::ResourceUsage | Self::ResourceLimits => "application/json;api-version=7.2-preview.2",
        }
    }

    /// Whether a status says that the server has no such part: one on premises may also refuse the preview's version.
    fn is_absent(self, status: StatusCode) -> bool {
        self.is_about_licences() && status == StatusCode::BAD_REQUEST
    }

    fn is_about_licences(self) -> bool {
        matches!(self, Self::ResourceUsage | Self::ResourceLimits)
    }
}
