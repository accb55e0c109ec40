//! Disturbances of a world, and the calm after them.

use std::sync::Arc;

use super::{EVERY_AGENT_HAS, World};
use crate::{
    capability::CapabilitySet,
    simulator::{
        agenda::Event,
        claims::Cause,
        cluster::{JobKey, Stage},
        faults::{Broken, Disturbance, Edit, Fate},
        organization::{Registered, SimulatedAgent},
        story::Happening,
    },
};

impl World {
    pub(super) fn disturb(&mut self, disturbance: &Disturbance) {
        *self.accounts.faults.entry(disturbance.kind()).or_default() += 1;
        self.tell(Happening::Disturbed { what: disturbance.to_string() });
        match disturbance {
            Disturbance::Enable { pool, agent, enabled } => {
                self.change_static(*pool, agent, |agent| agent.enabled = *enabled);
            }
            Disturbance::Connect { pool, agent, online } => {
                let now = self.now;
                self.change_static(*pool, agent, |agent| (agent.online, agent.status_changed_at) = (*online, now));
            }
            Disturbance::Hang { pool, agent, hung } => self.change_static(*pool, agent, |agent| agent.hung = *hung),
            Disturbance::Limit(parallelism, limit) => self.set_parallel_jobs(*parallelism, *limit),
            Disturbance::Image(place, broken) => self.change_image(*place, *broken),
            Disturbance::Pause(place, paused) => self.cluster.scaled_jobs[*place].paused = *paused,
            Disturbance::Delete(place, deleted) => {
                self.cluster.scaled_jobs[*place].deleted = *deleted;
                for job in self.jobs_of(*place).into_iter().filter(|_| *deleted) {
                    self.kill(job, Cause::ScaledJobGone);
                }
            }
            Disturbance::Edit(place, edit) => self.edit(*place, edit),
            Disturbance::KedaDown(time) => self.keda_down_until = self.now + *time,
        }
        self.note_upheaval();
        self.azure_looks_again();
    }

    /// Something has happened to the scaler or its requests that makes it lose what it knew of the jobs that wait.
    pub fn note_trouble(&mut self, what: &'static str) {
        *self.accounts.faults.entry(what).or_default() += 1;
        self.tell(Happening::Disturbed { what: what.to_owned() });
        self.note_upheaval();
    }

    fn note_upheaval(&mut self) {
        self.upheaval = Some(self.now);
    }

    /// From now on nothing goes wrong: whatever is wrong is mended.
    pub(super) fn calm_down(&mut self) {
        self.tell(Happening::Disturbed { what: "from now on nothing goes wrong".to_owned() });
        self.keda_down_until = self.now;
        for place in 0..self.cluster.scaled_jobs.len() {
            let scaled_job = &mut self.cluster.scaled_jobs[place];
            (scaled_job.paused, scaled_job.deleted) = (false, false);
            self.change_image(place, None);
        }
        for pool in self.plan.pools.clone() {
            for agent in &pool.agents {
                self.change_static(pool.id, &agent.name, |simulated| simulated.hung = false);
            }
        }
        let stuck = self.cluster.jobs.iter().filter(|(_, job)| !job.is_finished());
        let stuck: Vec<(JobKey, Stage, Fate)> = stuck.map(|(key, job)| (*key, job.stage, job.fate)).collect();
        for (key, stage, fate) in stuck {
            match (stage, fate) {
                (Stage::Pending, Fate::Unschedulable | Fate::Slow) => {
                    self.enter_after(self.plan.delays.pod_start.clone(), Event::PodStart { job: key });
                }
                (Stage::Idle, Fate::HangsBefore) => self.kill(key, Cause::Fault(fate)),
                (Stage::Leaving, _) => self.leaves(key),
                _ => {}
            }
        }
        self.note_upheaval();
        self.azure_looks_again();
    }

    fn change_image(&mut self, place: usize, broken: Option<Broken>) {
        let before = std::mem::replace(&mut self.cluster.scaled_jobs[place].broken, broken);
        if before == Some(Broken::CantBePulled) && broken.is_none() {
            for job in self.jobs_of(place) {
                let fate = self.cluster.jobs.get(&job).map(|job| (job.stage, job.fate));
                if fate == Some((Stage::Pending, Fate::Unschedulable)) {
                    self.enter_after(self.plan.delays.pod_start.clone(), Event::PodStart { job });
                }
            }
        }
    }

    fn edit(&mut self, place: usize, edit: &Edit) {
        let scaled_job = &mut self.cluster.scaled_jobs[place];
        scaled_job.edits += 1;
        match edit {
            Edit::Maximum(max) => scaled_job.plan.scaling.max_replicas = *max,
            Edit::Priority(priority) => scaled_job.plan.priority = *priority,
            Edit::Offers(offers) => {
                scaled_job.plan.capabilities = offers.clone();
                let registers_with = offers.over(&CapabilitySet::new(EVERY_AGENT_HAS));
                scaled_job.registers_with = Arc::new(Registered::new(registers_with));
            }
        }
    }

    fn change_static(&mut self, pool: i64, name: &Arc<str>, change: impl FnOnce(&mut SimulatedAgent)) {
        let Some(pool) = self.pools.get_mut(&pool) else { return };
        let agent = pool.agents.values().find(|agent| agent.name == *name).map(|agent| agent.id);
        if let Some(agent) = agent {
            pool.change(agent, change);
        }
    }

    fn jobs_of(&self, place: usize) -> Vec<JobKey> {
        self.cluster.jobs.iter().filter(|(_, job)| job.scaled_job == place).map(|(key, _)| *key).collect()
    }
}
