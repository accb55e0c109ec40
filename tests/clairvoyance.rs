//! Our scaler against clairvoyance: in small worlds, the waiting that it reaches beside the least that any policy could
//! reach which knows the future, acts at the same moments, and starts no agent before a job has arrived.
//!
//! `CLAIRVOYANCE_WORLDS` says how many worlds; the figures are printed with `--nocapture`.

#![expect(clippy::print_stdout, reason = "the figures are for people")]

#[path = "clairvoyance/bound.rs"]
mod bound;
#[path = "clairvoyance/course.rs"]
mod course;
#[path = "clairvoyance/ours.rs"]
mod ours;
#[path = "clairvoyance/search.rs"]
mod search;
#[path = "clairvoyance/worlds.rs"]
mod worlds;

use std::time::Duration;

use self::{search::Search, worlds::SmallWorld};

#[test]
fn probe() {
    let count = std::env::var("CLAIRVOYANCE_WORLDS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let first = std::env::var("CLAIRVOYANCE_FIRST").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (mut sum, mut worst, mut equal, mut jobs, mut broke) = (0.0, (0.0, 0), 0, 0, 0);
    let mut below = 0;
    let mut fresh_sum = 0.0;
    let mut by = std::collections::BTreeMap::<usize, (f64, u32, u32, f64)>::new();
    for seed in first..first + count {
        let small = SmallWorld::draw(seed);
        let ours = ours::run(&small, Duration::ZERO);
        let shared = ours::run(&small, Duration::from_secs(1));
        let (again, allowed) = ours::again(&small, &ours);
        assert_eq!(again, ours.waited, "seed {seed}");
        let begun = std::time::Instant::now();
        let best = if allowed { ours.waited } else { Duration::MAX };
        let mut search = Search::new(&small, best);
        search.run();
        let took = begun.elapsed();
        let ratio = ours.waited.as_secs_f64() / search.best.as_secs_f64();
        if ratio > 1.0 || ratio < 1.0 || took > Duration::from_secs(2) {
            println!("{seed}: {ratio:.3} jobs {} sj {} tried {} {took:?} allowed {allowed} {:?} {:?}", small.jobs.len(), small.plan.scaled_jobs.len(), search.tried, ours.waited, search.best);
            if count == 1 { println!("{}\n{:#?}", ours.story, small.plan.scaled_jobs); }
        }
        assert!(search.best >= bound::floor(&small), "seed {seed} {:?} {:?}", search.best, bound::floor(&small));
        sum += ratio;
        fresh_sum += shared.waited.as_secs_f64() / search.best.as_secs_f64();
        let entry = by.entry(small.plan.scaled_jobs.len()).or_default();
        entry.0 += ratio; entry.1 += 1; entry.2 += u32::from(ratio == 1.0); entry.3 = entry.3.max(ratio);
        jobs += small.jobs.len();
        broke += u32::from(!allowed);
        equal += u32::from(ratio == 1.0);
        below += u32::from(ratio < 1.0);
        if ratio > worst.0 { worst = (ratio, seed) }
    }
    for (n, (sum, count, equal, worst)) in by { println!("{n} sj: {count} worlds mean {} equal {equal} worst {worst}", sum / f64::from(count)); }
    println!("{count} worlds {jobs} jobs mean {} shared {} worst {worst:?} equal {equal} broke {broke} below {below}", sum / count as f64, fresh_sum / count as f64);
}
