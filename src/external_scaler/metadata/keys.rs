//! The table of metadata keys: which are read, and what becomes of those that are not.

/// What becomes of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    /// Means something to a trigger.
    Read,
    /// KEDA's own business; it is no part of a trigger.
    PassedOver,
    /// Meant something to the built-in scaler and means nothing here; the text is the hint.
    Ignored(&'static str),
    /// Its value is a token, which is no part of the trigger.
    Token,
    /// Its value is a secret that this scaler doesn't take; the text is what to do instead.
    Secret(&'static str),
}

const TOKEN: &str = "leave it out, since whoever may read the ScaledJob could read it, and give the scaler's configuration the \
                     organization's credential, or name a variable of the container in `personalAccessTokenFromEnv`";

/// The key by which a trigger brings a token; KEDA puts the variable's value for its name.
pub(in super::super) const TOKEN_KEY: &str = "personalAccessTokenFromEnv";

/// The key by which a trigger names a variable with its organisation's URL; KEDA puts the variable's value for its name.
pub(in super::super) const URL_FROM_ENV_KEY: &str = "organizationURLFromEnv";

/// Every key that is known.
pub(super) const KEYS: [(&str, Role); 35] = [
    ("organization", Role::Read),
    ("organizationURL", Role::Read),
    (URL_FROM_ENV_KEY, Role::Read),
    ("poolName", Role::Read),
    ("poolID", Role::Read),
    ("capabilities", Role::Read),
    ("parent", Role::Read),
    ("capabilitiesFrom", Role::Read),
    ("matching", Role::Read),
    ("jobsWithoutDemands", Role::Read),
    ("scalingStrategy", Role::Read),
    ("agentNamePattern", Role::Read),
    ("maxReplicaCount", Role::Read),
    ("minReplicaCount", Role::Read),
    ("priority", Role::Read),
    ("targetPipelinesQueueLength", Role::Read),
    ("activationTargetPipelinesQueueLength", Role::Read),
    (
        "jobsToFetch",
        Role::Ignored(
            "`jobsToFetch` means nothing here: every unfinished job of the pool is always read; leave it out",
        ),
    ),
    (
        "fetchUnfinishedJobsOnly",
        Role::Ignored("`fetchUnfinishedJobsOnly` means nothing here: only unfinished jobs are ever read; leave it out"),
    ),
    ("demands", Role::Read),
    ("requireAllDemands", Role::Read),
    ("requireAllDemandsAndIgnoreOthers", Role::Read),
    ("caseInsensitiveDemandsProcessing", Role::Read),
    ("scaleOnInFlight", Role::Read),
    ("customScalingQueueLengthDeduction", Role::Read),
    ("customScalingRunningJobPercentage", Role::Read),
    ("placeholder", Role::Read),
    ("personalAccessToken", Role::Secret(TOKEN)),
    (TOKEN_KEY, Role::Token),
    ("scalerAddress", Role::PassedOver),
    ("enableTLS", Role::PassedOver),
    ("unsafeSsl", Role::PassedOver),
    ("caCert", Role::PassedOver),
    ("tlsClientCert", Role::PassedOver),
    ("tlsClientKey", Role::PassedOver),
];

/// What becomes of a key, if it is known.
pub(super) fn role(key: &str) -> Option<Role> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, role)| *role)
}
