//! How a placeholder is known: by a capability, so that a restart knows it.
//!
//! [`MARK`] has the ScaledJob as its value. One that a person has made says so, too, and is never removed but by a person.
//! An agent that is online is an agent, whatever its capabilities say. Pure.

use std::fmt;

use crate::{agent::Agent, capability::CapabilitySet, demand::AGENT_VERSION, trigger::ScaledJobId};

/// The capability that marks a placeholder.
pub const MARK: &str = "azp-scaler.placeholder";
/// Ends the mark of one that a person has made; no name in Kubernetes has a blank.
const BY_HAND: &str = " by hand";
/// What a placeholder says of its version where nothing is declared: like the trigger, it meets any demand on that.
pub const ANY_VERSION: &str = "999.0.0";
/// Who keeps a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// A scaler, for a trigger with `placeholder: managed`.
    Scaler,
    /// A person, by `azp-scaler placeholder`.
    Person,
}

/// What a mark says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whose agents it stands for.
    pub scaled_job: ScaledJobId,
    /// Who keeps it.
    pub keeper: Keeper,
}

impl Mark {
    /// The mark of a placeholder; nothing of any other agent, and of one that is online.
    #[must_use]
    pub fn of(agent: &Agent) -> Option<Self> {
        let written = agent
            .capabilities
            .get(&MARK.into())
            .filter(|_| !agent.online || planted!(OnlineIsPlaceholder))?
            .text()
            .as_str();
        let (id, keeper) = match written.strip_suffix(BY_HAND) {
            Some(id) => (id, Keeper::Person),
            None => (written, Keeper::Scaler),
        };
        let (namespace, name) = id.split_once('/')?;
        let scaled_job = ScaledJobId { name: name.into(), namespace: namespace.into() };
        Some(Self { scaled_job, keeper })
    }

    /// All that a placeholder registers with.
    #[must_use]
    pub fn over(&self, offered: &CapabilitySet) -> CapabilitySet {
        let mark = self.to_string();
        let offered = offered.without(&CapabilitySet::OF_ONE_AGENT_ONLY);
        let own = CapabilitySet::new([(MARK, mark.as_str())]);
        own.over(&offered.over(&CapabilitySet::new([(AGENT_VERSION, ANY_VERSION)])))
    }
}

/// As it stands in the capability.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.keeper == Keeper::Person { BY_HAND } else { "" };
        write!(f, "{}{by}", self.scaled_job)
    }
}

/// Whether an agent is a placeholder, whoever's.
#[must_use]
pub fn is_placeholder(agent: &Agent) -> bool {
    !agent.online && agent.capabilities.get(&MARK.into()).is_some()
}

/// What a placeholder says of the agents it stands for.
#[must_use]
pub fn offered_by(placeholder: &Agent) -> CapabilitySet {
    let offered = placeholder.capabilities.without(&[MARK]).without(&CapabilitySet::OF_ONE_AGENT_ONLY);
    let says_any = offered.get(&AGENT_VERSION.into()).is_some_and(|version| version.text().as_str() == ANY_VERSION);
    if says_any { offered.without(&[AGENT_VERSION]) } else { offered }
}
