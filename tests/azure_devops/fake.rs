//! A server on this machine that answers as it is told, and remembers what it was asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use tokio::{net::TcpListener, sync::watch};

/// The parts of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Pools,
    JobRequests,
    Agents,
    PrivateUse,
    PublicUse,
    Limits,
    Elsewhere,
}

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) part: Part,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
}

/// The server.
#[derive(Clone)]
pub(crate) struct Fake {
    /// Its address, with a collection's path.
    pub(crate) url: String,
    answers: Arc<Mutex<HashMap<Part, Answer>>>,
    refused: Arc<Mutex<Vec<String>>>,
    asked: Arc<watch::Sender<Vec<Asked>>>,
    open: Arc<watch::Sender<bool>>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type", "application/json".to_owned())], body: body.into() }
    }

    /// A list with these items.
    pub(crate) fn list(items: &[&str]) -> Self {
        Self::new(200, format!(r#"{{"count":{},"value":[{}]}}"#, items.len(), items.join(",")))
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(have, _)| *have != name);
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Fake {
    /// A server with pool 7, `Linux`, which has no jobs and no agents.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            url: format!("http://{}/tfs/Default Collection/", listener.local_addr().unwrap()),
            answers: Arc::default(),
            refused: Arc::default(),
            asked: Arc::new(watch::Sender::default()),
            open: Arc::new(watch::Sender::new(true)),
        };
        fake.answer(Part::Pools, pools(7));
        fake.answer(Part::JobRequests, Answer::list(&[]));
        fake.answer(Part::Agents, Answer::list(&[]));
        fake.answer(Part::PrivateUse, usage(0, Some(10)));
        fake.answer(Part::PublicUse, usage(0, None));
        let router = Router::new().fallback(serve).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    /// From now on, a part of the interface answers so.
    pub(crate) fn answer(&self, part: Part, answer: Answer) {
        self.answers.lock().unwrap().insert(part, answer);
    }

    /// From now on, who signs in so is refused.
    pub(crate) fn refuse(&self, authorizations: &[&str]) {
        *self.refused.lock().unwrap() = authorizations.iter().map(|&value| value.to_owned()).collect();
    }

    /// Lets requests wait, or go on.
    pub(crate) fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// How often a part of the interface was asked.
    pub(crate) fn count(&self, part: Part) -> usize {
        self.asked.borrow().iter().filter(|asked| asked.part == part).count()
    }

    /// All requests until now, which are forgotten.
    pub(crate) fn take(&self) -> Vec<Asked> {
        self.asked.send_replace(Vec::new())
    }

    /// The last request.
    pub(crate) fn last(&self) -> Asked {
        self.asked.borrow().last().unwrap().clone()
    }

    /// Waits until a part of the interface has been asked so often.
    pub(crate) async fn until_asked(&self, part: Part, times: usize) {
        let mut asked = self.asked.subscribe();
        asked.wait_for(|asked| asked.iter().filter(|asked| asked.part == part).count() >= times).await.unwrap();
    }
}

/// The pool `Linux` under a number, in the list and alone alike.
pub(crate) fn pools(id: i64) -> Answer {
    Answer::new(200, format!(r#"{{"id":{id},"name":"Linux","count":1,"value":[{{"id":{id},"name":"Linux"}}]}}"#))
}

/// So many jobs run, and so many may.
pub(crate) fn usage(used: u32, limit: Option<u32>) -> Answer {
    let limit = limit.map_or("null".to_owned(), |limit| limit.to_string());
    Answer::new(200, format!(r#"{{"usedCount":{used},"resourceLimit":{{"totalCount":{limit}}}}}"#))
}

async fn serve(State(fake): State<Fake>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path();
    let is_public = request.uri().query().is_some_and(|query| query.contains("parallelismTag=Public"));
    let part = match path.split_once("/_apis/distributedtask/").map(|(_, rest)| rest) {
        Some("resourceusage") if is_public => Part::PublicUse,
        Some("resourceusage") => Part::PrivateUse,
        Some("resourcelimits") => Part::Limits,
        Some(rest) if !rest.starts_with("pools") => Part::Elsewhere,
        Some(rest) if rest.ends_with("/jobrequests") => Part::JobRequests,
        Some(rest) if rest.ends_with("/agents") => Part::Agents,
        Some(_) => Part::Pools,
        None => Part::Elsewhere,
    };
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_refused = fake.refused.lock().unwrap().iter().any(|refused| refused == shown);
    let asked = Asked { part, uri: request.uri().to_string(), headers: request.headers().clone() };
    fake.asked.send_modify(|all| all.push(asked));
    fake.open.subscribe().wait_for(|open| *open).await.unwrap();
    let answer = fake.answers.lock().unwrap().get(&part).cloned().unwrap_or_else(|| Answer::new(418, ""));
    let answer = if is_refused { Answer::new(401, "") } else { answer };
    let mut response = Response::builder().status(StatusCode::from_u16(answer.status).unwrap());
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.header(header::CACHE_CONTROL, "no-cache").body(Body::from(answer.body)).unwrap()
}
