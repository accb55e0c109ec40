//! Agents from the wire: their capabilities are large and rarely change, so they are read once and kept.
//!
//! May touch [`wire`](super::super::wire) and the pure core.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use super::{NotTheAnswer, is, object};
use crate::{agent::Agent, azure_devops::wire, capability::CapabilitySet, caseless::Texts, job_request::RequestId};

/// Reads the agents of one pool, and keeps the capabilities of its last answer: those that have not changed are shared
/// with it, not read again.
#[derive(Debug, Default)]
pub struct AgentReader {
    known: HashMap<i64, KnownCapabilities>,
    /// Names and values, which agents have in common.
    texts: Texts,
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
        self.agents_of(object(body)?)
    }

    /// Reads the answer of `pools/{id}/agents/{id}`.
    ///
    /// # Errors
    ///
    /// When the body is no agent.
    pub fn read_one(&mut self, body: &[u8]) -> Result<Agent, NotTheAnswer> {
        self.agent_of(&object(body)?)
    }

    /// The agents that a list tells of, by name.
    ///
    /// # Errors
    ///
    /// When an agent's capabilities are no map of texts.
    pub fn agents_of(&mut self, list: wire::List<wire::Agent<'_>>) -> Result<Vec<Agent>, NotTheAnswer> {
        let mut agents =
            list.value.into_iter().map(|agent| self.agent_of(&agent)).collect::<Result<Vec<_>, NotTheAnswer>>()?;
        let there: HashSet<i64> = agents.iter().map(|agent| agent.id).collect();
        self.known.retain(|id, _| there.contains(id));
        self.texts.tidy();
        agents.sort_by(|one, other| one.name.cmp_by_text(&other.name));
        Ok(agents)
    }

    fn agent_of(&mut self, agent: &wire::Agent<'_>) -> Result<Agent, NotTheAnswer> {
        Ok(Agent {
            id: agent.id,
            name: agent.name.as_ref().into(),
            online: is(agent.status.as_ref(), "online"),
            enabled: agent.enabled,
            status_changed_at: agent.status_changed_on,
            assigned: agent.assigned_request.map(|request| RequestId(request.request_id)),
            last_completed: agent.last_completed_request.map(|request| RequestId(request.request_id)),
            capabilities: self.capabilities(agent)?,
        })
    }

    fn capabilities(&mut self, agent: &wire::Agent<'_>) -> Result<Arc<CapabilitySet>, NotTheAnswer> {
        let system = agent.system_capabilities.as_ref().map_or("", wire::Capabilities::json);
        let user = agent.user_capabilities.as_ref().map_or("", wire::Capabilities::json);
        if let Some(known) = self.known.get(&agent.id).filter(|known| *known.system == *system && *known.user == *user)
        {
            return Ok(Arc::clone(&known.capabilities));
        }
        let (from_system, from_user) = (self.capability_set(system)?, self.capability_set(user)?);
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

    fn capability_set(&mut self, json: &str) -> Result<CapabilitySet, serde_json::Error> {
        if json.is_empty() {
            return Ok(CapabilitySet::default());
        }
        let entries: BTreeMap<wire::Text<'_>, Option<wire::Text<'_>>> = serde_json::from_str(json)?;
        let shared = entries.iter().map(|(name, value)| {
            let value = value.as_ref().map_or("", AsRef::as_ref);
            (self.texts.share(name.as_ref()), self.texts.share(value))
        });
        Ok(CapabilitySet::new(shared))
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
        assert_eq!(changed[0].capabilities.get(&"java".into()).map(|value| value.text().as_str()), Some("21"));
    }
}
