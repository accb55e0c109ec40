//! The organisation in Azure DevOps, simulated, as the users and the agents of a case meet it.

use std::{collections::BTreeMap, time::Duration};

use azp_scaler::{
    pools::Clock,
    simulator::live::{LiveWorld, control},
};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use super::{
    containers,
    within::{becomes, within},
};

/// Whoever knows it is let in.
pub(crate) const TOKEN: &str = "the-token-of-the-organization";
/// The one pool.
pub(crate) const POOL: &str = "linux";

/// One that serves on loopback. It ends with this.
pub(crate) struct Organization {
    world: LiveWorld,
    http: Client,
}

impl Organization {
    pub(crate) async fn new() -> Self {
        let plan = control::plan(1, "contoso", &[POOL.to_owned()]);
        let clock = Clock::starting_at(containers::now().parse().unwrap());
        let world = LiveWorld::start_with_control(plan, ([127, 0, 0, 1], 0).into(), TOKEN.into(), clock).await.unwrap();
        Self { world, http: Client::builder().no_proxy().build().unwrap() }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        self.world.organization_url()
    }

    /// Somebody queues so many jobs that each run for so long.
    pub(crate) async fn queue(&self, count: u32, demands: &[&str], runs_for: Duration) {
        let jobs = json!({
            "pool": POOL, "count": count, "demands": demands, "duration_ms": u64::try_from(runs_for.as_millis()).unwrap(),
        });
        self.send(Method::POST, "jobs", Some(jobs)).await;
    }

    /// An agent registers that runs one job.
    pub(crate) async fn register(&self, name: &str, capabilities: &BTreeMap<String, String>) {
        let agent =
            json!({ "pool": POOL, "name": name, "capabilities": capabilities, "ephemeral": true, "linger_ms": 200 });
        self.send(Method::POST, "agents", Some(agent)).await;
    }

    /// Waits until an agent is no longer registered.
    pub(crate) async fn leaves(&self, name: &str) {
        while self.send(Method::GET, &format!("agents/{POOL}/{name}/end"), None).await["ended"] != true {}
    }

    /// An agent's registration is removed, if there is one; a job that it runs is lost.
    pub(crate) async fn remove(&self, name: &str) {
        let request = self.request(Method::DELETE, &format!("agents/{POOL}/{name}"));
        // One that is gone already is not found.
        request.send().await.unwrap();
    }

    /// Jobs in a state: `queued`, `running`, `done` or `lost`.
    pub(crate) async fn jobs(&self, state: &str) -> usize {
        self.state().await["jobs"].as_array().unwrap().iter().filter(|job| job["state"] == state).count()
    }

    /// Registered agents that have no job.
    pub(crate) async fn idle_agents(&self) -> usize {
        let state = self.state().await;
        let is_idle = |agent: &&Value| agent["gone_ms"].is_null() && agent["busy"] == false && agent["online"] == true;
        state["agents"].as_array().unwrap().iter().filter(is_idle).count()
    }

    /// Waits until so many jobs have run.
    pub(crate) async fn has_run(&self, jobs: usize) {
        becomes("the number of jobs that have run", jobs, || self.jobs("done")).await;
    }

    /// Waits until at least so many jobs have been given to agents.
    pub(crate) async fn has_begun(&self, jobs: usize) {
        within("jobs to begin", async || (self.jobs("running").await + self.jobs("done").await >= jobs).then_some(()))
            .await;
    }

    async fn state(&self) -> Value {
        self.send(Method::GET, "state", None).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        serde_json::from_str(&answer).unwrap_or_default()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}/_control/{path}", self.world.address());
        self.http.request(method, url).basic_auth("", Some(TOKEN))
    }
}
