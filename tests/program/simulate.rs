//! `simulate` as whoever plays users and cluster sees it.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::{program, stderr};

const TOKEN: &str = "the-token-of-the-simulated-organization";

struct Simulated {
    child: Child,
    organization: String,
    control: String,
    client: Client,
}

impl Simulated {
    fn start() -> Self {
        let mut child = program(&["simulate", "--listen", "127.0.0.1:0", "--pool", "linux", "--pool", "gpu"])
            .env("AZP_TOKEN", TOKEN)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let text = |key: &str| ready[key].as_str().unwrap().to_owned();
        assert_eq!(text("organization_url"), format!("http://{}/contoso", text("address")));
        Self { child, organization: text("organization_url"), control: text("control"), client: Client::new() }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let request = self.client.request(method, format!("{}/{path}", self.control)).basic_auth("", Some(TOKEN));
        let request = if body.is_null() {
            request
        } else {
            request.header("Content-Type", "application/json").body(body.to_string())
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    async fn state(&self) -> Value {
        self.call(Method::GET, "state", Value::Null).await.1
    }

    /// The status of a request to Azure's own interface.
    async fn azure(&self) -> StatusCode {
        let url = format!("{}/_apis/distributedtask/pools?poolName=linux", self.organization);
        self.client.get(url).basic_auth("", Some(TOKEN)).send().await.unwrap().status()
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_job_runs_on_the_agent_that_fits_which_then_leaves() {
    let simulated = Simulated::start();
    let job = json!({"pool": "linux", "demands": ["java -equals 17"], "duration_ms": 100});
    let (status, queued) = simulated.call(Method::POST, "jobs", job).await;
    assert_eq!((status, &queued), (StatusCode::OK, &json!({"ids": [1]})));
    let agent = |name: &str, java: &str| json!({"pool": "linux", "name": name, "capabilities": {"java": java}, "ephemeral": true});
    simulated.call(Method::POST, "agents", agent("wrong", "11")).await;
    simulated.call(Method::POST, "agents", agent("right", "17")).await;
    let (status, told) = simulated.call(Method::POST, "agents", agent("right", "17")).await;
    assert!(status == StatusCode::CONFLICT && told.to_string().contains("`right`"), "{status} {told}");

    let (_, ended) = simulated.call(Method::GET, "agents/linux/right/end?within_ms=20000", Value::Null).await;
    assert_eq!(ended, json!({"ended": true}));
    let (_, stays) = simulated.call(Method::GET, "agents/linux/wrong/end?within_ms=1", Value::Null).await;
    assert_eq!(stays, json!({"ended": false}), "no job for it");
    let state = simulated.state().await;
    assert_eq!(state["jobs"][0]["state"], "done", "{state}");
    assert_eq!(state["jobs"][0]["agent"], "right", "{state}");
    let ran = state["jobs"][0]["finished_ms"].as_u64().unwrap() - state["jobs"][0]["started_ms"].as_u64().unwrap();
    assert!(ran >= 100, "{state}");
    let gone: Vec<bool> = (0..2).map(|agent| state["agents"][agent]["gone_ms"].is_u64()).collect();
    assert_eq!(gone, [false, true], "{state}");

    let removed = simulated.call(Method::DELETE, "agents/linux/wrong", Value::Null).await.0;
    assert_eq!(removed, StatusCode::NO_CONTENT);
    assert_eq!(simulated.call(Method::DELETE, "agents/linux/wrong", Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_agent_lingers_and_a_static_one_stays() {
    let simulated = Simulated::start();
    let agent = json!({"pool": "linux", "name": "slow", "ephemeral": true, "linger_ms": 600_000});
    simulated.call(Method::POST, "agents", agent).await;
    simulated.call(Method::POST, "agents", json!({"pool": "gpu", "name": "static"})).await;
    for pool in ["linux", "gpu"] {
        simulated.call(Method::POST, "jobs", json!({"pool": pool, "count": 2, "duration_ms": 1})).await;
    }
    let jobs = loop {
        let state = simulated.state().await;
        if state["jobs"].as_array().unwrap().iter().filter(|job| job["state"] == "done").count() == 3 {
            break state["jobs"].clone();
        }
        tokio::task::yield_now().await;
    };
    let agents: Vec<&Value> = (0..4).map(|job| &jobs[job]["agent"]).collect();
    assert_eq!(agents, [&json!("slow"), &Value::Null, &json!("static"), &json!("static")], "{jobs}");
    let (_, lingers) = simulated.call(Method::GET, "agents/linux/slow/end?within_ms=1", Value::Null).await;
    assert_eq!(lingers, json!({"ended": false}));
}

#[tokio::test]
async fn a_job_stays_that_of_its_agent_though_that_is_removed() {
    let simulated = Simulated::start();
    simulated.call(Method::POST, "agents", json!({"pool": "linux", "name": "killed"})).await;
    simulated.call(Method::POST, "jobs", json!({"pool": "linux", "duration_ms": 3_600_000})).await;
    while simulated.state().await["jobs"][0]["state"] != "running" {}
    simulated.call(Method::DELETE, "agents/linux/killed", Value::Null).await;
    let url = format!("{}/_apis/distributedtask/pools/1/jobrequests?completedRequestCount=0", simulated.organization);
    let answer = simulated.client.get(url).basic_auth("", Some(TOKEN)).send().await.unwrap().text().await.unwrap();
    let requests: Value = serde_json::from_str(&answer).unwrap();
    let agent = &requests["value"][0]["reservedAgent"];
    assert_eq!((&agent["name"], &agent["status"]), (&json!("killed"), &json!("offline")), "{requests}");
}

#[tokio::test]
async fn azure_fails_and_counts_and_allows_as_it_is_told() {
    let simulated = Simulated::start();
    assert_eq!(simulated.azure().await, StatusCode::OK);
    simulated.call(Method::PUT, "faults", json!({"status": 503})).await;
    assert_eq!(simulated.azure().await, StatusCode::SERVICE_UNAVAILABLE);
    let (status, told) = simulated.call(Method::PUT, "faults", json!({"status": 5})).await;
    assert!(status == StatusCode::BAD_REQUEST && told.to_string().contains("`5`"), "{status} {told}");
    simulated.call(Method::PUT, "faults", json!({})).await;
    assert_eq!(simulated.azure().await, StatusCode::OK);
    let state = simulated.state().await;
    assert_eq!((&state["requests"]["pools"], &state["refused_requests"]), (&json!(2), &json!(1)), "{state}");
    assert!(state["bytes_sent"].as_u64().unwrap() > 50, "{state}");

    simulated.call(Method::PUT, "parallel-jobs", json!({"private": 1})).await;
    for name in ["a", "b"] {
        simulated.call(Method::POST, "agents", json!({"pool": "linux", "name": name})).await;
    }
    simulated.call(Method::POST, "jobs", json!({"pool": "linux", "count": 2, "duration_ms": 3_600_000})).await;
    let running =
        |state: &Value| state["jobs"].as_array().unwrap().iter().filter(|job| job["state"] == "running").count();
    while running(&simulated.state().await) == 0 {}
    simulated.call(Method::DELETE, "agents/linux/c", Value::Null).await;
    assert_eq!(running(&simulated.state().await), 1);
    simulated.call(Method::PUT, "parallel-jobs", json!({"private": null})).await;
    while running(&simulated.state().await) == 1 {}
}

#[tokio::test]
async fn only_the_token_is_let_in() {
    let simulated = Simulated::start();
    let answer = simulated.client.get(format!("{}/state", simulated.control)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.text().await.unwrap().contains("token"));
}

#[test]
fn without_a_token_or_with_a_taken_address_it_says_what_to_do() {
    let output = program(&["simulate", "--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("AZP_TOKEN_FILE"), "{}", stderr(&output));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = program(&["simulate", "--listen", &address]).env("AZP_TOKEN", TOKEN).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains(&address) && said.contains("--listen") && !said.contains(TOKEN), "{said}");
}
