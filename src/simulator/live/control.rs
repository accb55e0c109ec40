//! The control API of a live world, for whoever plays the cluster and the users: jobs are queued, agents register and
//! leave, Azure fails, and what came of it is read.
//!
//! ```text
//! POST   /_control/jobs                      queue jobs
//! POST   /_control/agents                    an agent registers
//! DELETE /_control/agents/{pool}/{name}      its registration is removed; a job that it runs is lost
//! GET    /_control/agents/{pool}/{name}/end  answers when it is no longer registered, or after `within_ms`
//! PUT    /_control/faults                    what is wrong with Azure's REST interface
//! PUT    /_control/parallel-jobs             how many jobs may run at once
//! GET    /_control/state                     jobs, agents, requests
//! ```
//!
//! It is let in by the organisation's token, and served for `azp-scaler simulate` alone.

mod state;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post, put},
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use self::state::WorldState;
use super::{Shared, shapes::Shape, traffic::Trouble};
use crate::{
    capability::CapabilitySet,
    job_request::Parallelism,
    parallel_jobs::Each,
    simulator::{
        demo,
        faults::Faults,
        plan::{Arrivals, JobKind, Plan, PoolPlan},
        world::Guest,
    },
};

/// How long a question about an agent's end is kept open where it doesn't say.
const WITHIN: Duration = Duration::from_secs(25);

/// An organisation in which nothing happens by itself.
#[must_use]
pub fn plan(seed: u64, organization: &str, pools: &[String]) -> Plan {
    let pool = |(id, name): (i64, &String)| PoolPlan {
        id,
        name: name.as_str().into(),
        agents: Vec::new(),
        arrivals: Arrivals { every: 1..=1, at_once: 0..=0, kinds: Vec::new() },
    };
    Plan {
        seed,
        organization: organization.into(),
        parallel_jobs: Each::default(),
        pools: (1..).zip(pools).map(pool).collect(),
        scaled_jobs: Vec::new(),
        faults: Faults::default(),
        ..demo::plan(seed, jiff::Timestamp::UNIX_EPOCH)
    }
}

/// The routes.
pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_control/jobs", post(queue))
        .route("/_control/agents", post(register))
        .route("/_control/agents/{pool}/{name}", delete(unregister))
        .route("/_control/agents/{pool}/{name}/end", get(end))
        .route("/_control/faults", put(faults))
        .route("/_control/parallel-jobs", put(parallel_jobs))
        .route("/_control/state", get(state))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Jobs {
    pool: String,
    #[serde(default)]
    demands: Vec<Box<str>>,
    #[serde(default = "one")]
    count: u32,
    duration_ms: u64,
    #[serde(default = "job")]
    name: String,
}

fn one() -> u32 {
    1
}

fn job() -> String {
    "job".to_owned()
}

#[derive(Serialize)]
struct Ids {
    ids: Vec<i64>,
}

async fn queue(State(shared): State<Arc<Shared>>, Json(jobs): Json<Jobs>) -> Json<Ids> {
    let kind = JobKind {
        pipeline: "simulated".into(),
        job: jobs.name.into(),
        demands: jobs.demands.into(),
        parallelism: Parallelism::Private,
        weight: 1,
        runs_for: jobs.duration_ms..=jobs.duration_ms,
        cancelled_after: None,
    };
    let mut world = shared.now();
    let pool = world.pool_named(&jobs.pool);
    let ids = (0..jobs.count).map(|_| world.queue(pool, kind.clone()).0).collect();
    drop(world);
    shared.changed.notify_one();
    Json(Ids { ids })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAgent {
    pool: String,
    name: String,
    #[serde(default)]
    capabilities: BTreeMap<String, String>,
    #[serde(default)]
    ephemeral: bool,
    #[serde(default)]
    linger_ms: u64,
    #[serde(default = "yes")]
    online: bool,
}

fn yes() -> bool {
    true
}

async fn register(State(shared): State<Arc<Shared>>, Json(new): Json<NewAgent>) -> Response {
    let mut world = shared.now();
    if world.agent_named(&new.pool, &new.name).is_some() {
        let told = format!("pool `{}` has an agent `{}` already: remove it, or take another name", new.pool, new.name);
        return (StatusCode::CONFLICT, told).into_response();
    }
    let capabilities = CapabilitySet::new(new.capabilities.iter().map(|(name, value)| (&**name, &**value)));
    let leaves_after = new.ephemeral.then(|| Duration::from_millis(new.linger_ms));
    let guest = Guest { name: new.name.into(), capabilities, leaves_after, online: new.online };
    let pool = world.pool_named(&new.pool);
    let id = world.guest_registers(pool, guest);
    drop(world);
    shared.changed.notify_one();
    Json(Ids { ids: vec![id] }).into_response()
}

async fn unregister(State(shared): State<Arc<Shared>>, Path((pool, name)): Path<(String, String)>) -> Response {
    let mut world = shared.now();
    let Some((pool_id, agent)) = world.agent_named(&pool, &name) else {
        return (StatusCode::NOT_FOUND, format!("pool `{pool}` has no agent `{name}`")).into_response();
    };
    world.guest_leaves(pool_id, agent);
    drop(world);
    shared.changed.notify_one();
    StatusCode::NO_CONTENT.into_response()
}

#[derive(Deserialize)]
struct Patience {
    within_ms: Option<u64>,
}

#[derive(Serialize)]
struct Ended {
    ended: bool,
}

async fn end(
    State(shared): State<Arc<Shared>>,
    Path((pool, name)): Path<(String, String)>,
    Query(patience): Query<Patience>,
) -> Json<Ended> {
    let by = Instant::now() + patience.within_ms.map_or(WITHIN, Duration::from_millis);
    loop {
        let moved = shared.moved.notified();
        let ended = shared.now().agent_named(&pool, &name).is_none();
        if ended || timeout_at(by, moved).await.is_err() {
            return Json(Ended { ended });
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFaults {
    #[serde(default)]
    shape: Option<Shape>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    latency_ms: u64,
    #[serde(default)]
    for_ms: Option<u64>,
    #[serde(default)]
    read_only: bool,
}

impl NewFaults {
    fn trouble(self) -> Result<Trouble, String> {
        let Self { shape, status, headers, latency_ms, for_ms, read_only } = self;
        if shape.is_some() && status.is_some() {
            return Err("shape, status: both are there: keep one of them".to_owned());
        }
        if shape == Some(Shape::ConnectionRefused) && for_ms.is_none() {
            return Err("for_ms: is missing: nobody can end `connection-refused`, so say when it ends".to_owned());
        }
        let status = status.map(|status| {
            StatusCode::from_u16(status)
                .map_err(|_| format!("status: is `{status}`: write a status of HTTP such as 503, or null for none"))
        });
        let headers = HeaderMap::try_from(&headers).map_err(|fault| format!("headers: {fault}: mend it"))?;
        Ok(Trouble {
            shape,
            status: status.transpose()?,
            headers,
            latency: Duration::from_millis(latency_ms),
            read_only,
            until: for_ms.map(|time| Instant::now() + Duration::from_millis(time)),
        })
    }
}

async fn faults(State(shared): State<Arc<Shared>>, Json(new): Json<NewFaults>) -> Response {
    match new.trouble() {
        Ok(trouble) => {
            shared.traffic.trouble(trouble);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(told) => (StatusCode::BAD_REQUEST, told).into_response(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    private: Option<u32>,
}

async fn parallel_jobs(State(shared): State<Arc<Shared>>, Json(limits): Json<Limits>) -> StatusCode {
    shared.now().set_parallel_jobs(Parallelism::Private, limits.private);
    shared.changed.notify_one();
    StatusCode::NO_CONTENT
}

async fn state(State(shared): State<Arc<Shared>>) -> Response {
    let world = shared.now();
    Json(WorldState::of(&world, &shared.traffic)).into_response()
}
