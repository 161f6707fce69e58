//! nginx with any configuration.

use std::fs;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{eventually, requires};

/// A running nginx, killed on drop.
pub(crate) struct Nginx {
    process: Child,
    address: SocketAddr,
    directory: TempDir,
}

impl Nginx {
    /// Starts it in the foreground with a complete configuration, made from its address and a directory for its files.
    /// `None` without nginx, after a message.
    pub(crate) async fn start(
        configuration: impl FnOnce(SocketAddr, &Path) -> String,
    ) -> Option<Self> {
        let mut version = Command::new("nginx");
        version.arg("-v").stderr(Stdio::null());
        if version.status().is_err() {
            requires("REQUIRE_NGINX", "nginx is not installed");
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        // If root starts it, its workers have another user.
        let may_pass = fs::Permissions::from_mode(0o711);
        fs::set_permissions(directory.path(), may_pass).expect("it is ours");
        let free = StdListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let file = directory.path().join("nginx.conf");
        let configuration = configuration(address, directory.path());
        fs::write(&file, configuration).expect("the file can be written");
        let mut process = Command::new("nginx")
            .args(["-g", "daemon off;", "-c"])
            .arg(&file)
            .arg("-p")
            .arg(directory.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        eventually("nginx listens", async || {
            let ended = process.try_wait().expect("its state is known");
            assert!(ended.is_none(), "{}", complaint(&file));
            TcpStream::connect(address).await.ok()
        })
        .await;
        Some(Self {
            process,
            address,
            directory,
        })
    }

    /// The lines of `http { … }` that move nginx' temporary files to a directory.
    pub(crate) fn temporary_files_in(home: &Path) -> String {
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {}/{kind}; ", home.display()))
            .concat()
    }

    /// nginx' address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory for its files.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// nginx' error about a configuration.
fn complaint(file: &Path) -> String {
    let test = Command::new("nginx").arg("-t").arg("-c").arg(file).output();
    String::from_utf8_lossy(&test.expect("nginx starts").stderr).into_owned()
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, which ends its workers too.
        let kill = format!("kill -TERM {}", self.process.id());
        let _ = Command::new("sh").args(["-c", &kill]).status();
        let _ = self.process.wait();
    }
}
