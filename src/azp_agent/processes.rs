//! The processes below this one, read from `/proc`.
//!
//! This process is a subreaper: what loses its parent becomes its child, so everything that a job starts stays below it,
//! and what ends there is its to reap.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// The process that takes jobs.
pub(crate) const LISTENER: &str = "Agent.Listener";
/// The process that runs one.
pub(crate) const WORKER: &str = "Agent.Worker";

#[derive(Clone, Debug)]
struct Process {
    parent: i32,
    name: String,
    is_zombie: bool,
}

/// Everything below this process at one moment.
#[derive(Debug, Default)]
pub(crate) struct Family(BTreeMap<i32, Process>);

impl Family {
    /// Looks, and reaps what has ended and is nobody else's; `own` is reaped by who started it.
    pub(crate) fn look(own: Option<i32>) -> Self {
        let this = std::process::id().cast_signed();
        let mut family = below(this, all());
        family.retain(|pid, process| {
            if process.is_zombie && process.parent == this && Some(*pid) != own {
                // It may be reaped already; there is nothing to do about any other fault.
                let _ = Pid::from_raw(*pid).map(|pid| waitpid(Some(pid), WaitOptions::NOHANG));
            }
            !process.is_zombie
        });
        Self(family)
    }

    /// Whether one is there by this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }

    fn named(&self, name: &str) -> impl Iterator<Item = i32> {
        let is_it = move |(pid, process): (&i32, &Process)| (process.name == name || runs(*pid, name)).then_some(*pid);
        self.0.iter().filter_map(is_it)
    }

    /// Asks those of this name to end, and says whether there are any.
    pub(crate) fn terminate(&self, name: &str) -> bool {
        self.named(name).map(|pid| signal(pid, Signal::TERM)).count() > 0
    }

    /// Ends every one at once.
    pub(crate) fn kill(&self) {
        for pid in self.0.keys() {
            signal(*pid, Signal::KILL);
        }
    }
}

/// One that has ended meanwhile can't be signalled, which is as well.
fn signal(pid: i32, signal: Signal) {
    let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, signal));
}

/// Whether a process runs a program of this name.
fn runs(pid: i32, name: &str) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program.file_name().is_some_and(|file| file == name))
}

/// All processes; those that end while they are read are left out.
fn all() -> BTreeMap<i32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, read(&entry.path()).ok()??))
        })
        .collect()
}

fn read(folder: &Path) -> io::Result<Option<Process>> {
    let stat = fs::read(folder.join("stat"))?;
    Ok(parse(&String::from_utf8_lossy(&stat)))
}

/// `PID (NAME) STATE PARENT …`; the name may hold anything.
fn parse(stat: &str) -> Option<Process> {
    let (open, close) = (stat.find('(')?, stat.rfind(')')?);
    let mut rest = stat.get(close + 1..)?.split_whitespace();
    let state = rest.next()?;
    let parent = rest.next()?.parse().ok()?;
    Some(Process { parent, name: stat.get(open + 1..close)?.to_owned(), is_zombie: matches!(state, "Z" | "X") })
}

/// Those of `all` that descend from `ancestor`.
fn below(ancestor: i32, all: BTreeMap<i32, Process>) -> BTreeMap<i32, Process> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (pid, process) in &all {
        children.entry(process.parent).or_default().push(*pid);
    }
    let (mut found, mut to_visit) = (BTreeSet::new(), vec![ancestor]);
    while let Some(pid) = to_visit.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if found.insert(*child) {
                to_visit.push(*child);
            }
        }
    }
    all.into_iter().filter(|(pid, _)| found.contains(pid)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_hold_anything() {
        let process = parse("12 (a) Z (b) S 7 12 12 0 -1").unwrap();
        assert_eq!((process.parent, process.name.as_str(), process.is_zombie), (7, "a) Z (b", false));
        assert!(parse("12 (sh) Z 1 12").unwrap().is_zombie);
        assert!(parse("12 (sh").is_none());
    }

    #[test]
    fn only_descendants_count() {
        let process = |parent| Process { parent, name: String::new(), is_zombie: false };
        let all = BTreeMap::from([(1, process(0)), (5, process(1)), (6, process(5)), (7, process(6)), (8, process(1))]);
        assert_eq!(below(5, all).into_keys().collect::<Vec<_>>(), [6, 7]);
    }
}
