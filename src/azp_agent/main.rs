//! The agent's entrypoint.
fn main() {}
