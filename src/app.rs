//! The scaler put together: what listens, what polls, and how it all stops.
//!
//! ```text
//! Settings ──start──▶ [Scaler]: gRPC server, web server, pollers, the watch over waits
//!                        └──stop──▶ not ready ▶ calls drained ▶ pages ▶ pollers, each under a deadline
//! ```

pub mod cluster;
pub mod demo;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use self::cluster::Cluster;
use jiff::Timestamp;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    azure_devops::{
        directory::{AzureDevOps, Polling},
        organization::{BadOrganization, Organization},
    },
    config::{self, Settings},
    external_scaler::{self, BadCertificates, Certificates, Organizations, Service},
    job_waits,
    metrics::Metrics,
    pools::{Clock, Directory},
    web::{self, Hooks, Readiness, Site},
};

/// How long everything has to stop: Kubernetes grants 30 s.
const STOPS_WITHIN: Duration = Duration::from_secs(18);
/// How long the pollers have to stop.
const POLLERS_STOP_WITHIN: Duration = Duration::from_secs(3);

/// A scaler that serves.
pub struct Scaler {
    /// Where KEDA asks.
    pub grpc: SocketAddr,
    /// Where people look.
    pub http: SocketAddr,
    azure_devops: Arc<AzureDevOps>,
    readiness: watch::Sender<Readiness>,
    answering: JoinHandle<Result<(), tonic::transport::Error>>,
    showing: JoinHandle<()>,
    watching: JoinHandle<()>,
    announcing: JoinHandle<()>,
    cluster: Cluster,
    stop_answering: CancellationToken,
    stop_showing: CancellationToken,
}

/// The scaler can't start. The messages end in the mend.
#[derive(Debug, thiserror::Error)]
pub enum CantStart {
    /// What is configured can't be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Organizations(Vec<BadOrganization>),
    /// The certificates of `[grpc] tls` can't be used.
    #[error("{0}")]
    Certificates(#[from] BadCertificates),
    /// Nothing can listen there.
    #[error("`{key}`: can't listen on `{address}`: {reason}; {mend}")]
    Listen {
        /// The setting.
        key: &'static str,
        /// Its value.
        address: SocketAddr,
        /// What the system says.
        #[source]
        reason: io::Error,
        /// What to do.
        mend: &'static str,
    },
}

impl CantStart {
    /// Whether the configuration is at fault.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::Organizations(_) | Self::Certificates(_))
    }
}

/// The scaler ended without having been told to.
#[derive(Debug, thiserror::Error)]
#[error("the gRPC server ended by itself: {0}")]
pub struct Ended(String);

/// A clock set by the machine's; everything below is given its time by it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
pub fn clock() -> Clock {
    Clock::starting_at(Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH))
}

impl Scaler {
    /// Binds both ports, then serves.
    ///
    /// # Errors
    ///
    /// When a port can't be had, or an organisation can't be used as configured.
    pub async fn start(settings: &Settings, clock: Clock) -> Result<Self, CantStart> {
        let metrics = Metrics::new();
        let organizations: Vec<Organization> = settings.organizations.iter().map(organization).collect();
        let polling = Polling { freshness: settings.freshness, background: settings.background };
        let azure_devops =
            AzureDevOps::new(&organizations, polling, settings.rules, settings.headroom, clock, &metrics)
                .map_err(CantStart::Organizations)?;
        let cluster = Cluster::start(&settings.kubernetes, clock, &metrics);
        let azure_devops = Arc::new(azure_devops.seeing(cluster.view.clone(), cluster.leads.clone()));
        let directory: Arc<dyn Directory> = azure_devops.clone();
        let certificates = match settings.grpc_tls.clone() {
            Some(files) => Some(Certificates::load(files).await?),
            None => None,
        };
        let (grpc_listener, grpc) = listen("grpc.listen", settings.grpc_listen).await?;
        let (http_listener, http) = listen("http.listen", settings.http_listen).await?;

        let (readiness, ready) = watch::channel(Readiness::Starting);
        let (stop_answering, stop_showing) = (CancellationToken::new(), CancellationToken::new());
        let known = settings.organizations.iter().map(|organization| external_scaler::Organization {
            name: Arc::clone(&organization.name),
            url: organization.url.clone(),
            namespaces: organization.namespaces.clone(),
        });
        let organizations =
            Organizations::new(known.collect()).allowing_tokens_without_tls(settings.allow_tokens_without_tls);
        let service = Service::new(
            Arc::clone(&directory),
            organizations.clone(),
            metrics.clone(),
            Arc::clone(&cluster.asked),
            stop_answering.clone(),
        );
        let announcing = tokio::spawn(external_scaler::announce(
            cluster.view.clone(),
            !settings.kubernetes.addresses.is_empty(),
            Arc::clone(&directory),
            organizations,
            stop_answering.clone(),
        ));
        let oldest_connection = if settings.kubernetes.leader_election {
            external_scaler::OLDEST_CONNECTION_OF_A_LEADER
        } else {
            external_scaler::OLDEST_CONNECTION
        };
        let answering = tokio::spawn(external_scaler::serve(grpc_listener, service, certificates, oldest_connection));
        let site = Site {
            directory: Arc::clone(&directory),
            metrics: metrics.clone(),
            readiness: ready,
            leads: cluster.leads.clone(),
            view: cluster.view.clone(),
            hooks: settings.hooks_secret.clone().map(|secret| {
                let names = settings.organizations.iter().map(|organization| Arc::clone(&organization.name));
                Arc::new(Hooks::new(secret, names, Arc::clone(&directory)))
            }),
            clock,
        };
        let showing = tokio::spawn(web::serve(http_listener, site, stop_showing.clone()));
        let watching = tokio::spawn(job_waits::follow(directory, metrics, stop_showing.clone()));
        readiness.send_replace(Readiness::Ready);
        let names: Vec<&str> = settings.organizations.iter().map(|organization| &*organization.name).collect();
        tracing::info!(version = env!("AZP_SCALER_VERSION"), %grpc, %http, organizations = names.join(", "), "serving");
        Ok(Self {
            grpc,
            http,
            azure_devops,
            readiness,
            answering,
            showing,
            watching,
            announcing,
            cluster,
            stop_answering,
            stop_showing,
        })
    }

    /// The pools in use.
    #[must_use]
    pub fn directory(&self) -> Arc<dyn Directory> {
        self.azure_devops.clone()
    }

    /// Waits until it is told to stop, then stops.
    ///
    /// # Errors
    ///
    /// When the gRPC server has ended by itself.
    pub async fn run_until(mut self, told: impl Future<Output = ()>) -> Result<(), Ended> {
        let ended = tokio::select! {
            () = told => None,
            outcome = &mut self.answering => Some(match outcome {
                Ok(Ok(())) => "it was not told to".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            }),
        };
        match ended {
            None => {
                self.stop().await;
                Ok(())
            }
            Some(why) => {
                self.stop_showing.cancel();
                self.azure_devops.stop(POLLERS_STOP_WITHIN).await;
                Err(Ended(why))
            }
        }
    }

    /// Stops: not ready any more, the calls under way answered, then the rest.
    pub async fn stop(self) {
        tracing::info!("stopping");
        if timeout(STOPS_WITHIN, self.stop_in_turn()).await.is_err() {
            tracing::warn!("stopping without waiting for what is still under way");
        }
        tracing::info!("stopped");
    }

    async fn stop_in_turn(self) {
        self.readiness.send_replace(Readiness::Stopping);
        self.stop_answering.cancel();
        if let Ok(Err(error)) = self.answering.await {
            tracing::warn!(%error, "the gRPC server did not stop well");
        }
        self.stop_showing.cancel();
        // All end by themselves, and can only have panicked, which has been logged.
        let _ = tokio::join!(self.showing, self.watching, self.announcing);
        let ((), pollers_stopped) = tokio::join!(self.cluster.stop(), self.azure_devops.stop(POLLERS_STOP_WITHIN));
        if !pollers_stopped {
            tracing::warn!("a request to Azure DevOps was still under way");
        }
    }
}

async fn listen(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), CantStart> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|reason: io::Error| {
        let mend = match reason.kind() {
            io::ErrorKind::AddrInUse => "another program listens there: stop it, or choose another port",
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege: choose a higher one",
            io::ErrorKind::AddrNotAvailable => "this machine has no such address: use `0.0.0.0` for all of its own",
            _ => "choose another address",
        };
        CantStart::Listen { key, address, reason, mend }
    })
}

/// What the edge to Azure needs to know of a configured organisation.
pub(crate) fn organization(configured: &config::Organization) -> Organization {
    Organization {
        name: Arc::clone(&configured.name),
        url: configured.url.to_string(),
        credential: configured.credential.clone(),
        allow_plain_http: configured.allow_plain_http,
        certificate_authority: configured.certificate_authority.clone(),
        proxy: configured.proxy.as_ref().map(ToString::to_string),
        parallel_jobs: configured.parallel_jobs,
    }
}
