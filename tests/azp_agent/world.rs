//! The simulated organization, and what is registered there.

use azp_scaler::{
    pools::Clock,
    simulator::live::{LiveWorld, control},
};
use jiff::Timestamp;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{
    program::{Program, command},
    stub::Stub,
};

pub(crate) const TOKEN: &str = "the-token-of-the-simulated-organization";

/// The organization.
pub(crate) struct World {
    pub(crate) live: LiveWorld,
    client: Client,
}

impl World {
    /// With one pool and no agents.
    pub(crate) async fn start() -> Self {
        let plan = control::plan(1, "contoso", &["linux".to_owned()]);
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let live = LiveWorld::start_with_control(plan, "127.0.0.1:0".parse().unwrap(), TOKEN.into(), clock);
        Self { live: live.await.unwrap(), client: Client::new() }
    }

    /// The sidecar.
    pub(crate) fn register(&self, stub: &Stub, variables: &[(&str, &str)]) -> Program {
        let mut program = command(stub, "sidecar", "register");
        program.env("AZP_URL", self.live.organization_url()).env("AZP_TOKEN", TOKEN);
        Program::start(program.envs(variables.iter().copied()))
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let url = format!("http://{}/_control/{path}", self.live.address());
        let request = self.client.request(method, url).basic_auth("", Some(TOKEN));
        let request = request.header("Content-Type", "application/json").body(body.to_string());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
    }

    /// The names of the agents that are registered.
    pub(crate) async fn agents(&self) -> Vec<String> {
        let state = self.call(Method::GET, "state", &Value::Null).await;
        let here = state["agents"].as_array().unwrap().iter().filter(|agent| agent["gone_ms"].is_null());
        here.map(|agent| agent["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Whether the first agent is to get jobs.
    pub(crate) async fn is_enabled(&self) -> bool {
        let url =
            format!("{}/_apis/distributedtask/pools/1/agents", self.live.organization_url().trim_end_matches('/'));
        let answer = self.client.get(url).basic_auth("", Some(TOKEN)).send().await.unwrap().text().await.unwrap();
        let agents: Value = serde_json::from_str(&answer).unwrap();
        agents["value"][0]["enabled"] == true
    }

    /// Azure answers with this status from now on, or as it should.
    pub(crate) async fn answer(&self, status: Option<u16>) {
        self.call(Method::PUT, "faults", &json!({"status": status})).await;
    }

    /// A job runs on an agent of the pool for so long.
    pub(crate) async fn run_job(&self, duration_ms: u64) {
        self.call(Method::POST, "jobs", &json!({"pool": "linux", "duration_ms": duration_ms})).await;
        while self.call(Method::GET, "state", &Value::Null).await["jobs"][0]["state"] != "running" {
            tokio::task::yield_now().await;
        }
    }
}
