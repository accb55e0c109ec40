//! How KEDA's built-in `azure-pipelines` scaler counts: `matching: builtin`.
//!
//! ```text
//! [Snapshot] ──jobs that agree with [Builtin]──▶ one number
//! ```
//!
//! A copy of what KEDA 2.21 does with `fetchUnfinishedJobsOnly`, oddities included: whole texts are compared, so
//! `java` is not `java -equals 17`, and a blank after a comma belongs to the demand.
//!
//! Pure. Knows [`snapshot`](crate::snapshot) and what is in one.

mod folding;

use self::folding::equal_fold;
use crate::{capability::CapabilitySet, demand::DemandSet, job_request::JobRequest, snapshot::Snapshot};

/// What the built-in scaler's metadata say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// `parent`: count jobs that list this agent as matched, and ask about no demands. Never empty.
    pub parent: Option<String>,
    /// `demands`, as written; empty where none are.
    pub demands: String,
    /// Which of the demands must agree.
    pub agreement: Agreement,
    /// `caseInsensitiveDemandsProcessing`.
    pub ignores_case: bool,
    /// `scaleOnInFlight`: whether jobs that agents have received count.
    pub counts_in_flight: bool,
}

/// Which of the job's and the trigger's demands must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Agreement {
    /// All of the job's must be among the trigger's.
    #[default]
    OfTheJob,
    /// The same, and nothing more among the trigger's: `requireAllDemands`.
    Both,
    /// All of the trigger's must be among the job's: `requireAllDemandsAndIgnoreOthers`.
    OfTheTrigger,
}

/// The built-in scaler's own defaults: every unfinished job counts.
impl Default for Builtin {
    fn default() -> Self {
        Self {
            parent: None,
            demands: String::new(),
            agreement: Agreement::default(),
            ignores_case: false,
            counts_in_flight: true,
        }
    }
}

impl Builtin {
    /// How many of the pool's jobs the built-in scaler would count.
    ///
    /// It asks Azure for jobs only. Here it is told what the [snapshot](Snapshot::new) knows, in which the agents' answer
    /// has mended the jobs': a job that an agent has finished meanwhile is gone, so the number may be what the built-in
    /// scaler would say a moment later. (A job that an agent holds meanwhile is running, which is no difference: it counts
    /// as received only once its own answer says so.)
    ///
    /// `parent` is looked for in a job's `matchedAgents`: the registered agents that satisfy it, offline and disabled ones
    /// included. Of ten thousand jobs in a pool of a thousand agents these lists are most of the answer, and not worth
    /// reading for what follows from the agents themselves: whether the agent of exactly that name meets all demands that
    /// Azure understands (the others it treats as absent). A job without such a list, as a running one may be, does not
    /// count.
    #[must_use]
    pub fn count(&self, snapshot: &Snapshot) -> u32 {
        let counts = self.counting(snapshot);
        u32::try_from(snapshot.jobs.iter().filter(|job| counts(job)).count()).unwrap_or(u32::MAX)
    }

    /// Which of the snapshot's jobs these are.
    pub fn counting<'a>(&'a self, snapshot: &'a Snapshot) -> impl Fn(&JobRequest) -> bool + 'a {
        // Thousands of jobs have a few hundred demand sets between them.
        let agreeing: Vec<bool> = snapshot.demand_sets.iter().map(self.agreement(snapshot)).collect();
        move |job| self.looks_at(job) && agreeing[job.demands as usize]
    }

    /// Whether a job is among those.
    #[must_use]
    pub fn counts(&self, snapshot: &Snapshot, job: &JobRequest) -> bool {
        self.looks_at(job) && self.agreement(snapshot)(snapshot.demands_of(job))
    }

    /// Whether agents that are started for a job that counts can be taken to run it: what the built-in scaler compares covers
    /// all that the job demands.
    #[must_use]
    pub fn vouches_for(&self, demands: &DemandSet) -> bool {
        let covers = self.agreement != Agreement::OfTheTrigger && !self.demands.is_empty();
        self.parent.is_some() || covers || demands.is_without_demands()
    }

    /// Whether a job counts, if its demands agree.
    fn looks_at(&self, job: &JobRequest) -> bool {
        (self.counts_in_flight || !job.received) && (self.parent.is_none() || job.lists_matched_agents)
    }

    /// Which demands agree.
    fn agreement<'a>(&'a self, snapshot: &'a Snapshot) -> Box<dyn Fn(&DemandSet) -> bool + 'a> {
        match &self.parent {
            Some(parent) => {
                let agent = snapshot.agents.iter().find(|agent| agent.name.as_str() == parent);
                Box::new(move |set| agent.is_some_and(|agent| is_matched(&agent.capabilities, set)))
            }
            None if self.demands.is_empty() => Box::new(|_| true),
            None => {
                let listed: Vec<&str> = self.demands.split(',').filter(is_compared).collect();
                Box::new(move |set| self.agrees(set, &listed))
            }
        }
    }

    /// Whether a job's demands agree with those listed, by counting equal pairs: a demand that stands twice on one side
    /// makes two of them, which can hide one that is missing.
    fn agrees(&self, set: &DemandSet, listed: &[&str]) -> bool {
        let asked: Vec<&str> = set.written().iter().map(|text| &**text).filter(is_compared).collect();
        let pairs: usize =
            asked.iter().map(|asked| listed.iter().filter(|listed| self.is_equal(asked, listed)).count()).sum();
        match self.agreement {
            Agreement::OfTheJob => pairs == asked.len(),
            Agreement::Both => pairs == asked.len() && pairs == listed.len(),
            Agreement::OfTheTrigger => pairs == listed.len(),
        }
    }

    fn is_equal(&self, one: &str, other: &str) -> bool {
        one == other || self.ignores_case && equal_fold(one, other)
    }
}

/// Whatever begins like a demand on the agent's version is left out of every comparison, on both sides.
fn is_compared(demand: &&str) -> bool {
    !demand.starts_with("Agent.Version")
}

/// Whether Azure lists an agent with these capabilities among a job's `matchedAgents`.
fn is_matched(capabilities: &CapabilitySet, set: &DemandSet) -> bool {
    set.demands().iter().all(|demand| capabilities.meets(demand))
}

#[cfg(test)]
mod tests;
