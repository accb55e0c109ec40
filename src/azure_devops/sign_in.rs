//! Signing in to one organisation: which header a request carries, and what becomes of a credential that Azure refuses.
//!
//! ```text
//! request ──authorization──▶ header ──▶ Azure ──refused──▶ another one? once more ──refused──▶ pause
//!                  └── Entra: [Kept] token, renewed ahead of time
//! ```
//!
//! A refused credential is read or renewed and tried once more in the same request. Where there is no other, or it is
//! refused as well, it is let be for a pause that grows, for all who ask of the organisation; another one is tried at once.

mod kept;
mod pause;

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::Instant,
};

use self::{kept::Kept, pause::Refused};
use super::{
    credential::{self, Credential},
    entra::Denial,
};
use crate::{
    metrics::Metrics,
    pools::{Clock, FailureClass},
};

/// The keeper of one organisation's credential.
#[derive(Debug)]
pub(super) struct SignIn {
    credential: Credential,
    kept: Option<Arc<Kept>>,
    refused: Refused,
    /// Held while a refused credential is shown again: whoever asks meanwhile waits for what becomes of that.
    trial: Arc<Mutex<()>>,
}

/// What a request is sent with.
#[derive(Debug)]
pub(super) struct Authorization {
    pub(super) header: HeaderValue,
    pub(super) token: SecretString,
    encoded: SecretString,
    _trial: Option<OwnedMutexGuard<()>>,
}

impl SignIn {
    /// For an organisation, whose client also reaches who gives tokens out.
    pub(super) fn new(
        credential: &Credential,
        http: &reqwest::Client,
        organization: &Arc<str>,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        let kept = match credential {
            Credential::Entra(entra) => {
                Some(Kept::new(entra.clone(), http.clone(), Arc::clone(organization), clock, metrics.clone()))
            }
            _ => None,
        };
        Self { credential: credential.clone(), kept, refused: Refused::default(), trial: Arc::default() }
    }

    /// The credential, for messages.
    pub(super) fn credential(&self) -> &Credential {
        &self.credential
    }

    /// What to send a request with.
    pub(super) async fn authorization(&self) -> Result<Authorization, Denial> {
        let token = self.token().await?;
        if !self.refused.is(&token) {
            return self.authorization_of(token, None);
        }
        let trial = Arc::clone(&self.trial).lock_owned().await;
        self.refused.permit(&token, Instant::now()).map_err(|left| self.not_again(left))?;
        let is_trial = self.refused.is(&token);
        self.authorization_of(token, is_trial.then_some(trial))
    }

    /// What to send the same request with once more, after Azure has refused it: nothing where it would be the same.
    pub(super) async fn another(&self, refused: &Authorization) -> Option<Authorization> {
        self.refused.note(&refused.token, Instant::now());
        if let Some(kept) = &self.kept {
            kept.discard(&refused.token);
        }
        let token = self.token().await.ok()?;
        self.refused.permit(&token, Instant::now()).ok()?;
        self.authorization_of(token, None).ok()
    }

    /// Azure has refused it.
    pub(super) fn refused(&self, authorization: &Authorization) {
        self.refused.note(&authorization.token, Instant::now());
    }

    /// Azure has taken what it was shown.
    pub(super) fn accepted(&self) {
        self.refused.clear();
    }

    /// Whether a refused one is not shown for a while.
    pub(super) fn is_let_be(&self) -> bool {
        self.refused.is_pausing(Instant::now())
    }

    /// Whether there is a credential that was not refused last time. Nobody is asked for one.
    pub(super) async fn has_another(&self) -> bool {
        match &self.kept {
            Some(kept) => kept.has_another_proof().await,
            None => self.token().await.is_ok_and(|token| !self.refused.is(&token)),
        }
    }

    /// The token at present, whatever became of it.
    async fn token(&self) -> Result<SecretString, Denial> {
        const WHAT: &str = "token";
        const MEND: &str = "a personal access token with the scope Agent Pools (read)";
        let given = |token: &SecretString| credential::trimmed(token, || self.credential.to_string(), WHAT, MEND);
        let read = match (&self.credential, &self.kept) {
            (Credential::PersonalAccessTokenFile(path), _) => credential::read(path, WHAT, MEND).await,
            (Credential::PersonalAccessTokenVariable { token, .. }, _) => given(token),
            (Credential::Brought(brought), _) => given(&brought.get()),
            (Credential::Entra(_), Some(kept)) => return kept.token().await,
            (Credential::Entra(_), None) => Ok(SecretString::from("")),
        };
        read.map_err(|reason| {
            // When there is one again, it is worth trying.
            self.refused.clear();
            Denial { class: FailureClass::NotSignedIn, message: reason.to_string(), retry_after: None }
        })
    }

    fn authorization_of(
        &self,
        token: SecretString,
        trial: Option<OwnedMutexGuard<()>>,
    ) -> Result<Authorization, Denial> {
        let (scheme, encoded) = match &self.kept {
            Some(_) => ("Bearer", token.clone()),
            None => ("Basic", BASE64_STANDARD.encode(format!(":{}", token.expose_secret())).into()),
        };
        let mut header =
            HeaderValue::from_str(&format!("{scheme} {}", encoded.expose_secret())).map_err(|_| Denial {
                class: FailureClass::BadAnswer,
                message: format!("the token of {} can't stand in a header: check who gave it out", self.credential),
                retry_after: None,
            })?;
        header.set_sensitive(true);
        Ok(Authorization { header, token, encoded, _trial: trial })
    }

    fn not_again(&self, left: Duration) -> Denial {
        let seconds = left.as_secs() + 1;
        let message = format!(
            "Azure DevOps has refused the credential, which is not shown again for another {seconds} s unless it changes: {}",
            self.credential.mend()
        );
        Denial { class: FailureClass::NotSignedIn, message, retry_after: None }
    }
}

impl Authorization {
    /// Foreign text without the token, should it be repeated there.
    pub(super) fn hide(&self, text: &str) -> String {
        let secrets = [&self.token, &self.encoded].map(ExposeSecret::expose_secret);
        secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }
}
