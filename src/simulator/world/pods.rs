//! The lives of pods and their agents in a world, as far as their fates allow.

use std::{sync::Arc, time::Duration};

use super::{World, draw};
use crate::simulator::{
    agenda::Event,
    claims::{Cause, Claim},
    cluster::{JobKey, KubernetesJob, Stage},
    faults::{Broken, Fate, lasts},
    organization::{SimulatedAgent, SimulatedPool},
    story::Happening,
};

/// What befalls a pod whose image is broken, in words.
pub const BROKEN_IMAGE: &str = "pod of a broken image";

impl World {
    /// KEDA creates a Kubernetes Job.
    pub(super) fn create(&mut self, scaled_job: usize, claim: Claim) {
        let faults = &self.plan.faults;
        let fate = match self.cluster.scaled_jobs[scaled_job].broken {
            Some(Broken::Fails) => Fate::FailsAtOnce,
            Some(Broken::CantBePulled) => Fate::Unschedulable,
            None if self.now < faults.until && self.random.u32(0..1_000) < faults.per_mille => {
                self.random.choice(&faults.fates).copied().unwrap_or(Fate::Well)
            }
            None => Fate::Well,
        };
        let is_broken = self.cluster.scaled_jobs[scaled_job].broken.is_some();
        if fate != Fate::Well {
            // Chance has no part in it.
            let what = if is_broken { BROKEN_IMAGE } else { fate.text() };
            *self.accounts.faults.entry(what).or_default() += 1;
        }
        let job = self.cluster.create(scaled_job, claim, fate, self.now, &mut self.random);
        let agent = Arc::clone(&self.cluster.jobs[&job].pod);
        self.tell(Happening::Started { agent, claim });
        let start = draw(&mut self.random, &self.plan.delays.pod_start);
        let late = match fate {
            Fate::Slow => draw(&mut self.random, &lasts::SLOW),
            // It is mended, if ever.
            Fate::Unschedulable if is_broken => return,
            Fate::Unschedulable => draw(&mut self.random, &lasts::UNSCHEDULABLE),
            _ => Duration::ZERO,
        };
        self.agenda.enter(self.now + start + late, Event::PodStart { job });
    }

    pub(super) fn pod_starts(&mut self, key: JobKey) {
        let now = self.now;
        let Some(job) = self.alive(key).filter(|job| job.stage == Stage::Pending) else { return };
        job.stage = Stage::Registering;
        job.running_at = Some(now);
        match job.fate {
            Fate::FailsAtOnce => self.enter_after(lasts::FAILS, Event::Failure { job: key }),
            Fate::Evicted => {
                self.enter_after(lasts::UNTIL_EVICTED, Event::Eviction { job: key });
                self.enter_after(self.plan.delays.registration.clone(), Event::Registration { job: key });
            }
            _ => self.enter_after(self.plan.delays.registration.clone(), Event::Registration { job: key }),
        }
    }

    pub(super) fn agent_registers(&mut self, key: JobKey) {
        let id = self.next_agent;
        let Some(job) = self.alive(key).filter(|job| job.stage == Stage::Registering) else { return };
        (job.agent, job.stage) = (Some(id), Stage::Idle);
        let (name, registered, fate, place) =
            (Arc::clone(&job.pod), Arc::clone(&job.registers_with), job.fate, job.scaled_job);
        self.next_agent += 1;
        let pool_id = self.cluster.scaled_jobs[place].plan.pool;
        let mut agent = SimulatedAgent::new(id, Arc::clone(&name), registered, true, self.now);
        agent.hung = fate == Fate::HangsBefore;
        if let Some(pool) = self.pools.get_mut(&pool_id) {
            pool.register(agent);
        }
        self.tell(Happening::Agent { agent: name, did: "registers" });
        self.enter_after(self.plan.delays.assignment.clone(), Event::Assignment { pool: pool_id });
        if fate == Fate::Flaps {
            self.enter_after(lasts::UNTIL_FLAP, Event::Session { job: key, online: false });
        }
        if fate == Fate::HangsBefore {
            self.lose_claim(key, Cause::Fault(fate));
        }
        if let Some(patience) = self.plan.delays.patience.clone() {
            self.enter_after(patience, Event::GivingUp { job: key });
        }
    }

    /// An agent that has had no job for long enough leaves by itself.
    pub(super) fn gives_up(&mut self, key: JobKey) {
        let Some(job) = self.alive(key).filter(|job| job.stage == Stage::Idle) else { return };
        job.stage = Stage::Leaving;
        self.lose_claim(key, Cause::GaveUp);
        self.of_agent(key, "gives up waiting for a job", |pool, agent, _| {
            pool.change(agent, |agent| agent.hung = true);
        });
        self.enter_after(self.plan.delays.leaving.clone(), Event::Leaving { job: key });
    }

    pub(super) fn session_changes(&mut self, key: JobKey, online: bool) {
        if self.alive(key).is_none() {
            return;
        }
        let did = if online { "is back online" } else { "loses its session" };
        self.of_agent(key, did, |pool, agent, at| {
            pool.change(agent, |agent| (agent.online, agent.status_changed_at) = (online, at));
        });
        if online {
            self.azure_looks_again();
        } else {
            self.enter_after(lasts::FLAP, Event::Session { job: key, online: true });
        }
    }

    /// A pod ends before its time: KEDA no longer counts its Kubernetes Job, and its agent seems up for a while.
    pub(super) fn kill(&mut self, key: JobKey, cause: Cause) {
        let Some(job) = self.alive(key) else { return };
        (job.stage, job.has_failed) = (Stage::Finished, true);
        let (agent, place) = (job.agent, job.scaled_job);
        self.lose_claim(key, cause);
        let pool_id = self.cluster.scaled_jobs[place].plan.pool;
        let Some(agent) = agent else {
            self.forget(key);
            return;
        };
        let held = self.pools.get(&pool_id).and_then(|pool| pool.agents.get(&agent)).and_then(|agent| agent.assigned);
        if let Some(request) = held {
            self.lose(pool_id, request);
        }
        self.of_agent(key, "dies", |pool, agent, _| pool.change(agent, |agent| agent.hung = true));
        self.enter_after(lasts::SEEMS_ONLINE, Event::Leaving { job: key });
    }

    pub(super) fn leaves(&mut self, key: JobKey) {
        self.of_agent(key, "goes offline", SimulatedPool::go_offline);
        self.enter_after(self.plan.delays.job_end.clone(), Event::KubernetesJobEnd { job: key });
    }

    pub(super) fn kubernetes_job_ends(&mut self, key: JobKey) {
        if let Some(job) = self.cluster.jobs.get_mut(&key) {
            job.stage = Stage::Finished;
        }
        self.enter_after(self.plan.delays.linger.clone(), Event::Unregistration { job: key });
    }

    pub(super) fn unregisters(&mut self, key: JobKey) {
        self.of_agent(key, "is unregistered", |pool, agent, _| pool.unregister(agent));
        self.forget(key);
    }

    /// A Kubernetes Job of interest no more: what its agent was started for is accounted for.
    fn forget(&mut self, key: JobKey) {
        let Some(job) = self.cluster.end(key) else { return };
        if !job.used {
            let (cause, age) = job.claim.cause_of_surplus(|_| false).unwrap_or((Cause::Unexplained, Duration::ZERO));
            self.accounts.left_unused.push((cause, age));
            self.tell(Happening::Surplus { agent: job.pod, cause });
        }
    }

    /// The agent will not run the job that it was started for.
    pub(super) fn lose_claim(&mut self, key: JobKey, cause: Cause) {
        let Some(job) = self.cluster.jobs.get_mut(&key).filter(|job| !job.used) else { return };
        if job.claim.request().is_some() {
            job.claim = Claim::lost(cause);
        }
    }

    fn alive(&mut self, key: JobKey) -> Option<&mut KubernetesJob> {
        self.cluster.jobs.get_mut(&key).filter(|job| !job.is_finished())
    }

    fn of_agent(&mut self, job: JobKey, did: &'static str, change: impl Fn(&mut SimulatedPool, i64, Duration)) {
        let Some(job) = self.cluster.jobs.get(&job) else { return };
        let pool = self.pools.get_mut(&self.cluster.scaled_jobs[job.scaled_job].plan.pool);
        if let Some((pool, agent)) = pool.zip(job.agent) {
            change(pool, agent, self.now);
            let agent = Arc::clone(&job.pod);
            self.tell(Happening::Agent { agent, did });
        }
    }
}
