//! Our scaler against clairvoyance: in small worlds, the waiting that it reaches beside the least that any policy could
//! reach which knows the future, has its answers arrive at the same moments, and starts no agent before its job has
//! arrived.
//!
//! `CLAIRVOYANCE_WORLDS` says how many worlds; the figures are printed with `--nocapture`. `CLAIRVOYANCE_SEED` tells the two
//! stories of one world.

#![expect(clippy::print_stdout, reason = "the figures are for people")]

#[path = "clairvoyance/bound.rs"]
mod bound;
#[path = "clairvoyance/course.rs"]
mod course;
#[path = "clairvoyance/figures.rs"]
mod figures;
#[path = "clairvoyance/ours.rs"]
mod ours;
#[path = "clairvoyance/search.rs"]
mod search;
#[path = "clairvoyance/worlds.rs"]
mod worlds;

use std::{env, time::Duration};

use self::{course::Rule, figures::Figures, search::Search, worlds::SmallWorld};

/// How many worlds without a wish for more.
const WORLDS: u64 = 100;
/// The least that is told apart.
const TICK: Duration = Duration::from_millis(1);

/// A look at the pool for each poll.
const LOOK_AT_EACH_POLL: Duration = Duration::ZERO;
/// What the configuration says without a wish.
const LOOK_SERVES: Duration = Duration::from_secs(1);

/// Our scaler against the best by a rule, in worlds that are polled every `slowest` seconds or more often.
fn compare(slowest: u64, fresh_for: Duration, rule: Rule) -> Figures {
    let wanted = number("CLAIRVOYANCE_WORLDS").unwrap_or(WORLDS);
    let mut figures = Figures::default();
    for seed in 0..wanted {
        let small = SmallWorld::draw(seed, slowest, fresh_for);
        let ours = ours::run(&small);
        let (again, allowed) = ours::again(&small, &ours, rule);
        assert_eq!(again, ours.waited, "seed {seed}: the same choices have another end\n{}", ours.story);
        let mut search = Search::new(&small, rule, if allowed { ours.waited + TICK } else { Duration::MAX });
        search.run();
        let best = search.best;
        assert!(best < Duration::MAX, "seed {seed}: the search found nothing");
        assert!(best >= bound::floor(&small), "seed {seed}: {best:?} can't be\n{}", search.story);
        if allowed {
            assert!(best <= ours.waited, "seed {seed}: the search missed {:?}\n{}", ours.waited, ours.story);
        } else {
            figures.not_allowed();
        }
        assert!(ours.waited <= small.one_after_the_other(), "seed {seed}\n{}", ours.story);
        figures.add(seed, small.jobs.len(), ours.waited, best);
    }
    println!("polls every 1 to {slowest} s, a look serves for {fresh_for:?}, {rule:?}: {figures}");
    figures
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

#[test]
fn polled_every_second_jobs_wait_hardly_longer_than_with_any_policy() {
    for fresh_for in [LOOK_AT_EACH_POLL, LOOK_SERVES] {
        let mean = compare(1, fresh_for, Rule::AnyFit).mean();
        assert!(mean <= 1.05, "{mean}");
    }
}

/// A job is meant for the agents that fit it most tightly: what has more capabilities costs more, and is kept for others.
/// Bound to that choice, and to the name where two fit as tightly, clairvoyance gains little, however slow the polls are.
#[test]
fn jobs_wait_hardly_longer_than_with_any_policy_that_chooses_the_same_scaled_jobs() {
    for fresh_for in [LOOK_AT_EACH_POLL, LOOK_SERVES] {
        let mean = compare(10, fresh_for, Rule::TightestThenName).mean();
        assert!(mean <= 1.05, "{mean}");
    }
}

/// With slow polls, the ScaledJob that fits best may be asked about long after another that fits as well. Whoever starts
/// whatever is asked about first gains up to one polling interval, and our scaler does not try to: this is what it costs.
#[test]
fn with_slow_polls_the_choice_of_the_scaled_job_costs_up_to_an_interval() {
    for fresh_for in [LOOK_AT_EACH_POLL, LOOK_SERVES] {
        for (rule, at_most) in [(Rule::TightestFit, 1.1), (Rule::AnyFit, 1.15)] {
            let mean = compare(10, fresh_for, rule).mean();
            assert!(mean <= at_most, "{rule:?}: {mean}");
        }
    }
}

#[test]
fn the_search_finds_what_trying_everything_finds() {
    let mut compared = 0;
    for seed in 0..WORLDS {
        for slowest in [3, 10] {
            let small = SmallWorld::draw(seed, slowest, LOOK_AT_EACH_POLL);
            if small.jobs.len() > 2 {
                continue;
            }
            for rule in [Rule::AnyFit, Rule::TightestFit] {
                let mut search = Search::new(&small, rule, Duration::MAX);
                search.run();
                let mut plain = Search::plain(&small, rule, Duration::MAX);
                plain.run();
                assert_eq!(search.best, plain.best, "seed {seed}, polls to {slowest} s, {rule:?}\n{}", plain.story);
                assert!(search.tried <= plain.tried, "seed {seed}: {} and {}", search.tried, plain.tried);
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "only {compared}");
}

#[test]
fn a_seed_tells_both_stories() {
    let (seed, slowest) = (number("CLAIRVOYANCE_SEED").unwrap_or(0), number("CLAIRVOYANCE_POLLS").unwrap_or(10));
    let small = SmallWorld::draw(seed, slowest, LOOK_AT_EACH_POLL);
    let ours = ours::run(&small);
    let mut search = Search::new(&small, Rule::AnyFit, Duration::MAX);
    search.run();
    for scaled_job in &small.plan.scaled_jobs {
        let (offers, every) = (scaled_job.capabilities.sorted(), scaled_job.polling_interval);
        println!("{}: {offers:?}, at most {}, every {every:?}", scaled_job.id.name, scaled_job.scaling.max_replicas);
    }
    println!("ours, {:?}:\n{}\nthe best, {:?}:\n{}", ours.waited, ours.story, search.best, search.story);
    assert!(ours.story.contains("is given to") && search.story.contains("is given to"));
}
