//! Takes a cluster of `on_own_cluster` away and brings it back: stopped at once, or frozen.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use url::Url;

use super::TestDatabase;

/// A running cluster. When it goes, the cluster runs again: the harness still has to clear up in it.
pub(crate) struct Outage {
    directory: PathBuf,
    /// Where `pg_ctl` is.
    binaries: PathBuf,
    port: u16,
}

impl Outage {
    /// The cluster that a database stands on.
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

    /// Where the cluster's programs are.
    pub(super) fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// Every process of the cluster ends as in a crash.
    pub(crate) fn stop(&self) {
        self.control(&["--mode=immediate", "stop"]);
    }

    /// Starts it again, and waits until it takes connections.
    pub(crate) fn start(&self) {
        self.control(&[&format!("--options=-p {}", self.port), "--wait", "start"]);
    }

    /// Every process of the cluster stands still; connections stay open, and are taken, but nobody answers.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Ends a freeze.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// `pg_ctl`, as the user to whom the cluster belongs.
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
        // The postmaster first: no child comes while the others are sent theirs.
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

/// The first process of a cluster that runs.
fn postmaster(directory: &Path) -> u32 {
    let file = fs::read_to_string(directory.join("postmaster.pid")).expect("the cluster runs");
    file.lines()
        .next()
        .and_then(|line| line.parse().ok())
        .expect("a process id")
}
