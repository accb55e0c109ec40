//! The whole watch on a server that answers lists and leaves watches open: what it asks for, and what it makes of refusals.

use std::sync::{
    Mutex,
    atomic::{AtomicU16, Ordering},
};

use hyper::{Request, Response};
use jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::service_fn;

use super::*;

/// An API server that can be told to refuse a resource.
#[derive(Debug, Default)]
struct Server {
    asked: Mutex<Vec<String>>,
    /// The status of lists of pods; 0 is well, and 1 no answer to anything.
    refuses: AtomicU16,
}

impl Server {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Response<Body> {
        let uri = request.uri().clone();
        let query = uri.query().unwrap_or_default();
        self.asked.lock().unwrap().push(format!("{uri}"));
        let status = match self.refuses.load(Ordering::Relaxed) {
            1 => return std::future::pending().await,
            refusal if refusal > 0 && uri.path().ends_with("/pods") => refusal,
            _ => 200,
        };
        if query.contains("watch=true") {
            return std::future::pending().await;
        }
        let items = if uri.path().ends_with("/scaledjobs") { vec![scaled_job()] } else { Vec::new() };
        let body = match status {
            200 => json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}),
            code => {
                json!({"kind": "Status", "status": "Failure", "reason": "Forbidden", "message": "no", "code": code})
            }
        };
        Response::builder().status(status).body(Body::from(body.to_string().into_bytes())).unwrap()
    }
}

fn scaled_job() -> Value {
    json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob",
        "metadata": {"name": "build", "namespace": "ci", "resourceVersion": "1", "managedFields": [{"manager": "me"}]},
        "spec": {"maxReplicaCount": 7, "triggers": [{"type": "external", "metadata": {"scalerAddress": "azp-scaler:6000"}}]}})
}

fn start() -> (Arc<Server>, watch::Receiver<View>, CancellationToken) {
    let server = Arc::new(Server::default());
    let answering = Arc::clone(&server);
    let service = service_fn(move |request| {
        let server = Arc::clone(&answering);
        async move { Ok::<_, std::convert::Infallible>(server.answer(request).await) }
    });
    let options = Options {
        addresses: vec!["azp-scaler:6000".to_owned()],
        asked: Arc::default(),
        clock: Clock::starting_at(Timestamp::UNIX_EPOCH),
        metrics: Metrics::new(),
    };
    let (views, view) = watch::channel(View::Off);
    let stop = CancellationToken::new();
    tokio::spawn(run(Client::new(service, "default"), options, views, stop.clone()));
    (server, view, stop)
}

async fn until_current(view: &mut watch::Receiver<View>) {
    view.wait_for(|view| view.current().is_some()).await.unwrap();
}

async fn until_lost(view: &mut watch::Receiver<View>) -> String {
    let view = view.wait_for(|view| matches!(view, View::Lost { .. })).await.unwrap();
    let View::Lost { reason, .. } = &*view else { panic!("lost") };
    reason.to_string()
}

#[tokio::test(start_paused = true)]
async fn all_kinds_are_listed_and_watched() {
    let (server, mut view, stop) = start();
    until_current(&mut view).await;
    let built = view.borrow().current().unwrap().scaled_jobs.values().next().unwrap().max_replicas;
    assert_eq!(built, 7);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let asked = server.asked.lock().unwrap().clone();
    for wanted in [
        "/apis/keda.sh/v1alpha1/scaledjobs?",
        "/apis/keda.sh/v1alpha1/scaledobjects?",
        "/apis/batch/v1/jobs?",
        "/api/v1/pods?",
    ] {
        let of_kind: Vec<&String> = asked.iter().filter(|uri| uri.contains(wanted)).collect();
        assert_eq!(of_kind.len(), 3, "a list, a watch and a heartbeat: {of_kind:?}");
        let is_selected = wanted.contains("jobs?") && !wanted.contains("keda") || wanted.contains("pods?");
        let selected = of_kind.iter().filter(|uri| uri.contains("labelSelector=scaledjob.keda.sh%2Fname")).count();
        assert_eq!(selected, if is_selected { 2 } else { 0 }, "{of_kind:?}");
    }
    stop.cancel();
    while view.changed().await.is_ok() {}
}

#[tokio::test(start_paused = true)]
async fn a_role_that_is_missing_is_named_and_mended_without_a_restart() {
    let (server, mut view, _stop) = start();
    server.refuses.store(403, Ordering::Relaxed);
    let reason = until_lost(&mut view).await;
    assert_eq!(
        reason,
        "can't list `pods`: the role doesn't allow it; install the chart with `kubernetes.view: true`, or your kustomization, again"
    );
    server.refuses.store(0, Ordering::Relaxed);
    let begun = Instant::now();
    until_current(&mut view).await;
    assert!(begun.elapsed().as_secs() <= 12, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_partition_is_noticed_and_its_end_too() {
    let (server, mut view, _stop) = start();
    until_current(&mut view).await;
    server.refuses.store(1, Ordering::Relaxed);
    let begun = Instant::now();
    let reason = until_lost(&mut view).await;
    assert!(begun.elapsed().as_secs() <= 17, "{:?}", begun.elapsed());
    assert!(reason.contains("doesn't answer in time"), "{reason}");
    server.refuses.store(0, Ordering::Relaxed);
    let begun = Instant::now();
    until_current(&mut view).await;
    assert!(begun.elapsed().as_secs() <= 12, "{:?}", begun.elapsed());
}
