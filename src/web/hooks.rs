//! `POST /hooks/azure-devops`: Azure DevOps says that something has changed, and the pollers of that organisation look at once.
//!
//! ```text
//! Azure DevOps ──POST, secret──▶ [receive] ──▶ one place per organisation ──[Hooks::wake_pollers]──▶ desks in use
//!                                              (full or empty)        at once, then once a second
//! ```
//!
//! A hook is a signal and no data: it names no pool, and what it says is read past, up to a bound. However many come, each
//! organisation is woken once a second at most, and once more after the last of them. May touch
//! [`pools`](crate::pools) and the file with the secret.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::{
    fs::File,
    io::AsyncReadExt,
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use super::Shared;
use crate::{
    caseless::same,
    pools::Directory,
    wording::{list, shown},
};

/// Where Azure DevOps sends them.
pub(super) const PATH: &str = "/hooks/azure-devops";
/// An organisation's pollers are woken no more often.
const PACE: Duration = Duration::from_secs(1);
/// A longer message is no service hook.
const LONGEST_MESSAGE: usize = 1 << 20;
/// Time for the whole message.
const MESSAGE_WITHIN: Duration = Duration::from_secs(10);
/// No more of the secret's file is read.
const LARGEST_SECRET: u64 = 64 << 10;

/// Lets hooks in, and wakes pollers.
pub struct Hooks {
    secret_file: PathBuf,
    organizations: Vec<Organization>,
    directory: Arc<dyn Directory>,
}

/// An organisation's name, and whether it has news.
struct Organization {
    name: Arc<str>,
    news: Arc<Notify>,
}

/// What becomes of a hook. The names are a metric's label.
enum Outcome<'a> {
    Accepted(&'a Organization),
    Refused,
    NoSecret(io::Error),
    TooLarge,
    BrokenOff,
    NoOrganization,
    UnknownOrganization(String),
}

impl Hooks {
    /// Hooks of these organisations, for whoever brings the secret that the file holds. It is read anew for each hook, so that it
    /// can be replaced at any time.
    pub fn new(
        secret_file: PathBuf,
        organizations: impl IntoIterator<Item = Arc<str>>,
        directory: Arc<dyn Directory>,
    ) -> Self {
        let organizations = organizations.into_iter().map(|name| Organization { name, news: Arc::default() }).collect();
        Self { secret_file, organizations, directory }
    }

    /// Wakes the pollers of organisations that have news, until it is told to stop.
    pub async fn wake_pollers(&self, stop: CancellationToken) {
        let mut waking = JoinSet::new();
        for Organization { name, news } in &self.organizations {
            let (name, news, directory) = (Arc::clone(name), Arc::clone(news), Arc::clone(&self.directory));
            waking.spawn(async move {
                loop {
                    // What comes during the pause is kept, as one.
                    news.notified().await;
                    directory.wake(&name);
                    sleep(PACE).await;
                }
            });
        }
        stop.cancelled().await;
    }

    async fn judge(&self, headers: &HeaderMap, uri: &Uri, body: Body) -> Outcome<'_> {
        let secret = match self.secret().await {
            Ok(secret) => secret,
            Err(error) => return Outcome::NoSecret(error),
        };
        if !brings(headers, &secret) {
            return Outcome::Refused;
        }
        match timeout(MESSAGE_WITHIN, read_past(body)).await {
            Ok(Ok(length)) if length <= LONGEST_MESSAGE => {}
            Ok(Ok(_)) => return Outcome::TooLarge,
            Ok(Err(_)) | Err(_) => return Outcome::BrokenOff,
        }
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let named = query.into_iter().find(|(key, _)| key == "organization").map(|(_, name)| name);
        match (named, self.organizations.as_slice()) {
            (None, [only]) => Outcome::Accepted(only),
            (None, _) => Outcome::NoOrganization,
            (Some(name), known) => known
                .iter()
                .find(|organization| same(&organization.name, &name))
                .map_or_else(|| Outcome::UnknownOrganization(shown(&name)), Outcome::Accepted),
        }
    }

    async fn secret(&self) -> io::Result<SecretString> {
        let mut text = String::new();
        File::open(&self.secret_file).await?.take(LARGEST_SECRET).read_to_string(&mut text).await?;
        let text = SecretString::from(text);
        match text.expose_secret().trim() {
            "" => Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty")),
            secret => Ok(secret.into()),
        }
    }

    fn names(&self, last: &str) -> String {
        list(self.organizations.iter().map(|organization| &organization.name), last)
    }
}

/// Answers one hook.
pub(super) async fn receive(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let Some(hooks) = &shared.hooks else {
        let mend = "Service hooks are off: write `hooks = { secret_file = \"...\" }` below `[http]`.\n";
        return (StatusCode::NOT_FOUND, mend).into_response();
    };
    let (head, body) = request.into_parts();
    let outcome = hooks.judge(&head.headers, &head.uri, body).await;
    shared.hooks_total.with_label_values(&[outcome.organization(), outcome.label()]).inc();
    match outcome {
        Outcome::Accepted(organization) => {
            organization.news.notify_one();
            (StatusCode::ACCEPTED, format!("The pools of `{}` in use are looked at.\n", organization.name))
                .into_response()
        }
        Outcome::Refused => {
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"azp-scaler\"")];
            let mend = "Send the secret as the password of basic authentication, with any user name.\n";
            (StatusCode::UNAUTHORIZED, challenge, mend).into_response()
        }
        Outcome::NoSecret(error) => {
            let file = hooks.secret_file.display();
            tracing::error!(%error, "`http.hooks.secret_file`: no service hook is let in, since `{file}` can't be read");
            (StatusCode::SERVICE_UNAVAILABLE, "The scaler has no secret to compare; its log says why.\n")
                .into_response()
        }
        Outcome::TooLarge => {
            let mend = format!("A service hook has at most {} KiB.\n", LONGEST_MESSAGE >> 10);
            (StatusCode::PAYLOAD_TOO_LARGE, mend).into_response()
        }
        Outcome::BrokenOff => (StatusCode::REQUEST_TIMEOUT, "The message did not come whole.\n").into_response(),
        Outcome::NoOrganization => {
            let mend =
                format!("Say whose hook it is: add `?organization=` and one of {} to the URL.\n", hooks.names("or"));
            (StatusCode::BAD_REQUEST, mend).into_response()
        }
        Outcome::UnknownOrganization(name) => {
            let known = hooks.names("and");
            let mend = format!("`organization`: `{name}` is not configured; there is {known}.\n");
            (StatusCode::NOT_FOUND, mend).into_response()
        }
    }
}

impl Outcome<'_> {
    fn label(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Refused => "refused",
            Self::NoSecret(_) => "no-secret",
            Self::TooLarge => "too-large",
            Self::BrokenOff => "broken-off",
            Self::NoOrganization | Self::UnknownOrganization(_) => "unknown-organization",
        }
    }

    fn organization(&self) -> &str {
        if let Self::Accepted(organization) = self { &organization.name } else { "" }
    }
}

/// Whether a request has the secret as its password. How long the comparison takes says nothing of where they differ.
fn brings(headers: &HeaderMap, secret: &SecretString) -> bool {
    let given = headers.get(header::AUTHORIZATION).map(header::HeaderValue::as_bytes).and_then(|value| {
        let (scheme, pair) = value.split_at_checked("Basic ".len())?;
        let pair = scheme.eq_ignore_ascii_case(b"Basic ").then(|| BASE64_STANDARD.decode(pair.trim_ascii()).ok())??;
        let colon = pair.iter().position(|byte| *byte == b':')?;
        Some(pair[colon + 1..].to_vec())
    });
    given.is_some_and(|password| password.ct_eq(secret.expose_secret().as_bytes()).into())
}

/// Reads a message and keeps nothing of it but how long it is, or that it is too long.
async fn read_past(body: Body) -> Result<usize, axum::Error> {
    let (mut chunks, mut length) = (body.into_data_stream(), 0);
    while let Some(chunk) = chunks.next().await
        && length <= LONGEST_MESSAGE
    {
        length += chunk?.len();
    }
    Ok(length)
}
