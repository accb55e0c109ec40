//! `agents` and `placeholder` on a simulated organisation, as a person runs them.

use std::process::Output;

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{program, stderr, stdout};
use azp_scaler::{
    pools::Clock,
    simulator::live::{LiveWorld, control},
};
use jiff::Timestamp;

const TOKEN: &str = "the-token-of-the-organization";

/// An organisation whose time began long ago: whoever is offline in it, is so for long.
struct Place(LiveWorld);

impl Place {
    async fn start() -> Self {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let plan = control::plan(1, "contoso", &["linux".to_owned()]);
        let listen = "127.0.0.1:0".parse().unwrap();
        Self(LiveWorld::start_with_control(plan, listen, TOKEN.into(), clock).await.unwrap())
    }

    async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("http://{}/_control/{path}", self.0.address());
        let client = Client::builder().no_proxy().build().unwrap();
        let request =
            client.request(method, url).basic_auth("", Some(TOKEN)).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap().error_for_status().unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
    }

    async fn agent(&self, name: &str, online: bool) {
        let agent = json!({ "pool": "linux", "name": name, "online": online });
        self.control(Method::POST, "agents", agent).await;
    }

    async fn names(&self) -> Vec<String> {
        let state = self.control(Method::GET, "state", Value::Null).await;
        let agents = state["agents"].as_array().unwrap().iter().filter(|agent| agent["gone_ms"].is_null());
        agents.map(|agent| agent["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Runs a command on the pool.
    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = program(arguments);
        command.args(["--pool", "Linux"]).env("AZP_URL", self.0.organization_url()).env("AZP_TOKEN", TOKEN);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

fn listed(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_str(&stdout(output)).unwrap()
}

#[tokio::test]
async fn clean_removes_dead_agents_of_ones_own_and_only_when_told() {
    let place = Place::start().await;
    for (name, online) in [("build-dead", false), ("build-up", true), ("vm-1", false)] {
        place.agent(name, online).await;
    }
    let ensured =
        ["placeholder", "ensure", "--scaled-job", "agents/build", "--capabilities", "java=17", "--output", "json"];
    assert_eq!(listed(&place.run(&ensured).await).len(), 1);
    let every_name = ["build-dead", "build-up", "vm-1", "placeholder.agents.build"];

    let verdicts = listed(&place.run(&["agents", "list", "--pattern", "build-*", "--output", "json"]).await);
    let verdict = |name: &str| verdicts.iter().find(|row| row["name"] == name).unwrap()["verdict"].clone();
    assert_eq!(every_name.map(verdict), ["never-came-back", "online", "foreign", "placeholder"]);

    let clean = ["agents", "clean", "--pattern", "*", "--pattern", "build-*", "--output", "json"];
    let dry = place.run(&clean).await;
    let would: Vec<_> = listed(&dry).iter().map(|row| row["name"].clone()).collect();
    assert_eq!(would, ["build-dead", "vm-1"]);
    assert!(stderr(&dry).contains("nothing was changed: 2 would be removed with --yes"), "{}", stderr(&dry));
    assert_eq!(place.names().await, every_name);

    let done = place.run(&["agents", "clean", "--pattern", "build-*", "--yes"]).await;
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert!(stdout(&done).contains("build-dead  offline  never-came-back"), "{}", stdout(&done));
    assert!(stdout(&done).contains("; removed"), "{}", stdout(&done));
    assert!(stderr(&done).contains("removed: never had a job, offline since 1970-"), "{}", stderr(&done));
    assert_eq!(place.names().await, &every_name[1..]);
}

#[tokio::test]
async fn placeholders_are_listed_ensured_and_removed() {
    let place = Place::start().await;
    let ensure = |name: &'static str, offers: &'static str| {
        ["placeholder", "ensure", "--scaled-job", name, "--capabilities", offers, "--output", "json"]
    };
    let first = listed(&place.run(&ensure("agents/java", "java=17, docker")).await);
    assert_eq!(first[0]["capabilities"], json!(["docker", "java=17"]));
    assert_eq!((&first[0]["managed"], &first[0]["namespace"]), (&json!(false), &json!("agents")));
    let again = listed(&place.run(&ensure("agents/java", "java=21")).await);
    assert_eq!((&again[0]["id"], &again[0]["capabilities"]), (&first[0]["id"], &json!(["java=21"])));
    listed(&place.run(&ensure("agents/other", "")).await);
    place.agent("java-1", false).await;

    let list = place.run(&["placeholder", "list"]).await;
    let table = stdout(&list);
    assert!(table.starts_with("ID  NAME "), "{table}");
    assert_eq!(table.lines().count(), 3, "{table}");
    listed(&place.run(&["placeholder", "remove", "--scaled-job", "agents/java", "--output", "json"]).await);
    assert_eq!(place.names().await, ["placeholder.agents.other", "java-1"]);
}

#[tokio::test]
async fn what_is_wrong_says_so_and_ends_with_its_code() {
    let place = Place::start().await;
    place.agent("build-1", false).await;
    place.control(Method::PUT, "faults", json!({ "read_only": true })).await;
    let clean = ["agents", "clean", "--pattern", "build-*", "--yes"];
    let refused = place.run(&clean).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("Agent Pools (read & manage)"), "{}", stderr(&refused));
    assert!(stdout(&refused).contains("; not removed"), "{}", stdout(&refused));
    assert_eq!(place.names().await, ["build-1"]);
    let usage: [(&[&str], &str); 5] = [
        (&["agents", "clean"], "--pattern"),
        (&["agents", "list", "--pattern", " "], "empty"),
        (&["agents", "list", "--offline-for", "5m"], "10m"),
        (&["agents", "list", "--organization", "fabrikam"], "`fabrikam` is not configured; there is `contoso`"),
        (&["placeholder", "remove", "--scaled-job", "java"], "agents/linux-docker"),
    ];
    for (arguments, words) in usage {
        let output = place.run(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }
    let elsewhere = place.run(&["agents", "list", "--pool", "windows"]).await;
    assert_eq!(elsewhere.status.code(), Some(2), "{}", stderr(&elsewhere));
}
