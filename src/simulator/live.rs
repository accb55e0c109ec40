//! The same world in real time: it serves Azure's REST interface on a real socket, and its KEDA polls a real scaler.
//!
//! ```text
//! [LiveWorld] ── one task moves the world from event to event
//!     ├─ [rest]    Azure's REST interface over HTTP ◀── the scaler's client
//!     ├─ [line]    the connections under it, which may go wrong; [shapes] has the ways
//!     ├─ [control] beside it, for who asks for it: jobs, agents and faults from outside
//!     └─ [polling] one task per ScaledJob ──gRPC──▶ the scaler
//! ```
//!
//! All tasks belong to the [`LiveWorld`] and end with it. The world stands behind one lock, held for a computation only.

pub mod control;
mod line;
mod observation;
mod polling;
mod rest;
mod shapes;
mod traffic;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use secrecy::SecretString;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tonic::transport::Endpoint;

use self::traffic::Traffic;
pub use self::{
    observation::{Observation, QueuedJob, ScaledJobStages, StaticAgent},
    polling::DecisionInForce,
    shapes::Shape,
};
use super::{accounts::Summary, plan::Plan, world::World};
use crate::{job_request::Parallelism, pools::Clock};

/// How long the tasks may take to stop.
const STOPS_WITHIN: Duration = Duration::from_secs(2);

/// Whether anybody may change the world over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controls {
    /// By the [`control`] API.
    OverHttp,
    /// Nobody.
    None,
}

/// A world in real time.
#[derive(Debug)]
pub struct LiveWorld {
    shared: Arc<Shared>,
    address: SocketAddr,
    polled: Mutex<Vec<mpsc::Receiver<()>>>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    _stops_when_dropped: DropGuard,
}

/// What the tasks share.
#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    clock: Clock,
    /// Something was entered on the world's agenda from outside.
    changed: Notify,
    /// The world has moved.
    moved: Notify,
    traffic: Arc<Traffic>,
    /// Tells a ScaledJob's polling task that it is time; a poll that is still under way swallows one.
    polls: Vec<mpsc::Sender<()>>,
}

impl LiveWorld {
    /// Starts the world and its REST interface; KEDA does not poll yet. Only `token` is let in.
    ///
    /// # Errors
    ///
    /// When the address can't be listened on.
    pub async fn start(plan: Plan, listen: SocketAddr, token: SecretString, clock: Clock) -> io::Result<Self> {
        Self::open(plan, listen, token, clock, Controls::None).await
    }

    /// The same with the [`control`] API, and what is gone is remembered for it.
    ///
    /// # Errors
    ///
    /// When the address can't be listened on.
    pub async fn start_with_control(
        plan: Plan,
        listen: SocketAddr,
        token: SecretString,
        clock: Clock,
    ) -> io::Result<Self> {
        let live = Self::open(plan, listen, token, clock, Controls::OverHttp).await?;
        live.shared.now().remember();
        Ok(live)
    }

    async fn open(
        plan: Plan,
        listen: SocketAddr,
        token: SecretString,
        clock: Clock,
        controls: Controls,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let (polls, polled) = plan.scaled_jobs.iter().map(|_| mpsc::channel(1)).unzip();
        let plan = Plan { begins_at: clock.now(), ..plan };
        let world = Mutex::new(World::new(plan));
        let (changed, moved) = (Notify::new(), Notify::new());
        let shared = Arc::new(Shared { world, clock, changed, moved, traffic: Arc::default(), polls });
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        tasks.spawn(cancel.clone().run_until_cancelled_owned(Arc::clone(&shared).go_on()));
        tasks.spawn(rest::serve(listener, Arc::clone(&shared), token, controls, cancel.clone()));
        let stops_when_dropped = cancel.clone().drop_guard();
        Ok(Self { shared, address, polled: Mutex::new(polled), tasks, cancel, _stops_when_dropped: stops_when_dropped })
    }

    /// The organisation's URL.
    #[must_use]
    pub fn organization_url(&self) -> String {
        format!("http://{}/{}", self.address, self.shared.now().plan().organization)
    }

    /// Where the organisation answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on KEDA polls this scaler. `decision` tells the decision in force of a pool; it only serves to tell why
    /// agents come to be surplus. A second call does nothing.
    pub fn poll_scaler(&self, scaler: Endpoint, decision: DecisionInForce) {
        let polled = std::mem::take(&mut *self.polled.lock().unwrap_or_else(PoisonError::into_inner));
        let channel = scaler.timeout(polling::PATIENCE).connect_lazy();
        let decisions = std::iter::repeat_n(decision, polled.len());
        for ((scaled_job, due), decision) in polled.into_iter().enumerate().zip(decisions) {
            let polling = polling::poll(Arc::clone(&self.shared), scaled_job, due, channel.clone(), decision);
            self.tasks.spawn(self.cancel.clone().run_until_cancelled_owned(polling));
        }
    }

    /// What there is to see now.
    #[must_use]
    pub fn observe(&self) -> Observation {
        Observation::of(&self.shared.now())
    }

    /// Sets how many jobs may run at once from now on.
    pub fn set_parallel_jobs(&self, parallelism: Parallelism, limit: Option<u32>) {
        self.shared.now().set_parallel_jobs(parallelism, limit);
        self.shared.changed.notify_one();
    }

    /// From now on the token may only read, or change agents, too.
    pub fn set_read_only(&self, read_only: bool) {
        self.shared.traffic.set_read_only(read_only);
    }

    /// No more jobs arrive by themselves.
    pub fn stop_arrivals(&self) {
        self.shared.now().stop_arrivals();
    }

    /// Whether every job that some trigger fits has run or was cancelled, and no more arrive.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.shared.now().is_drained()
    }

    /// The world summed up as it stands.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.shared.now().summary()
    }

    /// What happened, in words.
    #[must_use]
    pub fn story(&self) -> String {
        self.shared.now().story()
    }

    /// Stops all tasks, and waits for them for two seconds at most.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOPS_WITHIN, self.tasks.wait()).await.is_err() {
            tracing::warn!("the simulated organization did not stop within {} s", STOPS_WITHIN.as_secs());
        }
    }
}

impl Shared {
    /// The world as it is now.
    fn now(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = world.moment(self.clock.now());
        world.run_until(now, |_, scaled_job| {
            // Full while a poll is under way: KEDA polls one after the other.
            let _ = self.polls[scaled_job].try_send(());
        });
        world
    }

    /// Moves the world from event to event, for ever.
    async fn go_on(self: Arc<Self>) {
        loop {
            let pause = {
                let world = self.now();
                world.next_at().map_or(Duration::from_secs(1), |next| next.saturating_sub(world.now()))
            };
            self.moved.notify_waiters();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.changed.notified() => {}
            }
        }
    }
}
