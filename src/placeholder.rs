//! Placeholders: offline agents that stand for the agents of a ScaledJob, so that Azure accepts jobs while none of them runs.
//!
//! ```text
//! wanted (ScaledJob, capabilities) ─┐
//!                                   ├─ [steps] ──▶ register, replace, remove
//! registered agents, by their mark ─┘
//! ```
//!
//! Pure: what there is to do, and not how.

mod mark;

use std::{collections::BTreeSet, sync::Arc};

pub use mark::{ANY_VERSION, Keeper, MARK, Mark, is_placeholder, offered_by};

use crate::{agent::Agent, capability::CapabilitySet, caseless::Caseless, trigger::ScaledJobId};

/// Characters of a placeholder's name before its number.
const LONGEST_NAME: usize = 56;

/// One placeholder that there is to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Whose agents it stands for.
    pub scaled_job: ScaledJobId,
    /// What they offer; `None` while that is not known, and then what is there stays.
    pub capabilities: Option<Arc<CapabilitySet>>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is none yet.
    Register {
        /// Its name, which no agent of the pool has.
        name: String,
        /// Whose it is.
        mark: Mark,
        /// All it registers with.
        capabilities: CapabilitySet,
    },
    /// There is one with other capabilities.
    Replace {
        /// Azure's number for it.
        id: i64,
        /// Its name, which stays.
        name: String,
        /// Whose it is.
        mark: Mark,
        /// All it is to register with.
        capabilities: CapabilitySet,
    },
    /// There is one that nobody wants.
    Remove {
        /// Azure's number for it.
        id: i64,
        /// Its name.
        name: String,
        /// Whose it was.
        mark: Mark,
    },
}

impl Step {
    /// Whose placeholder it is about.
    #[must_use]
    pub fn mark(&self) -> &Mark {
        let (Self::Register { mark, .. } | Self::Replace { mark, .. } | Self::Remove { mark, .. }) = self;
        mark
    }
}

/// What is to be done for the registered placeholders of a keeper to be those that are wanted; ScaledJobs that are not wanted
/// lose theirs. A ScaledJob may want several that differ; those that are there already, stay.
#[must_use]
pub fn steps(wanted: &[Wanted], agents: &[Agent], keeper: Keeper) -> Vec<Step> {
    let mut there: Vec<(&Agent, Mark)> = agents
        .iter()
        .filter_map(|agent| Some((agent, Mark::of(agent)?)))
        .filter(|(_, mark)| mark.keeper == keeper || planted!(PersonsPlaceholdersTaken))
        .collect();
    there.sort_by_key(|(agent, _)| agent.id);
    let mut names: BTreeSet<Caseless> = agents.iter().map(|agent| agent.name.clone()).collect();
    // While it is not known what one is to offer, nothing of its ScaledJob is touched.
    let unknown: BTreeSet<&ScaledJobId> =
        wanted.iter().filter(|one| one.capabilities.is_none()).map(|one| &one.scaled_job).collect();
    there.retain(|(_, mark)| !unknown.contains(&mark.scaled_job) || planted!(UnknownPlaceholderRemoved));
    let known = wanted.iter().filter(|one| !unknown.contains(&one.scaled_job));
    let mut missing: Vec<(Mark, CapabilitySet)> = Vec::new();
    for Wanted { scaled_job, capabilities } in known {
        let mark = Mark { scaled_job: scaled_job.clone(), keeper };
        let capabilities = mark.over(capabilities.as_deref().unwrap_or(&CapabilitySet::default()));
        if !missing.iter().any(|(other, alike)| *other == mark && *alike == capabilities) {
            missing.push((mark, capabilities));
        }
    }
    missing.retain(|(mark, capabilities)| {
        let same = there.iter().position(|(agent, have)| {
            have == mark && (*agent.capabilities == *capabilities || planted!(PlaceholderKeepsItsCapabilities))
        });
        same.map(|place| there.remove(place)).is_none()
    });
    let mut steps = Vec::new();
    for (mark, capabilities) in missing {
        let old = there.iter().position(|(_, have)| *have == mark);
        steps.push(match old.map(|place| there.remove(place)) {
            Some((agent, _)) => Step::Replace { id: agent.id, name: agent.name.to_string(), mark, capabilities },
            None => Step::Register { name: new_name(&mark.scaled_job, &mut names), mark, capabilities },
        });
    }
    let rest = there.into_iter();
    steps.extend(rest.map(|(agent, mark)| Step::Remove { id: agent.id, name: agent.name.to_string(), mark }));
    steps
}

/// A name that no agent has yet.
fn new_name(id: &ScaledJobId, names: &mut BTreeSet<Caseless>) -> String {
    let stem: String = format!("placeholder.{}.{}", id.namespace, id.name).chars().take(LONGEST_NAME).collect();
    let numbered = (2..).map(|number: u32| format!("{stem}.{number}"));
    let name = std::iter::once(stem.clone())
        .chain(numbered)
        .find(|name| names.insert(Caseless::new(name)) || planted!(PlaceholderTakesAName));
    name.unwrap_or(stem)
}

#[cfg(test)]
mod tests;
