//! Who sits where: for each room and class the jobs at home there and those that are not, the last to come first to go.
//!
//! Jobs of one room, class and kind are a chain through one list, so that seating ten thousand takes no ten thousand
//! allocations.

use std::collections::BTreeMap;

/// The jobs of one class that sit in one room: the last to come of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seated {
    pub(super) at_home: Option<u32>,
    pub(super) elsewhere: Option<u32>,
}

impl Seated {
    fn last(&mut self, at_home: bool) -> &mut Option<u32> {
        if at_home { &mut self.at_home } else { &mut self.elsewhere }
    }
}

/// All who sit.
#[derive(Debug)]
pub(super) struct Seating {
    rooms: Vec<BTreeMap<u32, Seated>>,
    /// For each job, who came before it in its chain.
    before: Vec<Option<u32>>,
}

impl Seating {
    pub(super) fn new(rooms: usize, jobs: usize) -> Self {
        Self { rooms: vec![BTreeMap::new(); rooms], before: vec![None; jobs] }
    }

    /// Who sits in a room, by class.
    pub(super) fn of(&self, room: u32) -> &BTreeMap<u32, Seated> {
        &self.rooms[room as usize]
    }

    /// A job comes.
    pub(super) fn sit(&mut self, room: u32, class: u32, at_home: bool, job: u32) {
        let last = self.rooms[room as usize].entry(class).or_default().last(at_home);
        self.before[job as usize] = last.replace(job);
    }

    /// The last to come goes.
    pub(super) fn stand_up(&mut self, room: u32, class: u32, at_home: bool) -> Option<u32> {
        let last = self.rooms[room as usize].get_mut(&class)?.last(at_home);
        let job = last.take()?;
        *last = self.before[job as usize].take();
        Some(job)
    }

    /// This job goes.
    pub(super) fn send_away(&mut self, room: u32, class: u32, at_home: bool, job: u32) {
        let before = self.before[job as usize].take();
        let Some(last) = self.rooms[room as usize].get_mut(&class).map(|seated| seated.last(at_home)) else { return };
        let mut link = last;
        while let Some(sitting) = *link {
            if sitting == job {
                *link = before;
                return;
            }
            link = &mut self.before[sitting as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_to_come_is_the_first_to_go() {
        let mut seating = Seating::new(2, 10);
        for job in [3, 5, 7, 8] {
            seating.sit(1, 4, job != 5, job);
        }
        seating.send_away(1, 4, true, 7);
        assert_eq!(seating.stand_up(1, 4, true), Some(8));
        assert_eq!(seating.stand_up(1, 4, true), Some(3));
        assert_eq!(seating.stand_up(1, 4, true), None);
        assert_eq!(seating.of(1)[&4].elsewhere, Some(5));
        assert!(seating.of(0).is_empty());
    }
}
