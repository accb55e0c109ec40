//! Jobs to takers (agents, or triggers with room for several), as many as any matching could place.
//!
//! Jobs come in the order in which they are served. The result places a largest possible set of jobs, and among those
//! sets the one that earlier jobs would choose: no job is left out for a later one. A job that was at home somewhere stays
//! there unless moving it is the only way to place one more; a job with a free taker takes the one it prefers, and
//! nothing moves for it.
//!
//! Jobs of one class have the same takers, so searches walk from class to class and from room to room, never from job
//! to job. What a failed search has seen is full for good, and no later search enters it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use super::bits::{BitMatrix, ones};

/// What is to be matched.
pub(super) struct Problem<'a> {
    /// The class of each job, in the order of service.
    pub(super) jobs: &'a [u32],
    /// The room where each job is at home; none, or one entry for each job.
    pub(super) homes: &'a [Option<u32>],
    /// For each class, the takers that satisfy it.
    pub(super) fits: &'a BitMatrix,
    /// All takers in the order of preference; one list for each kind of class.
    pub(super) preferences: &'a [Vec<u32>],
    /// The kind of each class.
    pub(super) kinds: &'a [usize],
    /// The room of each taker: takers of one room share its capacity.
    pub(super) rooms: &'a [u32],
    /// How many jobs each room has place for.
    pub(super) capacity: Vec<u32>,
}

/// The taker of each job, in the order of the jobs.
pub(super) fn matching(problem: Problem<'_>) -> Vec<Option<u32>> {
    let mut matching = Matching::new(problem);
    matching.seat_at_home();
    for job in 0..matching.problem.jobs.len() {
        // A job that was evicted from home has a later place in the order than all who sit now: it would fail again.
        if matching.taker[job].is_none() && !matching.evicted[job] {
            matching.place(job);
        }
    }
    matching.taker
}

/// Where the jobs of one class sit in one room.
#[derive(Default)]
struct Seated {
    at_home: Vec<usize>,
    elsewhere: Vec<usize>,
}

struct Matching<'a> {
    problem: Problem<'a>,
    free: Vec<u32>,
    free_in_all: u64,
    /// The takers of each room.
    takers: Vec<Vec<u32>>,
    taker: Vec<Option<u32>>,
    evicted: Vec<bool>,
    /// The last in the order of those who were seated at home: nobody after it can be evicted.
    last_at_home: Option<usize>,
    /// For each class, how much of its preferences is known to be taken or not to fit.
    passed: Vec<usize>,
    /// Classes and rooms that a failed search has seen.
    hopeless: Vec<bool>,
    full: Vec<bool>,
    /// Who sits where, by room and class; kept from the first search on.
    seated: Option<Vec<BTreeMap<u32, Seated>>>,
}

/// One step of a search: how a room was reached.
#[derive(Clone, Copy)]
struct Step {
    /// The room from which a job would move, or none where the new job itself would come.
    from: Option<u32>,
    /// The class of the job that would come.
    class: u32,
    /// Whether that job leaves its home.
    leaves_home: bool,
}

impl<'a> Matching<'a> {
    fn new(problem: Problem<'a>) -> Self {
        let classes = problem.kinds.len();
        let mut takers = vec![Vec::new(); problem.capacity.len()];
        (0..).zip(problem.rooms).for_each(|(taker, room)| takers[*room as usize].push(taker));
        Self {
            takers,
            free: problem.capacity.clone(),
            free_in_all: problem.capacity.iter().map(|&capacity| u64::from(capacity)).sum(),
            taker: vec![None; problem.jobs.len()],
            evicted: vec![false; problem.jobs.len()],
            last_at_home: None,
            passed: vec![0; classes],
            hopeless: vec![false; classes],
            full: vec![false; problem.capacity.len()],
            seated: None,
            problem,
        }
    }

    /// Those who were given a place keep it, as far as it still fits and there is room.
    fn seat_at_home(&mut self) {
        for (job, home) in self.problem.homes.iter().enumerate() {
            let Some(home) = *home else { continue };
            if self.free[home as usize] == 0 {
                continue;
            }
            if let Some(taker) = self.preferred_in(home, self.problem.jobs[job]) {
                self.sit(job, taker);
                self.last_at_home = Some(job);
            }
        }
    }

    /// Places one job: with a free taker, else by moving others along a shortest path, else by evicting a later job.
    fn place(&mut self, job: usize) {
        let class = self.problem.jobs[job];
        if self.hopeless[class as usize] {
            return;
        }
        if let Some(taker) = self.free_taker(class) {
            self.sit(job, taker);
            return;
        }
        if self.free_in_all == 0 && self.last_at_home.is_none_or(|last| last < job) {
            return;
        }
        match self.search(class) {
            Ok((steps, room)) => self.move_along(job, &steps, room),
            Err(steps) => self.evict_for(job, &steps),
        }
    }

    /// The free taker that the class likes best. Rooms never become free again, so what was passed stays passed.
    fn free_taker(&mut self, class: u32) -> Option<u32> {
        let class = class as usize;
        let preferences = &self.problem.preferences[self.problem.kinds[class]];
        while let Some(&taker) = preferences.get(self.passed[class]) {
            let room = self.problem.rooms[taker as usize];
            if self.free[room as usize] > 0 && self.problem.fits.get(class, taker as usize) {
                return Some(taker);
            }
            self.passed[class] += 1;
        }
        None
    }

    /// The taker in a room that a class likes best.
    fn preferred_in(&self, room: u32, class: u32) -> Option<u32> {
        let fits = |taker: &u32| self.problem.fits.get(class as usize, *taker as usize);
        if let [only] = self.takers[room as usize].as_slice() {
            return Some(*only).filter(fits);
        }
        let preferences = &self.problem.preferences[self.problem.kinds[class as usize]];
        let in_room = |taker: &u32| self.problem.rooms[*taker as usize] == room;
        preferences.iter().copied().find(|taker| in_room(taker) && fits(taker))
    }

    fn sit(&mut self, job: usize, taker: u32) {
        let room = self.problem.rooms[taker as usize];
        self.free[room as usize] -= 1;
        self.free_in_all -= 1;
        self.seat(job, taker);
    }

    /// Notes who sits where, without counting.
    fn seat(&mut self, job: usize, taker: u32) {
        self.taker[job] = Some(taker);
        if let Some(seated) = &mut self.seated {
            let room = self.problem.rooms[taker as usize];
            let seats = seated[room as usize].entry(self.problem.jobs[job]).or_default();
            let at_home = self.problem.homes.get(job).is_some_and(|home| *home == Some(room));
            if at_home { seats.at_home.push(job) } else { seats.elsewhere.push(job) }
        }
    }

    /// Finds the path to a free room on which the fewest jobs leave their home, and of those a shortest one. Fails with
    /// all the rooms that were seen.
    fn search(&mut self, class: u32) -> Result<(Steps, u32), Steps> {
        if self.seated.is_none() {
            self.seated = Some((0..self.free.len()).map(|_| BTreeMap::new()).collect());
            for job in 0..self.taker.len() {
                if let Some(taker) = self.taker[job] {
                    self.seat(job, taker);
                }
            }
        }
        let mut frontier = Frontier::new(self.free.len());
        self.reach(&mut frontier, (0, 0), Step { from: None, class, leaves_home: false });
        while let Some((cost, room, step)) = frontier.queue.pop().map(|Reverse(next)| (next.cost, next.room, next.step))
        {
            if frontier.steps.0[room as usize].is_some() {
                continue;
            }
            frontier.steps.0[room as usize] = Some(step);
            if self.free[room as usize] > 0 {
                return Ok((frontier.steps, room));
            }
            for (&class, seats) in self.seated.iter().flat_map(|seated| &seated[room as usize]) {
                let leaves_home = seats.elsewhere.is_empty();
                if !(leaves_home && seats.at_home.is_empty()) {
                    self.reach(&mut frontier, cost, Step { from: Some(room), class, leaves_home });
                }
            }
        }
        Err(frontier.steps)
    }

    /// Puts the rooms into the queue that a job of a class could come to.
    fn reach(&self, frontier: &mut Frontier, (moved, length): Cost, step: Step) {
        let cost = (moved + u32::from(step.leaves_home), length + 1);
        let cheapest = frontier.cheapest.entry(step.class).or_insert((u32::MAX, u32::MAX));
        if *cheapest <= cost {
            return;
        }
        *cheapest = cost;
        for taker in ones(self.problem.fits.row(step.class as usize).iter().copied()) {
            let room = self.problem.rooms[taker];
            if !self.full[room as usize] && frontier.steps.0[room as usize].is_none() {
                frontier.found += 1;
                frontier.queue.push(Reverse(Next { cost, order: frontier.found, room, step }));
            }
        }
    }

    /// Moves jobs along the path, last first, and seats the new job where the first one left.
    fn move_along(&mut self, job: usize, steps: &Steps, mut room: u32) {
        self.free[room as usize] -= 1;
        self.free_in_all -= 1;
        while let Some(step) = steps.0[room as usize] {
            let taker = self.preferred_in(room, step.class).expect("the search found that the class fits the room");
            let Some(from) = step.from else {
                self.seat(job, taker);
                return;
            };
            let mover = self.stand_up(from, step.class, step.leaves_home);
            self.seat(mover, taker);
            room = from;
        }
    }

    /// The last of those who could move leaves its seat.
    fn stand_up(&mut self, room: u32, class: u32, leaves_home: bool) -> usize {
        let seats = self.seated.as_mut().and_then(|seated| seated[room as usize].get_mut(&class));
        seats
            .and_then(|seats| if leaves_home { seats.at_home.pop() } else { seats.elsewhere.pop() })
            .expect("the search saw a job of this class in this room")
    }

    /// No more jobs can be placed in the rooms that were seen. If a later job sits in one of them, having been at home
    /// somewhere, the last such makes way; else these rooms are full for good.
    fn evict_for(&mut self, job: usize, seen: &Steps) {
        let rooms = (0..self.full.len()).filter(|room| seen.0[*room].is_some());
        let last = self.seated.iter().flat_map(|seated| {
            let seats = rooms.clone().flat_map(|room| seated[room].values().map(move |seats| (room, seats)));
            seats.flat_map(|(room, seats)| {
                seats.at_home.iter().chain(&seats.elsewhere).map(move |seated| (*seated, room))
            })
        });
        if let Some((evicted, room)) = last.max().filter(|(last, _)| *last > job) {
            if let Some(seats) =
                self.seated.as_mut().and_then(|seated| seated[room].get_mut(&self.problem.jobs[evicted]))
            {
                seats.at_home.retain(|seated| *seated != evicted);
                seats.elsewhere.retain(|seated| *seated != evicted);
            }
            self.taker[evicted] = None;
            self.evicted[evicted] = true;
            self.free[room] += 1;
            self.free_in_all += 1;
            self.move_along(job, seen, u32::try_from(room).expect("rooms are counted in u32"));
        } else {
            self.hopeless[self.problem.jobs[job] as usize] = true;
            rooms.for_each(|room| self.full[room] = true);
        }
    }
}

/// Jobs that leave their home, then jobs that move.
type Cost = (u32, u32);

/// How each room was reached, for those that were.
struct Steps(Vec<Option<Step>>);

struct Frontier {
    steps: Steps,
    queue: BinaryHeap<Reverse<Next>>,
    found: usize,
    /// A class that was left from once need not be left from again at a higher cost.
    cheapest: BTreeMap<u32, Cost>,
}

impl Frontier {
    fn new(rooms: usize) -> Self {
        Self { steps: Steps(vec![None; rooms]), queue: BinaryHeap::new(), found: 0, cheapest: BTreeMap::new() }
    }
}

/// A room in the queue; equal costs are served in the order in which they were found.
struct Next {
    cost: Cost,
    order: usize,
    room: u32,
    step: Step,
}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.cost, self.order, self.room).cmp(&(other.cost, other.order, other.room))
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Next {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Next {}
