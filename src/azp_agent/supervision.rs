//! `run.sh --once`, watched until its one job is over or it is time to end it.
//!
//! The listener cancels its job when it gets SIGTERM, so it gets none while a worker runs.

use std::{
    future::pending,
    io::{self, Write as _},
    pin::Pin,
    process::{Command, ExitStatus},
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    Failed,
    child::{Event, Script},
    environment,
    leaving::Leave,
    processes::{Family, LISTENER, WORKER},
    settings::Settings,
    watch::{End, Watch},
};

/// How often the processes are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often the listener is started again.
const AGAIN: u32 = 3;
/// The pause before that, and twice as long each time after.
const PAUSE: Duration = Duration::from_secs(5);

/// How a listener ended.
enum Outcome {
    Done,
    /// It wants to be started again, and has had no job.
    Again(String),
}

/// One listener under watch.
struct Watched<'a> {
    settings: &'a Settings,
    script: Script,
    watch: Watch,
    /// Why it is being ended, and until when it may take to.
    ending: Option<(End, Instant)>,
    /// Whether it was given a job in that moment.
    cut_off: bool,
}

/// Runs one job, unless the program is asked to end already.
/// `leave` says whether there is a job that the listener has not begun, before an idle one is ended.
pub(crate) async fn run(
    settings: &Settings,
    stop: &CancellationToken,
    leave: &impl AsyncFn() -> Leave,
) -> Result<(), Failed> {
    if stop.is_cancelled() {
        return Ok(());
    }
    let mut pause = PAUSE;
    for left in (0..=AGAIN).rev() {
        match Watched::start(settings)?.run(stop, leave).await? {
            Outcome::Done => return Ok(()),
            Outcome::Again(why) if left > 0 => tracing::warn!("{why}: it is started again in {pause:?}"),
            Outcome::Again(why) => return Err(Failed::Run(format!("{why}, {AGAIN} times again"))),
        }
        tokio::select! {
            () = sleep(pause) => pause *= 2,
            () = stop.cancelled() => return Ok(()),
        }
    }
    Ok(())
}

impl<'a> Watched<'a> {
    fn start(settings: &'a Settings) -> Result<Self, Failed> {
        let program = settings.directory.join("run.sh");
        let mut command = Command::new(&program);
        environment::hand_on(command.arg("--once").current_dir(&settings.directory));
        let script = Script::start(&mut command).map_err(|error| {
            let mend = "check AZP_AGENT_DIRECTORY, and that this user may execute it";
            Failed::Run(format!("`{}` can't be started ({error}): {mend}", program.display()))
        })?;
        tracing::info!("the listener is started");
        Ok(Self { settings, script, watch: Watch::new(settings.times, Instant::now()), ending: None, cut_off: false })
    }

    async fn run(mut self, stop: &CancellationToken, leave: &impl AsyncFn() -> Leave) -> Result<Outcome, Failed> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = false;
        // While Azure is asked whether there is a job, this one is watched further: the job may begin.
        let mut leaving: Option<Pin<Box<dyn Future<Output = Leave>>>> = None;
        let status = loop {
            let is_to_end = tokio::select! {
                event = self.script.next() => match event.map_err(|error| lost(&error))? {
                    Event::Ended(status) => break status,
                    Event::Line(line) => {
                        self.hear(&line);
                        // Another job may come at any moment.
                        if self.watch.listens_again() { self.look(asked) } else { None }
                    }
                },
                said = answer(&mut leaving) => {
                    leaving = None;
                    if said == Leave::HasAJob {
                        tracing::info!("a job was given to the agent in this moment: it is run before the agent ends");
                        self.watch.expects_job(Instant::now());
                    } else if let Some(end) = self.look(asked) {
                        self.end(end);
                    }
                    None
                }
                () = stop.cancelled(), if !asked => {
                    asked = true;
                    let end = self.look(asked);
                    if end.is_none() && self.ending.is_none() {
                        tracing::info!("asked to end: the job goes on to its end, as long as the container may");
                    }
                    end
                }
                _ = looks.tick() => self.look(asked),
            };
            match is_to_end {
                Some(End::Asked | End::NoJob | End::ListensAgain) if leaving.is_none() => {
                    leaving = Some(Box::pin(leave()));
                }
                Some(end @ (End::NotListening | End::NotBegun | End::Hangs)) => self.end(end),
                Some(_) | None => {}
            }
        };
        self.outlive(&mut looks).await;
        self.judge(status)
    }

    fn hear(&mut self, line: &str) {
        // Whoever reads it may be gone.
        let _ = writeln!(io::stdout(), "{line}");
        self.cut_off |= self.watch.hears(line, Instant::now()) && self.ending.is_some();
    }

    /// Looks at the processes. Says why it is time to end the listener, or kills one that has had the time to.
    fn look(&mut self, asked: bool) -> Option<End> {
        let now = Instant::now();
        let family = Family::look(Some(self.script.id()));
        let busy = family.has(WORKER);
        let Some((_, by)) = self.ending else { return self.watch.look(now, busy, asked) };
        self.cut_off |= busy;
        if now >= by {
            tracing::warn!("the listener has not ended within {:?}, and is killed", self.settings.times.exit);
            self.script.kill();
            family.kill();
        }
        None
    }

    /// Tells the listener to end.
    fn end(&mut self, end: End) {
        tracing::info!(reason = ?end, "the listener is told to end");
        // By itself it tells Azure that it goes; `run.sh` then ends with it.
        if !Family::look(Some(self.script.id())).terminate(LISTENER) {
            self.script.terminate();
        }
        self.ending = Some((end, Instant::now() + self.settings.times.exit));
    }

    /// Waits for what `run.sh` leaves behind: a listener that still says goodbye, or a worker whose listener has crashed.
    async fn outlive(&mut self, looks: &mut tokio::time::Interval) {
        let by = Instant::now() + self.settings.times.exit;
        loop {
            let family = Family::look(None);
            let (listens, works) = (family.has(LISTENER), family.has(WORKER));
            match (listens, works) {
                (false, false) => return,
                _ if self.ending.is_none() && works => {
                    self.watch.look(Instant::now(), true, false);
                }
                _ if Instant::now() >= self.ending.map_or(by, |(_, by)| by) => family.kill(),
                _ => {}
            }
            looks.tick().await;
        }
    }

    /// What it means that `run.sh` ended.
    fn judge(&self, status: ExitStatus) -> Result<Outcome, Failed> {
        let times = self.settings.times;
        let said = self.script.last_words();
        match (self.ending, self.watch.had_job(), status.code()) {
            (Some((End::Asked | End::NoJob | End::ListensAgain, _)), ..) if self.cut_off => tracing::warn!(
                "a job came in the moment in which the listener was told to end, so Azure Pipelines has cancelled it: run it again"
            ),
            (Some((End::Asked, _)), ..) => tracing::info!("ended as asked: it had no job"),
            (Some((End::NoJob, _)), ..) => tracing::info!("ended: no job came within {:?}", times.idle),
            (Some((End::NotBegun, _)), ..) => {
                return Err(Failed::Run(format!(
                    "Azure Pipelines has given the agent a job, but the listener has not begun it within {:?}, and was ended; \
                     it said {said}: check the network and the proxy to the organization, and run the job again",
                    times.start
                )));
            }
            (Some((End::Hangs, _)), ..) => {
                tracing::warn!("the job is over, but the listener did not exit within {:?}: it was ended", times.exit);
            }
            (Some((End::ListensAgain, _)), ..) => {
                tracing::info!("the job is over; the agent has updated itself, and was ended before it took another");
            }
            (Some((End::NotListening, _)), ..) => {
                return Err(Failed::Run(format!(
                    "the listener has not said `Listening for Jobs` within {:?}, and was ended; it said {said}: check the \
                     network and the proxy to the organization, and that the image's language is English (LANG=C.UTF-8), \
                     or raise AZP_AGENT_START_TIMEOUT",
                    times.start
                )));
            }
            (None, false, _) if self.watch.was_given_a_job() => {
                return Err(Failed::Run(format!(
                    "Azure Pipelines has given the agent a job, but the listener ended with {status} before it began it; it said \
                     {said}: check the network and the proxy to the organization, and run the job again"
                )));
            }
            // It may also have been told to update itself after its job.
            (None, true, Some(0 | 3 | 4)) => tracing::info!("the job is over"),
            (None, true, _) => {
                return Err(Failed::Run(format!(
                    "the listener ended with {status} though it had a job; it said {said}: look at the job in Azure \
                     Pipelines, and at the container's memory limit"
                )));
            }
            (None, false, Some(0)) => tracing::warn!("the listener ended by itself, without a job"),
            (None, false, Some(2..=4)) => {
                return Ok(Outcome::Again(format!(
                    "the listener ended with {status} before it had a job, saying {said}"
                )));
            }
            (None, false, _) => {
                return Err(Failed::Run(format!(
                    "the listener ended with {status} before it had a job; it said {said}: look whether the agent is still \
                     registered, and at the container's memory limit"
                )));
            }
        }
        Ok(Outcome::Done)
    }
}

/// What comes of a question, if one is asked.
async fn answer(leaving: &mut Option<Pin<Box<dyn Future<Output = Leave> + '_>>>) -> Leave {
    match leaving {
        Some(leaving) => leaving.await,
        None => pending().await,
    }
}

fn lost(error: &io::Error) -> Failed {
    Failed::Run(format!("the listener can't be watched any more: {error}"))
}
