//! What Azure's REST interface would say about a world: the wire types that the client reads, and around them the fields
//! that the client passes over.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    organization::{SimulatedAgent, SimulatedPool, SimulatedRequest},
    world::World,
};
use crate::azure_devops::wire::{self, AgentReference, Capabilities, List, Reference, RequestReference};

/// An item of `pools/{id}/jobrequests`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRequest<'a> {
    /// What the client reads.
    #[serde(flatten)]
    pub read: wire::JobRequest<'a>,
    /// When the agent had received it.
    #[serde(skip_serializing_if = "Option::is_none")]
    receive_time: Option<Timestamp>,
    /// Registered agents that satisfy it, offline ones included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    matched_agents: Vec<AgentReference<'a>>,
    plan_type: &'static str,
    pool_id: i64,
    data: BTreeMap<&'static str, &'static str>,
}

/// An item of `pools/{id}/agents`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent<'a> {
    /// What the client reads.
    #[serde(flatten)]
    pub read: wire::Agent<'a>,
    version: &'static str,
    created_on: Timestamp,
    max_parallelism: u32,
    provisioning_state: &'static str,
}

/// What `pools/{id}/agents` is asked to tell beyond the agents themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentDetails {
    /// `includeCapabilities`.
    pub capabilities: bool,
    /// `includeAssignedRequest`.
    pub assigned_request: bool,
    /// `includeLastCompletedRequest`.
    pub last_completed_request: bool,
}

impl AgentDetails {
    /// All there is.
    pub const ALL: Self = Self { capabilities: true, assigned_request: true, last_completed_request: true };
}

/// The answer of `pools/{id}/jobrequests?completedRequestCount=0`.
#[must_use]
pub fn job_requests<'a>(world: &World, pool: &'a SimulatedPool) -> List<JobRequest<'a>> {
    let answer = |request: &'a SimulatedRequest| JobRequest {
        read: job_request(world, pool, request),
        receive_time: request.received_at.map(|at| world.timestamp(at)),
        matched_agents: pool.matched_agents(request.id).map(reference).collect(),
        plan_type: "Build",
        pool_id: pool.id,
        data: BTreeMap::from([("ParallelismTag", "Private")]),
    };
    pool.requests.values().map(answer).collect::<Vec<_>>().into()
}

/// One job request, as far as the client reads it.
#[must_use]
pub fn job_request<'a>(world: &World, pool: &'a SimulatedPool, request: &'a SimulatedRequest) -> wire::JobRequest<'a> {
    wire::JobRequest {
        request_id: request.id.0,
        queue_time: Some(world.timestamp(request.queued_at)),
        assign_time: request.assigned_at.map(|at| world.timestamp(at)),
        demands: request.kind.demands.iter().map(|demand| wire::Demand((&**demand).into())).collect(),
        reserved_agent: request.agent.and_then(|agent| pool.agents.get(&agent)).map(reference),
        job_name: Some((&*request.kind.job).into()),
        definition: Some(Reference { name: Some((&*request.kind.pipeline).into()), links: None }),
        ..wire::JobRequest::default()
    }
}

/// The answer of `pools/{id}/agents`.
#[must_use]
pub fn agents<'a>(world: &World, pool: &'a SimulatedPool, details: AgentDetails) -> List<Agent<'a>> {
    let answer = |agent: &'a SimulatedAgent| Agent {
        read: self::agent(world, agent, details),
        version: "4.275.0",
        created_on: world.timestamp(agent.created_at),
        max_parallelism: 1,
        provisioning_state: "Provisioned",
    };
    pool.agents.values().map(answer).collect::<Vec<_>>().into()
}

/// One agent, as far as the client reads it.
#[must_use]
pub fn agent<'a>(world: &World, agent: &'a SimulatedAgent, details: AgentDetails) -> wire::Agent<'a> {
    let request = |id: crate::job_request::RequestId| RequestReference { request_id: id.0 };
    wire::Agent {
        id: agent.id,
        name: (&*agent.name).into(),
        status: Some(status(agent).into()),
        enabled: agent.enabled,
        status_changed_on: Some(world.timestamp(agent.status_changed_at)),
        assigned_request: agent.assigned.filter(|_| details.assigned_request).map(request),
        last_completed_request: agent.last_completed.filter(|_| details.last_completed_request).map(request),
        system_capabilities: details.capabilities.then(|| Capabilities::Read(&agent.registered.json)),
        ..wire::Agent::default()
    }
}

fn reference(agent: &SimulatedAgent) -> AgentReference<'_> {
    AgentReference { id: agent.id, name: (&*agent.name).into(), status: Some(status(agent).into()) }
}

fn status(agent: &SimulatedAgent) -> &'static str {
    if agent.online { "online" } else { "offline" }
}

/// A pool's own description.
#[must_use]
pub fn pool(pool: &SimulatedPool) -> wire::Pool<'_> {
    wire::Pool { id: pool.id, name: (&*pool.name).into() }
}
