//! The edge to Azure DevOps: the only place that speaks its REST interface and holds its credentials.
//!
//! ```text
//! [AzureDevOps] ──one per organisation──▶ [Client] ──▶ Azure DevOps
//!       ├──one per pool in use──▶ poller ──Look──▶ [Desk](crate::pools::Desk)
//!       ├──one per pool in use──▶ placeholders ◀──decision── [Desk](crate::pools::Desk)
//!       └──one per organisation in use──▶ licences ──limit, use──▶ [Ledger](crate::parallel_jobs::Ledger)
//! ```
//!
//! Wire types become domain types in [`decode`] and nowhere else. Every failure leaves this edge as a
//! [`Failure`](crate::pools::Failure), never as an empty queue. May touch [`pools`](crate::pools),
//! [`metrics`](crate::metrics) and the pure core; no other edge.

pub mod client;
pub mod credential;
pub mod decode;
pub mod directory;
mod failure;
mod licences;
pub mod organization;
mod pace;
mod placeholders;
mod poller;
pub mod wire;
