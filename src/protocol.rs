//! KEDA's protocol as generated from `proto/externalscaler.proto`, and its descriptors for gRPC reflection.
#![allow(missing_docs, clippy::pedantic, reason = "generated code")]

tonic::include_proto!("externalscaler");

/// The descriptor set of the protocol.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/externalscaler.bin"));
