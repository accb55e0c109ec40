//! Jobs to takers (agents, or triggers with room for several), as many as any matching could place.
//!
//! Jobs come in the order in which they are served. The result places a largest possible set of jobs, and among those
//! sets the one that earlier jobs would choose: no job is left out for a later one. A job that was at home somewhere stays
//! there unless moving it is the only way to place one more; a job with a free taker takes the one it prefers, and
//! nothing moves for it.
//!
//! Jobs of one class have the same takers, so searches walk from class to class and from room to room, never from job
//! to job. What a failed search has seen is full for good, and no later search enters it.

use super::{
    bits::{BitMatrix, clear},
    search::{Map, Step, Steps},
    seating::Seating,
};

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
pub(super) fn matching(problem: &Problem<'_>) -> Vec<Option<u32>> {
    let mut left_out = vec![false; problem.jobs.len()];
    loop {
        let mut matching = Matching::new(problem, &left_out);
        if planted!(NewJobsFirst) {
            let new = (0..problem.homes.len()).filter(|job| problem.homes[*job].is_none() && !left_out[*job]);
            new.for_each(|job| matching.place(job));
        }
        matching.seat_at_home();
        for job in 0..problem.jobs.len() {
            if matching.taker[job].is_none() && !matching.left_out[job] {
                matching.place(job);
            }
        }
        // Jobs that had to make way are left out for good; but while they sat at home, others may have left theirs.
        if matching.left_out == left_out || planted!(NoSecondSeating) {
            return matching.taker;
        }
        left_out = matching.left_out;
    }
}

struct Matching<'a> {
    problem: &'a Problem<'a>,
    free: Vec<u32>,
    free_in_all: u64,
    /// The takers of each room.
    takers: Vec<Vec<u32>>,
    taker: Vec<Option<u32>>,
    /// Jobs that had to make way for earlier ones.
    left_out: Vec<bool>,
    /// The last in the order of those who were seated at home: nobody after it can be evicted.
    last_at_home: Option<usize>,
    /// For each class, how much of its preferences is known to be taken or not to fit.
    passed: Vec<usize>,
    /// For each kind and place in its preferences, a later place before which all are full, should this one be.
    jumps: Vec<Vec<usize>>,
    /// Classes that a failed search began with.
    hopeless: Vec<bool>,
    /// The takers, but for those in rooms that a failed search has seen.
    open: Vec<u64>,
    /// Who sits where; kept from the first search on.
    seating: Option<Seating>,
}

impl<'a> Matching<'a> {
    fn new(problem: &'a Problem<'a>, left_out: &[bool]) -> Self {
        let classes = problem.kinds.len();
        let mut takers = vec![Vec::new(); problem.capacity.len()];
        (0..).zip(problem.rooms).for_each(|(taker, room)| takers[*room as usize].push(taker));
        Self {
            takers,
            free: problem.capacity.clone(),
            free_in_all: problem.capacity.iter().map(|&capacity| u64::from(capacity)).sum(),
            taker: vec![None; problem.jobs.len()],
            left_out: left_out.to_vec(),
            last_at_home: None,
            passed: vec![0; classes],
            jumps: problem.preferences.iter().map(|takers| (1..=takers.len()).collect()).collect(),
            hopeless: vec![false; classes],
            open: BitMatrix::filled(1, problem.rooms.len(), true).row(0).to_vec(),
            seating: None,
            problem,
        }
    }

    /// Those who were given a place keep it, as far as it still fits and there is room.
    fn seat_at_home(&mut self) {
        for (job, home) in self.problem.homes.iter().enumerate() {
            let Some(home) = *home else { continue };
            if self.left_out[job] || self.free[home as usize] == 0 {
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
        let nobody_makes_way = self.free_in_all == 0 && self.last_at_home.is_none_or(|last| last < job);
        if nobody_makes_way || self.hopeless[class as usize] {
            return;
        }
        if let Some(taker) = self.free_taker(class) {
            self.sit(job, taker);
            return;
        }
        match self.search(class) {
            Ok((steps, room)) if !planted!(Greedy) => self.move_along(job, &steps, room),
            Err(steps) if !planted!(NoEviction) => self.evict_for(job, &steps),
            Ok(_) | Err(_) => {}
        }
    }

    /// The free taker that the class likes best. Rooms never become free again, so what was passed stays passed.
    fn free_taker(&mut self, class: u32) -> Option<u32> {
        let class = class as usize;
        let kind = self.problem.kinds[class];
        let preferences = &self.problem.preferences[kind];
        loop {
            let place = self.next_free(kind, self.passed[class]);
            self.passed[class] = place;
            let taker = *preferences.get(place)?;
            if self.problem.fits.get(class, taker as usize) {
                return Some(taker);
            }
            self.passed[class] += 1;
        }
    }

    /// The first place from here on in a kind's preferences whose taker is free. Runs of full ones are jumped over.
    fn next_free(&mut self, kind: usize, from: usize) -> usize {
        let (preferences, jumps) = (&self.problem.preferences[kind], &mut self.jumps[kind]);
        let is_full = |taker: u32| self.free[self.problem.rooms[taker as usize] as usize] == 0;
        let mut free = from;
        while preferences.get(free).is_some_and(|taker| is_full(*taker)) {
            free = jumps[free];
        }
        let mut place = from;
        while place != free {
            place = std::mem::replace(&mut jumps[place], free);
        }
        free
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
        let room = self.problem.rooms[taker as usize];
        let at_home = self.is_at_home(job, room);
        if let Some(seating) = &mut self.seating {
            seating.sit(room, self.problem.jobs[job], at_home, number(job));
        }
    }

    fn is_at_home(&self, job: usize, room: u32) -> bool {
        self.problem.homes.get(job).is_some_and(|home| *home == Some(room))
    }

    /// Finds the path to a free room on which the fewest jobs leave their home, and of those a shortest one. Fails with
    /// all the rooms that were seen.
    fn search(&mut self, class: u32) -> Result<(Steps, u32), Steps> {
        if self.seating.is_none() {
            self.seating = Some(Seating::new(self.free.len(), self.taker.len()));
            for job in 0..self.taker.len() {
                if let Some(taker) = self.taker[job] {
                    self.seat(job, taker);
                }
            }
        }
        let Problem { fits, rooms, .. } = *self.problem;
        let Self { takers, free, open, seating, .. } = self;
        let seating = seating.as_ref().expect("it was made above");
        Map { fits, rooms, takers, free, open, seating }.path(class)
    }

    /// Moves jobs along the path, last first, and seats the new job where the first one left.
    fn move_along(&mut self, job: usize, steps: &[Option<Step>], mut room: u32) {
        self.free[room as usize] -= 1;
        self.free_in_all -= 1;
        while let Some(step) = steps[room as usize] {
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
        let job = self.seating.as_mut().and_then(|seating| seating.stand_up(room, class, leaves_home));
        job.expect("the search saw a job of this class in this room") as usize
    }

    /// No more jobs can be placed in the rooms that were seen. If a later job sits in one of them, having been at home
    /// somewhere, the last such makes way; else these rooms are full for good.
    fn evict_for(&mut self, job: usize, seen: &[Option<Step>]) {
        let sits_in = |job: usize| self.taker[job].map(|taker| self.problem.rooms[taker as usize]);
        let sits_in_seen = |later: &usize| sits_in(*later).is_some_and(|room| seen[room as usize].is_some());
        let rooms = (0..self.free.len()).filter(|room| seen[*room].is_some());
        let later = self.last_at_home.filter(|_| rooms.clone().next().is_some()).map_or(0..0, |last| job + 1..last + 1);
        if let Some((evicted, room)) = later.rev().find(sits_in_seen).and_then(|job| Some((job, sits_in(job)?))) {
            let at_home = self.is_at_home(evicted, room);
            if let Some(seating) = &mut self.seating {
                seating.send_away(room, self.problem.jobs[evicted], at_home, number(evicted));
            }
            self.taker[evicted] = None;
            self.left_out[evicted] = true;
            self.free[room as usize] += 1;
            self.free_in_all += 1;
            self.move_along(job, seen, room);
        } else {
            self.hopeless[self.problem.jobs[job] as usize] = true;
            for taker in rooms.flat_map(|room| &self.takers[room]) {
                clear(&mut self.open, *taker as usize);
            }
        }
    }
}

fn number(job: usize) -> u32 {
    u32::try_from(job).expect("jobs are counted in u32")
}
