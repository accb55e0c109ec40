//! `serve` against the simulated organisation over real sockets, asked as KEDA asks.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Stdio},
    thread::JoinHandle,
    time::Duration,
};

use azp_scaler::{
    pools::Clock,
    protocol::{GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient},
    simulator::{demo, live::LiveWorld},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use tonic::{Code, Status, transport::Channel};

use super::program;

const TOKEN: &str = "the-token-of-the-organization";

/// A scaler that serves, and where.
struct Serving {
    child: Child,
    /// Reads along, so that the program never waits until somebody does.
    log: JoinHandle<String>,
    grpc: String,
    http: String,
    world: LiveWorld,
}

impl Serving {
    /// Starts an organisation, and the program on it with a token.
    async fn start(token: &str) -> Self {
        Self::with(token, &[]).await
    }

    /// The same with more of an environment.
    async fn with(token: &str, environment: &[(&str, &str)]) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let plan = demo::plan(1, Timestamp::UNIX_EPOCH);
        let world = LiveWorld::start(plan, listen, TOKEN.into(), clock).await.unwrap();
        let mut child = program(&["serve"])
            .env("AZP_URL", world.organization_url())
            .env("AZP_TOKEN", token)
            .env("AZP_SCALER__GRPC__LISTEN", "127.0.0.1:0")
            .env("AZP_SCALER__HTTP__LISTEN", "127.0.0.1:0")
            .env("AZP_SCALER__DECISIONS__SETTLE", "1s")
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (mut line, mut all) = (String::new(), String::new());
        let said = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended without serving");
            all.push_str(&line);
            let said: serde_json::Value = serde_json::from_str(&line).unwrap();
            if said["message"] == "serving" {
                break said;
            }
        };
        let address = |key: &str| format!("http://{}", said[key].as_str().unwrap());
        let (grpc, http) = (address("grpc"), address("http"));
        let log = std::thread::spawn(move || {
            log.read_to_string(&mut all).unwrap();
            all
        });
        Self { child, log, grpc, http, world }
    }

    async fn client(&self) -> ExternalScalerClient<Channel> {
        ExternalScalerClient::connect(self.grpc.clone()).await.unwrap()
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("{}{path}", self.http)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Asks it to stop as Kubernetes does; its exit code, and what else it logged.
    async fn stop(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = tokio::task::spawn_blocking(move || {
            let log = self.log.join().unwrap();
            (self.child.wait().unwrap().code(), log, self.world)
        });
        let (code, log, world) = tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap().unwrap();
        world.stop().await;
        (code, log)
    }
}

fn metrics_of(metadata: &[(&str, &str)]) -> GetMetricsRequest {
    let scaler_metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let reference = ScaledObjectRef { name: "linux".into(), namespace: "builds".into(), scaler_metadata };
    GetMetricsRequest { scaled_object_ref: Some(reference), metric_name: String::new() }
}

/// What the scaler at an address answers.
pub(super) async fn ask_for_metrics(grpc: &str, metadata: &[(&str, &str)]) -> Result<(), Status> {
    let mut client = ExternalScalerClient::connect(grpc.to_owned()).await.unwrap();
    client.get_metrics(metrics_of(metadata)).await.map(|_| ())
}

async fn fault(serving: &Serving, metadata: &[(&str, &str)]) -> Status {
    serving.client().await.get_metrics(metrics_of(metadata)).await.unwrap_err()
}

#[tokio::test]
async fn it_answers_keda_and_people_and_stops_when_told() {
    let serving = Serving::start(TOKEN).await;
    let metadata = [("poolName", "Linux-Pool"), ("capabilities", "docker, java=17, maven, cuda=12")];
    let reply = serving.client().await.get_metrics(metrics_of(&metadata)).await.unwrap().into_inner();
    assert_eq!(reply.metric_values.len(), 1);
    assert_eq!(serving.get("/readyz").await.0, 200);
    let (_, triggers) = serving.get("/api/v1/triggers").await;
    assert!(triggers.contains("linux"), "{triggers}");
    let (_, page) = serving.get("/").await;
    assert!(page.contains("linux-pool"), "{page}");
    let (_, metrics) = serving.get("/metrics").await;
    let counted = "azp_scaler_azure_requests_total{endpoint=\"job-requests\",organization=\"contoso\",outcome=\"ok\"}";
    assert!(metrics.contains(counted), "{metrics}");
    let (code, log) = serving.stop().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("\"stopped\""), "{log}");
}

#[tokio::test]
async fn each_mistake_is_one_message_that_says_what_to_do() {
    type Case = (&'static [(&'static str, &'static str)], Code, &'static [&'static str]);
    let serving = Serving::start(TOKEN).await;
    let cases: [Case; 5] = [
        (&[], Code::InvalidArgument, &["`poolName`", "`poolID`"]),
        (&[("poolNam", "linux")], Code::InvalidArgument, &["`poolNam`", "`poolName`"]),
        (
            &[("poolName", "linux"), ("maxReplicaCount", "many")],
            Code::InvalidArgument,
            &["`maxReplicaCount`", "`many`"],
        ),
        (&[("poolName", "windows")], Code::NotFound, &["`windows`", "`contoso`"]),
        (&[("poolID", "99")], Code::NotFound, &["99", "`contoso`"]),
    ];
    for (metadata, code, words) in cases {
        let status = fault(&serving, metadata).await;
        assert_eq!(status.code(), code, "{status}");
        for word in words {
            assert!(status.message().contains(word), "{word} is missing: {status}");
        }
        assert!(!status.message().contains('\n'), "one line: {status}");
    }
    let (code, log) = serving.stop().await;
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test]
async fn a_wrong_token_is_told_as_such_and_never_shown() {
    let wrong = "a-wrong-token-that-nobody-may-see";
    let serving = Serving::start(wrong).await;
    let status = fault(&serving, &[("poolName", "linux-pool")]).await;
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("token") && status.message().contains("`contoso`"), "{status}");
    let (_, page) = serving.get("/").await;
    let (_, metrics) = serving.get("/metrics").await;
    let (code, log) = serving.stop().await;
    assert_eq!(code, Some(0), "{log}");
    for text in [status.message(), &page, &metrics, &log] {
        assert!(!text.contains(wrong), "{text}");
    }
}

#[tokio::test]
async fn a_token_that_a_trigger_brings_is_used_and_shown_nowhere() {
    let environment = [("AZP_SCALER__GRPC__ALLOW_TOKENS_WITHOUT_TLS", "true"), ("RUST_LOG", "trace")];
    let serving = Serving::with("not-the-token", &environment).await;
    let url = serving.world.organization_url();
    let metadata = [("poolName", "Linux-Pool"), ("organizationURL", &*url), ("personalAccessTokenFromEnv", TOKEN)];
    ask_for_metrics(&serving.grpc, &metadata).await.unwrap();
    let wrong = ask_for_metrics(&serving.grpc, &[metadata[0], metadata[1], (metadata[2].0, "another-token")]).await;
    let wrong = wrong.unwrap_err();
    assert!(wrong.message().contains("`personalAccessTokenFromEnv`"), "{wrong}");
    let mut said = vec![wrong.to_string()];
    for path in ["/", "/metrics", "/api/v1/pools", "/api/v1/triggers", "/api/v1/jobs"] {
        said.push(serving.get(path).await.1);
    }
    assert!(said[1].contains("(own token)"), "{}", said[1]);
    let arguments = std::fs::read(format!("/proc/{}/cmdline", serving.child.id())).unwrap();
    said.push(String::from_utf8(arguments).unwrap());
    let (code, log) = serving.stop().await;
    assert_eq!(code, Some(0), "{log}");
    said.push(log);
    let encoded = BASE64_STANDARD.encode(format!(":{TOKEN}"));
    for secret in [TOKEN, &encoded, "another-token", "not-the-token"] {
        assert!(said.iter().all(|text| !text.contains(secret)), "{secret} is shown");
    }
}
