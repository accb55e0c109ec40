//! The search for a place by moving others: a walk over rooms, from those where a job of one class could come to those where
//! the jobs who sit there could go, until one is free.
//!
//! Of all such paths it finds the one on which the fewest jobs leave their home, and among those a shortest one. It walks in
//! layers: all that can be reached while no more than so many leave their home, nearest first, then one more.

use std::collections::VecDeque;

use super::{
    bits::{BitMatrix, clear, ones},
    seating::Seating,
};

/// How a room was reached.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// The room from which a job would move, or none where the new job itself would come.
    pub(super) from: Option<u32>,
    /// The class of the job that would come.
    pub(super) class: u32,
    /// Whether that job leaves its home.
    pub(super) leaves_home: bool,
}

/// How each room was reached, for those that were.
pub(super) type Steps = Vec<Option<Step>>;

/// What is searched.
pub(super) struct Map<'a> {
    /// For each class, the takers that satisfy it.
    pub(super) fits: &'a BitMatrix,
    /// The room of each taker.
    pub(super) rooms: &'a [u32],
    /// The takers of each room.
    pub(super) takers: &'a [Vec<u32>],
    /// How many jobs each room has place for now.
    pub(super) free: &'a [u32],
    /// The takers worth walking to.
    pub(super) open: &'a [u64],
    /// Who sits where.
    pub(super) seating: &'a Seating,
}

/// A search under way.
struct Walk<'a> {
    map: &'a Map<'a>,
    steps: Steps,
    /// The takers that were not reached yet.
    open: Vec<u64>,
    /// Classes whose takers were all reached.
    left: Vec<bool>,
    /// Rooms reached in this layer, nearest first, each with its distance.
    rooms: VecDeque<(u32, u32)>,
}

impl Map<'_> {
    /// The path for a new job of a class, and the free room at its end; or all that was reached.
    pub(super) fn path(&self, class: u32) -> Result<(Steps, u32), Steps> {
        let mut walk = Walk {
            map: self,
            steps: vec![None; self.free.len()],
            open: self.open.to_vec(),
            left: vec![false; self.fits.rows()],
            rooms: VecDeque::new(),
        };
        let mut layer = VecDeque::from([(1, Step { from: None, class, leaves_home: false })]);
        while !layer.is_empty() {
            // What would make one more job leave its home waits for the next layer. It is found nearest first, too.
            let mut next_layer = VecDeque::new();
            while let Some((distance, found)) = walk.next(&mut layer) {
                let found = match found {
                    Found::Step(step) => walk.take(distance, step),
                    Found::Room(room) => walk.leave(distance, room, &mut next_layer),
                };
                if let Some(room) = found {
                    return Ok((walk.steps, room));
                }
            }
            layer = next_layer;
        }
        Err(walk.steps)
    }
}

/// What a walk goes on from.
enum Found {
    Step(Step),
    Room(u32),
}

impl Walk<'_> {
    /// The nearest of the steps that begin this layer and the rooms reached in it.
    fn next(&mut self, layer: &mut VecDeque<(u32, Step)>) -> Option<(u32, Found)> {
        let step_is_nearer = match (layer.front(), self.rooms.front()) {
            (Some((step, _)), Some((room, _))) => step <= room,
            (step, _) => step.is_some(),
        };
        if step_is_nearer {
            layer.pop_front().map(|(distance, step)| (distance, Found::Step(step)))
        } else {
            self.rooms.pop_front().map(|(distance, room)| (distance, Found::Room(room)))
        }
    }

    /// Goes to all rooms that a class could come to; the first free one ends the search.
    fn take(&mut self, distance: u32, step: Step) -> Option<u32> {
        if std::mem::replace(&mut self.left[step.class as usize], true) {
            return None;
        }
        for (word, fits) in self.map.fits.row(step.class as usize).iter().enumerate() {
            for place in ones([fits & self.open[word]]) {
                let room = self.map.rooms[word * 64 + place];
                if self.steps[room as usize].is_some() {
                    continue;
                }
                self.steps[room as usize] = Some(step);
                if self.map.free[room as usize] > 0 {
                    return Some(room);
                }
                for taker in &self.map.takers[room as usize] {
                    clear(&mut self.open, *taker as usize);
                }
                self.rooms.push_back((distance, room));
            }
        }
        None
    }

    /// Moves on with those who sit in a room.
    fn leave(&mut self, distance: u32, room: u32, next_layer: &mut VecDeque<(u32, Step)>) -> Option<u32> {
        let map = self.map;
        for (&class, seats) in map.seating.of(room) {
            if self.left[class as usize] {
                continue;
            }
            let step = Step { from: Some(room), class, leaves_home: seats.elsewhere.is_none() };
            if !step.leaves_home || planted!(MovesCountForNothing) && seats.at_home.is_some() {
                if let Some(free) = self.take(distance + 1, step) {
                    return Some(free);
                }
            } else if seats.at_home.is_some() {
                next_layer.push_back((distance + 1, step));
            }
        }
        None
    }
}
