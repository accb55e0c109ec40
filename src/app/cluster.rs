//! The watch over the cluster, started as the settings say: on, off, or not in this program.
//!
//! ```text
//! KubernetesSettings ──start──▶ [Cluster]: the view, who was asked about, who leads
//!                                   └──stop──▶ watch ended, Lease released, under a deadline
//! ```

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    cluster_watch::{Asked, View},
    config::KubernetesSettings,
    metrics::Metrics,
    pools::Clock,
};

/// How long the watch and the Lease have to stop.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

/// What is known of the cluster, while it is watched.
#[derive(Debug)]
pub struct Cluster {
    /// Its view; off where it is not watched.
    pub view: watch::Receiver<View>,
    /// Where it is noted which ScaledJobs KEDA asks about.
    pub asked: Arc<Asked>,
    /// Whether this replica leads; always where none is elected.
    pub leads: watch::Receiver<bool>,
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Cluster {
    /// Starts what the settings ask for. It never fails: a cluster that can't be reached is a view that is lost.
    #[must_use]
    pub fn start(settings: &KubernetesSettings, clock: Clock, metrics: &Metrics) -> Self {
        let (views, view) = watch::channel(View::Off);
        let (leading, leads) = watch::channel(!settings.leader_election);
        let (asked, stop) = (Arc::new(Asked::default()), CancellationToken::new());
        let mut cluster = Self { view, asked, leads, tasks: Vec::new(), stop };
        if settings.view || settings.leader_election {
            cluster.watch(settings, clock, metrics, views, leading);
        }
        cluster
    }

    /// Ends the watch and lets go of the Lease.
    pub async fn stop(self) {
        self.stop.cancel();
        let all = async {
            for task in self.tasks {
                // It can only have panicked, which has been logged.
                let _ = task.await;
            }
        };
        if timeout(STOPS_WITHIN, all).await.is_err() {
            tracing::warn!("a request to the cluster was still under way");
        }
    }
}

#[cfg(not(feature = "kubernetes"))]
impl Cluster {
    #[expect(clippy::unused_self, reason = "as in a program that can watch")]
    fn watch(
        &mut self,
        _settings: &KubernetesSettings,
        _clock: Clock,
        _metrics: &Metrics,
        _views: watch::Sender<View>,
        _leading: watch::Sender<bool>,
    ) {
    }
}

#[cfg(feature = "kubernetes")]
mod watched {
    use std::env;

    use kube::{Client, Config};

    use super::{Arc, Clock, Cluster, Duration, KubernetesSettings, Metrics, View, watch};
    use crate::kubernetes::{
        lease::{self, Candidate},
        watch::{self as watcher, Options},
    };

    /// How long a connection to the API server may take.
    const CONNECTS_WITHIN: Duration = Duration::from_secs(5);

    /// Why the cluster can't even be tried.
    #[derive(Debug, thiserror::Error)]
    enum NoCluster {
        #[error("no cluster is configured: {0}; in a pod, see that `automountServiceAccountToken` is not off")]
        Config(#[from] kube::config::InferConfigError),
        #[error("no connection to the cluster can be made: {0}")]
        Client(#[from] kube::Error),
    }

    async fn connect() -> Result<Client, NoCluster> {
        let mut config = Config::infer().await?;
        config.connect_timeout = Some(CONNECTS_WITHIN);
        Ok(Client::try_from(config)?)
    }

    impl Cluster {
        pub(super) fn watch(
            &mut self,
            settings: &KubernetesSettings,
            clock: Clock,
            metrics: &Metrics,
            views: watch::Sender<View>,
            leading: watch::Sender<bool>,
        ) {
            let options = Options {
                addresses: settings.addresses.clone(),
                asked: Arc::clone(&self.asked),
                clock,
                metrics: metrics.clone(),
            };
            let (is_watched, is_elected, stop) = (settings.view, settings.leader_election, self.stop.clone());
            if is_watched {
                views.send_replace(View::Starting);
                metrics.cluster.view_up.with_label_values::<&str>(&[]).set(0);
            }
            self.tasks.push(tokio::spawn(async move {
                let client = match connect().await {
                    Ok(client) => client,
                    Err(error) => {
                        tracing::error!(%error, "the cluster can't be watched");
                        if is_watched {
                            views.send_replace(View::Lost { since: clock.now(), reason: error.to_string().into() });
                        }
                        // Whoever looks finds the reason for as long as the program runs.
                        return stop.cancelled().await;
                    }
                };
                let candidate = candidate(&client, clock);
                tokio::join!(
                    async {
                        if is_watched {
                            watcher::run(client.clone(), options, views, stop.clone()).await;
                        }
                    },
                    async {
                        if is_elected {
                            lease::run(client.clone(), candidate, leading, stop.clone()).await;
                        }
                    }
                );
            }));
        }
    }

    /// This replica, by its pod: the namespace and name come from the downward API, else from what Kubernetes sets anyway.
    fn candidate(client: &Client, clock: Clock) -> Candidate {
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Candidate {
            namespace: variable("POD_NAMESPACE").unwrap_or_else(|| client.default_namespace().to_owned()),
            identity: variable("POD_NAME").or_else(|| variable("HOSTNAME")).unwrap_or_else(|| "azp-scaler".to_owned()),
            clock,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_off_is_off_and_leads() {
        let clock = Clock::starting_at(jiff::Timestamp::UNIX_EPOCH);
        let cluster = Cluster::start(&KubernetesSettings::default(), clock, &Metrics::new());
        assert_eq!(*cluster.view.borrow(), View::Off);
        assert!(*cluster.leads.borrow());
        cluster.asked.asked(&crate::trigger::ScaledJobId { name: "build".into(), namespace: "ci".into() });
        cluster.stop().await;
    }
}
