//! Stops or freezes a cluster of `on_own_cluster`, and restarts it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use url::Url;

use super::TestDatabase;

/// A running cluster. On drop it is started again, because the harness must clean up in it.
pub(crate) struct Outage {
    directory: PathBuf,
    /// The directory of `pg_ctl`.
    binaries: PathBuf,
    port: u16,
}

impl Outage {
    /// The cluster of a database.
    pub(crate) async fn of(database: &TestDatabase) -> Self {
        let url = Url::parse(&database.url()).expect("a URL");
        let directory = database.db_query_text("SHOW data_directory").await;
        let directory = PathBuf::from(directory.expect("a directory"));
        let program = fs::read_link(format!("/proc/{}/exe", postmaster(&directory)));
        let program = program.expect("the program of a process");
        Self {
            binaries: program.parent().expect("a directory").to_owned(),
            port: url.port().expect("a port"),
            directory,
        }
    }

    /// The directory of the cluster's programs.
    pub(super) fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// Ends every process of the cluster as in a crash.
    pub(crate) fn stop(&self) {
        self.control(&["--mode=immediate", "stop"]);
    }

    /// Starts it again, and waits until it accepts connections.
    pub(crate) fn start(&self) {
        self.control(&[&format!("--options=-p {}", self.port), "--wait", "start"]);
    }

    /// Freezes every process of the cluster: connections stay open and are accepted, but get no response.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Ends a freeze.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Runs `pg_ctl` as the cluster's user.
    fn control(&self, arguments: &[&str]) {
        let owner = fs::metadata(&self.directory).expect("the cluster's directory");
        let own_user = fs::metadata("/proc/self").expect("this process");
        let pg_ctl = self.binaries.join("pg_ctl");
        let mut command = if owner.uid() == own_user.uid() {
            Command::new(pg_ctl)
        } else {
            let mut command = Command::new("setpriv");
            let user = format!("--reuid={}", owner.uid());
            let group = format!("--regid={}", owner.gid());
            command
                .args([&user, &group, "--clear-groups", "--"])
                .arg(pg_ctl);
            command
        };
        let log = self.directory.join("../log");
        command
            .arg("--pgdata")
            .arg(&self.directory)
            .arg("--log")
            .arg(log);
        command.args(arguments).current_dir("/");
        let status = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(
            status.expect("pg_ctl runs").success(),
            "pg_ctl {arguments:?}"
        );
    }

    fn signal(&self, name: &str) {
        let postmaster = postmaster(&self.directory);
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        // The postmaster first, so that no new child starts meanwhile.
        let kill = format!("kill -{name} {postmaster} {}", children.unwrap_or_default());
        // A child may have ended meanwhile.
        let _ = Command::new("sh")
            .args(["-c", &kill])
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        if self.directory.join("postmaster.pid").exists() {
            self.thaw();
        } else {
            self.start();
        }
    }
}

/// The main process of a running cluster.
fn postmaster(directory: &Path) -> u32 {
    let file = fs::read_to_string(directory.join("postmaster.pid")).expect("the cluster runs");
    file.lines()
        .next()
        .and_then(|line| line.parse().ok())
        .expect("a process id")
}
