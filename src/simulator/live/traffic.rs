//! What befalls requests to the simulated organisation on their way, and how much it has sent.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::HttpBody as _,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{line::Line, shapes::Shape};

/// What is wrong with the organisation's side of the line, and what went over it.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    trouble: watch::Sender<Trouble>,
    sent: AtomicU64,
    refused: AtomicU64,
}

/// What is wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// Every request ends so.
    pub(super) shape: Option<Shape>,
    /// Every request gets this status and nothing else.
    pub(super) status: Option<StatusCode>,
    /// Every answer has these headers, instead of its own of the same names.
    pub(super) headers: HeaderMap,
    /// By how much each answer is late.
    pub(super) latency: Duration,
    /// The token may read, and change nothing.
    pub(super) read_only: bool,
    /// When all is well again.
    pub(super) until: Option<Instant>,
}

impl Trouble {
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until <= Instant::now())
    }
}

impl Traffic {
    /// From now on this is wrong, and nothing else.
    pub(super) fn trouble(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }

    /// The trouble as a channel that tells of changes.
    pub(super) fn watch(&self) -> watch::Receiver<Trouble> {
        self.trouble.subscribe()
    }

    /// Waits until connections are refused.
    pub(super) async fn refuses(&self) {
        let mut trouble = self.watch();
        let refused = |trouble: &Trouble| trouble.shape == Some(Shape::ConnectionRefused) && !trouble.is_over();
        // The sender is our own.
        let _ = trouble.wait_for(refused).await;
    }

    /// Waits until what is wrong now is over.
    pub(super) async fn over(&self) {
        let mut trouble = self.watch();
        let until = trouble.borrow_and_update().until;
        let time = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = time => {}
            _ = trouble.changed() => {}
        }
    }

    /// From now on the token may only read, or change agents, too.
    pub(super) fn set_read_only(&self, read_only: bool) {
        self.trouble.send_modify(|trouble| trouble.read_only = read_only);
    }

    /// Whether the token may change nothing.
    pub(super) fn is_read_only(&self) -> bool {
        let trouble = self.trouble.borrow();
        trouble.read_only && !trouble.is_over()
    }

    /// How many bytes answers had, without their headers.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many requests were turned away.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// Lets a request through as far as nothing is wrong.
pub(super) async fn pass(
    State(traffic): State<Arc<Traffic>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
    next: Next,
) -> Response {
    let trouble = traffic.trouble.borrow().clone();
    let Trouble { shape, status, headers, latency, .. } = if trouble.is_over() { Trouble::default() } else { trouble };
    if !latency.is_zero() {
        sleep(latency).await;
    }
    if status.is_some() || shape.is_some_and(|shape| !shape.lets_through()) {
        traffic.refused.fetch_add(1, Ordering::Relaxed);
    }
    let mut response = match (shape, status) {
        (Some(shape), _) if shape.lets_through() => {
            let answer = next.run(request).await;
            shape.change(answer, &traffic, &line).await
        }
        (Some(shape), _) => shape.answer(&traffic, &line).await,
        (None, Some(status)) => (status, "The service is unavailable.").into_response(),
        (None, None) => next.run(request).await,
    };
    response.headers_mut().extend(headers);
    traffic.sent.fetch_add(response.body().size_hint().lower(), Ordering::Relaxed);
    response
}
