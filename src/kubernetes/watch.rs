//! The watch over the cluster: hears of objects, keeps the index, and publishes the view.
//!
//! ```text
//! follow (four tasks), heartbeat ──[Heard]──▶ keeper ──▶ index, health ──▶ [View]
//!                  ◀──────generation────────
//! ```
//!
//! What comes in a burst is published at once, and then a few tens of milliseconds apart. Ends when it is told to, with
//! all its tasks.

mod keeper;

use std::sync::Arc;

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use keeper::Keeper;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    Kind,
    follow::Source,
    heartbeat,
    index::{Object, SCALED_JOB_LABEL},
};
use crate::{
    cluster_watch::{Asked, View},
    metrics::Metrics,
    pools::Clock,
};

/// How many things may be heard and not looked at yet.
const UNHEARD: usize = 1024;

/// What the watch needs to know.
#[derive(Debug)]
pub struct Options {
    /// The values of `scalerAddress` that mean this scaler.
    pub addresses: Vec<String>,
    /// Which ScaledJobs KEDA has asked about.
    pub asked: Arc<Asked>,
    /// What time it is.
    pub clock: Clock,
    /// Where it is counted.
    pub metrics: Metrics,
}

/// What the API calls a kind.
pub(super) fn resource(kind: Kind) -> ApiResource {
    let (group, version, name, plural) = match kind {
        Kind::ScaledJob => ("keda.sh", "v1alpha1", "ScaledJob", "scaledjobs"),
        Kind::ScaledObject => ("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"),
        Kind::Job => ("batch", "v1", "Job", "jobs"),
        Kind::Pod => ("", "v1", "Pod", "pods"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, name), plural)
}

/// Watches the cluster and publishes its view until it is told to stop.
pub async fn run(client: Client, options: Options, views: watch::Sender<View>, stop: CancellationToken) {
    let (teller, hearing) = mpsc::channel(UNHEARD);
    let (generations, generation) = watch::channel(0);
    let mut tasks = JoinSet::new();
    for (kind, read) in
        [(Kind::ScaledJob, Object::scaled_job as fn(&DynamicObject) -> _), (Kind::ScaledObject, Object::scaled_object)]
    {
        let api = Api::all_with(client.clone(), &resource(kind));
        tasks.spawn(Source { kind, api, labels: None, read }.follow(teller.clone(), generation.clone()));
    }
    let labels = Some(SCALED_JOB_LABEL);
    let jobs = Source { kind: Kind::Job, api: Api::<Job>::all(client.clone()), labels, read: Object::job };
    tasks.spawn(jobs.follow(teller.clone(), generation.clone()));
    let pods = Source { kind: Kind::Pod, api: Api::<Pod>::all(client.clone()), labels, read: Object::pod };
    tasks.spawn(pods.follow(teller.clone(), generation));
    tasks.spawn(heartbeat::run(client, teller));
    Keeper::new(options, views, generations).keep(hearing, stop).await;
    tasks.shutdown().await;
}

#[cfg(test)]
mod tests;
