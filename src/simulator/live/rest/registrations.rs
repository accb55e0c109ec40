//! Agents that are registered, replaced and removed over the REST interface: refused where the token may only read, where the
//! name is taken, and while the agent has a job.

use std::{
    collections::BTreeMap,
    sync::{Arc, MutexGuard},
};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{Shared, no_such_pool, refusal};
use crate::{
    azure_devops::wire::{AgentUpdate, NewAgent},
    capability::CapabilitySet,
    simulator::{
        accounts::Endpoint,
        answers::{self, AgentDetails},
        world::World,
    },
};

#[derive(Serialize)]
pub(super) struct Registered {
    id: i64,
}

/// Why Azure does not do it.
pub(super) enum Refused {
    ReadOnly,
    NoPool(i64),
    NoAgent(i64),
    NameTaken(String),
    HasAJob(Arc<str>),
    Unreadable(serde_json::Error),
}

/// One agent.
pub(super) async fn agent(
    State(shared): State<Arc<Shared>>,
    Path((pool, id)): Path<(i64, i64)>,
) -> Result<Response, Refused> {
    let mut world = shared.now();
    world.count_request(Endpoint::Agents);
    let agent = world.pool(pool).ok_or(Refused::NoPool(pool))?.agents.get(&id).ok_or(Refused::NoAgent(id))?;
    Ok(Json(answers::agent(&world, agent, AgentDetails::ALL)).into_response())
}

/// An agent is registered, offline.
pub(super) async fn register(
    State(shared): State<Arc<Shared>>,
    Path(pool): Path<i64>,
    body: Bytes,
) -> Result<Json<Registered>, Refused> {
    let mut world = begin(&shared, pool)?;
    let (name, capabilities) = read(&body)?;
    let id = world.register_offline(pool, &name, capabilities).ok_or(Refused::NameTaken(name))?;
    Ok(Json(Registered { id }))
}

/// An agent registers with other capabilities.
pub(super) async fn replace(
    State(shared): State<Arc<Shared>>,
    Path((pool, id)): Path<(i64, i64)>,
    body: Bytes,
) -> Result<Json<Registered>, Refused> {
    let mut world = begin(&shared, pool)?;
    let (_, capabilities) = read(&body)?;
    if world.registers_with(pool, id, capabilities) { Ok(Json(Registered { id })) } else { Err(Refused::NoAgent(id)) }
}

/// An agent is to get jobs, or none.
pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path((pool, id)): Path<(i64, i64)>,
    body: Bytes,
) -> Result<Json<Registered>, Refused> {
    let mut world = begin(&shared, pool)?;
    let AgentUpdate { enabled, .. } = serde_json::from_slice(&body).map_err(Refused::Unreadable)?;
    if world.lets_take_jobs(pool, id, enabled) { Ok(Json(Registered { id })) } else { Err(Refused::NoAgent(id)) }
}

/// An agent's registration is removed, unless it has a job.
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    Path((pool, id)): Path<(i64, i64)>,
) -> Result<StatusCode, Refused> {
    let mut world = begin(&shared, pool)?;
    let agent = world.pool(pool).and_then(|pool| pool.agents.get(&id)).ok_or(Refused::NoAgent(id))?;
    if agent.assigned.is_some() {
        return Err(Refused::HasAJob(Arc::clone(&agent.name)));
    }
    world.guest_leaves(pool, id);
    drop(world);
    shared.changed.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// The world, for a token that may change it.
fn begin(shared: &Shared, pool: i64) -> Result<MutexGuard<'_, World>, Refused> {
    let mut world = shared.now();
    world.count_request(Endpoint::Registrations);
    if shared.traffic.is_read_only() {
        return Err(Refused::ReadOnly);
    }
    if world.pool(pool).is_none() { Err(Refused::NoPool(pool)) } else { Ok(world) }
}

fn read(body: &[u8]) -> Result<(String, CapabilitySet), Refused> {
    let agent: NewAgent<'_> = serde_json::from_slice(body).map_err(Refused::Unreadable)?;
    let entries = serde_json::from_str(agent.system_capabilities.json()).map_err(Refused::Unreadable)?;
    let entries: BTreeMap<String, String> = entries;
    let capabilities = CapabilitySet::new(entries.iter().map(|(name, value)| (&**name, &**value)));
    Ok((agent.name.as_ref().to_owned(), capabilities))
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, type_key, message) = match self {
            Self::NoPool(pool) => return no_such_pool(pool),
            Self::ReadOnly => (
                StatusCode::FORBIDDEN,
                "AccessDeniedException",
                "Access denied. The token needs Manage permissions for the pool to perform the action.".to_owned(),
            ),
            Self::NoAgent(id) => (
                StatusCode::NOT_FOUND,
                "TaskAgentNotFoundException",
                format!("VS402379: No agent with ID {id} was found."),
            ),
            Self::NameTaken(name) => (
                StatusCode::CONFLICT,
                "TaskAgentExistsException",
                format!("VS402376: The pool already contains an agent with name {name}."),
            ),
            Self::HasAJob(name) => (
                StatusCode::BAD_REQUEST,
                "TaskAgentJobStillRunningException",
                format!("VS402381: Agent {name} is running a job and can't be deleted."),
            ),
            Self::Unreadable(error) => (StatusCode::BAD_REQUEST, "InvalidRequest", error.to_string()),
        };
        refusal(status, type_key, message)
    }
}
