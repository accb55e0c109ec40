//! The list of the faults: for each what it is called in the code and where one is chosen, and what goes wrong.

macro_rules! faults {
    ($($fault:ident $name:literal $description:literal)*) => {
        /// Bugs that might have been written, or were, in KEDA's built-in scaler.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Fault {
            $(#[doc = $description] $fault,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$fault),*];

            /// What it is called where one is chosen.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)*
                }
            }

            /// What goes wrong.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$fault => $description,)*
                }
            }
        }
    };
}

faults! {
    ValuesNotCompared "values-not-compared" "`java -equals 17` is met by any `java`, as in the built-in scaler."
    VersionsNotCompared "versions-not-compared" "`-gtVersion` is never evaluated, as in the built-in scaler."
    VersionMustBeGreater "version-must-be-greater" "`-gtVersion` means greater, as its name says."
    BadDemandsDropped "bad-demands-dropped" "A demand that does not parse is dropped, and the job placed."
    UnknownVersionNotMet "unknown-version-not-met" "A trigger that does not tell `Agent.Version` meets no demand on it."
    ParentLendsItsName "parent-lends-its-name" "What is true of one agent only is offered by all that have it as `parent`."
    ParentWins "parent-wins" "Where `parent` and `capabilities` name the same, `parent` wins."

    EveryFitStarts "every-fit-starts" "Every ScaledJob that could serve a job starts an agent for it, as in the built-in scaler."
    ForeignJobsCounted "foreign-jobs-counted" "Jobs on foreign agents are in the value, as in the built-in scaler."
    LicencesIgnored "licences-ignored" "A hundred agents start for one parallel job, as in the built-in scaler."
    NothingIsFresh "nothing-is-fresh" "Each question asks Azure, as in the built-in scaler."
    StaleTolerated "stale-tolerated" "The last good snapshot is answered from, however old it is."
    LateRoundAwaited "late-round-awaited" "A round that is late already is waited for once more."

    AssignedNotMended "assigned-not-mended" "A queued job that an agent holds stays queued."
    FinishedNotMended "finished-not-mended" "A job that an agent has finished stays."
    MendedFromOlder "mended-from-older" "An older list of agents overrules a newer list of jobs."
    JobTiesByInput "job-ties-by-input" "Jobs of one moment are served in the order in which Azure lists them."
    JobPriorityReversed "job-priority-reversed" "Azure's higher number goes first."
    JobAgeIgnored "job-age-ignored" "Jobs are served by their numbers, not by their age."

    OfflineIsCapacity "offline-is-capacity" "Offline agents can take jobs."
    OfflineTakesRoom "offline-takes-room" "Dead registrations are taken for Kubernetes Jobs."
    DisabledIsCapacity "disabled-is-capacity" "Disabled agents can take jobs."
    SpentIsCapacity "spent-is-capacity" "An agent that has finished its one job can take another."
    ScaledObjectIsSpent "scaled-object-is-spent" "A ScaledObject's agent takes one job only."
    DistrustedIsCapacity "distrusted-is-capacity" "An agent that is not believed can take jobs all the same."
    ReservedIsIdle "reserved-is-idle" "An agent with a job is idle where only the job says so."
    TwoJobsTwoAgents "two-jobs-two-agents" "An agent with two jobs is counted twice."
    NoFlapGrace "no-flap-grace" "An agent that has just gone offline with its job is down."
    FlapGraceInclusive "flap-grace-inclusive" "An agent is still up in the moment in which its grace ends."
    GraceEndUnnoticed "grace-end-unnoticed" "That a grace has ended is seen only when something else changes."
    UnlistedCountedTwice "unlisted-counted-twice" "An agent with two jobs that no list knows yet is counted twice."
    OlderListBelieved "older-list-believed" "An agent of a new job is down where an older list says so."
    LostAgentIsUp "lost-agent-is-up" "A job whose agent is long offline still counts as running."
    ShorterPatternOwns "shorter-pattern-owns" "Of two patterns that cover a name, the one that says less owns the agent."
    ClashesAllowed "clashes-allowed" "Patterns that can't be told apart are not refused."

    CapacityOffByOne "capacity-off-by-one" "One agent more than `maxReplicaCount`."
    CapacityForgetsOnline "capacity-forgets-online" "The maximum is all for new agents, whatever is up."
    CapacityForgetsTarget "capacity-forgets-target" "The maximum is taken for a number of jobs."
    Greedy "greedy" "Nobody moves so that one more job finds a place."
    NoEviction "no-eviction" "A later job keeps its place though an earlier one finds none."
    NoSecondSeating "no-second-seating" "Who left home for a job that then made way does not return."
    NewJobsFirst "new-jobs-first" "New jobs choose first, and older ones move out of their way."
    MovesCountForNothing "moves-count-for-nothing" "The shortest way to a place is taken, whoever leaves home on it."
    TriggerPriorityReversed "trigger-priority-reversed" "Of triggers that fit, the higher `priority` goes first."
    NameBeforeTightness "name-before-tightness" "Of triggers that fit, the name decides before the tightest fit."
    TriggerPriorityIgnored "trigger-priority-ignored" "Of triggers that fit, the tightest goes first, whatever their `priority`."
    LeaveIgnored "leave-ignored" "`jobsWithoutDemands: leave` is `take`."
    LastIgnored "last-ignored" "`jobsWithoutDemands: last` is `take`."
    AgentsByNameOnly "agents-by-name-only" "A job takes an agent that others need more."

    IdleLeftOut "idle-left-out" "The value lacks I: agents that are idle and awaited by a job."
    RunningLeftOut "running-left-out" "The value lacks R: agents with a running job."
    OthersLeftOut "others-left-out" "The value lacks X: the other agents that KEDA subtracts."
    UnusableForOthers "unusable-for-others" "The value has U where it should have X."
    OthersForUnusable "others-for-unusable" "The value has X where it should have U: under a declared minimum."
    NobodyNeededNotZero "nobody-needed-not-zero" "Where no agent is to be started, the value is not 0."
    MinimumIgnored "minimum-ignored" "A declared minimum changes nothing."
    ScaledObjectDropsRunning "scaled-object-drops-running" "A ScaledObject's busy agents are scaled away (keda#8185)."
    EachTriggerCountsAgents "each-trigger-counts-agents" "Each trigger of a ScaledJob tells its agents again."
    ActiveAtThreshold "active-at-threshold" "A trigger is active at its threshold, not above."
    TargetRoundedDown "target-rounded-down" "The last jobs that fill no whole agent get none."
    TargetNotMultiplied "target-not-multiplied" "The value is in agents, and KEDA divides it by the target."
    PercentageRoundedUp "percentage-rounded-up" "`custom` rounds what KEDA cuts."
    DeductionDropped "deduction-dropped" "`custom` forgets the deduction."

    MemoryDropped "memory-dropped" "To whom a job was given is forgotten at once."
    MemoryOfPlacedOnly "memory-of-placed-only" "To whom a job was given is forgotten while an idle agent awaits it."
    InheritanceDropped "inheritance-dropped" "A job that loses its agent to an older one inherits nothing."
    InheritOnlyRunning "inherit-only-running" "Nobody inherits from a job that another's agent has finished already."
    HeirNeedNotFit "heir-need-not-fit" "A job inherits a place that it does not fit."

    NeverDistrusted "never-distrusted" "An idle agent is believed for ever."
    AllDistrusted "all-distrusted" "Trust is withdrawn from one agent after the other, without waiting for a verdict."
    NeverHeld "never-held" "That a job is held is never concluded."
    HeldIsStarted "held-is-started" "An agent is started for a job that is held."
    ClockRunsAtLimit "clock-runs-at-limit" "The clock runs on while no further job could begin."
    ForgivenAtOnce "forgiven-at-once" "An agent is believed again at the next look."
    NeverForgiven "never-forgiven" "An agent that takes a job is not believed again."
    ProofFreesNoPlace "proof-frees-no-place" "An agent that is proven bad keeps the place on probation."
    AnyTakerIsProof "any-taker-is-proof" "A newcomer that takes the job late proves the agent bad, too."
    NextJobUnwatched "next-job-unwatched" "An agent on probation is judged by its first job only."
    WitnessGoneStillHeld "witness-gone-still-held" "A job is held though the agent that showed it has left."
    BlamedWithoutLicence "blamed-without-licence" "An idle agent lets jobs wait that could not begin."
    ReservedHasIdled "reserved-has-idled" "An agent whose job only the job tells of goes on idling."
    JobBetweenLooksMissed "job-between-looks-missed" "An agent that has run a job between two looks seems to have idled."

    BreakerNeverOpens "breaker-never-opens" "Agents that never come are started for ever."
    ProbesDoNotBackOff "probes-do-not-back-off" "Probes come at a steady pace."
    ProbeRepeated "probe-repeated" "KEDA is told to start the same probe again and again."
    BreakerStaysOpen "breaker-stays-open" "An agent that comes does not close the breaker."
    ProbeUnnoticed "probe-unnoticed" "That a probe is due is seen only when something else changes."
    SlowPollsCutOff "slow-polls-cut-off" "The breaker does not ask how rarely KEDA polls."
    EachTriggerRoundsUp "each-trigger-rounds-up" "The triggers of a ScaledJob together start more agents than it may."
    OldAgentsCounted "old-agents-counted" "Agents of an older list count though they may have left."
    UnseenAgentsIgnored "unseen-agents-ignored" "Agents that come and go between two looks are taken not to come."
    AbsenceCounts "absence-counts" "Time in which nobody asked counts as time in which no agent came."
    TimeNotBegunAnew "time-not-begun-anew" "The breaker counts time in which no agent was wanted."

    JobLeftToTheNextThatHangs "job-left-to-the-next-that-hangs" "Two agents that hang beside one job starve it."
    OldReportsBelieved "old-reports-believed" "A pool's old report overrules what Azure has said since."
    HeadroomIgnored "headroom-ignored" "No agents are kept ready for the licences that come free."
    HeadroomRoundedDown "headroom-rounded-down" "A quarter of a small limit is none."
    LicencesToTheYoungest "licences-to-the-youngest" "The youngest jobs take the licences."
    RunningHereIgnored "running-here-ignored" "Jobs that run in this pool need no licences."
    RunningElsewhereIgnored "running-elsewhere-ignored" "Jobs that run in other pools need no licences."
    TakenElsewhereIgnored "taken-elsewhere-ignored" "What other pools took is taken again."
    WaitingElsewhereIgnored "waiting-elsewhere-ignored" "Older jobs of other pools are passed over."
    PlacelessTakeLicences "placeless-take-licences" "Jobs without a place keep others from running."
    OwnCountedTwice "own-counted-twice" "Jobs of pools that decide here are counted again in Azure's total."
    ReportsNeverExpire "reports-never-expire" "A pool that nobody asks about holds its licences."
    ForgottenPoolHolds "forgotten-pool-holds" "A pool whose triggers are gone holds its licences for a while."

    NoSettling "no-settling" "The first to ask is given the jobs of those that ask later."
    ScaledObjectsSettle "scaled-objects-settle" "ScaledObjects are told 0 at the start, and scaled away."
    NeverForgotten "never-forgotten" "A trigger that is gone keeps its jobs."
    ForgottenTooEarly "forgotten-too-early" "A trigger is forgotten after two of its intervals."
    LongIntervalUnlearned "long-interval-unlearned" "A trigger that is polled rarely is forgotten before each poll."
    AbsenceLearned "absence-learned" "A week without a question is taken for an interval."
    SameMomentIsAPoll "same-moment-is-a-poll" "A trigger that asks twice at once makes its sibling miss a poll."
    OldVariantsKept "old-variants-kept" "An edited trigger and its old variant share the jobs."
    SiblingsTakenForOld "siblings-taken-for-old" "A second trigger of a ScaledJob is taken for an old variant of the first."
    OlderLookWins "older-look-wins" "An older snapshot undoes a newer one."
    DecisionNeverExpires "decision-never-expires" "A decision holds until something is seen, however much time passes."
    ActivityOfAnOlderPoll "activity-of-an-older-poll" "Value and activity come from different polls."

    CapacityForgetsJobs "capacity-forgets-jobs" "Kubernetes Jobs whose agents are not registered take no room."
    ValuesLearnedFromTheFirst "values-learned-from-the-first" "What one agent has is offered though the next has another value."
    PausedStarts "paused-starts" "Agents are asked for of a ScaledJob that is paused."
    PodsOwnNobody "pods-own-nobody" "Two ScaledJobs of one name in two namespaces share their agents."
    DeadIsCapacity "dead-is-capacity" "An agent whose Kubernetes Job is gone is waited for."
    StartingIgnored "starting-ignored" "Agents that are starting take no jobs."
    MetadataBelieved "metadata-believed" "The metadata overrules what the ScaledJob itself says."
    PendingLeftOut "pending-left-out" "What KEDA calls pending is subtracted from what is missing."
    ViewNotCounted "view-not-counted" "With the view, registered agents are counted for Kubernetes Jobs."
    MinimumCountsNobody "minimum-counts-nobody" "Idle agents are started at each poll, however many idle."
    BrokenKeptWarm "broken-kept-warm" "A broken image is started for the minimum at each poll."
    FirstViewKept "first-view-kept" "The cluster is seen once, and never again."
    SettlesInSpiteOfTheView "settles-in-spite-of-the-view" "A pool settles though all its triggers are known."
    DoubtIgnored "doubt-ignored" "Kubernetes Jobs that may have ended unseen are counted, and more are started."
    AnnouncedIgnored "announced-ignored" "Triggers that the cluster shows and nobody has asked about take no jobs."
    NamelessPodsCounted "nameless-pods-counted" "Agents with names of their own are taken for dead."
    RegisteredStillStarting "registered-still-starting" "An agent that has run its job is awaited until its pod is gone."
    HopelessAwaited "hopeless-awaited" "A pod that can't start holds its job for ever."
    FailureJudgedAtOnce "failure-judged-at-once" "An agent that came and went since the last list has failed."
    OvertakenCounted "overtaken-counted" "A failure counts though an agent that was started later has come."
    HangsForEver "hangs-for-ever" "A pod that hangs has never failed."
    FailuresNotCounted "failures-not-counted" "Failed pods do not open the breaker."
    TwoProbesAtOnce "two-probes-at-once" "A probe is started beside one that is on its way."

    PlaceholdersCleaned "placeholders-cleaned" "A placeholder is removed for a dead agent."
    ForeignCleaned "foreign-cleaned" "Agents of any name are removed."
    OnlineCleaned "online-cleaned" "An agent that is online is removed."
    BusyCleaned "busy-cleaned" "An agent that has a job is removed."
    UnknownCleaned "unknown-cleaned" "An agent is removed though nobody knows since when it is offline."
    FlappingCleaned "flapping-cleaned" "An agent is removed the moment its link fails."
    PersonsPlaceholdersTaken "persons-placeholders-taken" "The scaler removes placeholders that a person has made."
    UnknownPlaceholderRemoved "unknown-placeholder-removed" "A placeholder is removed while it is not known what it is to offer."
    PlaceholderKeepsItsCapabilities "placeholder-keeps-its-capabilities" "A placeholder does not follow its trigger."
    PlaceholderTakesAName "placeholder-takes-a-name" "A placeholder gets a name that an agent has."
    OnlineIsPlaceholder "online-is-placeholder" "An agent with a placeholder's capabilities is taken for one."
}
