//! Who gives out tokens of Entra: an authority over TLS, or a machine's endpoint.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::{Request, Response, StatusCode},
};
use tokio::{net::TcpListener, sync::watch};

use crate::{certificates::Authority, fake::Answer, private::Private};

/// What it was asked: method, path and query, and the form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AskedFor {
    pub(crate) target: String,
    pub(crate) form: Vec<(String, String)>,
    pub(crate) has_metadata_header: bool,
}

/// The server.
#[derive(Clone)]
pub(crate) struct Giver {
    pub(crate) url: String,
    answer: Arc<Mutex<Option<Answer>>>,
    asked: Arc<watch::Sender<Vec<AskedFor>>>,
    open: Arc<watch::Sender<bool>>,
}

impl Giver {
    /// An authority, which shows a certificate.
    pub(crate) async fn authority(signed_by: &Authority) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let giver = Self::at(format!("https://localhost:{}", listener.local_addr().unwrap().port()));
        let (router, private) = (giver.router(), Private::new(listener, signed_by, "localhost"));
        tokio::spawn(async move { axum::serve(private, router).await });
        giver
    }

    /// A machine's endpoint, which speaks plainly.
    pub(crate) async fn machine() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let giver = Self::at(format!("http://{}", listener.local_addr().unwrap()));
        let router = giver.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        giver
    }

    fn at(url: String) -> Self {
        Self { url, answer: Arc::default(), asked: Arc::default(), open: Arc::new(watch::Sender::new(true)) }
    }

    fn router(&self) -> Router {
        Router::new().fallback(serve).with_state(self.clone())
    }

    /// From now on it answers so; with `entra-1`, `entra-2` and so on for an hour where nothing else is said.
    pub(crate) fn answer(&self, answer: Option<Answer>) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Lets requests wait, or go on.
    pub(crate) fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// All it was asked.
    pub(crate) fn asked(&self) -> Vec<AskedFor> {
        self.asked.borrow().clone()
    }

    pub(crate) async fn until_asked(&self, times: usize) {
        self.asked.subscribe().wait_for(|asked| asked.len() >= times).await.unwrap();
    }
}

async fn serve(State(giver): State<Giver>, request: Request<Body>) -> Response<Body> {
    let target = format!("{} {}", request.method(), request.uri());
    let has_metadata_header = request.headers().get("metadata").is_some_and(|value| value == "true");
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    giver.asked.send_modify(|all| all.push(AskedFor { target, form, has_metadata_header }));
    let number = giver.asked.borrow().len();
    giver.open.subscribe().wait_for(|open| *open).await.unwrap();
    let usual = format!(r#"{{"token_type":"Bearer","expires_in":3600,"access_token":"entra-{number}"}}"#);
    let answer = giver.answer.lock().unwrap().clone().unwrap_or_else(|| Answer::new(200, usual));
    let mut response = Response::builder().status(StatusCode::from_u16(answer.status).unwrap());
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).unwrap()
}
