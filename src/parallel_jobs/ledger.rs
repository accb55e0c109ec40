//! What the pools of one organisation share: the limits that Azure told, and what each pool's last decision took of them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::{Cap, Caps, Each, Headroom};
use crate::job_request::{Order, Parallelism};

/// What Azure says of one parallelism.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Jobs that may run at once; none where there is no limit.
    pub limit: Option<u32>,
    /// Jobs that run.
    pub running: Running,
}

/// Jobs that run in the whole organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Running {
    /// Where Azure tells no more than their number.
    Total(u32),
    /// By the number of their pool.
    ByPool(BTreeMap<i64, u32>),
}

/// What a pool's decision took.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Jobs that run in it.
    pub running: Each<u32>,
    /// Its queued jobs that agents are there or started for.
    pub taken: Each<u32>,
    /// Its queued jobs that wait for a licence, in order.
    pub waiting: Each<Vec<Order>>,
}

/// The licences of one organisation.
#[derive(Debug)]
pub struct Ledger {
    headroom: Headroom,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    known: Each<Option<Known>>,
    /// Each pool's last report, and until when it holds.
    pools: BTreeMap<i64, (Timestamp, Report)>,
}

/// A limit, and what runs where no pool of ours looks.
#[derive(Debug)]
struct Known {
    limit: u32,
    unseen: Unseen,
}

#[derive(Debug)]
enum Unseen {
    /// So many in all, when Azure was asked.
    Total(u32),
    ByPool(BTreeMap<i64, u32>),
}

impl Ledger {
    /// An organisation of which nothing is known yet.
    #[must_use]
    pub fn new(headroom: Headroom) -> Self {
        Self { headroom, entries: Mutex::default() }
    }

    /// Notes what Azure said; nothing where it can't tell, which is as good as no limit.
    pub fn learn(&self, parallelism: Parallelism, usage: Option<Usage>) {
        let mut entries = self.entries();
        let known = usage.and_then(|usage| {
            let unseen = match usage.running {
                Running::ByPool(by_pool) => Unseen::ByPool(by_pool),
                Running::Total(total) => {
                    let seen = entries.pools.values().map(|(_, report)| *report.running.of(parallelism));
                    let seen = if planted!(OwnCountedTwice) { 0 } else { seen.sum() };
                    Unseen::Total(total.saturating_sub(seen))
                }
            };
            Some(Known { limit: usage.limit?, unseen })
        });
        *entries.known.of_mut(parallelism) = known;
    }

    /// Lets a pool decide, and notes what it took, which holds until everybody would have forgotten the pool. Pools of one
    /// organisation decide one after the other.
    pub fn decide<T>(
        &self,
        pool: i64,
        now: Timestamp,
        holds_until: Timestamp,
        decide: impl FnOnce(Caps) -> (T, Report),
    ) -> T {
        let mut entries = self.entries();
        entries.pools.retain(|_, (holds_until, _)| now < *holds_until || planted!(ReportsNeverExpire));
        let caps = Each::new(|parallelism| entries.cap(pool, parallelism, self.headroom));
        let (decision, report) = decide(caps);
        entries.pools.insert(pool, (holds_until, report));
        decision
    }

    /// Gives back all that a pool took: nobody asks about it any more.
    pub fn forget(&self, pool: i64) {
        self.entries().pools.remove(&pool);
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn cap(&self, pool: i64, parallelism: Parallelism, headroom: Headroom) -> Option<Cap> {
        let known = self.known.of(parallelism).as_ref()?;
        let others = || self.pools.iter().filter(|(id, _)| **id != pool).map(|(_, (_, report))| report);
        let unseen = match &known.unseen {
            Unseen::Total(total) => *total,
            Unseen::ByPool(by_pool) => {
                let unseen = by_pool.iter().filter(|(id, _)| **id != pool && !self.pools.contains_key(id));
                unseen.map(|(_, running)| running).sum()
            }
        };
        let mut waiting: Vec<Order> = others().flat_map(|report| report.waiting.of(parallelism)).copied().collect();
        waiting.sort_unstable();
        Some(Cap {
            limit: known.limit,
            headroom: headroom.of(known.limit),
            running_elsewhere: others().map(|report| report.running.of(parallelism)).sum::<u32>() + unseen,
            taken_elsewhere: others().map(|report| report.taken.of(parallelism)).sum(),
            waiting_elsewhere: waiting,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_request::RequestId;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const LATER: Timestamp = Timestamp::constant(60, 0);

    fn report(running: u32, taken: u32, waiting: &[i64]) -> Report {
        let order = |id: &i64| (0, NOW, RequestId(*id));
        let each = |count| Each::new(|parallelism| if parallelism == Parallelism::Private { count } else { 0 });
        Report {
            running: each(running),
            taken: each(taken),
            waiting: Each::new(|_| waiting.iter().map(order).collect()),
        }
    }

    fn private(ledger: &Ledger, pool: i64, now: Timestamp) -> Option<Cap> {
        ledger.decide(pool, now, LATER, |caps| (caps.of(Parallelism::Private).clone(), Report::default()))
    }

    #[test]
    fn what_the_other_pools_take_is_not_left() {
        let ledger = Ledger::new(Headroom::Quarter);
        let by_pool = BTreeMap::from([(1, 9), (2, 9), (3, 4)]);
        let usage = Usage { limit: Some(10), running: Running::ByPool(by_pool) };
        ledger.learn(Parallelism::Private, Some(usage));
        ledger.decide(2, NOW, LATER, |_| ((), report(5, 2, &[7, 3])));
        let cap = private(&ledger, 1, NOW).unwrap();
        assert_eq!((cap.limit, cap.headroom), (10, 3));
        assert_eq!((cap.running_elsewhere, cap.taken_elsewhere), (5 + 4, 2), "what a pool says itself is newer");
        assert_eq!(cap.waiting_elsewhere.iter().map(|(.., id)| id.0).collect::<Vec<_>>(), [3, 7]);
        ledger.forget(2);
        assert_eq!(private(&ledger, 1, NOW).unwrap().running_elsewhere, 9 + 4, "then Azure's word counts");
    }

    #[test]
    fn where_azure_tells_only_a_number_the_pools_own_are_taken_off() {
        let ledger = Ledger::new(Headroom::Jobs(0));
        ledger.decide(1, NOW, LATER, |_| ((), report(3, 0, &[])));
        ledger.decide(2, NOW, LATER, |_| ((), report(2, 0, &[])));
        ledger.learn(Parallelism::Private, Some(Usage { limit: Some(8), running: Running::Total(6) }));
        assert_eq!(private(&ledger, 1, NOW).unwrap().running_elsewhere, 2 + 1);
    }

    #[test]
    fn no_limit_is_no_cap_and_a_report_does_not_live_for_ever() {
        let ledger = Ledger::new(Headroom::Quarter);
        assert_eq!(private(&ledger, 1, NOW), None);
        ledger.learn(Parallelism::Private, Some(Usage { limit: None, running: Running::Total(6) }));
        assert_eq!(private(&ledger, 1, NOW), None);
        ledger.learn(Parallelism::Private, Some(Usage { limit: Some(4), running: Running::Total(0) }));
        ledger.decide(2, NOW, LATER, |_| ((), report(1, 3, &[])));
        assert_eq!(private(&ledger, 1, NOW).unwrap().taken_elsewhere, 3);
        assert_eq!(private(&ledger, 1, LATER).unwrap().taken_elsewhere, 0);
    }
}
