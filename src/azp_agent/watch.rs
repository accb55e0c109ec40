//! When a listener is to be ended: asked to, no job came, or it hangs before or after its job.
//!
//! Pure: `now` is an argument. A listener is never ended while a worker runs.

use tokio::time::Instant;

use super::settings::Times;

/// Why a listener is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The container is asked to end, and no job is there.
    Asked,
    /// It never said that it listens.
    NotListening,
    /// No job came.
    NoJob,
    /// It does not begin the job that Azure has given it.
    NotBegun,
    /// Its job is over, and it does not exit.
    Hangs,
    /// Its job is over, and it listens for another: `run.sh` starts it again when it has updated itself.
    ListensAgain,
}

/// What a listener says when it begins a job. Its worker comes a moment later.
const BEGINS: &str = "Running job";

/// What is known of a listener's job.
#[derive(Clone, Copy, Debug)]
enum Job {
    None,
    /// Azure has given it one, which is known since then.
    Given(Instant),
    /// It was last seen then.
    Seen(Instant),
}

/// What is known of one listener.
#[derive(Debug)]
pub(crate) struct Watch {
    times: Times,
    began: Instant,
    listens_since: Option<Instant>,
    job: Job,
    listens_again: bool,
}

impl Watch {
    pub(crate) fn new(times: Times, now: Instant) -> Self {
        Self { times, began: now, listens_since: None, job: Job::None, listens_again: false }
    }

    /// It has said something. Says whether it begins a job.
    pub(crate) fn hears(&mut self, line: &str, now: Instant) -> bool {
        if line.contains("Listening for Jobs") {
            // What is said late of the first time is no second one.
            self.listens_again |= self.listens_since.is_some() && self.had_job();
            self.listens_since.get_or_insert(now);
        }
        let begins = line.contains(BEGINS);
        if begins {
            self.job = Job::Seen(now);
            self.listens_again = false;
        }
        begins
    }

    /// Azure has given it a job, and it will begin that.
    pub(crate) fn expects_job(&mut self, now: Instant) {
        if !self.had_job() || self.listens_again {
            self.job = Job::Given(now);
            self.listens_again = false;
        }
    }

    /// Whether it listens for another job after its own.
    pub(crate) fn listens_again(&self) -> bool {
        self.listens_again
    }

    /// Whether Azure has given it a job that it has not begun.
    pub(crate) fn was_given_a_job(&self) -> bool {
        matches!(self.job, Job::Given(_))
    }

    /// Whether it has had a job.
    pub(crate) fn had_job(&self) -> bool {
        matches!(self.job, Job::Seen(_))
    }

    /// Whether it is time to end it. `busy` is whether it has a worker, `asked` whether the container is to end.
    pub(crate) fn look(&mut self, now: Instant, busy: bool, asked: bool) -> Option<End> {
        if busy {
            self.job = Job::Seen(now);
            return None;
        }
        match (self.job, self.listens_since) {
            _ if self.listens_again => Some(End::ListensAgain),
            (Job::Seen(at), _) => (now >= at + self.times.exit).then_some(End::Hangs),
            (Job::Given(at), _) => (now >= at + self.times.start).then_some(End::NotBegun),
            (Job::None, _) if asked => Some(End::Asked),
            (Job::None, None) => (now >= self.began + self.times.start).then_some(End::NotListening),
            (Job::None, Some(since)) => (now >= since + self.times.idle).then_some(End::NoJob),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIMES: Times = Times {
        register: Duration::ZERO,
        start: Duration::from_secs(10),
        idle: Duration::from_secs(100),
        exit: Duration::from_secs(5),
        remove: Duration::ZERO,
    };

    /// Looks after so many seconds: the second and whether there is a worker.
    #[track_caller]
    fn check(said: &[(u64, &str)], looks: &[(u64, bool)], asked_at: u64, expected: Option<End>) {
        let began = Instant::now();
        let mut watch = Watch::new(TIMES, began);
        let mut said = said.iter().peekable();
        let mut end = None;
        for (second, busy) in looks {
            assert_eq!(end, None, "ended before the last look");
            while let Some((at, line)) = said.next_if(|(at, _)| at <= second) {
                watch.hears(line, began + Duration::from_secs(*at));
            }
            end = watch.look(began + Duration::from_secs(*second), *busy, asked_at <= *second);
        }
        assert_eq!(end, expected);
    }

    const NEVER: u64 = u64::MAX;
    const LISTENS: (u64, &str) = (1, "2026-11-26 10:00:00Z: Listening for Jobs");
    const RUNS: (u64, &str) = (2, "2026-11-26 10:00:01Z: Running job: build");

    #[tokio::test(start_paused = true)]
    async fn it_must_listen_in_time_and_get_a_job_in_time() {
        check(&[], &[(9, false), (10, false)], NEVER, Some(End::NotListening));
        check(&[LISTENS], &[(10, false), (100, false), (101, false)], NEVER, Some(End::NoJob));
        check(&[], &[(9, true), (11, false), (13, false)], NEVER, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_is_never_ended_and_what_hangs_after_it_is() {
        check(&[LISTENS], &[(2, true), (10_000, true)], 3, None);
        check(&[LISTENS], &[(2, true), (6, false), (7, false)], NEVER, Some(End::Hangs));
        check(&[LISTENS], &[(2, true), (6, true), (7, false), (10, false)], NEVER, None);
    }

    #[tokio::test(start_paused = true)]
    async fn after_its_job_it_listens_for_no_other() {
        let again = (4, LISTENS.1);
        check(&[LISTENS, RUNS, again], &[(3, true), (4, false)], NEVER, Some(End::ListensAgain));
        check(&[LISTENS, (2, LISTENS.1)], &[(3, false)], NEVER, None);
        check(&[RUNS, (3, LISTENS.1)], &[(4, false)], NEVER, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_is_given_to_it_has_time_to_begin() {
        let (began, second) = (Instant::now(), Duration::from_secs(1));
        let mut watch = Watch::new(TIMES, began);
        watch.expects_job(began);
        assert_eq!(watch.look(began + 9 * second, false, true), None);
        assert_eq!(watch.look(began + 10 * second, false, true), Some(End::NotBegun));
        assert!(watch.hears(RUNS.1, began + 10 * second));
        assert_eq!(watch.look(began + 14 * second, false, true), None);
        // What Azure says of a job that is seen already.
        watch.expects_job(began + 14 * second);
        assert_eq!(watch.look(began + 15 * second, false, true), Some(End::Hangs));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_given_to_it_after_its_own_is_run_too() {
        let (began, second) = (Instant::now(), Duration::from_secs(1));
        for begins in [true, false] {
            let mut watch = Watch::new(TIMES, began);
            watch.hears(LISTENS.1, began);
            watch.look(began + second, true, false);
            watch.hears(LISTENS.1, began + 2 * second);
            assert_eq!(watch.look(began + 2 * second, false, false), Some(End::ListensAgain));
            if begins {
                watch.hears(RUNS.1, began + 3 * second);
            } else {
                watch.expects_job(began + 3 * second);
            }
            assert_eq!(watch.look(began + 7 * second, false, false), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_asked_it_ends_at_once_but_for_a_job() {
        check(&[], &[(1, false)], 0, Some(End::Asked));
        check(&[LISTENS], &[(2, false), (3, false)], 3, Some(End::Asked));
        check(&[LISTENS, RUNS], &[(2, false), (6, false)], 2, None);
        check(&[LISTENS, RUNS], &[(2, false), (7, false)], 2, Some(End::Hangs));
    }
}
