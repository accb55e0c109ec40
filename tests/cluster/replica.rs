//! The scaler's own program, under its service account, and the Service in front of its replicas.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use azp_scaler::protocol::{GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient};
use reqwest::{Client, Response};
use serde_json::Value;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use super::{
    organization::{Organization, TOKEN},
    process::Process,
    rbac,
    users::User,
    within::within,
    world::World,
};

/// What all replicas of a case are told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Where KEDA asks them.
    pub(crate) addresses: Vec<String>,
    /// Whether one of them leads, and the others are not ready.
    pub(crate) leader_election: bool,
    /// Where they find the API server, if not where it is.
    pub(crate) api_server: Option<String>,
}

/// One that runs. It ends with this, as if it were killed.
pub(crate) struct Replica {
    process: Process,
    log: PathBuf,
    http: SocketAddr,
    grpc: SocketAddr,
    client: Client,
}

impl Replica {
    /// Starts one, and waits until it serves and sees the cluster.
    pub(crate) async fn start(world: &World, organization: &Organization, options: &Options, number: u32) -> Self {
        let Options { addresses, leader_election, api_server } = options;
        let file = |kind: &str| world.control_plane.file(&format!("scaler-{}-{number}.{kind}", world.namespace));
        let (settings, log) = (file("toml"), file("log"));
        let text = format!(
            "[grpc]\nlisten = \"127.0.0.1:0\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
             [kubernetes]\nview = \"on\"\naddresses = {addresses:?}\nleader_election = {leader_election}\n"
        );
        fs::write(&settings, text).unwrap();
        let api_server = api_server.clone().unwrap_or_else(|| world.control_plane.url());
        let kubeconfig = file("kubeconfig");
        let asks = world.control_plane.kubeconfig_at(User::Scaler, &api_server);
        fs::write(&kubeconfig, serde_json::to_string(&asks).unwrap()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_azp-scaler"));
        command
            .arg("serve")
            .arg("--config")
            .arg(settings)
            .env("AZP_URL", organization.url())
            .env("AZP_TOKEN", TOKEN)
            .env("KUBECONFIG", kubeconfig)
            // As the downward API says them.
            .env("POD_NAMESPACE", rbac::NAMESPACE)
            .env("POD_NAME", format!("azp-scaler-{number}"))
            .env("RUST_LOG", "info");
        let mut process = Process::start(&mut command, &log);
        let (grpc, http) = within("the scaler to serve", async || {
            assert!(process.ended().is_none(), "the scaler has ended:\n{}", process.last_words());
            served(&log)
        })
        .await;
        let client = Client::builder().no_proxy().build().unwrap();
        let replica = Self { process, log, http, grpc, client };
        within("the scaler to see the cluster", async || {
            let seen = replica.page("api/v1/pools").await?;
            let seen: Value = serde_json::from_str(&seen).ok()?;
            (seen["cluster_view"]["state"] == "current").then_some(())
        })
        .await;
        replica
    }

    /// Whether Kubernetes would send KEDA to it.
    pub(crate) async fn is_ready(&self) -> bool {
        self.get("readyz").await.is_some_and(|answer| answer.status().is_success())
    }

    /// The number that it tells KEDA when it asks about a ScaledJob.
    pub(crate) async fn tells(&self, scaled_job: &Value) -> f64 {
        let metadata = &scaled_job["metadata"];
        let reference = ScaledObjectRef {
            name: metadata["name"].as_str().unwrap().to_owned(),
            namespace: metadata["namespace"].as_str().unwrap().to_owned(),
            scaler_metadata: serde_json::from_value(scaled_job["spec"]["triggers"][0]["metadata"].clone()).unwrap(),
        };
        let mut client = ExternalScalerClient::connect(format!("http://{}", self.grpc)).await.unwrap();
        let specs = client.get_metric_spec(reference.clone()).await.unwrap().into_inner().metric_specs;
        let metric_name = specs[0].metric_name.clone();
        let question = GetMetricsRequest { scaled_object_ref: Some(reference), metric_name };
        client.get_metrics(question).await.unwrap().into_inner().metric_values[0].metric_value_float
    }

    /// How often KEDA has asked it for a number.
    pub(crate) async fn asked(&self) -> u64 {
        let page = self.page("metrics").await.unwrap_or_default();
        let answered = page
            .lines()
            .filter(|line| line.starts_with("azp_scaler_grpc_requests_total{") && line.contains("\"GetMetrics\""));
        answered.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }

    /// Waits until KEDA has asked so many times more.
    pub(crate) async fn asked_again(&self, times: u64) {
        let before = self.asked().await;
        within("KEDA to ask again", async || (self.asked().await >= before + times).then_some(())).await;
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.process.signal("TERM");
        let status = within("the scaler to stop", async || self.process.ended()).await;
        assert!(status.success(), "{status}: {}", self.process.last_words());
    }

    /// Ends it at once.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// What it has written to its log.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    async fn page(&self, path: &str) -> Option<String> {
        self.get(path).await?.text().await.ok()
    }

    async fn get(&self, path: &str) -> Option<Response> {
        self.client.get(format!("http://{}/{path}", self.http)).send().await.ok()
    }
}

/// Where a scaler says that it serves gRPC and HTTP.
fn served(log: &Path) -> Option<(SocketAddr, SocketAddr)> {
    let said = fs::read_to_string(log).ok()?;
    let line = said.lines().rev().find(|line| line.contains("\"serving\""))?;
    let line: Value = serde_json::from_str(line).ok()?;
    Some((line["grpc"].as_str()?.parse().ok()?, line["http"].as_str()?.parse().ok()?))
}

/// What stands in front of replicas, as a Service of Kubernetes does: each new connection goes to the one that is ready.
pub(crate) struct Service {
    /// What triggers write as `scalerAddress`.
    pub(crate) address: String,
    behind: watch::Sender<Option<SocketAddr>>,
    task: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (behind, ready) = watch::channel(None);
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let replica = *ready.borrow();
                tokio::spawn(async move {
                    let Some(replica) = replica else { return };
                    let Ok(mut server) = TcpStream::connect(replica).await else { return };
                    // An error means that one of the ends is gone.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, behind, task }
    }

    /// New connections go to this one.
    pub(crate) fn leads_to(&self, replica: &Replica) {
        self.behind.send_replace(Some(replica.grpc));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}
