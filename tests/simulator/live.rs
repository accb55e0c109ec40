//! The live world over real sockets: the real client reads its REST interface, and its KEDA polls a scaler over gRPC.

use std::time::Duration;

use azp_scaler::{
    azure_devops::{
        client::Client,
        credential::Credential,
        decode::{AgentReader, Limit},
        organization::{Organization, ParallelJobs},
    },
    job_request::Parallelism,
    metrics::Metrics,
    parallel_jobs::Running,
    pools::{Clock, FailureClass, PoolSelector},
    protocol::{
        GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
        ScaledObjectRef,
        external_scaler_server::{ExternalScaler, ExternalScalerServer},
    },
    simulator::{
        Plan, demo,
        live::{DecisionInForce, LiveWorld},
    },
};
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Endpoint};

const TOKEN: &str = "the-demo-token";

async fn start(plan: Plan) -> LiveWorld {
    let listen = "127.0.0.1:0".parse().unwrap();
    LiveWorld::start(plan, listen, TOKEN.into(), Clock::starting_at(Timestamp::UNIX_EPOCH)).await.unwrap()
}

fn client(url: String, token: &str) -> Client {
    let organization = Organization {
        name: demo::ORGANIZATION.into(),
        url,
        credential: Credential::PersonalAccessTokenVariable { name: "TOKEN".to_owned(), token: token.into() },
        allow_plain_http: false,
        certificate_authority: None,
        proxy: None,
        parallel_jobs: ParallelJobs::Off,
    };
    Client::new(&organization, Clock::starting_at(Timestamp::UNIX_EPOCH), Metrics::new()).unwrap()
}

#[tokio::test]
async fn the_real_client_reads_the_rest_interface() {
    let mut plan = demo::plan(1, Timestamp::UNIX_EPOCH);
    let arrivals = &mut plan.pools[0].arrivals;
    arrivals.every = 1..=2;
    arrivals.kinds.truncate(5);
    for kind in &mut arrivals.kinds {
        kind.runs_for = 3_600_000..=3_600_000;
    }
    let live = start(plan).await;
    let client = client(live.organization_url(), TOKEN);
    let pool = client.pool(&PoolSelector::Name("LINUX-pool".into())).await.unwrap();
    assert_eq!((pool.id, &*pool.name), (demo::POOL_ID, demo::POOL));
    live.stop_arrivals();

    let queue = client.job_requests(&pool).await.unwrap();
    let seen = live.observe();
    assert!(!queue.jobs.is_empty());
    assert_eq!(queue.jobs.len(), seen.queued.len() + seen.running);
    assert!(queue.jobs.iter().all(|job| job.queued_at >= Some(Timestamp::UNIX_EPOCH) && job.title.pipeline.is_some()));

    let agents = client.agents(&pool, &mut AgentReader::default()).await.unwrap();
    let vm = agents.iter().find(|agent| agent.name.as_str() == "build-vm-1").unwrap();
    assert!(vm.online && vm.enabled);
    assert_eq!(vm.capabilities.get(&"JAVA".into()).map(|value| value.text().as_str()), Some("17"));
    assert_eq!(agents.iter().filter(|agent| !agent.online).count(), 4);
    assert!(!agents.iter().find(|agent| agent.name.as_str() == "build-vm-2").unwrap().enabled);

    let missing = client.pool(&PoolSelector::Id(99)).await.unwrap_err();
    assert_eq!(missing.class, FailureClass::NotFound, "{missing}");
    assert_eq!(live.summary().azure_requests.values().sum::<u64>(), 4);
    live.stop().await;
}

#[tokio::test]
async fn the_real_client_reads_the_parallel_jobs() {
    let mut plan = demo::plan(1, Timestamp::UNIX_EPOCH);
    let pool = &mut plan.pools[0];
    pool.agents.iter_mut().for_each(|agent| (agent.online, agent.enabled) = (true, true));
    (pool.arrivals.every, pool.arrivals.at_once) = (1..=2, 1..=1);
    pool.arrivals.kinds.truncate(1);
    pool.arrivals.kinds[0].runs_for = 3_600_000..=3_600_000;
    plan.delays.assignment = 0..=0;
    *plan.parallel_jobs.of_mut(Parallelism::Private) = Some(2);
    let live = start(plan).await;
    let client = client(live.organization_url(), TOKEN);
    let seen = loop {
        let seen = live.observe();
        if seen.queued.len() > 3 {
            break seen;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(seen.running, 2, "as many as may");
    let told = client.parallel_jobs(Parallelism::Private).await.unwrap();
    assert_eq!(told.limit, Some(Limit::Jobs(2)));
    assert_eq!(told.running, Running::ByPool([(demo::POOL_ID, 2)].into()));
    assert_eq!(client.parallel_job_limit(Parallelism::Private).await.unwrap(), Limit::Jobs(2));

    let told = client.parallel_jobs(Parallelism::Public).await.unwrap();
    assert_eq!((told.limit, told.running), (Some(Limit::Unlimited), Running::Total(0)));
    live.set_parallel_jobs(Parallelism::Public, Some(7));
    assert_eq!(client.parallel_job_limit(Parallelism::Public).await.unwrap(), Limit::Jobs(7));

    let pool = client.pool(&PoolSelector::Id(demo::POOL_ID)).await.unwrap();
    let queue = client.job_requests(&pool).await.unwrap();
    assert!(queue.jobs.iter().all(|job| job.parallelism == Some(Parallelism::Private)));
    live.stop().await;
}

#[tokio::test]
async fn another_token_is_shown_the_page_for_signing_in() {
    let live = start(demo::plan(1, Timestamp::UNIX_EPOCH)).await;
    let client = client(live.organization_url(), "another");
    let refused = client.pool(&PoolSelector::Id(demo::POOL_ID)).await.unwrap_err();
    assert_eq!(refused.class, FailureClass::NotSignedIn, "{refused}");
    assert_eq!(live.summary().azure_requests.len(), 0, "who is not let in is not counted");
    live.stop().await;
}

/// Wants two agents for each ScaledJob but `linux-gpu`, for which it fails; tells every call.
struct Scaler {
    calls: mpsc::Sender<(&'static str, ScaledObjectRef)>,
}

impl Scaler {
    async fn called(&self, method: &'static str, reference: ScaledObjectRef) -> Result<(), Status> {
        let fails = reference.name == "linux-gpu";
        self.calls.send((method, reference)).await.map_err(|_| Status::cancelled("the test is over"))?;
        if fails { Err(Status::unavailable("as the test wants it")) } else { Ok(()) }
    }
}

#[tonic::async_trait]
impl ExternalScaler for Scaler {
    type StreamIsActiveStream = tokio_stream::Empty<Result<IsActiveResponse, Status>>;
    type StreamMetricSpecStream = tokio_stream::Empty<Result<GetMetricSpecResponse, Status>>;

    async fn is_active(&self, request: Request<ScaledObjectRef>) -> Result<Response<IsActiveResponse>, Status> {
        self.called("IsActive", request.into_inner()).await?;
        Ok(Response::new(IsActiveResponse { result: true }))
    }

    async fn stream_is_active(
        &self,
        _: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        Err(Status::unimplemented("not for ScaledJobs"))
    }

    async fn stream_metric_spec(
        &self,
        _: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        Err(Status::unimplemented("not used"))
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        self.called("GetMetricSpec", request.into_inner()).await?;
        let spec = MetricSpec { metric_name: "jobs".to_owned(), target_size: 1, target_size_float: 0.0 };
        Ok(Response::new(GetMetricSpecResponse { metric_specs: vec![spec] }))
    }

    async fn get_metrics(&self, request: Request<GetMetricsRequest>) -> Result<Response<GetMetricsResponse>, Status> {
        let request = request.into_inner();
        assert_eq!(request.metric_name, "jobs");
        self.called("GetMetrics", request.scaled_object_ref.unwrap()).await?;
        let value = MetricValue { metric_name: "jobs".to_owned(), metric_value: 9, metric_value_float: 2.0 };
        Ok(Response::new(GetMetricsResponse { metric_values: vec![value] }))
    }
}

#[tokio::test]
async fn keda_polls_in_its_order_and_an_error_starts_nothing() {
    let mut plan = demo::plan(1, Timestamp::UNIX_EPOCH);
    plan.pools[0].arrivals.kinds.clear();
    for scaled_job in &mut plan.scaled_jobs {
        scaled_job.polling_interval = Duration::from_millis(5);
    }
    let live = start(plan).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (calls, mut called) = mpsc::channel(1);
    let scaler = tonic::transport::Server::builder()
        .add_service(ExternalScalerServer::new(Scaler { calls }))
        .serve_with_incoming(TcpListenerStream::new(listener));
    let scaler = tokio::spawn(scaler);
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    live.poll_scaler(endpoint, DecisionInForce::new(|_| None));

    let (mut small, mut gpu) = (Vec::new(), Vec::new());
    while small.len() < 7 || gpu.len() < 3 {
        let (method, reference) = called.recv().await.unwrap();
        match reference.name.as_str() {
            "linux-small" => small.push(method),
            "linux-gpu" => gpu.push(method),
            _ => {}
        }
        assert_eq!(reference.namespace, "builds");
        assert_eq!(reference.scaler_metadata["poolName"], demo::POOL);
        assert_eq!(reference.scaler_metadata["organization"], demo::ORGANIZATION);
        if reference.name == "linux-java" {
            assert_eq!(reference.scaler_metadata["capabilities"], "docker, java=17, maven");
            assert_eq!(reference.scaler_metadata["maxReplicaCount"], "6");
        }
    }
    assert_eq!(small[..6], ["GetMetricSpec", "GetMetrics", "IsActive", "GetMetricSpec", "GetMetrics", "IsActive"]);
    assert!(gpu.iter().all(|method| *method == "GetMetricSpec"), "{gpu:?}");

    let seen = live.observe();
    let started = |place: usize| {
        let stages = &seen.scaled_jobs[place];
        stages.pending + stages.registering + stages.idle
    };
    assert_eq!((started(0), started(2)), (2, 0), "{}", live.story());
    assert!(seen.summary.failed_polls >= 2);
    live.stop().await;
    scaler.abort();
}
