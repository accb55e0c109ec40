//! What befalls requests to the simulated organisation on their way, and how much it has sent.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse as _, Response},
};

/// What is wrong with the organisation's side of the line, and what went over it.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    trouble: Mutex<Trouble>,
    /// Whether the token may read, and change nothing.
    read_only: AtomicBool,
    sent: AtomicU64,
    refused: AtomicU64,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    /// Every request gets this status and nothing else.
    pub(super) status: Option<StatusCode>,
    /// By how much each answer is late.
    pub(super) latency: Duration,
}

impl Traffic {
    /// From now on this is wrong, and nothing else.
    pub(super) fn trouble(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// From now on the token may only read, or change agents, too.
    pub(super) fn set_read_only(&self, read_only: bool) {
        self.read_only.store(read_only, Ordering::Relaxed);
    }

    /// Whether the token may change nothing.
    pub(super) fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
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
pub(super) async fn pass(State(traffic): State<Arc<Traffic>>, request: Request, next: Next) -> Response {
    let Trouble { status, latency } = *traffic.trouble.lock().unwrap_or_else(PoisonError::into_inner);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let response = match status {
        Some(status) => {
            traffic.refused.fetch_add(1, Ordering::Relaxed);
            (status, "The service is unavailable.").into_response()
        }
        None => next.run(request).await,
    };
    traffic.sent.fetch_add(response.body().size_hint().lower(), Ordering::Relaxed);
    response
}
