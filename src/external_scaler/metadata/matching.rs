//! Whose rules a trigger counts by: this scaler's, or those of KEDA's built-in one, whose keys are read here.
//!
//! ```text
//! matching: builtin       ──▶ demands, parent, flags are read as KEDA reads them; this scaler's own keys are refused
//! matching: capabilities  ──▶ the built-in scaler's keys are passed over, with a hint at what to write instead
//! ```
//!
//! Knows the metadata's own room and how the built-in scaler counts.

use super::{BadMetadata, Metadata};
use crate::{
    builtin::{Agreement, Builtin},
    capability::CapabilitySet,
    demand::{Condition, Demand},
    wording::shown,
};

const BOTH: &str = "requireAllDemands";
const OF_THE_TRIGGER: &str = "requireAllDemandsAndIgnoreOthers";
const ANY_CASE: &str = "caseInsensitiveDemandsProcessing";
const IN_FLIGHT: &str = "scaleOnInFlight";

/// Characters of the capabilities that a hint proposes.
const LONGEST_PROPOSAL: usize = 200;

/// This scaler's own keys, which a trigger that takes no part in sharing out jobs has no use for.
const OF_CAPABILITIES: [(&str, &str); 5] = [
    ("capabilities", "write `demands` instead, or leave `matching` out"),
    ("capabilitiesFrom", "leave one of the two out"),
    ("jobsWithoutDemands", "leave one of the two out"),
    ("priority", "leave one of the two out"),
    ("placeholder", "leave one of the two out, and register one with `azp-scaler placeholder ensure`"),
];

impl Metadata {
    /// Refuses what means nothing beside `matching: builtin`.
    fn refuse_keys_of_capabilities(&self) -> Result<(), BadMetadata> {
        OF_CAPABILITIES.iter().try_for_each(|(key, mend)| self.refuse(key, "beside `matching: builtin`", mend))
    }

    /// How the built-in scaler counts for this trigger, if that is asked for.
    pub(super) fn builtin(&mut self) -> Result<Option<Builtin>, BadMetadata> {
        let wanted = self.choice("matching", &[("capabilities", false), ("builtin", true)])?;
        if wanted {
            self.refuse_keys_of_capabilities()?;
        }
        let (both, of_the_trigger) = (self.flag(BOTH, false)?, self.flag(OF_THE_TRIGGER, false)?);
        let builtin = Builtin {
            parent: self.given("parent").filter(|parent| !parent.is_empty()).map(str::to_owned),
            demands: self.given("demands").unwrap_or_default().to_owned(),
            agreement: match (both, of_the_trigger) {
                (true, _) => Agreement::Both,
                (false, true) => Agreement::OfTheTrigger,
                (false, false) => Agreement::OfTheJob,
            },
            ignores_case: self.flag(ANY_CASE, false)?,
            counts_in_flight: self.flag(IN_FLIGHT, true)?,
        };
        let mut hints = if wanted { hints_of_builtin(&builtin) } else { self.hints_of_capabilities() };
        if wanted && both && of_the_trigger {
            hints.push(format!("`{BOTH}` goes before `{OF_THE_TRIGGER}`, as in KEDA: leave one of them out"));
        }
        self.hints.append(&mut hints);
        Ok(wanted.then_some(builtin))
    }

    /// What to write instead of the built-in scaler's keys.
    fn hints_of_capabilities(&self) -> Vec<String> {
        let mut hints = Vec::new();
        if let Some(demands) = self.given("demands") {
            hints.push(match (self.given("capabilities"), proposal(demands)) {
                (Some(_), _) => {
                    "`demands` means nothing here: `capabilities` says what the agents offer; leave it out".to_owned()
                }
                (None, Some(proposal)) => {
                    format!(
                        "`demands` means nothing here: write what the agents offer, as in `capabilities: {proposal}`"
                    )
                }
                (None, None) => {
                    "`demands` means nothing here: write what the agents offer in `capabilities`, such as `docker, \
                                 java=17`"
                        .to_owned()
                }
            });
        }
        let instead = [
            (BOTH, "a job is given to the ScaledJob whose `capabilities` fit it most tightly; leave it out"),
            (
                OF_THE_TRIGGER,
                "a job is given to the ScaledJob whose `capabilities` meet all it demands, most tightly; leave it out, and \
                 write `jobsWithoutDemands: leave` to keep these agents from jobs that demand nothing",
            ),
            (ANY_CASE, "`capabilities` are compared without regard to case, as Azure Pipelines does; leave it out"),
            (IN_FLIGHT, "a running job counts for the ScaledJob whose agent runs it; leave it out"),
        ];
        let written = instead.into_iter().filter(|(key, _)| self.given(key).is_some());
        hints.extend(written.map(|(key, instead)| format!("`{key}` means nothing here: {instead}")));
        hints
    }
}

/// What the author of a trigger should know who wants the built-in scaler's number.
fn hints_of_builtin(builtin: &Builtin) -> Vec<String> {
    let mut hints = vec![
        "`matching: builtin` counts as KEDA's built-in scaler does: jobs that another ScaledJob or an idle agent takes, too, so \
         agents may start that no job needs; list what the agents offer in `capabilities`, and leave `matching` out, to have \
         each job counted once"
            .to_owned(),
    ];
    if builtin.parent.is_some() && !builtin.demands.is_empty() {
        hints.push("`demands` means nothing beside `parent`, as in KEDA: leave one of them out".to_owned());
    }
    hints
}

/// The capabilities of agents that would meet these demands, where there are any and they are not too many for a hint.
fn proposal(demands: &str) -> Option<String> {
    let demands = demands.split(',').filter_map(|demand| demand.trim().parse().ok());
    let offers: Vec<String> = demands.filter(|demand: &Demand| !demand.is_on_agent_version()).map(offer).collect();
    let proposal = Some(offers.join(", ")).filter(|proposal| proposal.chars().count() <= LONGEST_PROPOSAL)?;
    let read: CapabilitySet = proposal.parse().ok()?;
    (!read.is_empty()).then_some(proposal)
}

/// What an agent must offer to meet a demand.
fn offer(demand: Demand) -> String {
    match demand.condition {
        Condition::Exists | Condition::AtLeast(None) => shown(demand.name.as_str()),
        Condition::Equals(value) => format!("{}={}", shown(demand.name.as_str()), shown(value.as_str())),
        Condition::AtLeast(Some(version)) => format!("{}={version}", shown(demand.name.as_str())),
    }
}
