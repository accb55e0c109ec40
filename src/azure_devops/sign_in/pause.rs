//! Growing pauses, and what was refused: accounts get locked where a refused credential is shown again and again.
//!
//! Pure: `now` is an argument.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

/// After the first refusal; each further one doubles it.
const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_mins(5);

/// The credential that was refused last, if it was not taken since. It is shown once for each pause, whoever asks.
#[derive(Debug, Default)]
pub(super) struct Refused(Mutex<Option<Known>>);

#[derive(Debug)]
struct Known {
    credential: SecretString,
    pause: Duration,
    until: Instant,
    /// Whether it is being shown again, and nobody knows yet what comes of that.
    is_tried: bool,
}

impl Known {
    fn is(&self, credential: &SecretString) -> bool {
        self.credential.expose_secret() == credential.expose_secret()
    }
}

impl Refused {
    /// Whether a credential may be shown now; how long it may not, if not. One that was refused counts as shown again: where
    /// nothing comes of that, as in an outage, the next time is after the same pause.
    pub(super) fn permit(&self, credential: &SecretString, now: Instant) -> Result<(), Duration> {
        let mut known = self.known();
        let Some(known) = known.as_mut().filter(|known| known.is(credential)) else { return Ok(()) };
        if now < known.until {
            return Err(known.until.saturating_duration_since(now));
        }
        known.until = now + known.pause;
        known.is_tried = true;
        Ok(())
    }

    /// It was refused. Several who showed it at once are one refusal.
    pub(super) fn note(&self, credential: &SecretString, now: Instant) {
        let mut known = self.known();
        let pause = match &*known {
            Some(same) if same.is(credential) && now < same.until && !same.is_tried => return,
            Some(other) => (other.pause * 2).min(LONGEST),
            None => FIRST,
        };
        *known = Some(Known { credential: credential.clone(), pause, until: now + pause, is_tried: false });
    }

    /// It was taken.
    pub(super) fn clear(&self) {
        *self.known() = None;
    }

    /// Whether there is a pause.
    pub(super) fn is_pausing(&self, now: Instant) -> bool {
        self.known().as_ref().is_some_and(|known| now < known.until)
    }

    /// Whether this is what was refused.
    pub(super) fn is(&self, credential: &SecretString) -> bool {
        self.known().as_ref().is_some_and(|known| known.is(credential))
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refused_credential_is_shown_once_a_pause_and_pauses_grow() {
        let (refused, now) = (Refused::default(), Instant::now());
        let (old, new) = (SecretString::from("old"), SecretString::from("new"));
        assert_eq!(refused.permit(&old, now), Ok(()));
        refused.note(&old, now);
        refused.note(&old, now);
        let mut at = now;
        for seconds in [10, 20, 40, 80, 160, 300, 300] {
            let pause = Duration::from_secs(seconds);
            assert_eq!(refused.permit(&old, at), Err(pause), "not again at once");
            at += pause;
            assert_eq!(refused.permit(&old, at), Ok(()), "after {seconds} s");
            refused.note(&old, at);
        }
        assert_eq!(refused.permit(&old, at + LONGEST), Ok(()));
        assert_eq!(refused.permit(&old, at + LONGEST), Err(LONGEST), "one that brings no answer makes no pause grow");
        assert_eq!(refused.permit(&new, at), Ok(()), "another is worth trying at once");
        refused.note(&new, at);
        assert_eq!(refused.permit(&new, at), Err(LONGEST), "but the pauses go on growing");
        refused.clear();
        refused.note(&old, at);
        assert_eq!(refused.permit(&old, at), Err(FIRST), "until one is taken");
    }
}
