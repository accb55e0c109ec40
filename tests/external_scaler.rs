//! The gRPC edge as KEDA meets it: references as they are written, and the real server over a pool that the test drives.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "external_scaler/announced.rs"]
mod announced;
#[path = "external_scaler/calls.rs"]
mod calls;
#[path = "shared/certificates.rs"]
mod certificates;
#[path = "external_scaler/limits.rs"]
mod limits;
#[path = "external_scaler/matching.rs"]
mod matching;
#[path = "external_scaler/metadata.rs"]
mod metadata;
#[path = "external_scaler/own_tokens.rs"]
mod own_tokens;
#[path = "external_scaler/private.rs"]
mod private;
#[path = "external_scaler/streams.rs"]
mod streams;
#[path = "external_scaler/world.rs"]
mod world;
