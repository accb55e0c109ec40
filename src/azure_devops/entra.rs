//! Tokens of Microsoft Entra: the three requests that bring one, each a single exchange with a deadline of its own.
//!
//! ```text
//! application: POST {authority}/{tenant}/oauth2/v2.0/token   with a secret, or with a projected token as assertion
//! managed identity: GET {endpoint}/metadata/identity/oauth2/token
//! ```
//!
//! Written here and not taken from `azure_identity`: three small requests are less than the wrapping that its cache needs,
//! which can't be told to renew, lets a renewal hang for more than a minute and reads an assertion's file anew after ten
//! minutes only. May touch files; of this edge [`credential`] and `failure`.

mod answer;

use std::{fmt, path::PathBuf, time::Duration};

use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};
use url::{Url, form_urlencoded};

pub(super) use self::answer::Grant;
use super::{
    body,
    credential::{self, NoToken},
    failure::why_unanswered,
};
use crate::pools::FailureClass;

/// Azure DevOps, as Entra knows it.
const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";
/// A token has a few thousand characters; more is not read.
const LARGEST_ANSWER: usize = 256 << 10;

/// Who signs in at Entra.
#[derive(Clone, Debug)]
pub enum Entra {
    /// An application, or an identity that trusts the cluster's tokens.
    Application {
        /// Where tokens are given out, such as `https://login.microsoftonline.com/`.
        authority: Url,
        /// The tenant's number or domain.
        tenant_id: String,
        /// The application's or identity's number.
        client_id: String,
        /// How it shows who it is.
        proof: Proof,
        /// The file that holds the proof; read for each token.
        file: PathBuf,
    },
    /// The identity of the machine that this runs on, or one of several.
    ManagedIdentity {
        /// Where the machine gives tokens out; link-local, so it is asked without a proxy.
        endpoint: Url,
        /// Which one.
        client_id: Option<String>,
    },
}

/// How an application shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By a token that Kubernetes projects into the pod, and replaces.
    Assertion,
    /// By a secret.
    Secret,
}

/// No token was given out. The message ends in the mend.
#[derive(Clone, Debug)]
pub(super) struct Denial {
    /// [`NotSignedIn`](FailureClass::NotSignedIn) where asking again is no use while the proof is the same.
    pub(super) class: FailureClass,
    pub(super) message: String,
    /// When it may be asked again, where the answer says so.
    pub(super) retry_after: Option<Duration>,
}

impl Proof {
    fn what(self) -> &'static str {
        match self {
            Self::Assertion => "projected token",
            Self::Secret => "client secret",
        }
    }

    fn mend(self) -> &'static str {
        match self {
            Self::Assertion => "the token that Kubernetes projects for the ServiceAccount",
            Self::Secret => "the secret's value",
        }
    }
}

impl Entra {
    /// What this signs in with, as it is now; a managed identity needs nothing.
    pub(super) async fn proof(&self) -> Result<SecretString, Denial> {
        let Self::Application { proof, file, .. } = self else { return Ok(SecretString::default()) };
        let read = credential::read(file, proof.what(), proof.mend()).await;
        read.map_err(|reason: NoToken| Denial {
            class: FailureClass::NotSignedIn,
            message: reason.to_string(),
            retry_after: None,
        })
    }

    /// Asks for a token: through the organisation's client, but what is link-local is asked directly.
    pub(super) async fn ask(&self, http: &reqwest::Client, proof: &SecretString) -> Result<Grant, Denial> {
        let unanswered = |error| {
            let found = why_unanswered(error);
            let mend = if found.contains("certificate") {
                "set the organization's `certificate_authority` to the authority that it has its certificate from"
            } else {
                ""
            };
            self.denied(FailureClass::Unreachable, &found, mend)
        };
        let message = match self {
            Self::Application { .. } => http
                .post(self.address())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(self.form(proof.expose_secret())),
            Self::ManagedIdentity { .. } => {
                directly().map_err(unanswered)?.get(self.address()).header("Metadata", "true")
            }
        };
        let response = message.send().await.map_err(unanswered)?;
        let status = response.status();
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = body::read(response, LARGEST_ANSWER).await.map_err(unanswered)?.ok_or_else(|| {
            let mend = "check the address, and what a proxy between may answer";
            self.denied(FailureClass::BadAnswer, "its answer is too large for a token", mend)
        })?;
        if status == StatusCode::OK {
            return answer::grant(&body).ok_or_else(|| {
                let mend = "check the address, and what a proxy between may answer";
                self.denied(FailureClass::BadAnswer, "its answer holds no token", mend)
            });
        }
        let refusal = answer::Refusal::read(status, &body, proof.expose_secret());
        let mend = refusal.mend(self);
        Err(Denial {
            retry_after: seconds.map(Duration::from_secs),
            ..self.denied(refusal.class(), &refusal.to_string(), &mend)
        })
    }

    /// The renewal took too long.
    pub(super) fn overdue(&self, limit: Duration) -> Denial {
        self.denied(FailureClass::Unreachable, &format!("it has not answered within {limit:?}"), "")
    }

    fn address(&self) -> Url {
        match self {
            Self::Application { authority, tenant_id, .. } => {
                let mut url = authority.clone();
                if let Ok(mut segments) = url.path_segments_mut() {
                    segments.pop_if_empty().extend([tenant_id, "oauth2", "v2.0", "token"]);
                }
                url
            }
            Self::ManagedIdentity { endpoint, client_id } => {
                let mut url = endpoint.clone();
                if let Ok(mut segments) = url.path_segments_mut() {
                    segments.pop_if_empty().extend(["metadata", "identity", "oauth2", "token"]);
                }
                url.query_pairs_mut().extend_pairs([("api-version", "2018-02-01"), ("resource", AZURE_DEVOPS)]);
                url.query_pairs_mut().extend_pairs(client_id.iter().map(|id| ("client_id", id)));
                url
            }
        }
    }

    fn form(&self, shown: &str) -> String {
        let Self::Application { client_id, proof, .. } = self else { return String::new() };
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials")
            .append_pair("client_id", client_id)
            .append_pair("scope", &format!("{AZURE_DEVOPS}/.default"));
        match proof {
            Proof::Secret => form.append_pair("client_secret", shown),
            Proof::Assertion => form
                .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                .append_pair("client_assertion", shown),
        };
        form.finish()
    }

    fn denied(&self, class: FailureClass, found: &str, mend: &str) -> Denial {
        let mend = match mend {
            "" => "check the network, the firewall and the proxy to it; the scaler asks again",
            mend => mend,
        };
        let message = match self {
            Self::Application { authority, .. } => format!("{self} gets no token from `{authority}`: {found}; {mend}"),
            Self::ManagedIdentity { endpoint, .. } => {
                format!("{self} gets no token from `{endpoint}`: {found}; {mend}")
            }
        };
        Denial { class, message, retry_after: None }
    }
}

/// A client that no proxy comes between: what it asks is on this machine's own link.
fn directly() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none()).referer(false).build()
}

/// Who it is, as messages name it.
impl fmt::Display for Entra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application { tenant_id, client_id, proof, .. } => {
                let kind = match proof {
                    Proof::Assertion => "the workload identity",
                    Proof::Secret => "the application",
                };
                write!(f, "{kind} `{client_id}` of the tenant `{tenant_id}`")
            }
            Self::ManagedIdentity { client_id: Some(id), .. } => write!(f, "the managed identity `{id}`"),
            Self::ManagedIdentity { client_id: None, .. } => f.write_str("this machine's managed identity"),
        }
    }
}
