//! Placeholders: offline agents that stand for the agents of a ScaledJob, so that Azure accepts jobs while none of them runs.
//!
//! ```text
//! wanted (ScaledJob, capabilities) ─┐
//!                                   ├─ [steps] ──▶ register, replace, remove
//! registered agents, by their mark ─┘
//! ```
//!
//! A placeholder is known by a capability, so that a restart knows it: [`MARK`] with the ScaledJob it stands for. One that a
//! person has made says so, too, and is never removed but by a person. An agent that is online is an agent, whatever
//! its capabilities say. Pure.

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::{agent::Agent, capability::CapabilitySet, caseless::Caseless, demand::AGENT_VERSION, trigger::ScaledJobId};

/// The capability that marks a placeholder.
pub const MARK: &str = "azp-scaler.placeholder";
/// Ends the mark of one that a person has made; no name in Kubernetes has a blank.
const BY_HAND: &str = " by hand";
/// What a placeholder says of its version where nothing is declared: like the trigger, it meets any demand on that.
pub const ANY_VERSION: &str = "999.0.0";
/// Characters of a placeholder's name before its number.
const LONGEST_NAME: usize = 56;

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

impl Mark {
    /// The mark of a placeholder; nothing of any other agent, and of one that is online.
    #[must_use]
    pub fn of(agent: &Agent) -> Option<Self> {
        let written = agent.capabilities.get(&MARK.into()).filter(|_| !agent.online)?.text().as_str();
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

/// What is to be done for the registered placeholders of a keeper to be those that are wanted; ScaledJobs that are not wanted
/// lose theirs. A ScaledJob may want several that differ; those that are there already, stay.
#[must_use]
pub fn steps(wanted: &[Wanted], agents: &[Agent], keeper: Keeper) -> Vec<Step> {
    let mut there: Vec<(&Agent, Mark)> = agents
        .iter()
        .filter_map(|agent| Some((agent, Mark::of(agent)?)))
        .filter(|(_, mark)| mark.keeper == keeper)
        .collect();
    there.sort_by_key(|(agent, _)| agent.id);
    let mut names: BTreeSet<Caseless> = agents.iter().map(|agent| agent.name.clone()).collect();
    // While it is not known what one is to offer, nothing of its ScaledJob is touched.
    let unknown: BTreeSet<&ScaledJobId> =
        wanted.iter().filter(|one| one.capabilities.is_none()).map(|one| &one.scaled_job).collect();
    there.retain(|(_, mark)| !unknown.contains(&mark.scaled_job));
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
        let same = there.iter().position(|(agent, have)| have == mark && *agent.capabilities == *capabilities);
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
    let name = std::iter::once(stem.clone()).chain(numbered).find(|name| names.insert(Caseless::new(name)));
    name.unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ScaledJobId {
        ScaledJobId { name: name.into(), namespace: "agents".into() }
    }

    fn wants(name: &str, capabilities: &str) -> Wanted {
        Wanted { scaled_job: id(name), capabilities: Some(Arc::new(capabilities.parse().unwrap())) }
    }

    fn agent(number: i64, name: &str, capabilities: &CapabilitySet) -> Agent {
        Agent {
            id: number,
            name: name.into(),
            online: false,
            enabled: true,
            status_changed_at: None,
            assigned: None,
            last_completed: None,
            capabilities: Arc::new(capabilities.clone()),
        }
    }

    /// The pool after some steps, in which new agents get the next numbers.
    fn done(agents: &[Agent], steps: &[Step]) -> Vec<Agent> {
        let mut agents = agents.to_vec();
        for step in steps {
            match step {
                Step::Register { name, capabilities, .. } => {
                    let number = agents.iter().map(|agent| agent.id).max().unwrap_or_default() + 1;
                    agents.push(agent(number, name, capabilities));
                }
                Step::Replace { id, capabilities, .. } => {
                    let replaced = agents.iter_mut().find(|agent| agent.id == *id).unwrap();
                    replaced.capabilities = Arc::new(capabilities.clone());
                }
                Step::Remove { id, .. } => agents.retain(|agent| agent.id != *id),
            }
        }
        agents
    }

    fn told(agents: &[Agent]) -> Vec<String> {
        agents.iter().map(|agent| format!("{} {} {:?}", agent.id, agent.name, agent.capabilities.sorted())).collect()
    }

    #[test]
    fn one_is_registered_kept_and_follows_what_is_wanted() {
        let wanted = [wants("java", "java=17")];
        let steps_of = |wanted: &[Wanted], agents: &[Agent]| steps(wanted, agents, Keeper::Scaler);
        let pool = done(&[], &steps_of(&wanted, &[]));
        let first = r#"1 placeholder.agents.java [("Agent.Version", "999.0.0"), ("azp-scaler.placeholder", "agents/java"), ("java", "17")]"#;
        assert_eq!(told(&pool), [first]);
        assert!(steps_of(&wanted, &pool).is_empty());

        let changed = [wants("java", "java=21, Agent.Version=4.2.0, Agent.Name=java-1")];
        let pool = done(&pool, &steps_of(&changed, &pool));
        let second = r#"1 placeholder.agents.java [("Agent.Version", "4.2.0"), ("azp-scaler.placeholder", "agents/java"), ("java", "21")]"#;
        assert_eq!(told(&pool), [second], "the same agent");
        assert!(steps_of(&changed, &pool).is_empty());

        let unknown = Wanted { scaled_job: id("java"), capabilities: None };
        assert!(steps_of(&[unknown], &pool).is_empty(), "not knowing is no change");
        assert!(done(&pool, &steps_of(&[], &pool)).is_empty());
    }

    #[test]
    fn several_of_one_scaled_job_are_told_apart_by_what_they_offer() {
        let both = [wants("java", "java=17"), wants("java", "java=21"), wants("java", "java=21")];
        let pool = done(&[], &steps(&both, &[], Keeper::Scaler));
        assert_eq!(
            pool.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(),
            ["placeholder.agents.java", "placeholder.agents.java.2"]
        );
        let one = [wants("java", "java=21")];
        let left = done(&pool, &steps(&one, &pool, Keeper::Scaler));
        assert_eq!(left.iter().map(|agent| agent.id).collect::<Vec<_>>(), [2], "the one that fits stays");
    }

    #[test]
    fn nothing_else_is_ever_touched() {
        let by_hand = Mark { scaled_job: id("java"), keeper: Keeper::Person };
        let marked = Mark { keeper: Keeper::Scaler, ..by_hand.clone() };
        let nothing = CapabilitySet::default();
        let online = Agent { online: true, ..agent(3, "took-it-over", &marked.over(&nothing)) };
        let unreadable = agent(4, "odd", &CapabilitySet::new([(MARK, "no-slash")]));
        let pool = [agent(1, "vm-1", &nothing), agent(2, "mine", &by_hand.over(&nothing)), online, unreadable];
        assert!(steps(&[], &pool, Keeper::Scaler).is_empty());
        let [Step::Remove { id: 2, .. }] = &*steps(&[], &pool, Keeper::Person) else { panic!("the person's own") };
    }

    #[test]
    fn names_are_short_and_new() {
        let long = "x".repeat(200);
        let taken = agent(1, &format!("PLACEHOLDER.agents.{}", "x".repeat(37)), &CapabilitySet::default());
        let [Step::Register { name, .. }] = &*steps(&[wants(&long, "")], &[taken], Keeper::Scaler) else {
            panic!("one")
        };
        assert_eq!(*name, format!("placeholder.agents.{}.2", "x".repeat(37)));
    }

    #[test]
    fn what_it_offers_comes_back_as_it_was_wanted() {
        let offered: CapabilitySet = "java=17, docker".parse().unwrap();
        let mark = Mark { scaled_job: id("java"), keeper: Keeper::Person };
        let placeholder = agent(1, "p", &mark.over(&offered));
        assert_eq!((Mark::of(&placeholder), offered_by(&placeholder)), (Some(mark), offered));
    }
}
