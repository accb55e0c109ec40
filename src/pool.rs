//! One pool's decisions (being written).

/// Triggers, memory and decision of one pool.
#[derive(Debug, Default)]
pub struct Pool {}
