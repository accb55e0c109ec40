//! The gRPC edge: KEDA's call becomes a request, the request a question at a pool's desk, the decision a reply.
//!
//! ```text
//! ScaledObjectRef ──metadata──▶ [Request] ──questions──▶ Desk ──▶ Answer ──service──▶ reply
//!        └── every fault ──▶ [Fault] ──one table──▶ gRPC status, metric, one line in the log
//! ```
//!
//! Knows the desks of [`pools`](crate::pools) and never Azure itself. Every call is answered within a bound.

mod announce;
mod asker;
mod certificates;
mod door;
mod fault;
mod metadata;
mod organizations;
mod questions;
mod server;
mod service;
mod streams;

pub use announce::announce;
pub use certificates::{BadCertificates, Certificates, TlsFiles};
pub use fault::Fault;
pub use metadata::{BadMetadata, Place, Request};
pub use organizations::{Came, Organization, Organizations};
pub use server::{OLDEST_CONNECTION, OLDEST_CONNECTION_OF_A_LEADER, serve};
pub use service::Service;
