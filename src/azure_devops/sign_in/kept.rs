//! A token of Entra, kept while it is valid and renewed ahead of time.
//!
//! Whoever asks when it is time begins the renewal, a task that ends by its own deadline; all who need its outcome wait for
//! that one, and who has a valid token does not wait. Where a renewal fails the old token stays, and there is a pause.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::pause::Refused;
use crate::{
    azure_devops::entra::{Denial, Entra, Grant},
    metrics::Metrics,
    pools::{Clock, FailureClass},
};

/// A renewal that takes longer has failed.
const RENEWAL_LIMIT: Duration = Duration::from_secs(8);
/// A token is renewed so long before its end, or when half its time is over.
const AHEAD: Duration = Duration::from_mins(5);
/// After a renewal that failed; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// However long Entra asks to wait, no longer than this.
const LONGEST_PATIENCE: Duration = Duration::from_mins(5);

#[derive(Debug)]
pub(super) struct Kept {
    entra: Entra,
    http: reqwest::Client,
    organization: Arc<str>,
    clock: Clock,
    metrics: Metrics,
    /// The secret or assertion that Entra refused.
    refused: Refused,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Valid>,
    /// Why the last renewal failed, where it did, and the pause after it.
    failure: Option<(Denial, Duration)>,
    /// No renewal begins before; while one is under way, its deadline.
    not_before: Option<Instant>,
    renewals_ended: u64,
    is_renewing: bool,
}

#[derive(Debug)]
struct Valid {
    token: SecretString,
    renew_at: Instant,
    until: Instant,
}

impl Kept {
    pub(super) fn new(
        entra: Entra,
        http: reqwest::Client,
        organization: Arc<str>,
        clock: Clock,
        metrics: Metrics,
    ) -> Arc<Self> {
        let (refused, state) = (Refused::default(), watch::Sender::default());
        Arc::new(Self { entra, http, organization, clock, metrics, refused, state })
    }

    /// A valid token.
    pub(super) async fn token(self: &Arc<Self>) -> Result<SecretString, Denial> {
        let mut state = self.state.subscribe();
        let (held, ended) = {
            let state = state.borrow_and_update();
            let now = Instant::now();
            let held = state.token.as_ref().filter(|held| now < held.until);
            if let Some(held) = held.filter(|held| now < held.renew_at) {
                return Ok(held.token.clone());
            }
            (held.map(|held| held.token.clone()), state.renewals_ended)
        };
        self.renew();
        if let Some(held) = held {
            return Ok(held);
        }
        // It ends by its own deadline, and where none has begun there is none to wait for.
        let is_over = |state: &State| state.renewals_ended != ended || !state.is_renewing;
        let Ok(state) = state.wait_for(is_over).await else { return Err(self.entra.overdue(RENEWAL_LIMIT)) };
        match (&state.token, &state.failure) {
            (Some(held), _) if Instant::now() < held.until => Ok(held.token.clone()),
            (_, Some((failure, _))) => Err(failure.clone()),
            _ => Err(self.entra.overdue(RENEWAL_LIMIT)),
        }
    }

    /// Forgets a token that Azure has refused, unless it was renewed since.
    pub(super) fn discard(&self, token: &SecretString) {
        self.state.send_if_modified(|state| {
            let is_it = state.token.as_ref().is_some_and(|held| held.token.expose_secret() == token.expose_secret());
            if is_it {
                state.token = None;
            }
            is_it
        });
    }

    /// Whether the file holds another secret than the one that Entra refused.
    pub(super) async fn has_another_proof(&self) -> bool {
        let was_refused = |failure: &Option<(Denial, Duration)>| {
            failure.as_ref().is_some_and(|(denial, _)| denial.class == FailureClass::NotSignedIn)
        };
        was_refused(&self.state.borrow().failure)
            && self.entra.proof().await.is_ok_and(|proof| !self.refused.is(&proof))
    }

    /// Begins a renewal, unless one is under way or it is too early for another.
    fn renew(self: &Arc<Self>) {
        let now = Instant::now();
        let begins = self.state.send_if_modified(|state| {
            let begins = state.not_before.is_none_or(|at| at <= now);
            if begins {
                // Should the task end early, for instance with its runtime, another one begins then.
                state.not_before = Some(now + RENEWAL_LIMIT * 2);
                state.is_renewing = true;
            }
            begins
        });
        if begins {
            let kept = Arc::clone(self);
            tokio::spawn(async move { kept.renewal().await });
        }
    }

    async fn renewal(&self) {
        let began = Instant::now();
        let outcome = self.granted(began).await;
        self.state.send_modify(|state| {
            state.is_renewing = false;
            state.renewals_ended += 1;
            match outcome {
                Ok(grant) => self.keep(state, grant, began),
                Err(denial) => self.fail(state, denial),
            }
        });
    }

    /// Asks, unless what would be shown was refused a moment ago.
    async fn granted(&self, now: Instant) -> Result<Grant, Denial> {
        let proof = self.entra.proof().await?;
        if let Err(left) = self.refused.permit(&proof, now) {
            let known = self.state.borrow().failure.as_ref().map(|(denial, _)| denial.clone());
            return Err(Denial { retry_after: Some(left), ..known.unwrap_or_else(|| self.entra.overdue(left)) });
        }
        let asked = timeout(RENEWAL_LIMIT, self.entra.ask(&self.http, &proof)).await;
        let outcome = asked.unwrap_or_else(|_elapsed| Err(self.entra.overdue(RENEWAL_LIMIT)));
        match &outcome {
            Ok(_) => self.refused.clear(),
            Err(denial) if denial.class == FailureClass::NotSignedIn => self.refused.note(&proof, now),
            Err(_) => {}
        }
        outcome
    }

    fn keep(&self, state: &mut State, grant: Grant, began: Instant) {
        let organization = &*self.organization;
        if state.failure.take().is_some() {
            tracing::info!(organization, "Entra gives tokens again");
        }
        let seconds = i64::try_from(grant.valid_for.as_secs()).unwrap_or(i64::MAX);
        let until = self.clock.now().as_second().saturating_add(seconds);
        self.metrics.credential_valid_until_timestamp_seconds.with_label_values(&[organization]).set(until);
        let until = began + grant.valid_for;
        let renew_at = began + grant.valid_for.saturating_sub(AHEAD).max(grant.valid_for / 2);
        state.token = Some(Valid { token: grant.token, renew_at, until });
        state.not_before = None;
    }

    fn fail(&self, state: &mut State, denial: Denial) {
        let now = Instant::now();
        let pause = state.failure.as_ref().map_or(FIRST_PAUSE, |(_, pause)| (*pause * 2).min(LONGEST_PAUSE));
        // A secret that was refused may be replaced at any time: its own pause is kept by what it is.
        let wait = match denial.class {
            FailureClass::NotSignedIn => FIRST_PAUSE,
            _ => denial.retry_after.map_or(pause, |asked| pause.max(asked.min(LONGEST_PATIENCE))),
        };
        state.not_before = Some(now + wait);
        if state.failure.as_ref().is_none_or(|(known, _)| known.class != denial.class) {
            let left = state.token.as_ref().map_or(0, |held| held.until.saturating_duration_since(now).as_secs());
            let (organization, class) = (&*self.organization, denial.class.label());
            tracing::warn!(
                organization,
                class,
                valid_for_seconds = left,
                "the credential is not renewed: {}",
                denial.message
            );
        }
        state.failure = Some((denial, pause));
    }
}
