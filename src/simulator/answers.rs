//! What Azure's REST interface would say about a world: the wire types that the client reads, and around them the fields
//! that the client passes over.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    organization::{SimulatedAgent, SimulatedPool, SimulatedRequest},
    world::World,
};
use crate::{
    azure_devops::wire::{self, AgentReference, Capabilities, List, Reference, RequestReference},
    job_request::Parallelism,
};

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

/// The answer of `resourceusage`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceUsage {
    used_count: u32,
    resource_limit: ResourceLimit,
    running_requests: Vec<RunningRequest>,
}

/// An item of `resourcelimits`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceLimit {
    /// What the client reads.
    #[serde(flatten)]
    pub read: wire::ResourceLimit<'static>,
    host_id: &'static str,
    is_premium: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RunningRequest {
    #[serde(flatten)]
    read: wire::RunningRequest<'static>,
    request_id: i64,
}

impl ResourceUsage {
    /// What the client reads.
    #[must_use]
    pub fn read(self) -> wire::ResourceUsage<'static> {
        wire::ResourceUsage {
            used_count: Some(self.used_count.into()),
            resource_limit: Some(self.resource_limit.read),
            running_requests: self.running_requests.into_iter().map(|request| request.read).collect(),
        }
    }
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
pub fn job_requests<'a>(world: &'a World, pool: &'a SimulatedPool) -> List<JobRequest<'a>> {
    let answer = |request: &'a SimulatedRequest| JobRequest {
        read: job_request(world, pool, request),
        receive_time: request.received_at.map(|at| world.timestamp(at)),
        matched_agents: pool.matched_agents(request.id).map(reference).collect(),
        plan_type: "Build",
        pool_id: pool.id,
    };
    pool.requests.values().map(answer).collect::<Vec<_>>().into()
}

/// One job request, as far as the client reads it.
#[must_use]
pub fn job_request<'a>(
    world: &'a World,
    pool: &'a SimulatedPool,
    request: &'a SimulatedRequest,
) -> wire::JobRequest<'a> {
    // A job stays its agent's, though that is no longer registered, until Azure gives the job up.
    let reserved = request.agent.and_then(|agent| pool.agents.get(&agent).or_else(|| world.agent_gone(agent)));
    wire::JobRequest {
        request_id: request.id.0,
        queue_time: Some(world.timestamp(request.queued_at)),
        assign_time: request.assigned_at.map(|at| world.timestamp(at)),
        demands: request.kind.demands.iter().map(|demand| wire::Demand((&**demand).into())).collect(),
        data: Some(wire::Data { parallelism_tag: Some(request.kind.parallelism.tag().into()) }),
        reserved_agent: reserved.map(reference),
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

/// The answer of `resourceusage?parallelismTag=`: what runs in all pools of the organisation.
#[must_use]
pub fn resource_usage(world: &World, parallelism: Parallelism, lists_running: bool) -> ResourceUsage {
    let requests = world.pools().flat_map(|pool| pool.requests.values().map(|request| (pool.id, request)));
    let running = requests
        .filter(|(_, request)| lists_running && request.agent.is_some() && request.kind.parallelism == parallelism)
        .map(|(pool, request)| RunningRequest {
            read: wire::RunningRequest { pool_id: Some(pool), ..wire::RunningRequest::default() },
            request_id: request.id.0,
        });
    ResourceUsage {
        used_count: world.parallel_jobs(parallelism).1,
        resource_limit: resource_limit(world, parallelism),
        running_requests: running.collect(),
    }
}

/// The answer of `resourcelimits`. There are no agents of Microsoft's own here.
#[must_use]
pub fn resource_limits(world: &World) -> List<ResourceLimit> {
    Parallelism::ALL.map(|parallelism| resource_limit(world, parallelism)).into_iter().collect::<Vec<_>>().into()
}

fn resource_limit(world: &World, parallelism: Parallelism) -> ResourceLimit {
    let (limit, _) = world.parallel_jobs(parallelism);
    let read = wire::ResourceLimit {
        parallelism_tag: Some(parallelism.tag().into()),
        total_count: limit.map(i64::from),
        ..wire::ResourceLimit::default()
    };
    ResourceLimit { read, host_id: "5a2f6f1c-0000-4000-8000-000000000007", is_premium: limit.is_none() }
}
