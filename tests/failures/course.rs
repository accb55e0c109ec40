//! The course of one outage: KEDA polls every second, before it, in it and after it.

use std::{
    cell::Cell,
    sync::{Arc, Mutex},
    time::Duration,
};

use azp_scaler::pools::{Directory as _, FailureClass};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};
use tonic::{Code, Status};

use crate::{
    clock::{stand_still, tick},
    contoso::TOKEN,
    world::Scaler,
};

/// How long an outage lasts.
const OUTAGE: u64 = 45;
/// What is told of it is what happens until then: later the pool itself is looked at, too, and either may fail first.
const LOOKED_AT: u64 = 25;
/// Within this time after it KEDA has its value again: the longest pause, and a moment.
const RECOVERS_WITHIN: u64 = 32;
/// The same where a credential was refused: after 10, 20 and 40 s of an outage it is shown again after 80.
const TRUSTED_WITHIN: u64 = 92;
const TOKEN_SENT: &str = "OnRlbGwtbm9ib2R5";

/// What is seen of an outage.
pub(crate) struct Course {
    /// How requests ended that failed, as the metric has it.
    pub(crate) outcome: &'static str,
    /// The last error that KEDA is told, if any.
    pub(crate) error: Option<Status>,
    /// How long KEDA had the last good value before, in seconds.
    pub(crate) bridged: u64,
    /// The pauses between the end of a round that failed and the beginning of the next, in seconds.
    pub(crate) pauses: Vec<u64>,
}

/// The rounds of a pool, as they begin and end.
struct Rounds {
    seen: Arc<Mutex<Vec<(Instant, bool)>>>,
    watching: JoinHandle<()>,
}

impl Rounds {
    fn watch(scaler: &Scaler) -> Self {
        let mut look = scaler.azure_devops.desks()[0].look();
        let seen: Arc<Mutex<Vec<(Instant, bool)>>> = Arc::default();
        let noted = Arc::clone(&seen);
        let watching = tokio::spawn(async move {
            while look.changed().await.is_ok() {
                let asks = look.borrow_and_update().asking_since.is_some();
                let mut seen = noted.lock().unwrap();
                if seen.last().is_none_or(|(_, before)| *before != asks) {
                    seen.push((Instant::now(), asks));
                }
            }
        });
        Self { seen, watching }
    }

    fn pauses(&self, until: Instant) -> Vec<u64> {
        self.watching.abort();
        let seen = self.seen.lock().unwrap();
        let first = seen.iter().position(|(_, asks)| *asks).unwrap_or_default();
        let seen = &seen[seen.len().min(first + 1)..];
        let pairs = seen.chunks_exact(2).take_while(|pair| pair[1].0 <= until);
        pairs.map(|pair| (pair[1].0.duration_since(pair[0].0) + Duration::from_millis(500)).as_secs()).collect()
    }
}

const OUTCOMES: [FailureClass; 6] = [
    FailureClass::NotSignedIn,
    FailureClass::Forbidden,
    FailureClass::NotFound,
    FailureClass::Throttled,
    FailureClass::ServerError,
    FailureClass::Unreachable,
];

fn outcomes(scaler: &Scaler) -> Vec<(&'static str, u64)> {
    let labels = OUTCOMES.iter().chain(&[FailureClass::BadAnswer]).map(|class| class.label());
    labels.map(|label| (label, scaler.ended(label))).collect()
}

/// Watches an outage from its beginning, which `fails` makes, to the end, which `mends` makes; requests may hang in it.
pub(crate) async fn observe(
    scaler: &Scaler,
    may_hang: bool,
    fails: impl AsyncFnOnce(),
    mends: impl AsyncFnOnce(),
) -> Course {
    let _still = stand_still();
    let under_way = Cell::new(false);
    tokio::select! {
        course = watch(scaler, &under_way, fails, mends) => course,
        never = tick(scaler, &under_way, may_hang) => match never {},
    }
}

async fn watch(
    scaler: &Scaler,
    under_way: &Cell<bool>,
    fails: impl AsyncFnOnce(),
    mends: impl AsyncFnOnce(),
) -> Course {
    under_way.set(true);
    assert_eq!(scaler.value().await.unwrap(), 1, "all is well before");
    fails().await;
    under_way.set(false);
    let (began, before) = (Instant::now(), outcomes(scaler));
    let rounds = Rounds::watch(scaler);
    let (mut error, mut bridged): (Option<Status>, u64) = (None, 0);
    let refused = || scaler.ended(FailureClass::NotSignedIn.label());
    let (mut refusals, mut refused_at) = (refused(), Vec::new());
    for second in 1..=OUTAGE {
        // Between the seconds, at which things change, and from the third on not whole seconds after the first round either.
        let early = if second < 3 { 500 } else { 350 };
        sleep_until(began + Duration::from_millis(second * 1_000 - early)).await;
        let asked = Instant::now();
        under_way.set(true);
        let answer = scaler.value().await;
        under_way.set(false);
        assert!(asked.elapsed() <= Duration::from_secs(5), "an answer took {:?}", asked.elapsed());
        if refused() > refusals {
            refusals = refused();
            refused_at.push(second);
        }
        match answer {
            Ok(value) => {
                assert_eq!(value, 1, "not knowing is not zero");
                bridged = if error.is_none() { second } else { bridged };
            }
            Err(status) => {
                assert_ne!(status.code(), Code::Ok);
                for secret in [TOKEN, TOKEN_SENT] {
                    assert!(!format!("{status:?}").contains(secret), "{status}");
                }
                error = if second <= LOOKED_AT { Some(status) } else { error };
            }
        }
    }
    let ended = outcomes(scaler).into_iter().zip(before).filter(|((_, after), (_, before))| after > before);
    let mut ended: Vec<&str> = ended.map(|((label, _), _)| label).collect();
    assert!(ended.len() <= 1, "requests of one outage ended as {ended:?}");
    // A round need not ask: a refused credential is not shown again for a while.
    let pauses = match refused_at.as_slice() {
        [] => rounds.pauses(began + Duration::from_secs(LOOKED_AT)),
        seconds => seconds.windows(2).map(|pair| pair[1] - pair[0]).collect(),
    };
    let recovers_within = if refused_at.is_empty() { RECOVERS_WITHIN } else { TRUSTED_WITHIN };

    mends().await;
    let mended = Instant::now();
    let mut second = 0;
    while let Err(status) = scaler.value().await {
        second += 1;
        assert!(second <= recovers_within, "no value {second} s after the end of the outage: {status}");
        sleep_until(mended + Duration::from_secs(second)).await;
    }
    assert_eq!(scaler.value().await.unwrap(), 1, "the same job waits");
    Course { outcome: ended.pop().unwrap_or("ok"), error, bridged, pauses }
}
