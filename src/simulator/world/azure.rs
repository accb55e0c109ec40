//! What Azure does in a world: jobs arrive, are given to agents, run and end.

use std::sync::Arc;

use super::{World, draw};
use crate::{
    job_request::RequestId,
    simulator::{
        agenda::Event,
        claims::{self, Taker},
        cluster::Stage,
        faults::{Fate, lasts},
        story::Happening,
    },
};

impl World {
    pub(super) fn jobs_arrive(&mut self, pool: i64) {
        let Some(plan) = self.plan.pools.iter().find(|plan| plan.id == pool).filter(|_| !self.arrivals_stopped) else {
            return;
        };
        let arrivals = plan.arrivals.clone();
        for _ in 0..self.random.u32(arrivals.at_once) {
            let total: u32 = arrivals.kinds.iter().map(|kind| kind.weight).sum();
            let mut drawn = self.random.u32(..total.max(1));
            let kind = arrivals.kinds.iter().find(|kind| {
                let found = drawn < kind.weight;
                drawn = drawn.saturating_sub(kind.weight);
                found
            });
            if let Some(kind) = kind {
                self.queue(pool, kind.clone());
            }
        }
        self.enter_after(arrivals.every, Event::Arrival { pool });
    }

    /// Azure makes one choice, and comes back for the next while there is any.
    pub(super) fn azure_assigns(&mut self, pool_id: i64) {
        let Some(pool) = self.pools.get_mut(&pool_id) else { return };
        let Some((request, agent)) = pool.choose(&mut self.random, |parallelism| self.licences.allow(parallelism))
        else {
            return;
        };
        self.give(pool_id, request, agent);
        self.enter_after(self.plan.delays.assignment.clone(), Event::Assignment { pool: pool_id });
    }

    /// Azure gives a job to an agent.
    fn give(&mut self, pool_id: i64, request: RequestId, agent: i64) {
        let Some(pool) = self.pools.get_mut(&pool_id) else { return };
        let chosen = &pool.agents[&agent];
        let (name, free_since) = (Arc::clone(&chosen.name), chosen.free_since);
        pool.assign(request, agent, self.now);
        let assigned = &pool.requests[&request];
        self.licences.take(assigned.kind.parallelism);
        self.accounts.waited(self.now.saturating_sub(assigned.queued_at));
        let runs_for = assigned.kind.runs_for.clone();
        let job = self.cluster.job_of_agent(agent);
        claims::taken(&mut self.cluster.jobs, request, Taker { job, free_since }, self.upheaval);
        if let Some(job) = job.and_then(|job| self.cluster.jobs.get_mut(&job)) {
            self.accounts.jobs_on_started_agents += 1;
            self.accounts.agents_used += u64::from(!job.used);
            (job.stage, job.used) = (Stage::Busy, true);
        }
        self.tell(Happening::Assigned { request, agent: name });
        let received = draw(&mut self.random, &self.plan.delays.receipt);
        let ended = received + draw(&mut self.random, &runs_for);
        self.agenda.enter(self.now + received, Event::Receipt { pool: pool_id, request });
        self.agenda.enter(self.now + ended, Event::JobEnd { pool: pool_id, request });
    }

    pub(super) fn job_ends(&mut self, pool: i64, request: RequestId) {
        if self.lost.contains(&request) {
            return;
        }
        let Some(agent) = self.request_is_over(pool, request, false) else { return };
        self.accounts.jobs_run += 1;
        self.tell(Happening::Ran { request });
        let Some(key) = self.cluster.job_of_agent(agent) else {
            if self.guest_has_run(pool, agent) {
                return;
            }
            self.enter_after(self.plan.delays.assignment.clone(), Event::Assignment { pool });
            return;
        };
        let Some(job) = self.cluster.jobs.get_mut(&key).filter(|job| !job.is_finished()) else { return };
        let fate = std::mem::replace(&mut job.fate, Fate::Well);
        job.stage = Stage::Leaving;
        if fate == Fate::TakesTwo {
            let licences = &self.licences;
            let second = self.pools.get_mut(&pool).and_then(|pool| pool.second_job(agent, |kind| licences.allow(kind)));
            if let Some(second) = second {
                self.give(pool, second, agent);
                return;
            }
        }
        let leaves_after = if fate == Fate::HangsAfter { lasts::HANGS } else { self.plan.delays.leaving.clone() };
        self.enter_after(leaves_after, Event::Leaving { job: key });
    }

    /// A job's agent is gone; Azure finds out when the lease runs out.
    pub(super) fn lose(&mut self, pool: i64, request: RequestId) {
        if self.lost.insert(request) {
            self.enter_after(lasts::LEASE, Event::LeaseEnd { pool, request });
        }
    }

    pub(super) fn lease_ends(&mut self, pool: i64, request: RequestId) {
        if self.lost.remove(&request) && self.request_is_over(pool, request, true).is_some() {
            self.accounts.jobs_lost += 1;
            self.tell(Happening::Disturbed { what: format!("Azure gives job {request} up") });
        }
    }

    /// A request that had an agent is gone, its licence is free; the agent that had it.
    fn request_is_over(&mut self, pool: i64, request: RequestId, lost: bool) -> Option<i64> {
        let finished = self.pools.get_mut(&pool)?.finish(request, self.now)?;
        self.guests.remember_job(pool, &finished, self.now, lost);
        if self.licences.give_back(finished.kind.parallelism) {
            self.azure_looks_again();
        }
        finished.agent
    }

    /// Any pool's oldest job may have waited for what has just changed.
    pub(super) fn azure_looks_again(&mut self) {
        for pool in self.pools.keys().copied().collect::<Vec<_>>() {
            self.enter_after(self.plan.delays.assignment.clone(), Event::Assignment { pool });
        }
    }
}
