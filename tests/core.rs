//! The pure core: the cases of the specification as a table, and its laws against independent oracles.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "core/agents.rs"]
mod agents;
#[path = "core/breaker.rs"]
mod breaker;
#[path = "core/builtin.rs"]
mod builtin;
#[path = "core/cases.rs"]
mod cases;
#[path = "core/laws.rs"]
mod laws;
#[path = "core/learned.rs"]
mod learned;
#[path = "core/licences.rs"]
mod licences;
#[path = "core/memory.rs"]
mod memory;
#[path = "core/oracle.rs"]
mod oracle;
#[path = "core/prose.rs"]
mod prose;
#[path = "core/scene.rs"]
mod scene;
#[path = "core/time.rs"]
mod time;
#[path = "core/trust.rs"]
mod trust;
#[path = "core/view.rs"]
mod view;
#[path = "core/view_over_time.rs"]
mod view_over_time;
#[path = "core/view_scaled_objects.rs"]
mod view_scaled_objects;
