//! Behind nginx, with both ways of forwarding `Host`; and clients that are slow on purpose.

use std::fs;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{TestApp, eventually, on_sqlite, requires};

/// An nginx in front of a server, gone with this.
struct Nginx {
    process: Child,
    address: SocketAddr,
    _directory: TempDir,
}

impl Nginx {
    /// `None` without nginx on the machine, after saying so.
    async fn before(server: SocketAddr, forwarding: &str) -> Option<Self> {
        if Command::new("nginx")
            .arg("-v")
            .stderr(Stdio::null())
            .status()
            .is_err()
        {
            requires("REQUIRE_NGINX", "nginx is not installed");
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let free = StdListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let home = directory.path().display();
        let configuration = format!(
            "daemon off; error_log stderr; pid {home}/pid; worker_processes 1;
             events {{}}
             http {{
                 access_log off;
                 client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
                 uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
                 server {{
                     listen {address};
                     location / {{ proxy_pass http://{server}; proxy_http_version 1.1; {forwarding} }}
                 }}
             }}"
        );
        let file = directory.path().join("nginx.conf");
        fs::write(&file, configuration).expect("the file can be written");
        let process = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(directory.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        eventually("nginx listens", async || {
            TcpStream::connect(address).await.ok()
        })
        .await;
        Some(Self {
            process,
            address,
            _directory: directory,
        })
    }

    async fn status(&self, app: &TestApp, origin: Option<&str>) -> u16 {
        let request = app
            .client()
            .post(format!("http://{}/graphql", self.address));
        let mut request = request
            .header("host", "gallery.example.com")
            .header("content-type", "application/json")
            .body(r#"{"query":"{ images { totalCount } }"}"#);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let response = request.send().await.expect("nginx answers");
        response.status().as_u16()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that it ends its workers too.
        let kill = format!("kill -TERM {}", self.process.id());
        let _ = Command::new("sh").args(["-c", &kill]).status();
        let _ = self.process.wait();
    }
}

const KEEPS_HOST: &str = "proxy_set_header Host $host;";
/// What nginx does by itself: `Host` is the server's own address.
const REPLACES_HOST: &str = "";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_public_url_tells_whose_pages_are_its_own() {
    on_sqlite(
        &["--public-url=https://gallery.example.com"],
        async |app: TestApp| {
            for forwarding in [KEEPS_HOST, REPLACES_HOST] {
                let Some(nginx) = Nginx::before(app.address(), forwarding).await else {
                    return;
                };
                assert_eq!(nginx.status(&app, None).await, 200, "{forwarding}");
                assert_eq!(
                    nginx
                        .status(&app, Some("https://gallery.example.com"))
                        .await,
                    200,
                    "{forwarding}"
                );
                assert_eq!(
                    nginx.status(&app, Some("https://evil.example")).await,
                    403,
                    "{forwarding}"
                );
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_without_public_url_no_page_gets_in_by_a_foreign_name() {
    on_sqlite(&[], async |app: TestApp| {
        let Some(keeping) = Nginx::before(app.address(), KEEPS_HOST).await else {
            return;
        };
        assert_eq!(keeping.status(&app, None).await, 403);
        let replacing = Nginx::before(app.address(), REPLACES_HOST).await;
        let replacing = replacing.expect("nginx is installed");
        assert_eq!(replacing.status(&app, None).await, 200);
        assert_eq!(
            replacing
                .status(&app, Some("https://gallery.example.com"))
                .await,
            403
        );
    })
    .await;
}

/// Sends a part of a request and then nothing more, and reads until the server closes the connection.
async fn stall(app: &TestApp, sent: &str) -> String {
    let mut stream = TcpStream::connect(app.address())
        .await
        .expect("the server listens");
    stream.write_all(sent.as_bytes()).await.expect("it is sent");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(Duration::from_mins(1), read).await;
    read.expect("the server closes the connection")
        .expect("it is read");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_is_given_up() {
    on_sqlite(&["--request-timeout-seconds=1"], async |app: TestApp| {
        let head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
        let answer = stall(&app, head).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("TIMEOUT"), "{answer}");
        // Others are served meanwhile and afterwards.
        app.run("{ __typename }", serde_json::json!({})).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_come_is_given_up() {
    on_sqlite(&[], async |app: TestApp| {
        // Also where not a byte of it comes.
        let (begun, silent, preface) = tokio::join!(
            stall(&app, "POST /graphql HTTP/1.1\r\nhost: local"),
            stall(&app, ""),
            stall(&app, "P"),
        );
        for answer in [begun, silent, preface] {
            assert!(!answer.contains("200 OK"), "{answer}");
        }
    })
    .await;
}
