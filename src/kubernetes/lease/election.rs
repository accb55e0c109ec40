//! What a replica does about the Lease, given what it has seen of it. No I/O; the time is an argument.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::{Instant, sleep_until};

/// How long a Lease lasts after it was last seen renewed.
pub(super) const LASTS: Duration = Duration::from_secs(15);
/// How long its holder believes in it after the last renewal: it gives up before others may take it.
const HOLDS: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is no Lease.
    Create,
    /// It is ours.
    Renew,
    /// It is nobody's, or its holder has not renewed it.
    Take,
    /// It is another's.
    Wait,
}

/// What one replica has seen.
#[derive(Debug)]
pub(super) struct Election {
    identity: String,
    /// The version of another's Lease, and when it was first seen.
    seen: Option<(String, Instant)>,
    held_until: Option<Instant>,
    /// When another's Lease, as it was seen last, is to be looked at without waiting for the next turn.
    pub(super) frees_at: Option<Instant>,
}

impl Election {
    pub(super) fn new(identity: &str) -> Self {
        Self { identity: identity.to_owned(), seen: None, held_until: None, frees_at: None }
    }

    /// What to do about the Lease as it was found.
    pub(super) fn step(&mut self, found: Option<&Lease>, now: Instant) -> Step {
        let Some(lease) = found else { return Step::Create };
        let spec = lease.spec.as_ref();
        match spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default() {
            "" => return Step::Take,
            holder if holder == self.identity => return Step::Renew,
            _ => {}
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.seen = Some((version, now));
                now
            }
        };
        let written = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|seconds| u64::try_from(seconds).ok());
        let lasts = written.map_or(LASTS, Duration::from_secs);
        if now.saturating_duration_since(since) > lasts {
            return Step::Take;
        }
        self.frees_at = Some(since + lasts + Duration::from_millis(1));
        Step::Wait
    }

    /// It was renewed or taken by a request begun then.
    pub(super) fn renewed(&mut self, begun: Instant) {
        self.held_until = Some(begun + HOLDS);
    }

    /// It is another's.
    pub(super) fn lost(&mut self) {
        self.held_until = None;
    }

    /// Whether this replica leads.
    pub(super) fn leads(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|until| now < until)
    }

    /// Waits until it no longer leads unless it renews; for ever where it doesn't lead.
    pub(super) async fn lapses(&mut self) {
        match self.held_until {
            Some(until) => {
                sleep_until(until).await;
                self.held_until = None;
            }
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(holder: &str, version: &str) -> Lease {
        let lease = json!({"metadata": {"name": "azp-scaler", "resourceVersion": version},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "1999-01-01T00:00:00.000000Z"}});
        serde_json::from_value(lease).unwrap()
    }

    #[test]
    fn what_is_free_or_ours_is_held() {
        let (mut election, now) = (Election::new("a"), Instant::now());
        assert_eq!(election.step(None, now), Step::Create);
        assert_eq!(election.step(Some(&lease("", "1")), now), Step::Take);
        assert_eq!(election.step(Some(&lease("a", "1")), now), Step::Renew);
    }

    #[test]
    fn anothers_is_taken_only_when_it_has_not_changed_for_as_long_as_it_lasts() {
        let (mut election, start) = (Election::new("a"), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(election.step(Some(&lease("b", "1")), at(0)), Step::Wait, "whatever its time says");
        assert_eq!(election.step(Some(&lease("b", "1")), at(15)), Step::Wait);
        assert_eq!(election.step(Some(&lease("b", "2")), at(16)), Step::Wait);
        assert_eq!(election.step(Some(&lease("b", "2")), at(31)), Step::Wait);
        assert_eq!(election.step(Some(&lease("b", "2")), at(32)), Step::Take);
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_renew_gives_up_before_others_may_take_it() {
        let mut election = Election::new("a");
        let begun = Instant::now();
        election.renewed(begun);
        assert!(election.leads(Instant::now()));
        election.lapses().await;
        assert!(begun.elapsed() < LASTS && !election.leads(Instant::now()));
    }
}
