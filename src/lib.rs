//! A KEDA external scaler for Azure Pipelines: reads queues, agents and capabilities, matches demands exactly, places
//! each job once, and answers with the number that makes KEDA start precisely the agents that are missing.
//!
//! Pure, without async, I/O, clock or wire formats (`now` is an argument): [`caseless`], [`version`], [`demand`],
//! [`capability`], [`job_request`], [`agent`], [`snapshot`], [`trigger`], [`decision`], [`assignment`], [`scaling`], [`pool`], [`explain`].
//!
//! Where the edges meet, in channels of snapshots: [`pools`]. What they count: [`metrics`].

pub mod agent;
pub mod app;
pub mod assignment;
pub mod azure_devops;
pub mod capability;
pub mod caseless;
pub mod cli;
pub mod config;
pub mod decision;
pub mod demand;
pub mod explain;
pub mod external_scaler;
pub mod job_request;
pub mod job_waits;
pub mod metrics;
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
