//! Behind nginx, with both ways of forwarding `Host`; and deliberately slow clients.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Nginx, TestApp, on_sqlite};

/// An nginx in front of a server, with an operator's configuration; `None` if not installed.
async fn nginx_before(server: SocketAddr, forwarding: &str) -> Option<Nginx> {
    Nginx::start(|address, home| {
        let files = Nginx::temporary_files_in(home);
        let home = home.display();
        format!(
            "error_log stderr; pid {home}/pid; worker_processes 1;
             events {{}}
             http {{
                 access_log off; {files}
                 server {{
                     listen {address};
                     location / {{ proxy_pass http://{server}; proxy_http_version 1.1; {forwarding} }}
                 }}
             }}"
        )
    })
    .await
}

async fn status(nginx: &Nginx, app: &TestApp, origin: Option<&str>) -> u16 {
    let url = format!("http://{}/graphql", nginx.address());
    let mut request = app
        .client()
        .post(url)
        .header("host", "gallery.example.com")
        .header("content-type", "application/json")
        .body(r#"{"query":"{ images { totalCount } }"}"#);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let response = request.send().await.expect("nginx answers");
    response.status().as_u16()
}

const KEEPS_HOST: &str = "proxy_set_header Host $host;";
/// nginx' default: `Host` is the server's own address.
const REPLACES_HOST: &str = "";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_public_url_defines_the_own_origin() {
    on_sqlite(
        &["--public-url=https://gallery.example.com"],
        async |app: TestApp| {
            for forwarding in [KEEPS_HOST, REPLACES_HOST] {
                let Some(nginx) = nginx_before(app.address(), forwarding).await else {
                    return;
                };
                assert_eq!(status(&nginx, &app, None).await, 200, "{forwarding}");
                assert_eq!(
                    status(&nginx, &app, Some("https://gallery.example.com")).await,
                    200,
                    "{forwarding}"
                );
                assert_eq!(
                    status(&nginx, &app, Some("https://evil.example")).await,
                    403,
                    "{forwarding}"
                );
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_without_public_url_other_host_names_are_rejected() {
    on_sqlite(&[], async |app: TestApp| {
        let Some(keeping) = nginx_before(app.address(), KEEPS_HOST).await else {
            return;
        };
        assert_eq!(status(&keeping, &app, None).await, 403);
        let replacing = nginx_before(app.address(), REPLACES_HOST).await;
        let replacing = replacing.expect("nginx is installed");
        assert_eq!(status(&replacing, &app, None).await, 200);
        assert_eq!(
            status(&replacing, &app, Some("https://gallery.example.com")).await,
            403
        );
    })
    .await;
}

/// Sends a part of a request, then nothing, and reads until the server closes the connection.
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
async fn a_body_that_does_not_arrive_times_out() {
    on_sqlite(&["--request-timeout-seconds=1"], async |app: TestApp| {
        let head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
        let answer = stall(&app, head).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("TIMEOUT"), "{answer}");
        // Other clients are served meanwhile and afterwards.
        app.run("{ __typename }", serde_json::json!({})).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_do_not_arrive_time_out() {
    on_sqlite(&[], async |app: TestApp| {
        // Also if nothing is sent at all.
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
