//! How one pool is looked at: a round of requests at a time, jobs first, then agents if something is queued or it is time
//! to; the world moves on between the two.

use std::{sync::Arc, time::Duration};

use crate::{
    agent::Agent,
    azure_devops::decode::{self, AgentReader},
    azure_devops::wire::List,
    job_request::JobRequest,
    simulator::{
        accounts::Endpoint,
        answers::{self, AgentDetails},
        world::World,
    },
    snapshot::{Queue, Snapshot},
};

/// The look at one pool.
#[derive(Debug)]
pub(super) struct Lens {
    reader: AgentReader,
    agents: Option<(Duration, Arc<Vec<Agent>>)>,
    snapshot: Option<(Duration, Arc<Snapshot>)>,
    round: Option<Round>,
    rounds: u64,
}

/// A round of requests.
#[derive(Debug)]
struct Round {
    number: u64,
    begun: Duration,
    /// The queue, once Azure has told it, and when the agents were asked for.
    jobs: Option<(Queue, Duration)>,
}

impl Lens {
    /// `first` tells this scaler's rounds from those of an earlier one.
    pub(super) fn new(first: u64) -> Self {
        Self { reader: AgentReader::default(), agents: None, snapshot: None, round: None, rounds: first }
    }

    pub(super) fn is_fresh(&self, now: Duration, fresh_for: Duration) -> bool {
        self.snapshot.as_ref().is_some_and(|(seen_at, _)| now.saturating_sub(*seen_at) <= fresh_for)
    }

    /// The last good snapshot and when it was taken, unless it is too old.
    pub(super) fn last_good(&self, now: Duration, tolerated_age: Duration) -> Option<(Duration, Arc<Snapshot>)> {
        self.snapshot.clone().filter(|(seen_at, _)| now.saturating_sub(*seen_at) <= tolerated_age)
    }

    /// Begins a round, unless one is under way; its number.
    pub(super) fn begin(&mut self, now: Duration) -> Option<u64> {
        if self.round.is_some() {
            return None;
        }
        self.rounds += 1;
        self.round = Some(Round { number: self.rounds, begun: now, jobs: None });
        Some(self.rounds)
    }

    pub(super) fn is_under_way(&self, round: u64) -> bool {
        self.round.as_ref().is_some_and(|under_way| under_way.number == round)
    }

    /// Whether a round is under way that began no later than a question was asked.
    pub(super) fn asked_before(&self, asked: Duration) -> bool {
        self.round.as_ref().is_some_and(|round| round.begun <= asked)
    }

    pub(super) fn fail(&mut self) {
        self.round = None;
    }

    /// Takes Azure's next answer in. Says whether that ends the round, and whether something was left out of it, which
    /// happens where there is a generator to draw by.
    pub(super) fn look(
        &mut self,
        world: &mut World,
        pool_id: i64,
        background: Duration,
        wrong: Option<&mut fastrand::Rng>,
    ) -> (bool, bool) {
        let now = world.now();
        let Some(mut round) = self.round.take() else { return (true, false) };
        let Some(pool) = world.pool(pool_id) else { return (true, false) };
        let mut left_out = false;
        let mut wrong = wrong;
        let mut keep = |part: u32| {
            let kept = wrong.as_mut().is_none_or(|random| random.u32(0..100) >= part);
            left_out |= !kept;
            kept
        };
        let Some((queue, agents_asked)) = round.jobs.take() else {
            let requests = pool.requests.values().filter(|request| request.agent.is_some() || keep(20));
            let requests = requests.map(|request| answers::job_request(world, pool, request));
            let queue = decode::queue_of(List::from(requests.collect::<Vec<_>>()));
            let known = self.agents.clone().filter(|(asked_at, _)| now.saturating_sub(*asked_at) <= background);
            let known = known.filter(|_| !queue.jobs.iter().any(JobRequest::is_queued));
            world.count_request(Endpoint::JobRequests);
            if let Some((agents_at, agents)) = known {
                self.publish(world, round.begun, queue, agents_at, agents);
                return (true, left_out);
            }
            self.round = Some(Round { jobs: Some((queue, now)), ..round });
            return (false, left_out);
        };
        let agents = pool.agents.values().filter(|_| keep(10));
        let agents = agents.map(|agent| answers::agent(world, agent, AgentDetails::ALL));
        let agents = self.reader.agents_of(List::from(agents.collect::<Vec<_>>()));
        world.count_request(Endpoint::Agents);
        if let Ok(agents) = agents {
            self.publish(world, round.begun, queue, agents_asked, Arc::new(agents));
        }
        (true, left_out)
    }

    fn publish(&mut self, world: &World, begun: Duration, queue: Queue, agents_at: Duration, agents: Arc<Vec<Agent>>) {
        self.agents = Some((agents_at, Arc::clone(&agents)));
        let snapshot = Snapshot::new(world.timestamp(begun), queue, world.timestamp(agents_at), agents);
        self.snapshot = Some((begun, Arc::new(snapshot)));
    }
}
