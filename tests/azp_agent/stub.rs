//! The stand-in for the agent: its directory, what it is told to do, and what it says that it does.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::unix::pipe,
    time::timeout,
};

/// Nothing here takes as long, on however busy a machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

const SCRIPTS: [(&str, &str); 4] = [
    ("config.sh", include_str!("stub/config.sh")),
    ("run.sh", include_str!("stub/run.sh")),
    ("bin/Agent.Listener", include_str!("stub/Agent.Listener")),
    ("bin/Agent.Worker", include_str!("stub/Agent.Worker")),
];

/// The stand-in.
pub(crate) struct Stub {
    pub(crate) folder: TempDir,
    events: Lines<BufReader<pipe::Receiver>>,
    commands: pipe::Sender,
    job: pipe::Sender,
    go: pipe::Sender,
}

impl Stub {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fifo = |name: &str| {
            let path = folder.path().join(name);
            assert!(Command::new("mkfifo").args(["-m", "666"]).arg(&path).status().unwrap().success());
            path
        };
        let mut both = pipe::OpenOptions::new();
        both.read_write(true);
        let events = both.open_receiver(fifo("events")).unwrap();
        let sender = |name| both.open_sender(fifo(name)).unwrap();
        let (commands, job, go) = (sender("commands"), sender("job"), sender("go"));
        fs::create_dir(folder.path().join("registration")).unwrap();
        Self { events: BufReader::new(events).lines(), folder, commands, job, go }
    }

    /// What is below its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The agent as an image has it: each container has a directory of its own.
    pub(crate) fn directory(&self, container: &str) -> PathBuf {
        let directory = self.path(container);
        if !directory.exists() {
            fs::create_dir_all(directory.join("bin")).unwrap();
            for (name, text) in SCRIPTS {
                fs::write(directory.join(name), text).unwrap();
                fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        directory
    }

    /// How it is to behave: see the scripts.
    pub(crate) fn behave(&self, how: &[&str]) {
        for how in how {
            fs::write(self.path(how), "").unwrap();
        }
    }

    /// A registration as a sidecar shares it.
    pub(crate) fn share(&self) {
        let ready = self.path("registration/ready");
        fs::create_dir(&ready).unwrap();
        for (name, text) in [(".agent", r#"{"agentId":1,"agentName":"pod-1","poolId":1}"#), (".credentials", "{}")] {
            fs::write(ready.join(name), text).unwrap();
        }
    }

    /// Waits for the next thing that it says; what stands behind the first word.
    pub(crate) async fn event(&mut self, expected: &str) -> String {
        let line = timeout(SOON, self.events.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("`{expected}` is not said")).unwrap().unwrap();
        let rest = line.strip_prefix(expected).unwrap_or_else(|| panic!("said `{line}`, expected `{expected}`"));
        rest.trim().to_owned()
    }

    /// The listener gets a job, or exits with a code.
    pub(crate) async fn command(&mut self, command: &str) {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    }

    /// The listener gets a job and has a worker; its process.
    pub(crate) async fn begin_job(&mut self) -> String {
        self.command("job").await;
        self.event("worker").await
    }

    /// The job ends.
    pub(crate) async fn end_job(&mut self) {
        self.job.write_all(b"\n").await.unwrap();
        self.event("worker ended").await;
        self.event("completed").await;
    }

    /// A `config.sh` that waits goes on.
    pub(crate) async fn go(&mut self) {
        self.go.write_all(b"\n").await.unwrap();
    }

    /// Nothing was said that nobody waited for.
    pub(crate) async fn is_quiet(&mut self) {
        fs::write(self.path("events"), "quiet\n").unwrap();
        self.event("quiet").await;
    }
}
