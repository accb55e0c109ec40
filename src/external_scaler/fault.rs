//! What can go wrong with a call, and the one table from that to a gRPC status.
//!
//! KEDA shows a status's message to the user, in its log and as an event on the ScaledJob, so the message is whole: what,
//! where, and the mend.
//!
//! | what | status |
//! |---|---|
//! | the metadata is wrong | `INVALID_ARGUMENT` |
//! | the namespace may not use the organisation | `PERMISSION_DENIED` |
//! | the pool or the organisation is not there | `NOT_FOUND` |
//! | the scaler's own credential, or its rights, or what the trigger points to | `FAILED_PRECONDITION` |
//! | too many triggers or calls | `RESOURCE_EXHAUSTED` |
//! | Azure DevOps fails, throttles, or its last answer is too old | `UNAVAILABLE` |
//! | no answer within the time allowed | `DEADLINE_EXCEEDED` |
//!
//! A credential that Azure refuses is not `UNAUTHENTICATED`: that would say that KEDA is not signed in to the scaler.

use std::{sync::Arc, time::Duration};

use tonic::{Code, Status};

use super::BadMetadata;
use crate::{
    decision::Refusal,
    pools::{Failure, FailureClass},
    wording::shortened,
};

/// Characters of a message. It travels in a header, in which a character can take up to twelve bytes.
const LONGEST_MESSAGE: usize = 1_000;

/// Why a call gets no answer.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The reference can't be read.
    #[error(transparent)]
    Metadata(#[from] BadMetadata),
    /// The metric that is asked for is another trigger's.
    #[error("`metricName` is `{asked}`, but this trigger's metric is `{known}`: ask for that one, or leave it empty")]
    AnotherMetric {
        /// What was asked for.
        asked: String,
        /// What the metadata says.
        known: String,
    },
    /// Nothing is known of the pool.
    #[error(transparent)]
    Pool(#[from] Arc<Failure>),
    /// The trigger can't be served.
    #[error("pool `{pool}` of organization `{organization}`: {refusal}")]
    Refused {
        /// The organisation.
        organization: Arc<str>,
        /// The pool.
        pool: Arc<str>,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// The answer took longer than any call may.
    #[error(
        "no answer within {} s: Azure DevOps answers late, or the scaler is short of CPU; the next poll asks again", .0.as_secs()
    )]
    TooSlow(Duration),
    /// More calls at once than are answered.
    #[error("more than {0} calls at once: poll less often, or divide the pools among several scalers")]
    TooManyCalls(usize),
}

impl Fault {
    /// The gRPC status.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Metadata(BadMetadata::NamespaceNotAdmitted { .. }) => Code::PermissionDenied,
            Self::Metadata(_) | Self::AnotherMetric { .. } => Code::InvalidArgument,
            Self::Pool(failure) => match failure.class {
                FailureClass::NotSignedIn | FailureClass::Forbidden => Code::FailedPrecondition,
                FailureClass::NotFound => Code::NotFound,
                FailureClass::TooMany => Code::ResourceExhausted,
                FailureClass::Throttled
                | FailureClass::ServerError
                | FailureClass::Unreachable
                | FailureClass::Taken
                | FailureClass::BadAnswer
                | FailureClass::Stale => Code::Unavailable,
            },
            Self::Refused { refusal: Refusal::TooMany(_), .. } | Self::TooManyCalls(_) => Code::ResourceExhausted,
            Self::Refused { refusal: Refusal::NoParent(_) | Refusal::SameAgents { .. }, .. } => {
                Code::FailedPrecondition
            }
            Self::Refused { refusal: Refusal::Forgotten, .. } => Code::Unavailable,
            Self::TooSlow(_) => Code::DeadlineExceeded,
        }
    }

    /// What kind it is. A trigger whose fault stays of one kind is spoken of once, though its message may count seconds.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Metadata(_) => "metadata",
            Self::AnotherMetric { .. } => "another-metric",
            Self::Pool(failure) => failure.class.label(),
            Self::Refused { .. } => "refused",
            Self::TooSlow(_) => "too-slow",
            Self::TooManyCalls(_) => "too-many-calls",
        }
    }

    /// The message, short enough for a header.
    pub(super) fn message(&self) -> String {
        shortened(&self.to_string(), LONGEST_MESSAGE)
    }
}

impl From<&Fault> for Status {
    fn from(fault: &Fault) -> Self {
        Self::new(fault.code(), fault.message())
    }
}

/// A status as gRPC writes it; the metric's label.
pub(super) fn label(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::NotFound => "NOT_FOUND",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::Unavailable => "UNAVAILABLE",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        // No fault becomes one of the others.
        _ => "OTHER",
    }
}
