//! What happens to watches, and what is told of it.

use super::*;

/// A health and a clock one can set.
struct World {
    health: Health,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self { health: Health::default(), now: Instant::now() }
    }

    /// All kinds listed, and current.
    fn whole() -> Self {
        let mut world = Self::new();
        world.list_all();
        assert_eq!(world.judge(), Verdict::Current);
        world
    }

    fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
    }

    fn list(&mut self, kind: Kind) {
        self.health.listed(kind, self.health.generation(), self.now);
    }

    fn list_all(&mut self) {
        for kind in Kind::ALL {
            self.list(kind);
        }
    }

    fn fail(&mut self, kind: Kind) {
        self.health.failed(Failure::timed_out(kind, "watch"), self.health.generation(), self.now);
    }

    fn beat(&mut self, answered: bool) {
        let outcome = if answered { Ok(()) } else { Err(Failure::timed_out(Kind::Pod, "list")) };
        self.health.beat(outcome, self.now);
    }

    fn judge(&mut self) -> Verdict {
        self.health.judge(self.now)
    }

    fn is_lost(&mut self) -> bool {
        matches!(self.judge(), Verdict::Lost { .. })
    }
}

#[test]
fn it_starts_when_every_kind_is_listed() {
    let mut world = World::new();
    for kind in Kind::ALL {
        assert_eq!(world.judge(), Verdict::Starting);
        world.list(kind);
    }
    assert_eq!(world.judge(), Verdict::Current);
}

#[test]
fn a_watch_that_fails_for_a_moment_is_no_loss() {
    let mut world = World::whole();
    world.fail(Kind::Job);
    assert_eq!(world.health.changes_at(), Some(world.now + WATCH_GRACE));
    let (until, failure) = world.health.doubt().unwrap();
    assert_eq!((until, failure.kind), (world.now + WATCH_GRACE, Kind::Job));
    world.pass(2.0);
    world.list(Kind::Job);
    assert_eq!(world.judge(), Verdict::Current);
    assert!(world.health.doubt().is_some(), "the watch must hold first");
    world.pass(10.0);
    assert_eq!(world.judge(), Verdict::Current);
    assert!(world.health.doubt().is_none());
    assert_eq!(world.health.generation(), 0);
}

#[test]
fn a_loss_ends_when_all_kinds_have_been_listed_since() {
    let mut world = World::whole();
    world.fail(Kind::Job);
    let failed_at = world.now;
    world.pass(5.0);
    let Verdict::Lost { since, reason } = world.judge() else { panic!("lost") };
    assert_eq!(since, failed_at);
    assert!(reason.contains("`jobs.batch`"), "{reason}");
    world.health.listed(Kind::Job, 0, world.now);
    world.pass(2.0);
    assert!(world.is_lost(), "what was listed before does not count");
    world.list_all();
    assert!(world.is_lost(), "the watch of jobs must hold first");
    assert_eq!(world.health.changes_at(), Some(world.now + HOLDS_FOR));
    world.pass(1.0);
    assert_eq!(world.judge(), Verdict::Current);
}

#[test]
fn a_watch_that_lists_and_is_refused_again_and_again_stays_lost() {
    let mut world = World::whole();
    let mut lost = 0;
    for _ in 0..20 {
        world.list_all();
        world.pass(0.01);
        world.fail(Kind::Pod);
        lost += u32::from(world.is_lost());
        world.pass(1.0);
    }
    assert!(lost >= 14, "{lost}");
    assert!(world.is_lost());
}

#[test]
fn a_silent_server_is_a_loss_and_all_begins_anew_when_it_answers() {
    let mut world = World::whole();
    world.beat(false);
    world.pass(5.0);
    world.beat(false);
    assert_eq!(world.judge(), Verdict::Current);
    world.pass(5.0);
    assert!(world.is_lost());
    let generation = world.health.generation();
    world.list_all();
    assert!(world.is_lost(), "no answer yet");
    world.beat(true);
    assert_eq!(world.health.generation(), generation + 1);
    assert!(world.is_lost());
    world.list_all();
    assert_eq!(world.judge(), Verdict::Current);
}

#[test]
fn a_heartbeat_missed_is_no_loss() {
    let mut world = World::whole();
    world.beat(false);
    world.pass(5.0);
    world.beat(true);
    world.pass(60.0);
    assert_eq!(world.judge(), Verdict::Current);
}

#[test]
fn a_start_that_fails_is_a_loss_that_names_all_that_fail() {
    let mut world = World::new();
    world.fail(Kind::ScaledJob);
    world.pass(0.1);
    world.fail(Kind::Pod);
    world.pass(6.0);
    let Verdict::Lost { reason, .. } = world.judge() else { panic!("lost") };
    assert!(reason.contains("`scaledjobs.keda.sh`") && reason.ends_with("(nor `pods`)"), "{reason}");
}
