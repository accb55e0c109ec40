//! No token in anything that the process ever says: its log at the finest level, its pages, its answers, its arguments.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::Duration,
};

use azp_scaler::{
    pools::Clock,
    protocol::{GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient},
    simulator::live::{LiveWorld, Shape, control},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::json;

use super::program;

const CONFIGURED: &str = "the-configured-token-tell-nobody";
const BROUGHT: &str = "the-token-that-a-trigger-brings";
const OF_HOOKS: &str = "the-secret-of-service-hooks-hush";
/// Failures in which Azure, or what lies between, has most to say.
const SAID: [Shape; 6] = [
    Shape::Forbidden,
    Shape::InternalError,
    Shape::TruncatedJson,
    Shape::BrokenOff,
    Shape::Reset,
    // The last: a refused credential is not shown again for long.
    Shape::BearerRefused,
];

fn question(own_token: Option<&str>, url: &str) -> GetMetricsRequest {
    let own = own_token.map(|token| [("organizationURL", url), ("personalAccessTokenFromEnv", token)]);
    let entries = own.into_iter().flatten().chain([("poolName", "linux")]);
    let scaler_metadata = entries.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let reference = ScaledObjectRef { name: "build".into(), namespace: "ci".into(), scaler_metadata };
    GetMetricsRequest { scaled_object_ref: Some(reference), metric_name: String::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_in_anything_that_is_said() {
    let plan = control::plan(1, "contoso", &["linux".to_owned()]);
    let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
    let listen = "127.0.0.1:0".parse().unwrap();
    let world = LiveWorld::start_with_control(plan, listen, CONFIGURED.into(), clock).await.unwrap();
    let files = tempfile::tempdir().unwrap();
    let (log, secret) = (files.path().join("log"), files.path().join("secret"));
    fs::write(&secret, OF_HOOKS).unwrap();
    let mut child = program(&["serve"])
        .env("AZP_URL", world.organization_url())
        .env("AZP_TOKEN", CONFIGURED)
        .env("RUST_LOG", "trace")
        .env("AZP_SCALER__GRPC__LISTEN", "127.0.0.1:0")
        .env("AZP_SCALER__GRPC__ALLOW_TOKENS_WITHOUT_TLS", "true")
        .env("AZP_SCALER__HTTP__LISTEN", "127.0.0.1:0")
        .env("AZP_SCALER__POLLING__FRESH_FOR", "1ms")
        .env("AZP_SCALER__POLLING__TOLERATED_AGE", "1s")
        .env("AZP_SCALER__HTTP__HOOKS__SECRET_FILE", &secret)
        .stderr(Stdio::from(fs::File::create(&log).unwrap()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let address = |key: &str| {
        BufReader::new(fs::File::open(&log).unwrap()).lines().find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line.ok()?).ok()?;
            (line["message"] == "serving").then(|| format!("http://{}", line[key].as_str().unwrap()))
        })
    };
    let mut keda = loop {
        assert!(child.try_wait().unwrap().is_none(), "{}", fs::read_to_string(&log).unwrap());
        if let Some(grpc) = address("grpc") {
            break ExternalScalerClient::connect(grpc).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let http = address("http").unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut said = Vec::new();
    let url = world.organization_url();
    let faults = async |fault: serde_json::Value| {
        let faults = client.put(format!("http://{}/_control/faults", world.address())).basic_auth("", Some(CONFIGURED));
        faults.header("content-type", "application/json").body(fault.to_string()).send().await.unwrap();
    };
    for shape in SAID {
        // A snapshot is tolerated for a second, so an answer says that all is well, and an error that the failure has been met.
        for (fault, is_well) in [(json!({}), true), (json!({"shape": shape}), false)] {
            faults(fault).await;
            loop {
                let answer = keda.get_metrics(question(None, &url)).await;
                let is_as_it_should = answer.is_ok() == is_well;
                said.push(format!("{answer:?}"));
                if is_as_it_should {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        said.push(format!("{:?}", keda.get_metrics(question(Some(BROUGHT), &url)).await));
        for path in ["/", "/metrics", "/readyz", "/api/v1/pools", "/api/v1/triggers", "/api/v1/jobs", "/nothing"] {
            said.push(client.get(format!("{http}{path}")).send().await.unwrap().text().await.unwrap());
        }
        let hook = client.post(format!("{http}/hooks/azure-devops")).basic_auth("azp-scaler", Some(OF_HOOKS));
        said.push(hook.body("{}").send().await.unwrap().text().await.unwrap());
    }
    said.push(fs::read_to_string(format!("/proc/{}/cmdline", child.id())).unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    let log = fs::read_to_string(&log).unwrap();
    assert!(log.contains("TRACE") && log.contains("DEBUG"), "the log tells all: {log}");
    assert!(said.iter().any(|text| text.contains("TF400813")), "Azure's words came through");
    said.push(log);

    let sent = [CONFIGURED, BROUGHT].map(|token| BASE64_STANDARD.encode(format!(":{token}")));
    let hook = BASE64_STANDARD.encode(format!("azp-scaler:{OF_HOOKS}"));
    for secret in [CONFIGURED, BROUGHT, OF_HOOKS, &sent[0], &sent[1], &hook] {
        for text in &said {
            if let Some(at) = text.find(secret) {
                let from = text[..at].rfind('\n').map_or(0, |line| line + 1);
                panic!("a secret is said: {}", text[from..].lines().next().unwrap_or_default());
            }
        }
    }
}
