//! The edge to Azure DevOps: the only place that speaks its REST interface and holds its credentials.
//!
//! ```text
//! [AzureDevOps] ──one per organisation──▶ [Client] ──▶ Azure DevOps
//!       │                                    └──sign_in──▶ a header; Entra, where tokens come from there
//!       ├──guests: triggers with tokens of their own, each with an organisation of its own
//!       ├──one per pool in use──▶ poller ──Look──▶ [Desk](crate::pools::Desk)
//!       ├──one per pool in use──▶ placeholders ◀──decision── [Desk](crate::pools::Desk)
//!       └──one per organisation in use──▶ licences ──limit, use──▶ [Ledger](crate::parallel_jobs::Ledger)
//! ```
//!
//! Wire types become domain types in [`decode`] and nowhere else. Every failure leaves this edge as a
//! [`Failure`](crate::pools::Failure), never as an empty queue. May touch [`pools`](crate::pools),
//! [`metrics`](crate::metrics) and the pure core; no other edge.

mod body;
mod border;
pub mod budget;
pub mod client;
pub mod credential;
pub mod decode;
pub mod directory;
pub mod entra;
mod failure;
mod guests;
mod licences;
pub mod organization;
mod pace;
mod placeholders;
mod poller;
mod sign_in;
pub mod wire;
