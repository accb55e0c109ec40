//! How KEDA's built-in `azure-pipelines` scaler counts: `matching: builtin`.
//!
//! Pure, and on purpose a copy of what KEDA 2.21 does, oddities included.

/// What the built-in scaler's metadata say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Builtin {
    /// `parent`: count jobs that list this agent as matched.
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
