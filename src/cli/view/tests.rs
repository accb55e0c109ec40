//! What matters is to be seen on a small terminal as on a large one.

use jiff::{SignedDuration, Timestamp};
use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::{
    pool::Rules,
    simulator::{
        demo,
        virtual_run::{Conditions, VirtualRun},
    },
};

const PAGE: &str = "http://127.0.0.1:41234/";

fn scenes() -> impl Iterator<Item = Scene> {
    let rules = Rules { settle: SignedDuration::from_secs(2), ..Rules::default() };
    let conditions = Conditions { rules, ..Conditions::default() };
    let mut run = VirtualRun::new(demo::plan(1, Timestamp::UNIX_EPOCH), conditions);
    (1..=60).map(move |seconds| {
        run.run_until(Duration::from_secs(seconds));
        Scene {
            observation: Observation::of(&run.world),
            decision: run.decision(demo::POOL_ID),
            page: PAGE.to_owned(),
            arriving_for: Some(Duration::from_secs(120 - seconds)),
        }
    })
}

fn lines(scene: &Scene, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, scene)).unwrap();
    let buffer = terminal.backend().buffer();
    buffer
        .content()
        .chunks(usize::from(width))
        .map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect())
        .collect()
}

#[test]
fn what_matters_is_seen_on_terminals_small_and_large() {
    for (width, height, jobs) in [(80, 24, 3), (150, 45, 10)] {
        let mut labels_seen = 0;
        for scene in scenes() {
            let lines = lines(&scene, width, height);
            let seen = lines.join("\n");
            let shown = |words: &[&str]| {
                assert!(
                    lines.iter().any(|line| words.iter().all(|word| line.contains(word))),
                    "{words:?} at {width}x{height}:\n{seen}"
                );
            };
            shown(&[PAGE]);
            shown(&["q quits"]);
            shown(&["p95"]);
            shown(&["ScaledJob", "value", "start", "idle", "busy", "leave", "max"]);
            for scaled_job in &scene.observation.scaled_jobs {
                shown(&[&scaled_job.id.name]);
            }
            for agent in &scene.observation.static_agents {
                shown(&[&agent.name]);
            }
            for job in scene.observation.queued.iter().take(jobs) {
                let (label, whom) = scene.decided(job.id);
                // An agent's name is long: its beginning tells whose it is.
                let whom = &whom[..whom.len().min(11)];
                shown(&[&job.id.to_string(), label, whom]);
                labels_seen += usize::from(label != "not seen yet");
            }
        }
        assert!(labels_seen > 20, "only {labels_seen} decisions at {width}x{height}");
    }
}
