//! The demo put together: the scaler on a simulated organisation and cluster, talking over loopback as in production.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use jiff::SignedDuration;
use secrecy::SecretString;
use tonic::transport::Endpoint;

use super::{CantStart, Scaler};
use crate::{
    azure_devops::{credential::Credential, organization::ParallelJobs},
    config::{KubernetesSettings, LogFormat, Organization, Settings},
    decision::Decision,
    parallel_jobs::Headroom,
    pool::Rules,
    pools::{Clock, Freshness},
    simulator::{
        Summary, demo,
        live::{DecisionInForce, LiveWorld, Observation},
    },
};

/// Any free port of this machine alone.
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// All ScaledJobs of the demo are polled every second.
const SETTLE: SignedDuration = SignedDuration::from_secs(2);

/// A scaler and its world.
pub struct Demo {
    scaler: Scaler,
    world: LiveWorld,
}

/// The demo can't start.
#[derive(Debug, thiserror::Error)]
pub enum CantShow {
    /// The scaler can't.
    #[error(transparent)]
    Scaler(#[from] CantStart),
    /// The simulated organisation can't listen.
    #[error("the simulated organization can't listen on loopback: {0}")]
    Organization(io::Error),
    /// An address made here is not one.
    #[error("the simulated KEDA can't reach the scaler: {0}")]
    Keda(tonic::transport::Error),
}

impl Demo {
    /// Starts the organisation, then the scaler, then KEDA.
    ///
    /// # Errors
    ///
    /// When loopback has no free ports.
    pub async fn start(seed: u64, clock: Clock) -> Result<Self, CantShow> {
        // Whoever else is on this machine can read the organisation, but the token is checked all the same.
        let token = SecretString::from(format!("demo-{:016x}", fastrand::u64(..)));
        let plan = demo::plan(seed, clock.now());
        let world = LiveWorld::start(plan, LOOPBACK, token.clone(), clock).await.map_err(CantShow::Organization)?;
        let scaler = Scaler::start(&settings(&world, token), clock).await?;
        let directory = scaler.directory();
        let decision = move |pool: i64| -> Option<Arc<Decision>> {
            let desk = directory.desks().into_iter().find(|desk| desk.id == pool)?;
            desk.pool().current().cloned()
        };
        let endpoint = Endpoint::from_shared(format!("http://{}", scaler.grpc)).map_err(CantShow::Keda)?;
        world.poll_scaler(endpoint, DecisionInForce::new(decision));
        Ok(Self { scaler, world })
    }

    /// Where the status page is.
    #[must_use]
    pub fn page(&self) -> String {
        format!("http://{}/", self.scaler.http)
    }

    /// What there is to see now.
    #[must_use]
    pub fn observe(&self) -> Observation {
        self.world.observe()
    }

    /// The decision in force.
    #[must_use]
    pub fn decision(&self) -> Option<Arc<Decision>> {
        let desk = self.scaler.directory().desks().into_iter().next()?;
        desk.pool().current().cloned()
    }

    /// No more jobs arrive.
    pub fn stop_arrivals(&self) {
        self.world.stop_arrivals();
    }

    /// Whether every job that some trigger fits has run.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.world.is_drained()
    }

    /// Stops everything; the world summed up.
    pub async fn stop(self) -> Summary {
        let summary = self.world.summary();
        self.world.stop().await;
        self.scaler.stop().await;
        summary
    }
}

fn settings(world: &LiveWorld, token: SecretString) -> Settings {
    let url = world.organization_url().parse().expect("the simulated organization's address is a URL");
    Settings {
        grpc_tls: None,
        allow_tokens_without_tls: false,
        grpc_listen: LOOPBACK,
        http_listen: LOOPBACK,
        hooks_secret: None,
        log_format: LogFormat::Text,
        organizations: vec![Organization {
            name: demo::ORGANIZATION.into(),
            url,
            credential: Credential::PersonalAccessTokenVariable { name: "AZP_TOKEN".to_owned(), token },
            namespaces: vec!["*".to_owned()],
            parallel_jobs: ParallelJobs::Auto,
            certificate_authority: None,
            proxy: None,
            allow_plain_http: false,
        }],
        freshness: Freshness {
            fresh_for: Duration::from_secs(1),
            answer_within: Duration::from_secs(2),
            first_answer_within: Duration::from_secs(4),
            tolerated_age: Duration::from_secs(10),
        },
        background: Duration::from_secs(30),
        rules: Rules { settle: SETTLE, ..Rules::default() },
        headroom: Headroom::Quarter,
        kubernetes: KubernetesSettings::default(),
    }
}
