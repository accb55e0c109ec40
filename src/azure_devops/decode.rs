//! From the wire to the domain: bodies of answers become queues, agents and pools.
//!
//! Answers can be large (thousands of job requests, a thousand agents with sixty capabilities each), so what repeats is
//! kept once: demands and titles within an answer, capabilities from one answer to the next. May touch
//! [`wire`](super::wire) and the pure core.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use serde::Deserialize;

use super::wire;
use crate::{
    agent::Agent,
    capability::CapabilitySet,
    job_request::{JobRequest, RequestId, ReservedAgent, Title},
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
    let list: wire::List<wire::JobRequest<'_>> = object(body)?;
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
            title: Title {
                pipeline: request.definition.and_then(|pipeline| pipeline.name).map(|name| names.share(name)),
                job: request.job_name.map(|name| names.share(name)),
                link,
            },
        });
    }
    Ok(queue)
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

/// Reads the agents of one pool, and keeps the capabilities of its last answer: those that have not changed are shared
/// with it, not read again.
#[derive(Debug, Default)]
pub struct AgentReader {
    known: HashMap<i64, KnownCapabilities>,
}

/// The capabilities of one agent, with the JSON they were read from.
#[derive(Debug)]
struct KnownCapabilities {
    system: Box<str>,
    user: Box<str>,
    capabilities: Arc<CapabilitySet>,
}

impl AgentReader {
    /// Reads the answer of `pools/{id}/agents`; agents come out by name.
    ///
    /// # Errors
    ///
    /// When the body is no list of agents.
    pub fn read(&mut self, body: &[u8]) -> Result<Vec<Agent>, NotTheAnswer> {
        let list: wire::List<wire::Agent<'_>> = object(body)?;
        let mut agents = list
            .value
            .into_iter()
            .map(|agent| {
                Ok(Agent {
                    id: agent.id,
                    name: agent.name.as_ref().into(),
                    online: is(agent.status.as_ref(), "online"),
                    enabled: agent.enabled,
                    status_changed_at: agent.status_changed_on,
                    assigned: agent.assigned_request.map(|request| RequestId(request.request_id)),
                    last_completed: agent.last_completed_request.map(|request| RequestId(request.request_id)),
                    capabilities: self.capabilities(&agent)?,
                })
            })
            .collect::<Result<Vec<_>, NotTheAnswer>>()?;
        let there: HashSet<i64> = agents.iter().map(|agent| agent.id).collect();
        self.known.retain(|id, _| there.contains(id));
        agents.sort_by(|one, other| one.name.cmp_by_text(&other.name));
        Ok(agents)
    }

    fn capabilities(&mut self, agent: &wire::Agent<'_>) -> Result<Arc<CapabilitySet>, NotTheAnswer> {
        let system = agent.system_capabilities.as_ref().map_or("", wire::Capabilities::json);
        let user = agent.user_capabilities.as_ref().map_or("", wire::Capabilities::json);
        if let Some(known) = self.known.get(&agent.id).filter(|known| *known.system == *system && *known.user == *user)
        {
            return Ok(Arc::clone(&known.capabilities));
        }
        let (from_system, from_user) = (capability_set(system)?, capability_set(user)?);
        let collisions: Vec<&str> = from_user.collisions(&from_system).collect();
        if !collisions.is_empty() {
            tracing::debug!(
                agent = agent.name.as_ref(),
                ?collisions,
                "user and system capabilities differ; the user's are taken"
            );
        }
        let capabilities = Arc::new(from_user.over(&from_system));
        let known =
            KnownCapabilities { system: system.into(), user: user.into(), capabilities: Arc::clone(&capabilities) };
        self.known.insert(agent.id, known);
        Ok(capabilities)
    }
}

impl From<wire::Pool<'_>> for PoolReference {
    fn from(pool: wire::Pool<'_>) -> Self {
        Self { id: pool.id, name: pool.name.as_ref().into() }
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

fn capability_set(json: &str) -> Result<CapabilitySet, serde_json::Error> {
    if json.is_empty() {
        return Ok(CapabilitySet::default());
    }
    let entries: BTreeMap<wire::Text<'_>, Option<wire::Text<'_>>> = serde_json::from_str(json)?;
    Ok(CapabilitySet::new(entries.iter().map(|(name, value)| (name, value.as_ref().map_or("", AsRef::as_ref)))))
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

    const VM_1: &str = r#"{"id":1,"name":"vm-1","status":"online","enabled":true,"systemCapabilities":{"java":"11","docker":"/usr/bin/docker"},"userCapabilities":{"JAVA":"17","gpu":null}}"#;
    const VM_2: &str = r#"{"id":2,"name":"VM-0","status":"offline","assignedRequest":{"requestId":4},"lastCompletedRequest":{"requestId":3}}"#;

    fn read(reader: &mut AgentReader, agents: &[&str]) -> Vec<Agent> {
        reader.read(format!(r#"{{"value":[{}]}}"#, agents.join(",")).as_bytes()).unwrap()
    }

    #[test]
    fn agents_come_out_by_name_with_user_capabilities_over_system_ones() {
        let agents = read(&mut AgentReader::default(), &[VM_1, VM_2]);
        let [first, second] = agents.as_slice() else { panic!("{agents:?}") };
        assert_eq!((first.id, first.online, first.enabled), (2, false, false));
        assert_eq!((first.assigned, first.last_completed), (Some(RequestId(4)), Some(RequestId(3))));
        assert!(first.capabilities.is_empty());
        assert_eq!((second.id, second.online, second.enabled), (1, true, true));
        assert_eq!(second.capabilities.sorted(), [("docker", "/usr/bin/docker"), ("gpu", ""), ("JAVA", "17")]);
    }

    #[test]
    fn capabilities_are_shared_with_the_last_answer_while_they_are_the_same() {
        let mut reader = AgentReader::default();
        let before = read(&mut reader, &[VM_1, VM_2]);
        let after = read(&mut reader, &[&VM_1.replace("online", "offline")]);
        assert!(Arc::ptr_eq(&before[1].capabilities, &after[0].capabilities), "only the agent has changed");
        assert_eq!(reader.known.len(), 1, "an agent that is gone is forgotten");
        let changed = read(&mut reader, &[&VM_1.replace("17", "21")]);
        assert_eq!(changed[0].capabilities.get(&"java".into()), Some("21"));
    }

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
    fn a_byte_order_mark_is_passed_over() {
        let body = "\u{feff}{\"message\":\"TF400813\"}";
        assert_eq!(refusal(body.as_bytes()).as_deref(), Some("TF400813"));
        assert!(matches!(queue(b" [[]]"), Err(NotTheAnswer::NoObject)));
    }
}
