//! A script of the agent as a child of this process: in a process group of its own, so that signals to this one don't
//! reach it, and with its lines read.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal as Sent, kill_process_group};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::timeout,
};

/// Longer lines are cut into several.
const LONGEST_LINE: u64 = 16 << 10;
/// Lines that wait to be looked at; then the script waits.
const WAITING: usize = 64;
/// How long to wait for lines after the script has ended: what it leaves behind may hold its pipe open.
const LAST_LINES: Duration = Duration::from_millis(200);
/// Lines that are kept for a message.
const KEPT: usize = 5;

/// A script that runs.
pub(crate) struct Script {
    child: Child,
    lines: mpsc::Receiver<String>,
    a_child_has_ended: Signal,
    last: VecDeque<String>,
}

/// What comes of it.
pub(crate) enum Event {
    Line(String),
    Ended(ExitStatus),
}

impl Script {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        // Listened for before there can be one.
        let a_child_has_ended = signal(SignalKind::child())?;
        let pipes = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.process_group(0).spawn()?;
        let (sender, lines) = mpsc::channel(WAITING);
        for pipe in [child.stdout.take().map(boxed), child.stderr.take().map(boxed)].into_iter().flatten() {
            let sender = sender.clone();
            // It ends with the pipe, at the latest with this process.
            thread::spawn(move || read(pipe, &sender));
        }
        Ok(Self { child, lines, a_child_has_ended, last: VecDeque::new() })
    }

    /// What comes next. Nothing is lost when it is not waited for.
    pub(crate) async fn next(&mut self) -> io::Result<Event> {
        loop {
            let ended = self.child.try_wait()?;
            let line = if ended.is_some() {
                timeout(LAST_LINES, self.lines.recv()).await.ok().flatten()
            } else {
                tokio::select! {
                    Some(line) = self.lines.recv() => Some(line),
                    _ = self.a_child_has_ended.recv() => None,
                }
            };
            match (line, ended) {
                (Some(line), _) => {
                    self.last.truncate(KEPT - 1);
                    self.last.push_front(line.clone());
                    return Ok(Event::Line(line));
                }
                (None, Some(status)) => return Ok(Event::Ended(status)),
                (None, None) => {}
            }
        }
    }

    pub(crate) fn id(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Its last lines as one, for a message.
    pub(crate) fn last_words(&self) -> String {
        let words: Vec<&str> = self.last.iter().rev().map(String::as_str).collect();
        if words.is_empty() { "nothing".to_owned() } else { format!("\"{}\"", words.join(" / ")) }
    }

    /// Asks all of its group to end.
    pub(crate) fn terminate(&self) {
        self.signal(Sent::TERM);
    }

    /// Ends all of its group at once.
    pub(crate) fn kill(&self) {
        self.signal(Sent::KILL);
    }

    /// A group that is gone can't be signalled, which is as well.
    fn signal(&self, signal: Sent) {
        let _ = Pid::from_raw(self.id()).map(|group| kill_process_group(group, signal));
    }
}

fn boxed(pipe: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(pipe)
}

fn read(pipe: Box<dyn Read + Send>, lines: &mpsc::Sender<String>) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while let Ok(1..) = pipe.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
        let text = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
        if lines.blocking_send(text).is_err() {
            return;
        }
        line.clear();
    }
}
