//! Service hooks: a request's path and query, its `Authorization`, and its message, one line each and the rest.

#![no_main]

use std::{
    env, fs,
    process::id,
    sync::{Arc, LazyLock, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use azp_scaler::{
    cluster_watch::View,
    metrics::Metrics,
    pools::{Brought, Clock, Desk, Directory, Opening, PoolSelector},
    web::{Hooks, Readiness, Site, router},
};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
};
use tower::Service;

/// As a password: `Basic YW55OnRlbGwtbm9ib2R5`.
const SECRET: &str = "tell-nobody";

struct NoPools;

impl Directory for NoPools {
    fn open<'a>(&'a self, _: &'a str, _: &'a PoolSelector) -> Opening<'a> {
        unreachable!("a hook opens nothing")
    }

    fn open_with<'a>(&'a self, _: &'a Brought, _: &'a PoolSelector) -> Opening<'a> {
        unreachable!("a hook opens nothing")
    }

    fn desks(&self) -> Vec<Arc<Desk>> {
        Vec::new()
    }
}

static DOOR: LazyLock<(Runtime, Mutex<Router>)> = LazyLock::new(|| {
    let file = env::temp_dir().join(format!("azp-scaler-fuzz-{}.secret", id()));
    fs::write(&file, SECRET).expect("the folder for temporary files can be written to");
    let directory = Arc::new(NoPools);
    let hooks = Hooks::new(file, ["contoso".into(), "fabrikam".into()], directory.clone());
    let site = Site {
        directory,
        metrics: Metrics::new(),
        readiness: watch::channel(Readiness::Ready).1,
        leads: watch::channel(true).1,
        view: watch::channel(View::Off).1,
        hooks: Some(Arc::new(hooks)),
        clock: Clock::starting_at(Timestamp::UNIX_EPOCH),
    };
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    (runtime, Mutex::new(router(site)))
});

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (query, authorization, message) = (line(), line(), line());
    let request = Request::post(format!("/hooks/azure-devops?{query}")).header("authorization", authorization);
    let Ok(request) = request.body(Body::from(message.to_owned())) else { return };
    let (runtime, door) = &*DOOR;
    let response = runtime.block_on(door.lock().expect("no request panics").call(request)).expect("it is answered");
    let status = response.status().as_u16();
    assert!([202, 400, 401, 404].contains(&status), "{status}");
    let answer = runtime.block_on(to_bytes(response.into_body(), 1 << 20)).expect("the answer is short");
    let answer = str::from_utf8(&answer).expect("it is text");
    assert!(query.contains(SECRET) || !answer.contains(SECRET), "{answer}");
    // Whoever brings no password is not let in.
    assert!(status == 401 || authorization.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("Basic ")));
});
