//! Agents that are registered, replaced and removed over the REST interface: refused where the token may only read, where the
//! name is taken, and while the agent has a job.

use std::{collections::BTreeMap, sync::Arc};

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
    azure_devops::wire::NewAgent,
    capability::CapabilitySet,
    simulator::{
        accounts::Endpoint,
        answers::{self, AgentDetails},
        world::World,
    },
};

#[derive(Serialize)]
struct Registered {
    id: i64,
}

/// One agent.
pub(super) async fn agent(State(shared): State<Arc<Shared>>, Path((pool, id)): Path<(i64, i64)>) -> Response {
    let mut world = shared.now();
    world.count_request(Endpoint::Agents);
    let Some(of) = world.pool(pool) else { return no_such_pool(pool) };
    match of.agents.get(&id) {
        Some(agent) => Json(answers::agent(&world, agent, AgentDetails::ALL)).into_response(),
        None => no_such_agent(id),
    }
}

/// An agent is registered, offline.
pub(super) async fn register(State(shared): State<Arc<Shared>>, Path(pool): Path<i64>, body: Bytes) -> Response {
    let mut world = match begin(&shared, pool) {
        Ok(world) => world,
        Err(refused) => return refused,
    };
    let (name, capabilities) = match read(&body) {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    match world.register_offline(pool, &name, capabilities) {
        Some(id) => Json(Registered { id }).into_response(),
        None => {
            let message = format!("VS402376: The pool already contains an agent with name {name}.");
            refusal(StatusCode::CONFLICT, "TaskAgentExistsException", message)
        }
    }
}

/// An agent registers with other capabilities.
pub(super) async fn replace(
    State(shared): State<Arc<Shared>>,
    Path((pool, id)): Path<(i64, i64)>,
    body: Bytes,
) -> Response {
    let mut world = match begin(&shared, pool) {
        Ok(world) => world,
        Err(refused) => return refused,
    };
    let (_, capabilities) = match read(&body) {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    if world.registers_with(pool, id, capabilities) {
        Json(Registered { id }).into_response()
    } else {
        no_such_agent(id)
    }
}

/// An agent's registration is removed, unless it has a job.
pub(super) async fn remove(State(shared): State<Arc<Shared>>, Path((pool, id)): Path<(i64, i64)>) -> Response {
    let mut world = match begin(&shared, pool) {
        Ok(world) => world,
        Err(refused) => return refused,
    };
    let Some(agent) = world.pool(pool).and_then(|pool| pool.agents.get(&id)) else { return no_such_agent(id) };
    if agent.assigned.is_some() {
        let message = format!("VS402381: Agent {} is running a job and can't be deleted.", agent.name);
        return refusal(StatusCode::BAD_REQUEST, "TaskAgentJobStillRunningException", message);
    }
    world.guest_leaves(pool, id);
    drop(world);
    shared.changed.notify_one();
    StatusCode::NO_CONTENT.into_response()
}

/// The world, for a token that may change it.
fn begin(shared: &Shared, pool: i64) -> Result<std::sync::MutexGuard<'_, World>, Response> {
    let mut world = shared.now();
    world.count_request(Endpoint::Registrations);
    if shared.traffic.is_read_only() {
        let message =
            "Access denied. The token needs Manage permissions for the pool to perform the action.".to_owned();
        return Err(refusal(StatusCode::FORBIDDEN, "AccessDeniedException", message));
    }
    if world.pool(pool).is_none() { Err(no_such_pool(pool)) } else { Ok(world) }
}

fn read(body: &[u8]) -> Result<(String, CapabilitySet), Response> {
    let bad = |error: serde_json::Error| refusal(StatusCode::BAD_REQUEST, "InvalidRequest", error.to_string());
    let agent: NewAgent<'_> = serde_json::from_slice(body).map_err(bad)?;
    let capabilities: BTreeMap<String, String> = serde_json::from_str(agent.system_capabilities.json()).map_err(bad)?;
    let capabilities = CapabilitySet::new(capabilities.iter().map(|(name, value)| (&**name, &**value)));
    Ok((agent.name.as_ref().to_owned(), capabilities))
}

fn no_such_agent(id: i64) -> Response {
    refusal(StatusCode::NOT_FOUND, "TaskAgentNotFoundException", format!("VS402379: No agent {id} was found."))
}
