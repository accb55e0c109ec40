//! The REST interface of one organisation: a few questions, each answered by the domain's types or by a failure.
//!
//! Redirects are not followed, answers are bounded in size and time, and what is not the answer that was asked for is a
//! failure, never an empty queue. Where Azure asks for patience, the client remembers until when, for all its users:
//! limits are per user of Azure, not per pool. May touch [`pools`](crate::pools), [`metrics`](crate::metrics) and the rest
//! of this edge.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
    time::Instant,
};
use url::Url;

use super::{
    credential::Credential,
    decode::{self, AgentReader, Limit, NotTheAnswer, ParallelJobs, PoolReference},
    failure::{Request, class_of},
    organization::{BadOrganization, Organization},
};
use crate::{
    agent::Agent,
    caseless::Caseless,
    job_request::Parallelism,
    metrics::Metrics,
    pools::{Failure, FailureClass, PoolSelector},
    snapshot::Queue,
};

/// Larger answers are refused, packed or not.
const LARGEST_ANSWER: usize = 256 << 20;
/// However long Azure asks to wait, no longer than this.
const LONGEST_PATIENCE: Duration = Duration::from_mins(5);

/// A client for one organisation.
#[derive(Debug)]
pub struct Client {
    organization: Arc<str>,
    base: Url,
    credential: Credential,
    http: reqwest::Client,
    metrics: Metrics,
    /// Until when Azure asks for patience.
    patience: Mutex<Option<Instant>>,
    /// The token that Azure refused last.
    refused: Mutex<Option<SecretString>>,
}

/// The parts of the interface, as the metrics call them.
#[derive(Clone, Copy)]
enum Endpoint {
    Pools,
    JobRequests,
    Agents,
    RemoveAgent,
    ResourceUsage,
    ResourceLimits,
}

/// A token as it was sent.
struct Sent {
    token: SecretString,
    header: SecretString,
}

impl Client {
    /// Makes a client; nothing is sent.
    ///
    /// # Errors
    ///
    /// When a setting is wrong.
    pub fn new(organization: &Organization, metrics: Metrics) -> Result<Self, BadOrganization> {
        let bad = |fault| BadOrganization { organization: Arc::clone(&organization.name), fault };
        let base = organization.base().map_err(bad)?;
        let http = organization.http_client(&base).map_err(bad)?;
        Ok(Self {
            organization: Arc::clone(&organization.name),
            base,
            credential: organization.credential.clone(),
            http,
            metrics,
            patience: Mutex::default(),
            refused: Mutex::default(),
        })
    }

    /// The organisation's name.
    #[must_use]
    pub fn organization(&self) -> &Arc<str> {
        &self.organization
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
        url.set_query(Some("includeCapabilities=true&includeAssignedRequest=true&includeLastCompletedRequest=true"));
        let what = format!("the agents of pool `{}` ({})", pool.name, pool.id);
        self.ask(Endpoint::Agents, &what, url, |body| reader.read(body)).await
    }

    /// Removes the registration of an agent; one that is not there counts as removed. Azure refuses while it runs a job.
    ///
    /// # Errors
    ///
    /// When Azure refuses or does not answer.
    pub async fn remove_agent(&self, pool: &PoolReference, agent: i64) -> Result<(), Failure> {
        let url = self.url(&["pools", &pool.id.to_string(), "agents", &agent.to_string()]);
        let what = format!("the removal of agent {agent} from pool `{}` ({})", pool.name, pool.id);
        match self.ask(Endpoint::RemoveAgent, &what, url, |_| Ok(())).await {
            Err(failure) if failure.class == FailureClass::NotFound => Ok(()),
            answer => answer,
        }
    }

    /// The token at present, for a program that signs in by itself.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn token(&self) -> Result<SecretString, Failure> {
        self.credential.token().await.map_err(|reason| self.request("the token").without_token(&reason))
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

    /// Whether there is a token that Azure has not refused last time.
    pub async fn has_another_token(&self) -> bool {
        let Ok(token) = self.credential.token().await else { return false };
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().is_none_or(|refused| refused.expose_secret() != token.expose_secret())
    }

    /// Names what is asked for, for a failure's message.
    pub(super) fn request<'a>(&'a self, what: &'a str) -> Request<'a> {
        let Self { organization, base, credential, .. } = self;
        Request { what, organization, url: base.as_str(), credential }
    }

    /// The address of a part of the interface.
    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["_apis", "distributedtask"]).extend(path);
        }
        url
    }

    /// Asks, reads and counts.
    async fn ask<T>(
        &self,
        endpoint: Endpoint,
        what: &str,
        url: Url,
        read: impl FnOnce(&[u8]) -> Result<T, NotTheAnswer>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        let answer = self.exchange(endpoint, self.request(what), url, read).await;
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
        endpoint: Endpoint,
        request: Request<'_>,
        url: Url,
        read: impl FnOnce(&[u8]) -> Result<T, NotTheAnswer>,
    ) -> Result<T, Failure> {
        let token = self.credential.token().await.map_err(|reason| {
            self.remember_refused(None);
            request.without_token(&reason)
        })?;
        let message = self.http.request(endpoint.method(), url).header(ACCEPT, endpoint.accept());
        let message = message.basic_auth("", Some(token.expose_secret())).build();
        let message = message.map_err(|error| request.unanswered(error))?;
        let header = message.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let header = header.and_then(|value| value.strip_prefix("Basic ")).unwrap_or_default().into();
        let sent = Sent { token, header };

        let mut response = self.http.execute(message).await.map_err(|error| request.unanswered(error))?;
        let status = response.status();
        let number = |name: &str| -> Option<u64> { response.headers().get(name)?.to_str().ok()?.trim().parse().ok() };
        if let Some(remaining) = number("x-ratelimit-remaining") {
            let gauge = self.metrics.azure_rate_limit_remaining.with_label_values(&[&*self.organization]);
            gauge.set(remaining.try_into().unwrap_or(i64::MAX));
        }
        let retry_after = number(RETRY_AFTER.as_str());
        if let Some(seconds) = retry_after {
            self.be_patient(Duration::from_secs(seconds));
        }
        let is_html =
            response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| request.unanswered(error))? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(request.too_large(LARGEST_ANSWER));
            }
            body.extend_from_slice(&chunk);
        }

        let is_html = is_html || body.trim_ascii_start().starts_with(b"<");
        match class_of(status, is_html, retry_after.is_some()) {
            Some(class) => {
                let class = if endpoint.is_absent(status) { FailureClass::NotFound } else { class };
                // A token that may not ask for licences may be good for all else.
                if class == FailureClass::NotSignedIn && !endpoint.is_about_licences() {
                    self.remember_refused(Some(&sent.token));
                }
                let said = decode::refusal(&body).map(|said| sent.hide(&said));
                Err(request.refused(class, status, said.as_deref()))
            }
            None => apart(|| read(&body)).map_err(|reason| request.misread(&sent.hide(&reason.to_string()))),
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

    fn remember_refused(&self, token: Option<&SecretString>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = token.cloned();
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
            Self::RemoveAgent => "remove-agent",
            Self::ResourceUsage => "resource-usage",
            Self::ResourceLimits => "resource-limits",
        }
    }

    fn method(self) -> Method {
        match self {
            Self::RemoveAgent => Method::DELETE,
            _ => Method::GET,
        }
    }

    /// The kind and version of the answer that is asked for.
    fn accept(self) -> &'static str {
        match self {
            Self::Pools | Self::JobRequests | Self::Agents | Self::RemoveAgent => "application/json;api-version=7.0",
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

impl Sent {
    /// Foreign text without the token, should it be repeated there.
    fn hide(&self, text: &str) -> String {
        let secrets = [&self.token, &self.header].map(ExposeSecret::expose_secret);
        secrets
            .into_iter()
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }
}
