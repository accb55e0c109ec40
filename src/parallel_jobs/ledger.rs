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
    pools: BTreeMap<i64, Entry>,
    /// Counts what is learned and reported, so that the newer of two is known.
    turn: u64,
}

/// A pool's last report.
#[derive(Debug)]
struct Entry {
    turn: u64,
    holds_until: Timestamp,
    report: Report,
}

/// A limit, and what runs where no pool of ours looks.
#[derive(Debug)]
struct Known {
    turn: u64,
    limit: u32,
    unseen: Unseen,
}

#[derive(Debug)]
enum Unseen {
    /// So many beside those that the pools knew of, when Azure was asked.
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
        entries.turn += 1;
        let turn = entries.turn;
        let known = usage.and_then(|usage| {
            let unseen = match usage.running {
                Running::ByPool(by_pool) => Unseen::ByPool(by_pool),
                Running::Total(total) => {
                    let seen = entries.pools.values().map(|entry| *entry.report.running.of(parallelism));
                    let seen = if planted!(OwnCountedTwice) { 0 } else { seen.sum() };
                    Unseen::Total(total.saturating_sub(seen))
                }
            };
            Some(Known { turn, limit: usage.limit?, unseen })
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
        entries.pools.retain(|_, entry| now < entry.holds_until || planted!(ReportsNeverExpire));
        let caps: Caps = Each::new(|parallelism| entries.cap(pool, parallelism, self.headroom));
        let is_limited = Parallelism::ALL.into_iter().any(|parallelism| caps.of(parallelism).is_some());
        // Where there is nothing to share, nobody waits for another's decision.
        let (decision, mut entries, report) = if is_limited {
            let (decision, report) = decide(caps);
            (decision, entries, report)
        } else {
            drop(entries);
            let (decision, report) = decide(caps);
            (decision, self.entries(), report)
        };
        entries.turn += 1;
        let turn = entries.turn;
        entries.pools.insert(pool, Entry { turn, holds_until, report });
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
        let others = || self.pools.iter().filter(|(id, _)| **id != pool);
        let counts = |(id, entry): (&i64, &Entry)| {
            let (running, taken) = (*entry.report.running.of(parallelism), *entry.report.taken.of(parallelism));
            match &known.unseen {
                // Azure's word on what runs is newer. Which of the jobs that the pool took are among those is not known, so
                // all of them count until it decides again.
                Unseen::ByPool(by_pool) if known.turn > entry.turn && !planted!(OldReportsBelieved) => {
                    (by_pool.get(id).copied().unwrap_or(0), taken)
                }
                _ => (running, taken),
            }
        };
        let unseen = match &known.unseen {
            Unseen::Total(total) => *total,
            Unseen::ByPool(by_pool) => {
                let unseen = by_pool.iter().filter(|(id, _)| **id != pool && !self.pools.contains_key(id));
                unseen.map(|(_, running)| running).sum()
            }
        };
        let headroom = headroom.of(known.limit);
        let waiting = others().flat_map(|(_, entry)| entry.report.waiting.of(parallelism)).copied();
        let mut waiting: Vec<Order> = waiting.collect();
        waiting.sort_unstable();
        // No more of them than there can be licences stand in anybody's way.
        waiting.truncate(known.limit.saturating_add(headroom) as usize);
        let (running, taken) = others().map(counts).fold((unseen, 0_u32), |(running, taken), (more, also)| {
            (running.saturating_add(more), taken.saturating_add(also))
        });
        Some(Cap {
            limit: known.limit,
            headroom,
            running_elsewhere: running,
            taken_elsewhere: taken,
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
        let by_pool = BTreeMap::from([(2, 6), (3, 4)]);
        ledger.learn(Parallelism::Private, Some(Usage { limit: Some(10), running: Running::ByPool(by_pool) }));
        let cap = private(&ledger, 1, NOW).unwrap();
        assert_eq!((cap.running_elsewhere, cap.taken_elsewhere), (6 + 4, 2), "Azure's word is newer now");
        ledger.forget(2);
        assert_eq!(private(&ledger, 1, NOW).unwrap().running_elsewhere, 6 + 4, "then Azure's word counts");
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
