//! The scaler's watch over the cluster at work, and what it shows.

use std::{sync::Arc, time::Duration};

use azp_scaler::{
    cluster_view::{ClusterView, ScaledJobView},
    cluster_watch::{Asked, View},
    kubernetes::watch as cluster,
    metrics::Metrics,
    pools::Clock,
    trigger::ScaledJobId,
};
use kube::Client;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    containers,
    users::User,
    within::{PATIENCE, becomes},
    world::World,
};

/// Where the ScaledJobs of [`keda::manifest`](super::keda::manifest) ask.
pub(crate) const ADDRESS: &str = "azp-scaler.azp-scaler.svc.cluster.local:6000";

/// One replica's watch. It ends with this, as if its process were killed.
pub(crate) struct Scaler {
    /// What it has counted.
    pub(crate) metrics: Metrics,
    /// What it shows.
    pub(crate) views: watch::Receiver<View>,
    /// What ends with it.
    pub(crate) task: JoinHandle<()>,
}

/// What the watch is told: it serves [`ADDRESS`], and KEDA has asked about nothing.
pub(crate) fn options(metrics: &Metrics) -> cluster::Options {
    cluster::Options {
        addresses: vec![ADDRESS.to_owned()],
        asked: Arc::new(Asked::default()),
        clock: Clock::starting_at(containers::now().parse().unwrap()),
        metrics: metrics.clone(),
    }
}

impl Scaler {
    /// As the service account, with the rights that it has.
    pub(crate) async fn new(world: &World) -> Self {
        Self::of(world.control_plane.client(User::Scaler).await)
    }

    /// As whoever `client` asks as.
    pub(crate) fn of(client: Client) -> Self {
        let metrics = Metrics::new();
        let (sender, views) = watch::channel(View::Off);
        let task = tokio::spawn(cluster::run(client, options(&metrics), sender, CancellationToken::new()));
        Self { metrics, views, task }
    }

    /// What it shows now.
    pub(crate) fn view(&self) -> View {
        self.views.borrow().clone()
    }

    /// What `find` finds in what it shows, as soon as it finds something.
    pub(crate) async fn shows<T>(&self, what: &str, mut find: impl FnMut(&View) -> Option<T>) -> T {
        let mut views = self.views.clone();
        let mut found = None;
        let is_there = views.wait_for(|view| {
            found = find(view);
            found.is_some()
        });
        let in_time = timeout(PATIENCE, is_there).await.map(|seen| seen.map(drop));
        assert!(in_time.is_ok(), "waited {PATIENCE:?} in vain for {what}; the view is {:?}", self.view());
        found.unwrap()
    }

    /// The cluster, as soon as it is seen whole.
    pub(crate) async fn current(&self) -> Arc<ClusterView> {
        self.shows("a view", |view| view.current().cloned()).await
    }

    /// Why the view is lost, as soon as it is.
    pub(crate) async fn lost(&self) -> String {
        self.lost_saying("").await
    }

    /// Why the view is lost, as soon as it is for a reason with these words.
    pub(crate) async fn lost_saying(&self, words: &str) -> String {
        self.shows(&format!("a loss with `{words}`"), |view| match view {
            View::Lost { reason, .. } if reason.contains(words) => Some(reason.to_string()),
            _ => None,
        })
        .await
    }

    /// A ScaledJob as it is shown, as soon as `is_right`.
    pub(crate) async fn scaled_job(
        &self,
        world: &World,
        name: &str,
        mut is_right: impl FnMut(&ScaledJobView) -> bool,
    ) -> Arc<ScaledJobView> {
        let id = world.id(name);
        self.shows(name, |view| view.current()?.scaled_jobs.get(&id).filter(|seen| is_right(seen)).cloned()).await
    }

    /// Waits until a ScaledJob's numbers of running and of pending Jobs are these, both as shown and as KEDA counts them.
    pub(crate) async fn counts(&self, world: &World, name: &str, wanted: (u32, u32)) -> Arc<ScaledJobView> {
        let seen = self.scaled_job(world, name, |seen| (seen.unfinished(), seen.pending()) == wanted).await;
        becomes("what KEDA counts", wanted, || world.keda_counts(name)).await;
        seen
    }

    /// Waits until it shows what another shows, and has both shown the same for `quiet`.
    pub(crate) async fn agrees_with(&self, other: &Self, quiet: Duration) -> Arc<ClusterView> {
        let (mut ours, mut theirs) = (self.views.clone(), other.views.clone());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let settles = timeout(quiet, async {
                tokio::select! { changed = ours.changed() => changed, changed = theirs.changed() => changed }
            });
            let is_quiet = settles.await.is_err();
            let (one, two) = (self.view(), other.view());
            if is_quiet && one == two && one.current().is_some() {
                return Arc::clone(one.current().unwrap());
            }
            assert!(Instant::now() < deadline, "they never agree: {one:#?}\n{two:#?}");
        }
    }

    /// How many of its failures had this reason.
    pub(crate) fn failures(&self, reason: &str) -> u64 {
        let kinds = azp_scaler::kubernetes::Kind::ALL;
        let count = |kind: azp_scaler::kubernetes::Kind| {
            self.metrics.cluster.watch_errors_total.with_label_values(&[kind.resource(), reason]).get()
        };
        kinds.into_iter().map(count).sum()
    }
}

impl Drop for Scaler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl World {
    /// A ScaledJob of the case.
    pub(crate) fn id(&self, name: &str) -> ScaledJobId {
        ScaledJobId { name: name.into(), namespace: self.namespace.as_str().into() }
    }

    /// KEDA's numbers of running and of pending Jobs.
    pub(crate) async fn keda_counts(&self, name: &str) -> (u32, u32) {
        let (running, pending) = (self.keda.running(name).await, self.keda.pending(name).await);
        (u32::try_from(running).unwrap(), u32::try_from(pending).unwrap())
    }
}
