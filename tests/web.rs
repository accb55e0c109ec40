//! What people and Prometheus see of a world that is known.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test, in helpers as well")]

#[path = "web/api.rs"]
mod api;
#[path = "web/cluster.rs"]
mod cluster;
#[path = "web/connections.rs"]
mod connections;
#[path = "web/hooks.rs"]
mod hooks;
#[path = "web/metrics.rs"]
mod metrics;
#[path = "web/page.rs"]
mod page;
#[path = "web/probes.rs"]
mod probes;
#[path = "web/trouble.rs"]
mod trouble;
#[path = "web/waits.rs"]
mod waits;
#[path = "web/world.rs"]
mod world;
