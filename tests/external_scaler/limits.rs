//! What is bounded: time, messages, size.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use azp_scaler::{
    external_scaler::Service,
    metrics::Metrics,
    pools::{Directory, FailureClass},
    protocol::{
        GetMetricsRequest, external_scaler_client::ExternalScalerClient, external_scaler_server::ExternalScaler,
    },
};
use tokio::{net::TcpStream, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request};

use crate::world::{OnePool, World, organizations, reference};

#[tokio::test(start_paused = true)]
async fn a_call_is_answered_within_five_seconds_whatever_happens() {
    let service =
        Service::new(OnePool::hanging(), organizations(), Metrics::new(), Arc::default(), CancellationToken::new());
    let began = Instant::now();
    let call = GetMetricsRequest { scaled_object_ref: Some(reference(&[])), metric_name: String::new() };
    let status = service.get_metrics(Request::new(call)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().starts_with("no answer within 5 s"), "{}", status.message());
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert!(service.get_metric_spec(Request::new(reference(&[]))).await.is_ok(), "specs don't wait for Azure");
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_are_bounded_and_the_rest_are_told() {
    let metrics = Metrics::new();
    let pool = OnePool::hanging();
    let directory: Arc<dyn Directory> = pool.clone();
    let service =
        Arc::new(Service::new(directory, organizations(), metrics.clone(), Arc::default(), CancellationToken::new()));
    let mut hanging = JoinSet::new();
    for _ in 0..2_048 {
        let service = Arc::clone(&service);
        hanging.spawn(async move { service.is_active(Request::new(reference(&[]))).await });
    }
    while pool.asked.load(Ordering::Relaxed) < 2_048 {
        tokio::task::yield_now().await;
    }
    let status = service.is_active(Request::new(reference(&[]))).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().starts_with("more than 2048 calls at once: poll less often"), "{}", status.message());
    assert!(hanging.join_all().await.iter().all(Result::is_err), "each gave up after five seconds");
    assert!(service.get_metric_spec(Request::new(reference(&[]))).await.is_ok(), "there is room again");
    assert_eq!(metrics.grpc.requests_total.with_label_values(&["IsActive", "DEADLINE_EXCEEDED"]).get(), 2_048);
}

#[tokio::test]
async fn a_long_message_is_shortened() {
    let world = World::new();
    world.directory.fail(FailureClass::BadAnswer, &"ü".repeat(100_000));
    let (mut keda, ..) = world.serve().await;
    let status = keda.is_active(reference(&[])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().ends_with('…') && status.message().chars().count() == 1_000);
}

#[tokio::test]
async fn a_reference_that_is_too_large_is_refused() {
    let world = World::new();
    let (mut keda, ..) = world.serve().await;
    let endless = "docker,".repeat(20_000);
    let status = keda.get_metric_spec(reference(&[("capabilities", &endless)])).await.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status:?}");
    assert!(keda.get_metric_spec(reference(&[])).await.is_ok(), "the connection goes on");
}

#[tokio::test]
async fn clients_that_say_nothing_keep_nobody_out() {
    let world = World::new();
    let (_keda, address, _server) = world.serve().await;
    let mut silent = Vec::new();
    for _ in 0..600 {
        silent.push(TcpStream::connect(address.trim_start_matches("http://")).await.unwrap());
    }
    let mut keda = ExternalScalerClient::connect(address).await.unwrap();
    assert!(keda.get_metric_spec(reference(&[])).await.is_ok());
}
