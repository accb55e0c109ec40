//! The cluster's nodes: each pod of a namespace runs, registers as the agent that its ScaledJob says, runs one job and ends.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    ResourceExt as _,
    runtime::{WatchStreamExt as _, watcher},
};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use super::{containers::Life, keda::NAME_LABEL, kubelet::Kubelet, organization::Organization};

/// The variable of a container in which a ScaledJob's author says what its agents register with.
const CAPABILITIES: &str = "CAPABILITIES";

/// How long pods and agents take.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// From a pod's creation until it runs.
    pub(crate) start: Duration,
    /// From then until its agent has registered.
    pub(crate) registration: Duration,
}

/// Nodes that run pods. They stop with this.
pub(crate) struct Nodes {
    /// The ScaledJob of each pod that there ever was.
    seen: Arc<Mutex<BTreeMap<String, String>>>,
    task: JoinHandle<()>,
}

impl Nodes {
    pub(crate) fn new(kubelet: Kubelet, organization: Arc<Organization>, pace: Pace) -> Self {
        let seen = Arc::default();
        let task = tokio::spawn(run(Arc::new(kubelet), organization, pace, Arc::clone(&seen)));
        Self { seen, task }
    }

    /// How many agents were started, ever.
    pub(crate) fn started(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// How many were started for a ScaledJob.
    pub(crate) fn started_for(&self, scaled_job: &str) -> usize {
        self.seen.lock().unwrap().values().filter(|owner| *owner == scaled_job).count()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    kubelet: Arc<Kubelet>,
    organization: Arc<Organization>,
    pace: Pace,
    seen: Arc<Mutex<BTreeMap<String, String>>>,
) {
    let mut agents = JoinSet::new();
    let events = watcher(kubelet.pods().clone(), watcher::Config::default()).default_backoff().touched_objects();
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        // The API server is restarted in some cases; the watch goes on after it.
        let Ok(pod) = event else { continue };
        let name = pod.name_any();
        let owner = pod.labels().get(NAME_LABEL).cloned().unwrap_or_default();
        if seen.lock().unwrap().insert(name.clone(), owner).is_none() {
            agents.spawn(live(Arc::clone(&kubelet), Arc::clone(&organization), pace, pod));
        } else if pod.metadata.deletion_timestamp.is_some() {
            let (kubelet, organization) = (Arc::clone(&kubelet), Arc::clone(&organization));
            agents.spawn(async move {
                organization.remove(&name).await;
                kubelet.gone(&name).await;
            });
        }
    }
}

async fn live(kubelet: Arc<Kubelet>, organization: Arc<Organization>, pace: Pace, pod: Pod) {
    let name = pod.name_any();
    sleep(pace.start).await;
    if !set(&kubelet, &name, "Running", Life::Runs).await {
        return;
    }
    sleep(pace.registration).await;
    organization.register(&name, &capabilities(&pod)).await;
    organization.leaves(&name).await;
    set(&kubelet, &name, "Succeeded", Life::Ended { reason: "Completed", exit_code: 0 }).await;
}

/// Writes a pod's status, again and again while the API server is away; says whether the pod is there.
async fn set(kubelet: &Kubelet, pod: &str, phase: &str, life: Life) -> bool {
    loop {
        match kubelet.try_live(pod, phase, life).await {
            Ok(()) => return true,
            Err(kube::Error::Api(status)) if status.is_not_found() => return false,
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}

fn capabilities(pod: &Pod) -> BTreeMap<String, String> {
    let containers = &pod.spec.as_ref().unwrap().containers;
    let variables = containers[0].env.iter().flatten();
    let said =
        variables.filter(|variable| variable.name == CAPABILITIES).find_map(|variable| variable.value.as_deref());
    let offers = said.unwrap_or_default().split(", ").filter(|offer| !offer.is_empty());
    offers
        .map(|offer| offer.split_once('=').unwrap_or((offer, "")))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
