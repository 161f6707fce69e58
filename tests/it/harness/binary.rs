//! The program as a process, with its own working directory and only the environment that a test sets.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;

use super::eventually;

/// The program before it runs, with a temporary working directory.
pub(crate) struct Program {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl Program {
    /// The program in an empty directory with an empty environment.
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a temporary directory"),
            environment: Vec::new(),
        }
    }

    /// Sets an environment variable.
    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.environment
            .push((variable.to_owned(), value.to_owned()));
        self
    }

    /// Writes a `.env` into the working directory.
    pub(crate) fn with_settings_file(self, text: &str) -> Self {
        fs::write(self.directory().join(".env"), text).expect("the file can be written");
        self
    }

    /// The working directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs a command and waits for its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).output().await
    }

    /// Starts a command.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        let mut child = Command::new(env!("CARGO_BIN_EXE_image-gallery"))
            .args(arguments)
            .current_dir(self.directory())
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        Process {
            stdout: Collected::from(child.stdout.take().expect("a pipe")),
            stderr: Collected::from(child.stderr.take().expect("a pipe")),
            child,
        }
    }

    /// Starts the server, and waits for its address in the log.
    pub(crate) async fn serve(&self) -> ServerProcess {
        let process = self.start(&["serve", "--port=0"]);
        let address = eventually("the server says where it listens", async || {
            process.assert_running();
            listening_address(&process.stderr.text())
        });
        let address = address.await;
        ServerProcess { process, address }
    }
}

/// The address in `listening on http://127.0.0.1:PORT/graphql`.
fn listening_address(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("listening on http://")?;
    let (address, _) = rest.split_once("/graphql")?;
    address.parse().ok()
}

/// The result of a process.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error, with the log.
    pub(crate) stderr: String,
}

impl Output {
    /// Panics with its output unless it succeeded; returns its standard output.
    #[track_caller]
    pub(crate) fn expect_success(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// A server process, killed on drop.
pub(crate) struct ServerProcess {
    process: Process,
    address: SocketAddr,
}

impl ServerProcess {
    /// The server's address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.process.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.expect("a shell").success());
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    /// Waits for its end.
    pub(crate) async fn output(self) -> Output {
        self.process.output().await
    }
}

/// A running command, killed on drop.
pub(crate) struct Process {
    child: Child,
    stdout: Collected,
    stderr: Collected,
}

impl Process {
    /// Whether it is still running.
    pub(crate) fn is_running(&mut self) -> bool {
        let ended = self.child.try_wait().expect("its state is known");
        ended.is_none()
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it can be killed");
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        self.stderr.text()
    }

    /// Waits for its end.
    pub(crate) async fn output(mut self) -> Output {
        let child = &mut self.child;
        let ended = eventually("the program ends", async || {
            child.try_wait().expect("its state is known")
        });
        let code = ended.await.code();
        Output {
            code,
            stdout: self.stdout.whole_text(),
            stderr: self.stderr.whole_text(),
        }
    }

    fn assert_running(&self) {
        let has_ended = self.stderr.has_ended();
        assert!(!has_ended, "it ended: {}", self.stderr.text());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pipe that is read continuously: a full one would block the program.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Collected {
    fn from(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut part) {
                let mut collected = collected.lock().expect("no reader panics");
                collected.extend_from_slice(&part[..length]);
            }
        });
        Self {
            bytes,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().expect("no reader panics");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn has_ended(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn whole_text(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no reader panics");
        }
        self.text()
    }
}
