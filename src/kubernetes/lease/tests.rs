//! Two replicas and one server.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use hyper::{Method, Request, Response, body::Body as _};
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;

/// The one Lease, with optimistic locking.
#[derive(Debug, Default)]
struct Server {
    lease: Mutex<Option<Value>>,
}

impl Server {
    fn answer(&self, method: &Method, sent: Option<Value>) -> (u16, Value) {
        let mut lease = self.lease.lock().unwrap();
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].as_str().unwrap_or("0").to_owned();
        match (method.as_str(), lease.as_ref(), sent) {
            ("GET", Some(lease), _) => (200, lease.clone()),
            ("POST", None, Some(mut new)) => {
                new["metadata"]["resourceVersion"] = "1".into();
                *lease = Some(new.clone());
                (201, new)
            }
            ("PUT", Some(old), Some(mut new)) if version(old) == version(&new) => {
                let next = version(old).parse::<u64>().unwrap() + 1;
                new["metadata"]["resourceVersion"] = next.to_string().into();
                *lease = Some(new.clone());
                (200, new)
            }
            ("GET", ..) => (404, json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404})),
            _ => (409, json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409})),
        }
    }
}

struct Replica {
    leads: watch::Receiver<bool>,
    is_cut_off: Arc<AtomicBool>,
    stop: CancellationToken,
}

fn start(server: &Arc<Server>, identity: &str) -> Replica {
    let (server, is_cut_off) = (Arc::clone(server), Arc::new(AtomicBool::new(false)));
    let cut_off = Arc::clone(&is_cut_off);
    let service = service_fn(move |request: Request<Body>| {
        let (server, is_cut_off) = (Arc::clone(&server), cut_off.load(Ordering::Relaxed));
        async move {
            if is_cut_off {
                std::future::pending::<()>().await;
            }
            let method = request.method().clone();
            let is_sent = !request.body().is_end_stream();
            let sent = request.into_body().collect_bytes().await.unwrap();
            let sent = is_sent.then(|| serde_json::from_slice(&sent).unwrap());
            let (status, answer) = server.answer(&method, sent);
            let body = Body::from(answer.to_string().into_bytes());
            Ok::<_, std::convert::Infallible>(Response::builder().status(status).body(body).unwrap())
        }
    });
    let candidate = Candidate {
        namespace: "azp-scaler".to_owned(),
        identity: identity.to_owned(),
        clock: Clock::starting_at(Timestamp::UNIX_EPOCH),
    };
    let (leading, leads) = watch::channel(false);
    let stop = CancellationToken::new();
    tokio::spawn(run(Client::new(service, "default"), candidate, leading, stop.clone()));
    Replica { leads, is_cut_off, stop }
}

#[tokio::test(start_paused = true)]
async fn one_leads_and_hands_over_when_it_stops() {
    let server = Arc::new(Server::default());
    let mut first = start(&server, "first");
    first.leads.wait_for(|leads| *leads).await.unwrap();
    let mut second = start(&server, "second");
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(*first.leads.borrow() && !*second.leads.borrow());
    first.stop.cancel();
    let begun = Instant::now();
    second.leads.wait_for(|leads| *leads).await.unwrap();
    assert!(begun.elapsed() <= EVERY);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cut_off_gives_up_before_the_other_takes_over() {
    let server = Arc::new(Server::default());
    let mut first = start(&server, "first");
    first.leads.wait_for(|leads| *leads).await.unwrap();
    let mut second = start(&server, "second");
    tokio::time::sleep(Duration::from_mins(1)).await;
    first.is_cut_off.store(true, Ordering::Relaxed);
    let begun = Instant::now();
    first.leads.wait_for(|leads| !*leads).await.unwrap();
    let gave_up = begun.elapsed();
    assert!(!*second.leads.borrow());
    second.leads.wait_for(|leads| *leads).await.unwrap();
    let taken = begun.elapsed();
    assert!(gave_up <= Duration::from_secs(10) && taken + EVERY > LASTS, "{gave_up:?} {taken:?}");
    // It saw the last renewal at most one turn late, and waits for no turn more.
    assert!(taken < LASTS + EVERY, "{taken:?}");
    first.is_cut_off.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!*first.leads.borrow() && *second.leads.borrow());
}
