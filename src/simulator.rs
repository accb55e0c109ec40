//! A simulated organisation with a simulated cluster, and KEDA's arithmetic between them: the demo's world, and the test
//! bed on which the scaler is tried.
//!
//! ```text
//! [plan] ──▶ [world] = [organization] (agents, job requests, Azure's assignment), its licences
//!                    + [cluster] (ScaledJobs, Kubernetes Jobs, pods) ◀── [keda] (how many to create)
//!                    ──▶ [story] in words, [accounts] summed up, [claims]: why each surplus agent came
//! ```
//!
//! Nothing in the world is left to chance but what its seed draws: the same plan tells the same story. It may import
//! the wire types of `azure_devops` and KEDA's protocol; it must not import the other edges, and it does not know how the
//! scaler decides.

mod agenda;
mod licences;

pub mod accounts;
pub mod answers;
pub mod claims;
pub mod cluster;
pub mod demo;
pub mod faults;
pub mod keda;
pub mod live;
pub mod organization;
pub mod plan;
pub mod shown;
pub mod story;
pub mod virtual_run;
pub mod world;

pub use accounts::Summary;
pub use plan::Plan;
pub use world::World;
