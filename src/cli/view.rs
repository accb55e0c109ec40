//! What the demo shows of one moment: a picture for a terminal, or a line for a pipe.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style, Stylize as _},
    text::{Line, Span},
    widgets::{Block, List, Paragraph, Row, Table},
};

use crate::{
    decision::{Decision, Placement},
    job_request::RequestId,
    simulator::live::{Observation, QueuedJob, ScaledJobStages, StaticAgent},
};

/// One moment of the demo.
pub(super) struct Scene {
    pub(super) observation: Observation,
    pub(super) decision: Option<Arc<Decision>>,
    /// Where the status page is.
    pub(super) page: String,
    /// How long jobs go on arriving; for ever where nothing is said.
    pub(super) arriving_for: Option<Duration>,
}

impl Scene {
    /// The moment in one line.
    pub(super) fn line(&self) -> String {
        let Observation { elapsed, queued, running, scaled_jobs, summary, .. } = &self.observation;
        let mut decisions: BTreeMap<&str, u32> = BTreeMap::new();
        for job in queued {
            *decisions.entry(self.decided(job.id).0).or_default() += 1;
        }
        let decisions: Vec<String> = decisions.iter().map(|(label, count)| format!("{count} {label}")).collect();
        let decisions = if decisions.is_empty() { "-".to_owned() } else { decisions.join(", ") };
        let agents: Vec<String> = scaled_jobs
            .iter()
            .map(|stages| {
                let starting = stages.pending + stages.registering;
                format!("{} {starting}/{}/{}", stages.id.name, stages.idle, stages.busy)
            })
            .collect();
        format!(
            "{:>4} s  queue {:>2} ({decisions})  running {running:>2}  starting/idle/busy: {}  run {}  started {}",
            elapsed.as_secs(),
            queued.len(),
            agents.join("  "),
            summary.jobs_run,
            summary.agents_started,
        )
    }

    /// What was decided about a queued job, and which agent or ScaledJob that means.
    fn decided(&self, id: RequestId) -> (&str, &str) {
        let Some(decision) = &self.decision else { return ("not seen yet", "") };
        let Some(place) = decision.snapshot.jobs.iter().position(|job| job.id == id) else {
            return ("not seen yet", "");
        };
        let placement = decision.jobs[place];
        let starter = |trigger: u32| &*decision.triggers[trigger as usize].trigger.id.scaled_job.name;
        let whom = match placement {
            Placement::IdleAgent { agent } | Placement::Held { agent } => {
                decision.snapshot.agents[agent as usize].name.as_str()
            }
            Placement::Assigned { trigger } | Placement::Settling { trigger } | Placement::StartFailing { trigger } => {
                starter(trigger)
            }
            _ => "",
        };
        (placement.label(), whom)
    }
}

/// A terminal narrower than this shows the queue above the agents.
const WIDE: u16 = 120;
/// A terminal lower than this shows fewer events.
const HIGH: u16 = 30;

/// Draws the moment.
pub(super) fn draw(frame: &mut Frame<'_>, scene: &Scene) {
    let Rect { width, height, .. } = frame.area();
    let head = head(scene, usize::from(width));
    let events = if height < HIGH { 5 } else { 10 };
    let [top, body, foot] =
        Layout::vertical([Constraint::Length(rows(head.len())), Constraint::Min(8), Constraint::Length(events)])
            .areas(frame.area());
    let scaled_jobs = rows(scene.observation.scaled_jobs.len()).saturating_add(3);
    let static_agents = rows(scene.observation.static_agents.len()).saturating_add(2);
    let (queue, own, foreign) = if width < WIDE {
        let agents = Constraint::Length(scaled_jobs.max(static_agents));
        let [queue, agents] = Layout::vertical([Constraint::Min(6), agents]).areas(body);
        let [own, foreign] = Layout::horizontal([Constraint::Min(46), Constraint::Length(34)]).areas(agents);
        (queue, own, foreign)
    } else {
        let [queue, agents] = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(body);
        let [own, foreign] = Layout::vertical([Constraint::Length(scaled_jobs), Constraint::Fill(1)]).areas(agents);
        (queue, own, foreign)
    };
    frame.render_widget(Paragraph::new(head), top);
    draw_queue(frame, queue, scene);
    draw_scaled_jobs(frame, own, &scene.observation.scaled_jobs, scene.decision.as_deref());
    draw_static_agents(frame, foreign, &scene.observation.static_agents);
    let room = usize::from(foot.height.saturating_sub(2));
    let events = &scene.observation.last_events;
    let last = events[events.len().saturating_sub(room)..].iter().map(|event| Line::from(event.as_str()));
    frame.render_widget(List::new(last).block(titled("What happens")), foot);
}

fn rows(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

fn titled(title: &str) -> Block<'_> {
    Block::bordered().title(format!(" {title} ")).border_style(Style::new().fg(Color::DarkGray))
}

fn head(scene: &Scene, width: usize) -> Vec<Line<'_>> {
    let Observation { elapsed, summary, running, .. } = &scene.observation;
    let until = match scene.arriving_for {
        Some(Duration::ZERO) => "no more jobs arrive, the rest drains".to_owned(),
        Some(left) => format!("jobs arrive for {} s more", left.as_secs()),
        None => "jobs keep arriving".to_owned(),
    };
    let mut lines = flow(
        width,
        vec![
            Span::from("azp-scaler demo").bold(),
            Span::from(format!("{} s", elapsed.as_secs())),
            Span::from(until),
            Span::from(scene.page.as_str()).fg(Color::Cyan).underlined(),
            Span::from("q quits").dim(),
        ],
    );
    let numbers = [
        format!("run {}", summary.jobs_run),
        format!("running {running}"),
        format!("agents started {}", summary.agents_started),
        format!("for each job that needed one {:.3}", summary.agents_per_job),
        format!("wait median {:.1} s, p95 {:.1} s", summary.wait_median, summary.wait_p95),
    ];
    lines.extend(flow(width, numbers.map(Span::from).into()));
    lines
}

/// Phrases side by side, on as many lines as they need; no phrase is broken.
fn flow(width: usize, phrases: Vec<Span<'_>>) -> Vec<Line<'_>> {
    const GAP: &str = "  ";
    let mut lines = vec![Line::default()];
    for phrase in phrases {
        match lines.last_mut().filter(|line| line.width() == 0 || line.width() + GAP.len() + phrase.width() <= width) {
            Some(line) if line.width() == 0 => line.push_span(phrase),
            Some(line) => {
                line.push_span(GAP);
                line.push_span(phrase);
            }
            None => lines.push(Line::from(phrase)),
        }
    }
    lines
}

fn draw_queue(frame: &mut Frame<'_>, area: Rect, scene: &Scene) {
    let row = |job: &QueuedJob| {
        let (label, whom) = scene.decided(job.id);
        Row::new([
            Line::from(job.id.to_string()),
            Line::from(format!("{}/{}", job.pipeline, job.job)),
            Line::from(job.demands.join(", ")).dim(),
            Line::from(format!("{:.1} s", job.waited.as_secs_f64())).right_aligned(),
            Line::from(format!("{label} {whom}")).style(style(label)),
        ])
    };
    // The decision is what people look for: where room is short, pipeline and demands give way.
    let decision = Constraint::Length((area.width / 3).clamp(28, 40));
    let widths = [Constraint::Length(5), Constraint::Fill(1), Constraint::Fill(1), Constraint::Length(7), decision];
    let header = Row::new(["job", "pipeline", "demands", "waited", "decision"]).style(Modifier::BOLD);
    let table = Table::new(scene.observation.queued.iter().map(row), widths).header(header);
    frame.render_widget(table.block(titled(&format!("Queue: {}", scene.observation.queued.len()))), area);
}

/// The colour of a decision; its name stands beside it.
fn style(label: &str) -> Style {
    Style::new().fg(match label {
        "assigned" => Color::Green,
        "idle-agent" => Color::Cyan,
        "settling" | "waiting-for-capacity" | "waiting-for-parallel-job" | "held" => Color::Yellow,
        "unmatched" | "not-understood" | "lost-agent" | "start-failing" => Color::Red,
        _ => Color::Reset,
    })
}

fn draw_scaled_jobs(frame: &mut Frame<'_>, area: Rect, stages: &[ScaledJobStages], decision: Option<&Decision>) {
    let value = |stages: &ScaledJobStages| {
        let trigger = decision?.triggers.iter().find(|trigger| trigger.trigger.id.scaled_job == stages.id)?;
        Some(trigger.answer.as_ref().ok()?.value.to_string())
    };
    let row = |stages: &ScaledJobStages| {
        let ScaledJobStages { id, max_replicas, pending, registering, idle, busy, leaving } = stages;
        let counts = [pending + registering, *idle, *busy, *leaving].map(|count| count.to_string());
        let [starting, idle, busy, leaving] = counts;
        let value = value(stages).unwrap_or_else(|| "-".to_owned());
        Row::new([id.name.to_string(), value, starting, idle, busy, leaving, max_replicas.to_string()])
    };
    let widths = [
        Constraint::Min(12),
        Constraint::Length(5),
        Constraint::Length(5),
        Constraint::Length(4),
        Constraint::Length(4),
        Constraint::Length(5),
        Constraint::Length(3),
    ];
    let header = Row::new(["ScaledJob", "value", "start", "idle", "busy", "leave", "max"]).style(Modifier::BOLD);
    frame.render_widget(
        Table::new(stages.iter().map(row), widths).header(header).block(titled("Agents by ScaledJob")),
        area,
    );
}

fn draw_static_agents(frame: &mut Frame<'_>, area: Rect, agents: &[StaticAgent]) {
    let row = |agent: &StaticAgent| {
        let state = match agent {
            StaticAgent { online: false, .. } => "offline".to_owned(),
            StaticAgent { job: Some(job), .. } => format!("busy with {job}"),
            StaticAgent { enabled: false, .. } => "disabled".to_owned(),
            _ => "idle".to_owned(),
        };
        Row::new([agent.name.to_string(), state])
    };
    let table = Table::new(agents.iter().map(row), [Constraint::Min(12), Constraint::Length(13)]);
    frame.render_widget(table.block(titled("Static agents")), area);
}

#[cfg(test)]
mod tests;
