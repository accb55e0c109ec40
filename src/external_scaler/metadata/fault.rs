//! What can be wrong with a reference: each names the key, the value where it is no secret, and the mend.

use crate::{agent::EmptyPattern, capability::BadCapabilities};

/// Why a reference can't be read as a trigger. All but [`NamespaceNotAdmitted`](Self::NamespaceNotAdmitted) are for the
/// author of the metadata to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMetadata {
    /// The call carries no reference.
    #[error("the call names no ScaledJob or ScaledObject: set `scaledObjectRef`")]
    NoReference,
    /// The reference's name or namespace can't be that of an object.
    #[error("the reference's `{field}` is `{value}`: it must be the {field} of a ScaledJob or ScaledObject")]
    NotAnObject {
        /// `name` or `namespace`.
        field: &'static str,
        /// What it is.
        value: String,
    },
    /// Nothing is known by this key.
    #[error("unknown key `{key}`: did you mean `{nearest}`?")]
    UnknownKey {
        /// The key.
        key: String,
        /// The known key that is most like it.
        nearest: &'static str,
    },
    /// The key's value is a secret, which does not belong in metadata.
    #[error("`{key}` is not taken in this version: {mend}")]
    SecretNotTaken {
        /// The key; the value is nowhere.
        key: String,
        /// What to do instead.
        mend: &'static str,
    },
    /// A token that anybody on the way could have read.
    #[error(
        "`personalAccessTokenFromEnv` brings a token over a connection without TLS, and it is not used: set `[grpc] tls` in the \
         scaler's configuration, and `enableTLS: \"true\"` and `caCert` in the trigger; or let the scaler's operator set \
         `[grpc] allow_tokens_without_tls`"
    )]
    TokenInTheClear,
    /// A token and no URL.
    #[error("`personalAccessTokenFromEnv` brings a token without saying what for: give `organizationURL`, too")]
    TokenForNowhere,
    /// A token for what is no URL.
    #[error(
        "`{key}` is `{url}`: it must be an `https://` URL without a user, a password or a query, such as \
         `https://dev.azure.com/contoso`"
    )]
    NotAnAddress {
        /// The key that gave it.
        key: &'static str,
        /// What it is.
        url: String,
    },
    /// A key without a value.
    #[error("`{key}` is empty: give it a value, or leave it out")]
    Empty {
        /// The key.
        key: &'static str,
    },
    /// Two keys that say the same thing.
    #[error("`{first}` and `{second}` are both given: keep one of them")]
    Both {
        /// One key.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// No pool is named.
    #[error("no pool is named: give `poolName` or `poolID`")]
    NoPool,
    /// Not a number, or one that is out of range.
    #[error("`{key}` is `{value}`: it must be a whole number from {least} to {most}")]
    NotANumber {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The least that is allowed.
        least: i64,
        /// The most that is allowed.
        most: i64,
    },
    /// None of the words that the key allows.
    #[error("`{key}` is `{value}`: it must be {allowed}")]
    NotAChoice {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The words it allows.
        allowed: String,
    },
    /// The minimum is above the maximum.
    #[error("`minReplicaCount` is `{least}` and `maxReplicaCount` is `{most}`: the minimum can't be above the maximum")]
    MinimumAboveMaximum {
        /// The minimum.
        least: u32,
        /// The maximum.
        most: u32,
    },
    /// Not a number, where parts of one are allowed.
    #[error("`{key}` is `{value}`: it must be a number, such as `0.5`")]
    NotAFraction {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// A key that another one makes meaningless.
    #[error("`{key}` is `{value}`, which means nothing {beside}: {mend}")]
    Contradiction {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What makes it so.
        beside: &'static str,
        /// What to write instead.
        mend: &'static str,
    },
    /// A strategy without the number that makes it one.
    #[error(
        "`scalingStrategy` is `custom`, and `customScalingRunningJobPercentage` is not given, without which KEDA itself uses \
         `default`: give the ScaledJob's own, such as `0.5`, or write `scalingStrategy: default`"
    )]
    CustomWithoutPercentage,
    /// Capabilities that can't be read.
    #[error("`capabilities`: {0}")]
    Capabilities(#[source] BadCapabilities),
    /// A pattern that can't be read.
    #[error("`agentNamePattern`: {0}")]
    Pattern(#[source] EmptyPattern),
    /// Several organisations are configured, and none is named.
    #[error("no organization is named: give `organization`, one of {configured}")]
    NoOrganization {
        /// Their names.
        configured: String,
    },
    /// No organisation of this name is configured.
    #[error(
        "`organization` is `{name}`, which is not configured: use one of {configured}, or add it to the scaler's configuration"
    )]
    UnknownOrganization {
        /// What was asked for.
        name: String,
        /// The names that are configured.
        configured: String,
    },
    /// No organisation at this address is configured.
    #[error(
        "`{key}` is `{url}`, which is not configured: use one of {configured}, add it to the scaler's configuration, or \
         bring a token for it (`personalAccessTokenFromEnv`, of a variable that is not empty)"
    )]
    UnknownUrl {
        /// The key that gave it.
        key: &'static str,
        /// What was asked for.
        url: String,
        /// The addresses that are configured.
        configured: String,
    },
    /// The operator does not let this namespace use the organisation.
    #[error(
        "namespace `{namespace}` may not use organization `{organization}`: add it to the organization's `namespaces` in \
         the scaler's configuration"
    )]
    NamespaceNotAdmitted {
        /// The object's namespace.
        namespace: String,
        /// The organisation.
        organization: String,
    },
}
