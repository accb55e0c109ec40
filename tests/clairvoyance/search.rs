//! The best that any policy can reach in a small world: all choices at all replies, depth first, by branch and bound.
//!
//! A branch is left when it can't be better than the best course known ([`bound`](super::bound)), or when the same state was
//! reached before with no more waiting behind it.

use std::{collections::HashMap, time::Duration};

use super::{
    bound::least_wait,
    course::{Course, Rule},
    worlds::{Moment, SmallWorld, only},
};

/// A world's state: two courses that have the same go on alike. The world's generator is part of it by what was drawn.
type State = Vec<u64>;

/// The search through one world.
pub(crate) struct Search<'a> {
    small: &'a SmallWorld,
    rule: Rule,
    /// The least sum of all waits so far; the search looks for less.
    pub(crate) best: Duration,
    seen: HashMap<State, Duration>,
    /// What happened on the best course, in words.
    pub(crate) story: String,
    /// Whether branches are left only for what has been waited already.
    plain: bool,
    /// How many choices were tried.
    pub(crate) tried: u64,
}

impl<'a> Search<'a> {
    pub(crate) fn new(small: &'a SmallWorld, rule: Rule, best: Duration) -> Self {
        Self { small, rule, best, seen: HashMap::new(), tried: 0, story: String::new(), plain: false }
    }

    /// The same without its two cuts: slow, and hard to get wrong.
    pub(crate) fn plain(small: &'a SmallWorld, rule: Rule, best: Duration) -> Self {
        Self { plain: true, ..Self::new(small, rule, best) }
    }

    pub(crate) fn run(&mut self) {
        self.explore(Course::begin(self.small), 0);
    }

    fn explore(&mut self, mut course: Course, from: usize) {
        let small = self.small;
        for (place, (at, moment)) in small.moments.iter().enumerate().skip(from) {
            course.run_until(small, *at);
            if course.noted.all_assigned() {
                let waited = course.noted.waited(small);
                if waited < self.best {
                    self.best = waited;
                    self.story = course.world.story();
                }
                return;
            }
            match *moment {
                Moment::Arrival { job } => course.arrive(small, job),
                Moment::Reply { scaled_job, seen_at } => {
                    if small.jobs[0].arrives >= seen_at {
                        continue;
                    }
                    let room = course.room(small, scaled_job, seen_at, self.rule);
                    if self.is_hopeless(&course, place) {
                        return;
                    }
                    if room == 0 {
                        continue;
                    }
                    if self.was_here(&course, place) {
                        return;
                    }
                    for count in (1..=room).rev() {
                        self.tried += 1;
                        let mut branch = course.clone();
                        branch.create(scaled_job, count);
                        self.explore(branch, place + 1);
                    }
                }
            }
        }
    }

    /// Whether a course can't become better than the best.
    fn is_hopeless(&self, course: &Course, place: usize) -> bool {
        let least = if self.plain {
            Some(course.noted.waited_by(self.small, course.world.now()))
        } else {
            least_wait(self.small, course, place)
        };
        least.is_none_or(|least| least >= self.best)
    }

    /// Whether the same state was reached before with no more waiting behind it.
    fn was_here(&mut self, course: &Course, place: usize) -> bool {
        if self.plain {
            return false;
        }
        let waited = course.noted.waited(self.small);
        let before = self.seen.entry(state(self.small, course, place)).or_insert(Duration::MAX);
        let was_here = *before <= waited;
        *before = waited.min(*before);
        was_here
    }
}

fn state(small: &SmallWorld, course: &Course, place: usize) -> State {
    let millis = |moment: Duration| u64::try_from(moment.as_millis()).unwrap_or(u64::MAX);
    let delays = &small.plan.delays;
    let gone_after = [&delays.receipt, &delays.leaving, &delays.job_end, &delays.linger, &delays.assignment]
        .map(only)
        .iter()
        .sum::<Duration>();
    let mut state = vec![place as u64, course.world.cluster().created];
    for (job, assigned) in small.jobs.iter().zip(&course.noted.assigned) {
        let Some(assigned) = assigned else {
            state.push(0);
            continue;
        };
        let (by, created_at) = assigned.agent.map_or((1, 0), |(place, at)| (2 + place as u64, millis(at)));
        if assigned.at + only(&job.kind.runs_for) + gone_after < course.world.now() {
            // Its agent has left; that it had one is told by the agents that there are.
            state.push(if by == 1 { 1 } else { 2 });
        } else {
            state.extend([by, millis(assigned.at), created_at]);
        }
    }
    for (key, job) in course.world.cluster().jobs.iter().filter(|(_, job)| job.is_unused()) {
        state.extend([job.scaled_job as u64, millis(course.noted.created_at[key])]);
    }
    state
}
