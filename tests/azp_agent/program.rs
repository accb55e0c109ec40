//! One process of `azp-agent`, its log, and the signals that it gets.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

use super::stub::{SOON, Stub};

/// A process of the program.
pub(crate) struct Program {
    child: Child,
    lines: UnboundedReceiver<String>,
    log: String,
}

/// The program in a container of its own, told nothing but where things are.
pub(crate) fn command(stub: &Stub, container: &str, command: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_azp-agent"));
    give(program.arg(command), stub, container);
    program
}

/// Gives a program its environment.
pub(crate) fn give<'a>(program: &'a mut Command, stub: &Stub, container: &str) -> &'a mut Command {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    program
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("STUB", path(stub.folder.path()))
        .env("REGISTRATION", path(&stub.path("registration")))
        .env("AZP_AGENT_NAME", "pod-1")
        .env("AZP_POOL", "linux")
        .env("AZP_AGENT_DIRECTORY", path(&stub.directory(container)))
        .env("AZP_AGENT_REGISTRATION_DIRECTORY", path(&stub.path("registration")))
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = unbounded_channel();
        read(child.stdout.take().unwrap(), sender.clone());
        read(child.stderr.take().unwrap(), sender);
        Self { child, lines, log: String::new() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: &str) {
        send(signal, &self.id().to_string());
    }

    /// Waits until it says something.
    pub(crate) async fn says(&mut self, text: &str) {
        loop {
            let line = timeout(SOON, self.lines.recv()).await;
            let line = line.unwrap_or_else(|_| panic!("`{text}` is not said:\n{}", self.log));
            let line = line.unwrap_or_else(|| panic!("ended without saying `{text}`:\n{}", self.log));
            self.log.extend([line.as_str(), "\n"]);
            if line.contains(text) {
                return;
            }
        }
    }

    /// Waits for its end: its exit code, and all it said.
    pub(crate) async fn ends(mut self) -> (Option<i32>, String) {
        let rest = async {
            while let Some(line) = self.lines.recv().await {
                self.log.extend([line.as_str(), "\n"]);
            }
        };
        timeout(SOON, rest).await.unwrap_or_else(|_| panic!("does not end:\n{}", self.log));
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.log))
    }

    /// Waits for its end, which must have this exit code: all it said.
    pub(crate) async fn ends_with(self, code: i32) -> String {
        let (ended, log) = self.ends().await;
        assert_eq!(ended, Some(code), "{log}");
        log
    }

    /// Waits until a sidecar has told the other container that it has failed, and lets it end with this exit code: all it said,
    /// which is what it told, too.
    pub(crate) async fn fails_with(self, stub: &Stub, code: i32) -> String {
        let file = stub.path("registration/failed");
        let told = async {
            while !file.exists() {
                tokio::task::yield_now().await;
            }
            fs::read_to_string(&file).unwrap()
        };
        let told = timeout(SOON, told).await.unwrap_or_else(|_| panic!("it does not fail:\n{}", self.log));
        self.signal("TERM");
        let log = self.ends_with(code).await;
        assert!(!told.is_empty() && log.contains(&told), "told {told}\nsaid {log}");
        log
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub(crate) fn send(signal: &str, pid: &str) {
    assert!(Command::new("kill").args(["-s", signal, pid]).status().unwrap().success(), "{signal} to {pid}");
}

fn read(pipe: impl Read + Send + 'static, sender: UnboundedSender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
}
