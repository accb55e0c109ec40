//! A KEDA external scaler for Azure Pipelines: reads queues, agents and capabilities, matches demands exactly, places
//! each job once, and answers with the number that makes KEDA start precisely the agents that are missing.
//!
//! ```text
//! cli ──▶ app ──▶ azure_devops, external_scaler, web, simulator ──▶ pools, metrics ──▶ the pure core
//! ```
//!
//! - The pure core, without async, I/O, clock or wire formats (`now` is an argument), each knowing only those before it:
//!   [`wording`], [`caseless`], [`version`], [`demand`], [`capability`], [`job_request`],
//!   [`parallel_jobs`], [`agent`], [`snapshot`], [`builtin`], [`trigger`], [`cluster_view`], [`decision`], [`scaling`], [`assignment`], [`pool`], [`explain`].
//! - Where the edges meet, in channels of snapshots: [`pools`], [`cluster_watch`]; what they speak and count: [`protocol`], [`metrics`],
//!   [`job_waits`]; who has not come in yet: [`newcomers`].
//! - The edges, which never know each other: [`azure_devops`], [`external_scaler`], `kubernetes` (a feature), [`web`], [`simulator`].
//! - Above them: [`config`], [`telemetry`], [`app`], [`cli`].
//!
//! - For tests only, and in no release: `planted`, faults that the tests must find.
//!
//! `docs/architecture.md` says why.

#[cfg(all(feature = "planted-faults", not(debug_assertions)))]
compile_error!("`planted-faults` is for tests: a release must not contain them");

/// Whether a fault is planted at this place and on. It never is, but in tests of the tests: see `planted`.
#[cfg(not(feature = "planted-faults"))]
macro_rules! planted {
    ($fault:ident) => {
        false
    };
}

/// Whether a fault is planted at this place and on.
#[cfg(feature = "planted-faults")]
macro_rules! planted {
    ($fault:ident) => {
        crate::planted::is_on(crate::planted::Fault::$fault)
    };
}

pub mod agent;
pub mod app;
pub mod assignment;
pub mod azure_devops;
pub mod builtin;
pub mod capability;
pub mod caseless;
pub mod cleaning;
pub mod cli;
pub mod cluster_view;
pub mod cluster_watch;
pub mod config;
pub mod decision;
pub mod demand;
pub mod explain;
pub mod external_scaler;
pub mod job_request;
pub mod job_waits;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod metrics;
pub mod newcomers;
pub mod parallel_jobs;
pub mod placeholder;
#[cfg(feature = "planted-faults")]
pub mod planted;
pub mod pool;
pub mod pools;
pub mod protocol;
pub mod scaling;
pub mod simulator;
pub mod snapshot;
pub mod telemetry;
pub mod trigger;
pub mod version;
pub mod web;
pub mod wording;
