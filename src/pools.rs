//! Where the edges meet: each pool in use has a [`Desk`], on which the poller lays snapshots and at which questions are
//! answered.
//!
//! ```text
//! azure_devops (poller) ──Look──▶ [Desk] ◀──questions── external_scaler
//!                       ◀─nudge──    └────reads──▶ web
//! ```
//!
//! No I/O happens here: a desk waits on its channel, with a deadline, and never asks Azure itself. One poller per desk
//! owns the requests, so a pool costs one round of requests per moment of asking, however many triggers ask.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use tokio::{sync::watch, time::Instant};
use url::Url;

use crate::{caseless::Caseless, cluster_watch::View, pool::Pool, snapshot::Snapshot, trigger::TriggerId};

/// The time, read from one monotonic clock that was set once by the wall clock at the start: it never jumps, and stands
/// still where a test pauses time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Timestamp,
    start: Instant,
}

impl Clock {
    /// A clock that says `wall` now and goes on from there.
    #[must_use]
    pub fn starting_at(wall: Timestamp) -> Self {
        Self { wall, start: Instant::now() }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.start.elapsed()).unwrap_or(SignedDuration::MAX);
        self.wall.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

/// A pool is in use, and looked at in the background, for this long after a question.
pub const IN_USE_FOR: SignedDuration = SignedDuration::from_mins(10);

/// How a trigger names its pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PoolSelector {
    /// By name, as `poolName`.
    Name(Caseless),
    /// By number, as `poolID`.
    Id(i64),
}

impl fmt::Display for PoolSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Id(id) => write!(f, "{id}"),
        }
    }
}

/// A token that a trigger brings along, and the one place that it is for.
#[derive(Clone, Debug)]
pub struct Brought {
    /// The organisation's or collection's address.
    pub url: Url,
    /// A personal access token.
    pub token: SecretString,
    /// Whose it is.
    pub by: TriggerId,
}

/// Whether two addresses are one organisation's. One with a name, a password, a query or a fragment is nobody's.
#[must_use]
pub fn same_place(one: &Url, other: &Url) -> bool {
    let place = |url: &Url| {
        let bare =
            url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        bare.then(|| (url.origin(), url.path().trim_end_matches('/').to_ascii_lowercase()))
    };
    place(one).is_some_and(|one| place(other) == Some(one))
}

/// Why nothing is known of a pool. `message` is for the user, whole: it names the organisation, the pool, what Azure said
/// and the mend, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind it is.
    pub class: FailureClass,
    /// What a person needs to know.
    pub message: String,
}

/// The kinds of failure that callers treat differently; also a metric's label, so they are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// Azure does not take the credential.
    NotSignedIn,
    /// Signed in, but not allowed.
    Forbidden,
    /// There is no such pool, or no such organisation.
    NotFound,
    /// More pools are asked for than are looked up.
    TooMany,
    /// Azure asks for patience: 429 or Retry-After.
    Throttled,
    /// Azure answers with a failure of its own.
    ServerError,
    /// No answer: name, connection, TLS or time.
    Unreachable,
    /// Another agent has that name.
    Taken,
    /// An answer that is not what was asked for.
    BadAnswer,
    /// The last good answer is older than is tolerated, or there is none yet.
    Stale,
}

impl FailureClass {
    /// The metric's label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NotSignedIn => "not-signed-in",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::TooMany => "too-many",
            Self::Throttled => "throttled",
            Self::ServerError => "server-error",
            Self::Unreachable => "unreachable",
            Self::Taken => "taken",
            Self::BadAnswer => "bad-answer",
            Self::Stale => "stale",
        }
    }
}

/// What the poller of a pool knows, laid on the desk anew whenever it changes.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The last good snapshot, however old.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Why the last round failed, where it did.
    pub failure: Option<Arc<Failure>>,
    /// Since when a round of requests is under way.
    pub asking_since: Option<Instant>,
    /// Rounds that have ended, well or not.
    pub rounds_ended: u64,
    /// How long a snapshot stays fresh at present, where that is longer than usual: the budget of requests is short.
    pub fresh_for: Duration,
}

/// How long answers may take and how old they may be: the section `[polling]`.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// A question asked of an older snapshot first asks Azure.
    pub fresh_for: Duration,
    /// Then it is answered from what there is.
    pub answer_within: Duration,
    /// The same, for the first question that a pool is asked.
    pub first_answer_within: Duration,
    /// Older than this is not knowing.
    pub tolerated_age: Duration,
}

/// One pool in use.
#[derive(Debug)]
pub struct Desk {
    /// The configured organisation's name.
    pub organization: Arc<str>,
    /// Azure's number for the pool.
    pub id: i64,
    /// The pool's name as Azure writes it.
    pub name: Arc<str>,
    clock: Clock,
    freshness: Freshness,
    pool: Mutex<Pool>,
    view: watch::Receiver<View>,
    look: watch::Receiver<Look>,
    questions: watch::Sender<Questions>,
    placeholder_trouble: Mutex<Option<Arc<str>>>,
}

/// What was wanted of a poller so far; changes whenever somebody wants a newer snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Questions {
    /// When the last question was asked, or the desk was opened.
    pub last: Timestamp,
    /// How often Azure itself has said that there is news.
    pub wakes: u64,
}

/// The poller's side of a [`Desk`].
#[derive(Debug)]
pub struct Publisher {
    /// Where it lays what it knows.
    pub look: watch::Sender<Look>,
    /// What is wanted of it.
    pub questions: watch::Receiver<Questions>,
}

impl Desk {
    /// A desk and the other side of it.
    #[must_use]
    pub fn new(
        organization: Arc<str>,
        id: i64,
        name: Arc<str>,
        clock: Clock,
        freshness: Freshness,
        pool: Pool,
        view: watch::Receiver<View>,
    ) -> (Arc<Self>, Publisher) {
        let (look_sender, look) = watch::channel(Look::default());
        let (questions, asked) = watch::channel(Questions { last: clock.now(), wakes: 0 });
        let (pool, placeholder_trouble) = (Mutex::new(pool), Mutex::default());
        let desk = Self { organization, id, name, clock, freshness, pool, view, look, questions, placeholder_trouble };
        (Arc::new(desk), Publisher { look: look_sender, questions: asked })
    }

    /// What time it is at this desk.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether somebody has asked of late; else nobody is served by another look.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.questions.borrow().is_in_use(self.now())
    }

    /// The pool's triggers, memory and decision; it sees the cluster as it is now. Held for a computation only, never while
    /// waiting.
    pub fn pool(&self) -> MutexGuard<'_, Pool> {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.see(self.view.borrow().current().cloned());
        pool
    }

    /// What the poller knows, as a channel that tells of changes.
    #[must_use]
    pub fn look(&self) -> watch::Receiver<Look> {
        self.look.clone()
    }

    /// Why placeholders are not kept as they should be, with the mend.
    #[must_use]
    pub fn placeholder_trouble(&self) -> Option<Arc<str>> {
        self.placeholder_trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes why placeholders are not kept as they should be, or that they are.
    pub fn note_placeholder_trouble(&self, trouble: Option<Arc<str>>) {
        *self.placeholder_trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// How long a snapshot stays fresh at present, and whether that is longer than usual.
    #[must_use]
    pub fn fresh_for(&self) -> (Duration, bool) {
        let (usual, now) = (self.freshness.fresh_for, self.look.borrow().fresh_for);
        (usual.max(now), now > usual)
    }

    /// Asks the poller for a newer snapshot, without waiting for it.
    pub fn nudge(&self) {
        self.questions.send_modify(|questions| questions.last = self.clock.now());
    }

    /// Tells the poller that there is news, if the pool is in use. That is no question: it does not keep the pool in use.
    pub fn wake(&self) {
        if self.is_in_use() {
            self.questions.send_modify(|questions| questions.wakes += 1);
        }
    }

    /// A snapshot to answer from: one that is fresh, or the one that a round of requests brings within the time allowed,
    /// or the last good one while its age is tolerated.
    ///
    /// # Errors
    ///
    /// When there is none that young: not knowing is not zero.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Arc<Failure>> {
        let mut look = self.look.clone();
        let asked = self.now();
        let (awaited, patience, late) = {
            let seen = look.borrow_and_update();
            let is_fresh = |known: &Snapshot| {
                age(known, asked) <= self.freshness.fresh_for.max(seen.fresh_for) && !planted!(NothingIsFresh)
            };
            if let Some(snapshot) = seen.snapshot.as_ref().filter(|known| is_fresh(known)) {
                return Ok(Arc::clone(snapshot));
            }
            let patience = match seen.rounds_ended {
                0 => self.freshness.first_answer_within,
                _ => self.freshness.answer_within,
            };
            let in_flight_for = seen.asking_since.map(|since| since.elapsed());
            // Whoever asks while a round is under way waits for that one.
            let awaited = seen.rounds_ended + 1;
            (awaited, patience, in_flight_for.is_some_and(|elapsed| elapsed >= patience && !planted!(LateRoundAwaited)))
        };
        self.nudge();
        if !late {
            let ended = look.wait_for(|seen| seen.rounds_ended >= awaited);
            // Late or without a poller, what there is must do.
            let _ = tokio::time::timeout(patience, ended).await;
        }
        self.last_good()
    }

    /// The last good snapshot while its age is tolerated.
    ///
    /// # Errors
    ///
    /// When it is older than that, or there is none: with the last round's failure, where there is one.
    pub fn last_good(&self) -> Result<Arc<Snapshot>, Arc<Failure>> {
        let look = self.look.borrow();
        let tolerated = |known: &Snapshot| age(known, self.now()) <= self.freshness.tolerated_age;
        match &look.snapshot {
            Some(snapshot) if tolerated(snapshot) || planted!(StaleTolerated) => Ok(Arc::clone(snapshot)),
            known => Err(look.failure.clone().unwrap_or_else(|| Arc::new(self.too_old(known.as_deref())))),
        }
    }

    fn too_old(&self, known: Option<&Snapshot>) -> Failure {
        let Self { organization, name, freshness, .. } = self;
        let message = match known {
            None => format!(
                "pool `{name}` of organization `{organization}`: Azure DevOps has not answered yet; the next poll asks again"
            ),
            Some(snapshot) => format!(
                "pool `{name}` of organization `{organization}`: the last answer of Azure DevOps is {} s old, and \
                 `tolerated_age` is {} s; it answers late, look at azp_scaler_azure_request_duration_seconds",
                age(snapshot, self.now()).as_secs(),
                freshness.tolerated_age.as_secs(),
            ),
        };
        Failure { class: FailureClass::Stale, message }
    }
}

impl Questions {
    /// Whether the pool is in use.
    #[must_use]
    pub fn is_in_use(&self, now: Timestamp) -> bool {
        now.duration_since(self.last) < IN_USE_FOR
    }
}

fn age(snapshot: &Snapshot, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(snapshot.taken_at)).unwrap_or_default()
}

/// A future that a [`Directory`] answers with.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Arc<Desk>, Arc<Failure>>> + Send + 'a>>;

/// Finds the desk of a pool; opens it, with a poller behind it, where there is none yet.
pub trait Directory: Send + Sync + 'static {
    /// The desk of a configured organisation's pool. Azure is asked whether the pool exists the first time only.
    fn open<'a>(&'a self, organization: &'a str, pool: &'a PoolSelector) -> Opening<'a>;

    /// The desk of a pool that is reached with a trigger's own token. Triggers share it if they bring the same one.
    fn open_with<'a>(&'a self, brought: &'a Brought, pool: &'a PoolSelector) -> Opening<'a>;

    /// All pools in use, in a stable order.
    fn desks(&self) -> Vec<Arc<Desk>>;

    /// Tells the pollers of a configured organisation's pools that there is news.
    fn wake(&self, organization: &str) {
        self.desks().iter().filter(|desk| *desk.organization == *organization).for_each(|desk| desk.wake());
    }
}
