//! Hostile worlds: deterministic simulation of everything that can go wrong, each world drawn from one seed, through the
//! real decision code in virtual time. See `docs/reliability.md` for what they have found.
//!
//! ```sh
//! cargo test --release --test worlds                        # as many as every change must pass
//! cargo test --release --test worlds -- --worlds 100000     # more
//! cargo test --release --test worlds -- --seed 4711         # one, told in words
//! ```

#![expect(clippy::print_stdout, reason = "the report is for people")]
#![expect(clippy::cast_precision_loss, reason = "counts of agents are small")]

#[path = "worlds/askers.rs"]
mod askers;
#[path = "worlds/breakers.rs"]
mod breakers;
#[path = "worlds/doubts.rs"]
mod doubts;
#[path = "worlds/draw.rs"]
mod draw;
#[path = "worlds/excuses.rs"]
mod excuses;
#[path = "worlds/fits.rs"]
mod fits;
#[path = "worlds/judge.rs"]
mod judge;
#[path = "worlds/licences.rs"]
mod licences;
#[path = "worlds/liveness.rs"]
mod liveness;
#[path = "worlds/numbers.rs"]
mod numbers;
#[path = "worlds/places.rs"]
mod places;
#[path = "worlds/report.rs"]
mod report;
#[path = "worlds/safety.rs"]
mod safety;
#[path = "worlds/shrink.rs"]
mod shrink;
#[path = "worlds/side_by_side.rs"]
mod side_by_side;
#[path = "worlds/tell.rs"]
mod tell;

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use clap::Parser;

use self::{
    draw::{Hostile, View},
    judge::{Wrong, judge},
    report::Totals,
    shrink::shrink,
};

/// Worlds where nothing is said, each tried in three ways: a debug build is many times slower.
const WORLDS: u64 = if cfg!(debug_assertions) { 20 } else { 3_400 };

/// Hostile worlds in virtual time.
#[derive(Parser)]
struct Arguments {
    /// How many worlds to try.
    #[arg(long, default_value_t = WORLDS)]
    worlds: u64,
    /// The first world's seed; the others follow it.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Try this one only, and tell its story.
    #[arg(long)]
    seed: Option<u64>,
    /// What the scaler sees of the cluster; where nothing is said, each world is tried each way.
    #[arg(long, value_enum)]
    view: Option<View>,
    /// Where one goes wrong, say how and stop, without its story and without looking for a smaller one.
    #[arg(long)]
    quick: bool,
    /// Passed over, with all else that the test runner of a workspace may say.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        return one(&Hostile::of(seed).seen(arguments.view.unwrap_or(View::Off)));
    }
    let views: Vec<View> = arguments.view.map_or_else(|| View::ALL.to_vec(), |view| vec![view]);
    let all: Vec<_> = views
        .into_iter()
        .map(|view| {
            let (totals, wrong) = worlds(&arguments, view);
            (view, totals, wrong)
        })
        .collect();
    let mut passed = true;
    for (view, totals, wrong) in &all {
        println!("==== the cluster's view: {view:?}\n\n{totals}");
        let excessive = tell::excessive(totals);
        if let Some(line) = &excessive {
            println!("\n{line}");
        }
        match wrong {
            Some((hostile, Wrong { law, how })) if arguments.quick => {
                println!("\nworld {}, {law}: {how}", hostile.plan.seed);
            }
            Some((hostile, _)) => {
                println!("\nworld {} goes wrong; here is the smallest like it:\n", hostile.plan.seed);
                one_shrunk(hostile);
            }
            None => println!(),
        }
        passed &= excessive.is_none() && wrong.is_none();
    }
    if let [(_, without, _), (_, with, _), (_, flapping, _)] = &all[..] {
        let (table, is_better) = side_by_side::table(without, with, flapping);
        println!("{table}");
        passed &= is_better || arguments.worlds < side_by_side::ENOUGH;
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored",
        tell::word(passed),
        u8::from(passed),
        u8::from(!passed)
    );
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All worlds, seen one way: what they amount to, and the first that goes wrong.
fn worlds(arguments: &Arguments, view: View) -> (Totals, Option<(Hostile, Wrong)>) {
    let next = AtomicU64::new(arguments.from);
    let end = arguments.from + arguments.worlds;
    let failed = AtomicBool::new(false);
    let work = || {
        let (mut totals, mut wrong) = (Totals::default(), None);
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                break;
            }
            let hostile = Hostile::of(seed).seen(view);
            let verdict = judge(&hostile);
            totals.add(&verdict);
            if verdict.wrong.is_some() {
                failed.store(true, Ordering::Relaxed);
                wrong = verdict.wrong.map(|wrong| (hostile, wrong));
            }
        }
        (totals, wrong)
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (mut totals, mut wrong) = (Totals::default(), None);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok((theirs, found)) => {
                    totals.merge(theirs);
                    wrong = wrong.take().or(found);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    (totals, wrong)
}

/// Tells one world's story.
fn one(hostile: &Hostile) -> ExitCode {
    let verdict = judge(hostile);
    if verdict.wrong.is_some() {
        one_shrunk(hostile);
        return ExitCode::FAILURE;
    }
    println!("{}\n\n{}", tell::world(hostile), verdict.summary);
    println!("nothing is wrong with world {}", hostile.plan.seed);
    ExitCode::SUCCESS
}

fn one_shrunk(hostile: &Hostile) {
    let seed = hostile.plan.seed;
    let smallest = shrink(hostile);
    let verdict = judge(&smallest);
    println!("{}\n", tell::world(&smallest));
    println!("{}", tell::end_of(&verdict.story));
    println!("{}", verdict.summary);
    println!("world {seed}: {}", verdict.wrong.map(|wrong| wrong.how).unwrap_or_default());
}
