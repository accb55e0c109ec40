//! What our scaler reaches in a small world, and the same choices made again by hand.

use std::time::Duration;

use azp_scaler::{
    pool::Rules,
    simulator::virtual_run::{Conditions, VirtualRun},
};
use jiff::SignedDuration;

use super::{
    course::{Course, Notes, Rule},
    worlds::{Moment, POOL, SmallWorld},
};

/// How our scaler has done.
pub(crate) struct Ours {
    /// How long all jobs waited together.
    pub(crate) waited: Duration,
    /// How many agents were created at each moment.
    pub(crate) created: Vec<u32>,
    /// What happened, in words.
    pub(crate) story: String,
}

/// Runs a world with our scaler until every job has its agent.
pub(crate) fn run(small: &SmallWorld) -> Ours {
    let conditions = Conditions {
        fresh_for: small.fresh_for,
        latency: small.latency.clone(),
        rules: Rules { settle: SignedDuration::ZERO, ..Rules::default() },
        ..Conditions::default()
    };
    let mut run = VirtualRun::new(small.plan.clone(), conditions);
    small.occupy(&mut run.world);
    let mut notes = Notes::new(small);
    let mut created = Vec::new();
    for (at, moment) in &small.moments {
        while run.world.now() < *at {
            run.run_until((*at).min(run.world.now() + Duration::from_millis(900)));
            notes.look(small, &run.world);
        }
        if notes.all_assigned() {
            break;
        }
        created.push(match *moment {
            Moment::Arrival { job } => {
                run.world.queue(POOL, small.jobs[job].kind.clone());
                0
            }
            Moment::Reply { scaled_job, .. } => notes.created_since(&run.world, scaled_job),
        });
    }
    assert!(notes.all_assigned(), "seed {}: a job never ran\n{}", small.plan.seed, run.world.story());
    Ours { waited: notes.waited(small), created, story: run.world.story() }
}

/// Makes the same choices by hand. Says how long all jobs waited together, and whether the choices were such as the
/// clairvoyant is allowed, too: an agent too many, because a job had one before KEDA acted, is not.
pub(crate) fn again(small: &SmallWorld, ours: &Ours, rule: Rule) -> (Duration, bool) {
    let mut course = Course::begin(small);
    let mut allowed = true;
    for ((at, moment), created) in small.moments.iter().zip(&ours.created) {
        course.run_until(small, *at);
        match *moment {
            Moment::Arrival { job } => course.arrive(small, job),
            Moment::Reply { scaled_job, seen_at } if *created > 0 => {
                allowed &= *created <= course.room(small, scaled_job, seen_at, rule);
                course.create(scaled_job, *created);
            }
            Moment::Reply { .. } => {}
        }
    }
    while !course.noted.all_assigned() {
        let next = course.world.now() + Duration::from_millis(500);
        course.run_until(small, next);
    }
    (course.noted.waited(small), allowed)
}
