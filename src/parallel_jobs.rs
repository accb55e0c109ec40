//! Parallel jobs, which are Azure's licences: how many jobs may run at once in an organisation.
//!
//! ```text
//! Azure: limit and use ──▶ [Ledger] of an organisation ──[Caps]──▶ one pool's decision
//!                              ▲───────────[Report]──────────────────────┘
//! ```
//!
//! A limit is shared by all pools of an organisation, so what one pool's jobs take no other pool's may. A pool that decides
//! sees what the others' last decisions took, and which of their jobs wait in front of its own; pools decide one after
//! the other, so together they never take more than there is.
//!
//! Pure. The ledger is shared, but knows no clock: `now` is an argument.

mod ledger;

use crate::job_request::{Order, Parallelism};

pub use self::ledger::{Ledger, Report, Running, Usage};

/// Something for each parallelism.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Each<T>([T; 2]);

impl<T> Each<T> {
    /// Makes it for each.
    pub fn new(make: impl FnMut(Parallelism) -> T) -> Self {
        Self(Parallelism::ALL.map(make))
    }

    /// For one.
    #[must_use]
    pub fn of(&self, parallelism: Parallelism) -> &T {
        &self.0[parallelism as usize]
    }

    /// For one, to be changed.
    pub fn of_mut(&mut self, parallelism: Parallelism) -> &mut T {
        &mut self.0[parallelism as usize]
    }
}

/// How many agents are kept ready beyond the limit, for the licences that come free while agents start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headroom {
    /// A quarter of the limit, rounded up.
    Quarter,
    /// So many.
    Jobs(u32),
}

impl Headroom {
    /// For a limit.
    #[must_use]
    pub fn of(self, limit: u32) -> u32 {
        match self {
            Self::Quarter if planted!(HeadroomRoundedDown) => limit / 4,
            Self::Quarter => limit.div_ceil(4),
            Self::Jobs(jobs) => jobs,
        }
    }
}

/// What a decision of one pool may count on; nothing where there is no limit, or none is known.
pub type Caps = Each<Option<Cap>>;

/// A limit, and what the other pools leave of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    /// Jobs that may run at once.
    pub limit: u32,
    /// Agents kept ready beyond that.
    pub headroom: u32,
    /// Jobs that run in other pools.
    pub running_elsewhere: u32,
    /// Queued jobs of other pools that agents are there or started for.
    pub taken_elsewhere: u32,
    /// Queued jobs of other pools that wait for a licence, in order.
    pub waiting_elsewhere: Vec<Order>,
}
