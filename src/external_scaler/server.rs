//! The gRPC server: the service with its health and its description, on a socket that somebody has bound.
//!
//! Everything a client can make it hold is bounded: the size of messages and headers, streams of a connection, connections. It stops
//! when the service is told to, and no later than a deadline after that, however clients behave.

use std::{future::pending, time::Duration};

use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tonic::transport::{Error, Server};
use tonic_health::ServingStatus;

use super::{Certificates, Service, door};
use crate::protocol::{DESCRIPTORS, external_scaler_server::ExternalScalerServer};

/// A reference is a few hundred bytes; Kubernetes itself allows an object little more than a megabyte.
const LONGEST_MESSAGE: usize = 64 * 1024;
/// KEDA asks over one connection for all its ScaledJobs.
const STREAMS_OF_A_CONNECTION: u32 = 2_048;
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How old a connection gets. Clients then look again for the replicas there are, and for certificates.
pub const OLDEST_CONNECTION: Duration = Duration::from_hours(1);
/// The same where one of several replicas leads: who has a connection to one that does not lead any more would go on asking it.
pub const OLDEST_CONNECTION_OF_A_LEADER: Duration = Duration::from_mins(1);
/// How long an old connection may take to end what is under way on it.
const FAREWELL: Duration = Duration::from_mins(1);
/// From the word to stop until the last call must be answered: longer than any answer takes, and well below the 30 s that
/// Kubernetes grants.
const DRAINING: Duration = Duration::from_secs(7);

/// Serves until the service is told to stop; under TLS where there are certificates.
///
/// # Errors
///
/// When the server fails, which stopping is not.
pub async fn serve(
    listener: TcpListener,
    service: Service,
    certificates: Option<Certificates>,
    oldest_connection: Duration,
) -> Result<(), Error> {
    let (stop, streams, metrics) = (service.stop.clone(), service.streams.clone(), service.metrics.clone());
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<ExternalScalerServer<Service>>().await;
    let router = Server::builder()
        .max_concurrent_streams(STREAMS_OF_A_CONNECTION)
        .http2_max_header_list_size(16 * 1024)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_connection_age(oldest_connection)
        .max_connection_age_grace(FAREWELL)
        .add_service(health_service)
        .add_service(description())
        .add_service(ExternalScalerServer::new(service).max_decoding_message_size(LONGEST_MESSAGE));
    let (accepting, incoming) = door::open(listener, certificates.as_ref().map(Certificates::current));
    let keeping_fresh = async {
        match certificates {
            Some(certificates) => certificates.keep_fresh(metrics).await,
            None => pending().await,
        }
    };
    // It does not end before the serving does: certificates are kept fresh for ever.
    let letting_in = async { tokio::join!(accepting, keeping_fresh) };

    let out_of_time = async {
        stop.cancelled().await;
        health.set_not_serving::<ExternalScalerServer<Service>>().await;
        health.set_service_status("", ServingStatus::NotServing).await;
        sleep(DRAINING).await;
    };
    tokio::select! {
        outcome = router.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned()) => outcome?,
        _ = letting_in => {}
        () = out_of_time => tracing::warn!("gRPC clients keep connections open: stopping without waiting for them"),
    }
    streams.close();
    if timeout(DRAINING, streams.wait()).await.is_err() {
        tracing::warn!("gRPC streams did not end in time");
    }
    Ok(())
}

/// What there is to call, for tools such as grpcurl.
fn description()
-> tonic_reflection::server::v1::ServerReflectionServer<impl tonic_reflection::server::v1::ServerReflection> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .expect("the descriptor sets are the compiler's own")
}
