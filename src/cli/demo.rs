//! `azp-scaler demo`.

use std::{
    io::{self, IsTerminal as _},
    time::Duration,
};

use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Failed, help, screen::Screen, view::Scene};
use crate::{
    app::{self, demo::Demo as Running},
    config::LogFormat,
    simulator::Summary,
    telemetry,
};

/// How long the rest may take to drain after arrivals have stopped.
const DRAINS_WITHIN: Duration = Duration::from_mins(2);
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
        .ok_or_else(|| "expected a time such as `30s`, `2m` or `1h30m`".to_owned())
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
        super::run_to_end(self.show(live))
    }

    async fn show(self, live: bool) -> Result<(), Failed> {
        let demo = Running::start(self.seed, app::clock()).await.map_err(|fault| Failed::Run(fault.to_string()))?;
        let page = demo.page();
        let ending = if live {
            let mut screen =
                Screen::open().map_err(|error| Failed::Run(format!("can't draw on the terminal: {error}")))?;
            self.watch(&demo, FRAME, screen.quit(), |scene| screen.draw(&scene)).await
        } else {
            self.say(&format!("status page: {page}"));
            self.watch(&demo, LINE, std::future::pending(), |scene| self.say(&scene.line())).await
        };
        let summary = demo.stop().await;
        self.report(&summary)?;
        self.judge(ending, &summary)
    }

    /// Shows scene after scene until the end.
    async fn watch(
        &self,
        demo: &Running,
        every: Duration,
        quit: impl Future<Output = ()>,
        mut show: impl FnMut(Scene),
    ) -> Ending {
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
                });
                if draining && demo.is_drained() {
                    return Ending::Drained;
                }
                if self.duration.is_some_and(|duration| elapsed >= duration + DRAINS_WITHIN) {
                    return Ending::Stuck;
                }
            }
        };
        tokio::select! {
            ending = ended => ending,
            () = quit => Ending::Stopped,
            _ = tokio::signal::ctrl_c() => Ending::Stopped,
        }
    }

    /// A line for people; what a program reads is the summary alone.
    #[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is what the command is for")]
    fn say(&self, line: &str) {
        match self.output {
            Output::Text => println!("{line}"),
            Output::Json => eprintln!("{line}"),
        }
    }

    #[expect(clippy::print_stdout, reason = "this is what the command is for")]
    fn report(&self, summary: &Summary) -> Result<(), Failed> {
        match self.output {
            Output::Text => println!("\n{summary}"),
            Output::Json => {
                let json = serde_json::to_string_pretty(summary);
                println!("{}", json.map_err(|error| Failed::Run(format!("can't print the summary: {error}")))?);
            }
        }
        Ok(())
    }

    fn judge(&self, ending: Ending, summary: &Summary) -> Result<(), Failed> {
        match (ending, summary.unexplained()) {
            (_, unexplained @ 1..) => Err(Failed::Run(format!("{unexplained} agents were surplus without a cause"))),
            (Ending::Stuck, _) => {
                let waited = DRAINS_WITHIN.as_secs();
                Err(Failed::Run(format!(
                    "jobs that some ScaledJob fits were still not run {waited} s after arrivals stopped"
                )))
            }
            (Ending::Stopped, _) => {
                self.say("stopped before the rest had drained");
                Ok(())
            }
            (Ending::Drained, _) => Ok(()),
        }
    }
}
