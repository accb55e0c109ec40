//! The shapes that failures of Azure DevOps, and of what lies between, come in; each can be switched on by its name.
//!
//! `docs/failures.md` tells what the scaler makes of each.

mod bodies;

use std::{iter, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};

use self::bodies::{bomb, streamed};
use super::{
    line::{Line, TRICKLE},
    traffic::Traffic,
};

/// A way to fail. Where it says nothing else, the answer is that and nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// 203 with a page to sign in at: what Azure shows to a token that it does not know.
    SignInPage,
    /// A redirect to `_signin`: what it shows to nobody in particular.
    SignInRedirect,
    /// 200 with a page, as of a proxy.
    PageInstead,
    /// 401 without a word: a token that has expired.
    Unauthorized,
    /// 401 with JSON behind a byte order mark: a bearer token that is refused.
    BearerRefused,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 429, asking for 20 s of patience.
    TooManyRequests,
    /// The right answer, asking for 20 s of patience.
    Patience,
    /// 500.
    InternalError,
    /// 502.
    BadGateway,
    /// 503.
    Unavailable,
    /// 504.
    GatewayTimeout,
    /// Nobody listens, the control API included, so it must end by itself.
    ConnectionRefused,
    /// The connection is reset instead of an answer.
    Reset,
    /// The connection stays open, and nothing comes.
    HalfOpen,
    /// The right answer, the head byte by byte.
    SlowHeaders,
    /// The right answer, the body byte by byte.
    SlowBody,
    /// Half of the right answer, then the connection is closed.
    BrokenOff,
    /// Half of the right answer, as if it were all.
    TruncatedJson,
    /// JSON of another shape.
    OtherJson,
    /// 200 MB.
    Huge,
    /// 1 GiB in 1 MiB, packed.
    Bomb,
    /// The right answer, said to be plain text.
    WrongContentType,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::SignInPage,
        Self::SignInRedirect,
        Self::PageInstead,
        Self::Unauthorized,
        Self::BearerRefused,
        Self::Forbidden,
        Self::NotFound,
        Self::TooManyRequests,
        Self::Patience,
        Self::InternalError,
        Self::BadGateway,
        Self::Unavailable,
        Self::GatewayTimeout,
        Self::ConnectionRefused,
        Self::Reset,
        Self::HalfOpen,
        Self::SlowHeaders,
        Self::SlowBody,
        Self::BrokenOff,
        Self::TruncatedJson,
        Self::OtherJson,
        Self::Huge,
        Self::Bomb,
        Self::WrongContentType,
    ];

    /// Whether the request reaches the organisation, and only its answer suffers.
    pub(super) fn lets_through(self) -> bool {
        matches!(
            self,
            Self::Patience
                | Self::SlowHeaders
                | Self::SlowBody
                | Self::BrokenOff
                | Self::TruncatedJson
                | Self::WrongContentType
        )
    }

    /// What comes instead of an answer.
    pub(super) async fn answer(self, traffic: &Arc<Traffic>, line: &Line) -> Response {
        let page = Html("<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head></html>");
        let said = |status: StatusCode, message: &str| {
            let body =
                format!(r#"{{"$id":"1","message":"{message}","typeKey":"Simulated","errorCode":0,"eventId":3000}}"#);
            (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body).into_response()
        };
        match self {
            Self::SignInPage => (StatusCode::NON_AUTHORITATIVE_INFORMATION, page).into_response(),
            Self::SignInRedirect => {
                (StatusCode::FOUND, [(header::LOCATION, "/_signin?realm=dev.azure.com")]).into_response()
            }
            Self::PageInstead => page.into_response(),
            Self::Unauthorized => StatusCode::UNAUTHORIZED.into_response(),
            Self::BearerRefused => {
                let body = "\u{feff}{\"message\":\"TF400813: The user '' is not authorized to access this resource.\"}";
                (StatusCode::UNAUTHORIZED, [(header::CONTENT_TYPE, "application/json")], body).into_response()
            }
            Self::Forbidden => said(StatusCode::FORBIDDEN, "TF401444: Please sign-in at least once."),
            Self::NotFound => said(StatusCode::NOT_FOUND, "VS800075: The project does not exist."),
            Self::TooManyRequests => {
                let patience = [(header::RETRY_AFTER, "20")];
                (patience, said(StatusCode::TOO_MANY_REQUESTS, "TF400733: The request has been canceled."))
                    .into_response()
            }
            Self::InternalError => said(StatusCode::INTERNAL_SERVER_ERROR, "TF246017: No database."),
            Self::BadGateway => (StatusCode::BAD_GATEWAY, Html("<html>502 Bad Gateway</html>")).into_response(),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "The service is unavailable.").into_response(),
            Self::GatewayTimeout => {
                (StatusCode::GATEWAY_TIMEOUT, Html("<html>504 Gateway Time-out</html>")).into_response()
            }
            Self::HalfOpen => {
                traffic.over().await;
                line.reset();
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            }
            Self::OtherJson => {
                ([(header::CONTENT_TYPE, "application/json")], r#"{"count":1,"value":{"requestId":1}}"#).into_response()
            }
            Self::Huge => {
                let blank = Bytes::from(vec![b' '; 1_000_000]);
                let chunks = iter::once(Bytes::from_static(b"{\"value\":[")).chain(iter::repeat_n(blank, 200));
                ([(header::CONTENT_TYPE, "application/json")], streamed(traffic, chunks, Duration::ZERO, true))
                    .into_response()
            }
            Self::Bomb => {
                let headers = [(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")];
                (headers, streamed(traffic, bomb(), Duration::ZERO, true)).into_response()
            }
            _ => {
                line.reset();
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            }
        }
    }

    /// What becomes of an answer on its way.
    pub(super) async fn change(self, mut answer: Response, traffic: &Arc<Traffic>, line: &Line) -> Response {
        match self {
            Self::Patience => {
                answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("20"));
                return answer;
            }
            Self::WrongContentType => {
                answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                return answer;
            }
            Self::SlowHeaders => {
                line.trickle();
                return answer;
            }
            _ => {}
        }
        let (mut head, body) = answer.into_parts();
        head.headers.remove(header::CONTENT_LENGTH);
        // The organisation's own answers are in memory, so this can't fail.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let half = body.slice(..body.len() / 2);
        let body = match self {
            Self::SlowBody => streamed(traffic, (0..body.len()).map(move |at| body.slice(at..=at)), TRICKLE, true),
            Self::BrokenOff => streamed(traffic, [half], Duration::ZERO, false),
            _ => Body::from(half),
        };
        Response::from_parts(head, body)
    }
}
