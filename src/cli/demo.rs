//! `azp-scaler demo`.

use std::{
    io::{self, ErrorKind, IsTerminal as _, Write as _},
    time::Duration,
};

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use tokio::{
    signal::unix::SignalKind,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{Failed, help, screen::Screen, signals::Signals, view::Scene};
use crate::{
    app::{self, demo::Demo as Running},
    config::LogFormat,
    simulator::Summary,
    telemetry,
};

/// How long the rest may take to drain after arrivals have stopped.
const DRAINS_WITHIN: Duration = Duration::from_mins(2);
/// What is said where somebody ended it.
const STOPPED: &str = "stopped before the rest had drained";
/// How often the terminal is drawn.
const FRAME: Duration = Duration::from_millis(250);
/// How often a line is printed.
const LINE: Duration = Duration::from_secs(2);

/// Shows the scaler at work on a simulated organization and cluster; nothing else is needed
#[derive(Debug, Args)]
#[command(after_long_help = help::DEMO, after_help = "--help tells what there is to see.")]
pub(super) struct Demo {
    /// When arrivals stop, such as 30s or 2m; the rest drains, then a summary is printed [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,

    /// Which jobs arrive when
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// How the summary is printed
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    let read: Option<SignedDuration> = text.parse().ok();
    read.and_then(|duration| Duration::try_from(duration).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a time above 0, such as `30s`, `2m` or `1h30m`".to_owned())
}

/// What asks the demo to end: Control-C, Kubernetes and its like, a terminal that is closed.
fn listen() -> Result<Signals, Failed> {
    Signals::listen([SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()])
}

/// Why the demo does not go on.
enum Cut {
    /// Whoever read what it prints has gone, as `head` does.
    NobodyReads,
    Failed(Failed),
}

impl From<io::Error> for Cut {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(Failed::Run(format!("can't print: {error}"))),
        }
    }
}

impl From<Failed> for Cut {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

/// How the demo ended.
enum Ending {
    /// All that could be run was run.
    Drained,
    /// Somebody ended it.
    Stopped,
    /// It did not drain in time.
    Stuck,
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failed> {
        let live = io::stdout().is_terminal() && matches!(self.output, Output::Text);
        let filter = std::env::var("RUST_LOG").ok();
        if !live {
            // On a terminal the log would run over the picture.
            telemetry::start(LogFormat::Text, Some(filter.as_deref().unwrap_or("warn")))
                .map_err(|fault| Failed::Usage(fault.to_string()))?;
        }
        match super::run_to_end(self.show(live)) {
            Ok(()) | Err(Cut::NobodyReads) => Ok(()),
            Err(Cut::Failed(failed)) => Err(failed),
        }
    }

    async fn show(self, live: bool) -> Result<(), Cut> {
        let signals = listen()?;
        let demo = Running::start(self.seed, app::clock()).await.map_err(|fault| Failed::Run(fault.to_string()))?;
        let page = demo.page();
        let ending = if live {
            let mut screen =
                Screen::open().map_err(|error| Failed::Run(format!("can't draw on the terminal: {error}")))?;
            let quit = screen.quit();
            let told = async {
                tokio::select! {
                    () = quit => {}
                    () = signals.any() => {}
                }
            };
            self.watch(&demo, FRAME, told, |scene| {
                screen.draw(&scene);
                Ok(())
            })
            .await
        } else {
            self.say(&format!("status page: {page}"))?;
            self.watch(&demo, LINE, signals.any(), |scene| self.say(&scene.line())).await
        };
        let summary = demo.stop().await;
        let ending = ending?;
        let reported = self.report(&summary);
        if reported.is_err() && live && matches!(ending, Ending::Stopped) {
            // The terminal was closed, which is why the demo was stopped.
            return Err(Cut::NobodyReads);
        }
        reported?;
        self.judge(ending, &summary)
    }

    /// Shows scene after scene until the end.
    async fn watch(
        &self,
        demo: &Running,
        every: Duration,
        told_to_end: impl Future<Output = ()>,
        mut show: impl FnMut(Scene) -> Result<(), Cut>,
    ) -> Result<Ending, Cut> {
        let start = Instant::now();
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut draining, page) = (false, demo.page());
        let ended = async {
            loop {
                ticks.tick().await;
                let elapsed = start.elapsed();
                if !draining && self.duration.is_some_and(|duration| elapsed >= duration) {
                    demo.stop_arrivals();
                    draining = true;
                }
                show(Scene {
                    observation: demo.observe(),
                    decision: demo.decision(),
                    page: page.clone(),
                    arriving_for: self.duration.map(|duration| duration.saturating_sub(elapsed)),
                })?;
                if draining && demo.is_drained() {
                    return Ok(Ending::Drained);
                }
                if self.duration.is_some_and(|duration| elapsed >= duration + DRAINS_WITHIN) {
                    return Ok(Ending::Stuck);
                }
            }
        };
        tokio::select! {
            ending = ended => ending,
            () = told_to_end => Ok(Ending::Stopped),
        }
    }

    /// A line for people; what a program reads is the summary alone.
    fn say(&self, line: &str) -> Result<(), Cut> {
        match self.output {
            Output::Text => writeln!(io::stdout().lock(), "{line}")?,
            Output::Json => writeln!(io::stderr().lock(), "{line}")?,
        }
        Ok(())
    }

    fn report(&self, summary: &Summary) -> Result<(), Cut> {
        let report = match self.output {
            Output::Text => format!("\n{summary}"),
            Output::Json => serde_json::to_string_pretty(summary)
                .map_err(|error| Failed::Run(format!("can't print the summary: {error}")))?,
        };
        Ok(writeln!(io::stdout().lock(), "{report}")?)
    }

    /// Whoever ends the demo early has seen nothing wrong: what is on its way has no verdict yet.
    fn judge(&self, ending: Ending, summary: &Summary) -> Result<(), Cut> {
        let failed = match (ending, summary.unexplained()) {
            // Without a duration there is no other end.
            (Ending::Stopped, _) if self.duration.is_none() => return self.say(STOPPED),
            (Ending::Stopped, _) => STOPPED.to_owned(),
            (_, unexplained @ 1..) => format!("{unexplained} agents were surplus without a cause"),
            (Ending::Stuck, _) => {
                let waited = DRAINS_WITHIN.as_secs();
                format!("jobs that some ScaledJob fits were still not run {waited} s after arrivals stopped")
            }
            (Ending::Drained, _) => return Ok(()),
        };
        Err(Cut::Failed(Failed::Run(failed)))
    }
}
