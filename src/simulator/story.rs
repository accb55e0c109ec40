//! What happened in a world, in words: the first thing to read where a test fails.
//!
//! Bounded: only the last events are kept, as data; words are made when somebody reads them.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    sync::Arc,
    time::Duration,
};

use super::claims::{Cause, Claim};
use crate::{job_request::RequestId, trigger::ScaledJobId};

/// How many events are kept.
const KEPT: usize = 4_000;

/// Something that has happened.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A job was queued.
    Queued {
        /// Which one.
        request: RequestId,
        /// Its name.
        job: Arc<str>,
        /// What it asks for.
        demands: Arc<[Box<str>]>,
    },
    /// Azure gave a job to an agent.
    Assigned {
        /// Which one.
        request: RequestId,
        /// To whom.
        agent: Arc<str>,
    },
    /// A job has run.
    Ran {
        /// Which one.
        request: RequestId,
    },
    /// A job was cancelled while it waited.
    Cancelled {
        /// Which one.
        request: RequestId,
    },
    /// KEDA created Kubernetes Jobs.
    Created {
        /// For whom.
        scaled_job: ScaledJobId,
        /// How many.
        count: u32,
        /// What the scaler had answered, rounded.
        value: u64,
        /// Unfinished Jobs before.
        running: u32,
    },
    /// A pod was created.
    Started {
        /// Its name.
        agent: Arc<str>,
        /// What for.
        claim: Claim,
    },
    /// A pod is gone whose agent has run no job.
    Surplus {
        /// Its name.
        agent: Arc<str>,
        /// Why it was started.
        cause: Cause,
    },
    /// The scaler answered a poll with an error, or not at all.
    Failed {
        /// For whom.
        scaled_job: ScaledJobId,
    },
    /// An agent came or left.
    Agent {
        /// Its name.
        agent: Arc<str>,
        /// What it did.
        did: &'static str,
    },
    /// No more jobs arrive by themselves.
    ArrivalsStopped,
    /// Something happened from outside.
    Disturbed {
        /// What.
        what: String,
    },
}

/// The last events of a world.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    events: VecDeque<(Duration, Happening)>,
    left_out: u64,
}

impl Story {
    pub(super) fn tell(&mut self, at: Duration, happening: Happening) {
        if self.events.len() == KEPT {
            self.events.pop_front();
            self.left_out += 1;
        }
        self.events.push_back((at, happening));
    }

    /// The last events, latest last, one a line.
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        let skipped = self.events.len().saturating_sub(count);
        self.events.iter().skip(skipped).map(|(at, happening)| line(*at, happening)).collect()
    }
}

fn line(at: Duration, happening: &Happening) -> String {
    format!("{:>5}.{:03} s  {happening}", at.as_secs(), at.subsec_millis())
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.left_out > 0 {
            writeln!(f, "({} earlier events are not kept)", self.left_out)?;
        }
        self.events.iter().try_for_each(|(at, happening)| writeln!(f, "{}", line(*at, happening)))
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued { request, job, demands } => {
                write!(f, "job {request} ({job}) is queued")?;
                let mut before = ": asks for ";
                for demand in demands.iter() {
                    f.write_str(before)?;
                    f.write_char('`')?;
                    f.write_str(demand)?;
                    f.write_char('`')?;
                    before = ", ";
                }
                Ok(())
            }
            Self::Assigned { request, agent } => write!(f, "job {request} is given to {agent}"),
            Self::Ran { request } => write!(f, "job {request} has run"),
            Self::Cancelled { request } => write!(f, "job {request} is cancelled while it waits"),
            Self::Created { scaled_job, count, value, running } => {
                write!(f, "KEDA creates {count} for {scaled_job}: told {value}, {running} unfinished")
            }
            Self::Started { agent, claim: Claim::On(request, _) } => {
                write!(f, "pod {agent} is created for job {request}")
            }
            Self::Started { agent, claim: Claim::Lost(cause, _) } => {
                write!(f, "pod {agent} is created, and surplus: {}", cause.text())
            }
            Self::Surplus { agent, cause } => write!(f, "pod {agent} has run no job: {}", cause.text()),
            Self::Failed { scaled_job } => write!(f, "the scaler fails to answer for {scaled_job}"),
            Self::Agent { agent, did } => write!(f, "agent {agent} {did}"),
            Self::ArrivalsStopped => f.write_str("no more jobs arrive"),
            Self::Disturbed { what } => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_events_of_a_long_story_are_left_out() {
        let mut story = Story::default();
        for request in 0..=KEPT {
            let request = RequestId(i64::try_from(request).unwrap());
            story.tell(Duration::from_millis(1_500), Happening::Ran { request });
        }
        let text = story.to_string();
        assert!(text.starts_with("(1 earlier events are not kept)\n    1.500 s  job 1 has run\n"), "{}", &text[..80]);
        assert_eq!(story.last(1), [format!("    1.500 s  job {KEPT} has run")]);
    }
}
