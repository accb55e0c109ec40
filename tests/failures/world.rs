//! A scaler in front of a simulated organisation that fails on demand.

use std::sync::Arc;

use azp_scaler::{
    azure_devops::{directory::AzureDevOps, organization::Organization},
    external_scaler::{self, Organizations, Service},
    metrics::Metrics,
    parallel_jobs::Headroom,
    pool::Rules,
    pools::{Clock, Directory},
    protocol::{GetMetricsRequest, ScaledObjectRef, external_scaler_server::ExternalScaler as _},
    simulator::live::{LiveWorld, control},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use crate::contoso::{TOKEN, usual_polling};

/// The organisation.
pub(crate) struct Azure {
    live: LiveWorld,
    client: reqwest::Client,
}

/// The scaler, asked as KEDA asks, but without the gRPC server.
pub(crate) struct Scaler {
    service: Service,
    pub(crate) azure_devops: Arc<AzureDevOps>,
    pub(crate) metrics: Metrics,
}

impl Azure {
    /// One with the pool `linux` and a job in it.
    pub(crate) async fn start() -> Self {
        let clock = Clock::starting_at(Timestamp::UNIX_EPOCH);
        let plan = control::plan(1, "contoso", &["linux".to_owned()]);
        let listen = "127.0.0.1:0".parse().unwrap();
        let live = LiveWorld::start_with_control(plan, listen, TOKEN.into(), clock).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let azure = Self { live, client };
        let job = json!({"pool": "linux", "demands": [], "count": 1, "duration_ms": 1000});
        azure.control("POST", "jobs", &job).await;
        azure
    }

    pub(crate) fn url(&self) -> String {
        self.live.organization_url()
    }

    pub(crate) fn port(&self) -> u16 {
        self.live.address().port()
    }

    pub(crate) async fn fails(&self, fault: &Value) {
        self.control("PUT", "faults", fault).await;
    }

    async fn control(&self, method: &str, path: &str, body: &Value) {
        let url = format!("http://{}/_control/{path}", self.live.address());
        let request = self.client.request(method.parse().unwrap(), url).basic_auth("", Some(TOKEN));
        let answer = request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
        let status = answer.status();
        assert!(status.is_success(), "{status}: {}", answer.text().await.unwrap());
    }
}

impl Scaler {
    /// One with the times that a configuration has by default.
    pub(crate) fn start(organization: &Organization) -> Self {
        let polling = usual_polling();
        let rules = Rules { settle: SignedDuration::ZERO, ..Rules::default() };
        let (clock, metrics) = (Clock::starting_at(Timestamp::UNIX_EPOCH), Metrics::new());
        let organizations = std::slice::from_ref(organization);
        let azure = AzureDevOps::new(organizations, polling, rules, Headroom::Quarter, clock, &metrics).unwrap();
        let azure_devops = Arc::new(azure);
        let known = external_scaler::Organization {
            name: "contoso".into(),
            url: "https://dev.azure.com/contoso".parse().unwrap(),
            namespaces: vec!["*".to_owned()],
        };
        let directory: Arc<dyn Directory> = azure_devops.clone();
        let service = Service::new(
            directory,
            Organizations::new(vec![known]),
            metrics.clone(),
            Arc::default(),
            CancellationToken::new(),
        );
        Self { service, azure_devops, metrics }
    }

    /// What KEDA is told.
    pub(crate) async fn value(&self) -> Result<i64, Status> {
        let metadata = [("organization", "contoso"), ("poolName", "linux")];
        let scaler_metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let reference = ScaledObjectRef { name: "build".to_owned(), namespace: "ci".to_owned(), scaler_metadata };
        let question = GetMetricsRequest { scaled_object_ref: Some(reference), metric_name: String::new() };
        let reply = self.service.get_metrics(Request::new(question)).await?.into_inner();
        Ok(reply.metric_values[0].metric_value)
    }

    /// How many requests for job requests and pools have ended so.
    pub(crate) fn ended(&self, outcome: &str) -> u64 {
        let count =
            |endpoint| self.metrics.azure_requests_total.with_label_values(&["contoso", endpoint, outcome]).get();
        ["pools", "job-requests"].into_iter().map(count).sum()
    }
}
