//! What Entra answers: a token with its time, or why there is none, in its own words and with the mend.

use std::{borrow::Cow, fmt, time::Duration};

use reqwest::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;

use super::{Entra, Proof};
use crate::{azure_devops::failure::quoted, pools::FailureClass};

/// A token that was given out.
#[derive(Clone, Debug)]
pub(in crate::azure_devops) struct Grant {
    pub(in crate::azure_devops) token: SecretString,
    /// For how long it is valid from the moment it was asked for.
    pub(in crate::azure_devops) valid_for: Duration,
}

/// The answer with a token: the authority writes the time as a number, the machine as text.
#[derive(Deserialize)]
struct Given {
    access_token: SecretText,
    expires_in: Seconds,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(u64),
    Text(String),
}

/// A text that becomes a secret as it is read.
struct SecretText(SecretString);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// Reads the answer with a token.
pub(super) fn grant(body: &[u8]) -> Option<Grant> {
    let Given { access_token: SecretText(token), expires_in } = serde_json::from_slice(body).ok()?;
    let seconds = match expires_in {
        Seconds::Number(seconds) => seconds,
        Seconds::Text(text) => text.parse().ok()?,
    };
    // Nothing is given out for longer than a day or two; what says so would be kept for ever.
    (seconds > 0).then(|| Grant { token, valid_for: Duration::from_secs(seconds.min(48 * 3600)) })
}

/// Why there is no token.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
    description: String,
}

#[derive(Default, Deserialize)]
struct Said<'a> {
    #[serde(borrow, default)]
    error: Cow<'a, str>,
    #[serde(borrow, default)]
    error_description: Cow<'a, str>,
}

impl Refusal {
    /// Reads the answer; should it repeat the secret, that is left out.
    pub(super) fn read(status: StatusCode, body: &[u8], secret: &str) -> Self {
        let said: Said<'_> = serde_json::from_slice(body).unwrap_or_default();
        // What follows tells one request from another, and no person anything.
        let description = said.error_description.split("Trace ID:").next().unwrap_or_default();
        let hidden = |text: &str| match secret {
            "" => quoted(text),
            secret => quoted(&text.replace(secret, "…")),
        };
        Self { status, error: hidden(&said.error), description: hidden(description) }
    }

    /// Whether the identity was refused, or Entra has a trouble of its own.
    pub(super) fn class(&self) -> FailureClass {
        match self.status.as_u16() {
            429 => FailureClass::Throttled,
            // The machine's endpoint says 404 and 410 while it restarts.
            408 | 410 | 500..=599 => FailureClass::ServerError,
            404 if self.error.is_empty() => FailureClass::ServerError,
            400..=499 => FailureClass::NotSignedIn,
            _ => FailureClass::BadAnswer,
        }
    }

    /// What to do, by Entra's own number for it where it has one.
    pub(super) fn mend(&self, entra: &Entra) -> String {
        let (file, proof) = match entra {
            Entra::Application { file, proof, .. } => (file.display().to_string(), *proof),
            Entra::ManagedIdentity { .. } => (String::new(), Proof::Secret),
        };
        let code = self.description.strip_prefix("AADSTS").and_then(|rest| rest.split(':').next()).unwrap_or_default();
        match (code, entra, self.class()) {
            (_, _, FailureClass::ServerError | FailureClass::Throttled) => "the scaler asks again".to_owned(),
            ("7000215" | "7000222", ..) => format!("put a valid secret's value, not its id, into `{file}`"),
            ("700016" | "700038", ..) => {
                "check `client_id`, and that this application is in that tenant (App registrations)".to_owned()
            }
            ("90002" | "900023", ..) => "check `tenant_id`".to_owned(),
            ("70021" | "700211" | "700212" | "700213", ..) => {
                "add a federated credential to the identity with the issuer of this cluster, the subject \
                 `system:serviceaccount:NAMESPACE:NAME` of the scaler's ServiceAccount, and the audience \
                 `api://AzureADTokenExchange`"
                    .to_owned()
            }
            ("700024", ..) => format!("check the clocks, and that Kubernetes still replaces `{file}`"),
            (_, Entra::ManagedIdentity { .. }, _) => {
                "assign the identity to the machine, and check `client_id`".to_owned()
            }
            _ if proof == Proof::Assertion => format!(
                "check the identity's federated credential, AZURE_TENANT_ID, AZURE_CLIENT_ID and the token in `{file}`"
            ),
            _ => format!("check `tenant_id`, `client_id` and the secret in `{file}`"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it answered {}", self.status.as_u16())?;
        if !self.error.is_empty() {
            write!(f, " {}", self.error)?;
        }
        if !self.description.is_empty() {
            write!(f, ", saying \"{}\"", self.description)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
