//! From the wire to the domain: bodies of answers become queues, agents and pools.
//!
//! Answers can be large (thousands of job requests, a thousand agents with sixty capabilities each), so what repeats is
//! kept once: demands and titles within an answer, [capabilities](AgentReader) from one answer to the next. May touch
//! [`wire`] and the pure core.

mod agents;
mod usage;

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde::Deserialize;

pub use self::{
    agents::AgentReader,
    usage::{Limit, ParallelJobs, limit, usage, usage_of},
};
use super::wire;
use crate::{
    job_request::{JobRequest, Parallelism, RequestId, ReservedAgent, Title},
    snapshot::Queue,
};

/// A body is not the answer that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum NotTheAnswer {
    /// Not even an object.
    #[error("it is no JSON object")]
    NoObject,
    /// Another object, or a damaged one.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Another pool than the one asked for.
    #[error("it is about pool {0}")]
    OtherPool(i64),
}

/// A pool by both its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolReference {
    /// Azure's number for it.
    pub id: i64,
    /// Its name as Azure writes it.
    pub name: Arc<str>,
}

/// Reads the answer of `pools/{id}/jobrequests`; what has ended is passed over.
///
/// # Errors
///
/// When the body is no list of job requests.
pub fn queue(body: &[u8]) -> Result<Queue, NotTheAnswer> {
    object(body).map(queue_of)
}

/// The queue that a list of job requests tells of; what has ended is passed over.
#[must_use]
pub fn queue_of(list: wire::List<wire::JobRequest<'_>>) -> Queue {
    let mut queue = Queue::default();
    let mut names = Names::default();
    queue.jobs.reserve(list.value.len());
    for request in list.value {
        if request.result.is_some() || request.finish_time.is_some() {
            continue;
        }
        let demands = queue.intern(&request.demands);
        let link = request.owner.as_ref().or(request.definition.as_ref()).and_then(link);
        queue.jobs.push(JobRequest {
            id: RequestId(request.request_id),
            queued_at: request.queue_time,
            assigned_at: request.assign_time,
            priority: request.priority,
            demands,
            agent: request.reserved_agent.map(|agent| ReservedAgent {
                id: agent.id,
                name: agent.name.as_ref().into(),
                offline: is(agent.status.as_ref(), "offline"),
            }),
            received: request.receive_time.is_some_and(|received| received > Timestamp::UNIX_EPOCH),
            lists_matched_agents: request.matched_agents.is_some(),
            parallelism: request.data.and_then(|data| Parallelism::read(data.parallelism_tag?.as_ref())),
            title: Title {
                pipeline: request.definition.and_then(|pipeline| pipeline.name).map(|name| names.share(name)),
                job: request.job_name.map(|name| names.share(name)),
                link,
            },
        });
    }
    queue
}

/// Reads the answer of `pools?poolName=`.
///
/// # Errors
///
/// When the body is no list of pools.
pub fn pools(body: &[u8]) -> Result<Vec<PoolReference>, NotTheAnswer> {
    let list: wire::List<wire::Pool<'_>> = object(body)?;
    Ok(list.value.into_iter().map(PoolReference::from).collect())
}

/// Reads the answer of `pools/{id}`.
///
/// # Errors
///
/// When the body is not that pool.
pub fn pool(body: &[u8], id: i64) -> Result<PoolReference, NotTheAnswer> {
    let pool: wire::Pool<'_> = object(body)?;
    if pool.id == id { Ok(pool.into()) } else { Err(NotTheAnswer::OtherPool(pool.id)) }
}

/// What Azure says in the body of a refusal, where it says anything.
#[must_use]
pub fn refusal(body: &[u8]) -> Option<String> {
    let refusal: wire::Refusal<'_> = object(body).ok()?;
    refusal.message.map(|message| message.0.into_owned())
}

/// A name of a pool is a metric's label: no more characters of it are kept, which is more than Azure lets it have.
const LONGEST_NAME: usize = 512;

impl From<wire::Pool<'_>> for PoolReference {
    fn from(pool: wire::Pool<'_>) -> Self {
        let name: String = pool.name.as_ref().chars().take(LONGEST_NAME).collect();
        Self { id: pool.id, name: name.into() }
    }
}

/// Reads an object. A list in its place is refused here, since serde would take its items for the fields.
fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, NotTheAnswer> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(NotTheAnswer::NoObject);
    }
    Ok(serde_json::from_slice(body)?)
}

fn is(status: Option<&wire::Text<'_>>, wanted: &str) -> bool {
    status.is_some_and(|status| status.as_ref().eq_ignore_ascii_case(wanted))
}

fn link(reference: &wire::Reference<'_>) -> Option<Box<str>> {
    Some(reference.links.as_ref()?.web.as_ref()?.href.as_ref()?.as_ref().into())
}

/// The names of pipelines and jobs in one answer, each kept once.
#[derive(Default)]
struct Names<'a>(HashMap<wire::Text<'a>, Arc<str>>);

impl<'a> Names<'a> {
    fn share(&mut self, name: wire::Text<'a>) -> Arc<str> {
        if let Some(shared) = self.0.get(&name) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = name.as_ref().into();
        self.0.insert(name, Arc::clone(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_and_demands_are_kept_once() {
        let job = |id: i64| {
            format!(r#"{{"requestId":{id},"demands":["docker"],"jobName":"build","definition":{{"name":"web"}}}}"#)
        };
        let queue = queue(format!(r#"{{"value":[{},{}]}}"#, job(1), job(2)).as_bytes()).unwrap();
        let [one, other] = queue.jobs.as_slice() else { panic!("{queue:?}") };
        assert_eq!(one.demands, other.demands);
        assert!(Arc::ptr_eq(one.title.job.as_ref().unwrap(), other.title.job.as_ref().unwrap()));
        assert!(Arc::ptr_eq(one.title.pipeline.as_ref().unwrap(), other.title.pipeline.as_ref().unwrap()));
    }

    #[test]
    fn jobs_of_any_plan_count_and_finished_ones_do_not() {
        let job = |plan: &str| format!(r#"{{"requestId":{},"planType":"{plan}"}}"#, plan.len());
        let plans = ["Build", "Release", "Deployment", "PoolMaintenance"].map(job).join(",");
        let body = format!(r#"{{"value":[{plans},{{"requestId":99,"result":"canceled"}}]}}"#);
        assert_eq!(queue(body.as_bytes()).unwrap().jobs.len(), 4);
    }

    #[test]
    fn a_name_without_end_is_cut() {
        let body = format!(r#"{{"id":1,"name":"{}"}}"#, "ü".repeat(100_000));
        assert_eq!(pool(body.as_bytes(), 1).unwrap().name.chars().count(), LONGEST_NAME);
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let body = "\u{feff}{\"message\":\"TF400813\"}";
        assert_eq!(refusal(body.as_bytes()).as_deref(), Some("TF400813"));
        assert!(matches!(queue(b" [[]]"), Err(NotTheAnswer::NoObject)));
    }
}
