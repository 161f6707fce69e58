//! Which browser requests are allowed: `Host`, `Origin`, `Sec-Fetch-Site` and CORS.

use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};

use crate::harness::{Reply, TestApp, on_sqlite};

const HELLO: &str = r#"{"query":"{ __typename }"}"#;
const PAGE: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

async fn send(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = app
        .client()
        .request(method.clone(), format!("{}{path}", app.url()));
    if method == Method::POST {
        request = request
            .header("content-type", "application/json")
            .body(HELLO);
    }
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a header's name");
            (
                name,
                HeaderValue::from_str(value).expect("a header's value"),
            )
        })
        .collect();
    let response = request.headers(headers).send().await;
    Reply::read(response.expect("the server answers")).await
}

async fn post(app: &TestApp, headers: &[(&str, &str)]) -> Reply {
    send(app, Method::POST, "/graphql", headers).await
}

#[track_caller]
fn assert_forbidden(reply: &Reply, what: &str) {
    assert_eq!(
        reply.status,
        StatusCode::FORBIDDEN,
        "{what}: {}",
        reply.body
    );
    assert_eq!(reply.error_code(), "FORBIDDEN", "{what}");
    assert!(
        !reply.headers.contains_key("access-control-allow-origin"),
        "{what}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_the_loopback_only_its_names_are_served() {
    on_sqlite(
        &["--public-url=https://gallery.example.com"],
        async |app: TestApp| {
            let port = app.address().port();
            for host in [
                "localhost",
                "127.0.0.1",
                "[::1]",
                "127.1.2.3:80",
                "gallery.example.com",
                "Gallery.Example.com:443",
            ] {
                let reply = post(&app, &[(HOST.as_str(), host)]).await;
                assert_eq!(reply.status, 200, "{host}: {}", reply.body);
            }
            for host in [
                "evil.example",
                &format!("evil.example:{port}"),
                "localhost.evil.example",
                "127.0.0.1.evil.example",
                "192.168.1.2",
            ] {
                assert_forbidden(&post(&app, &[(HOST.as_str(), host)]).await, host);
                // DNS rebinding: for its browser the page is same-origin.
                let origin = format!("http://{host}");
                assert_forbidden(
                    &post(&app, &[(HOST.as_str(), host), ("origin", &origin)]).await,
                    host,
                );
                for probe in ["/healthz", "/readyz"] {
                    let reply = send(&app, Method::GET, probe, &[(HOST.as_str(), host)]).await;
                    assert_eq!(reply.status, 200, "{probe}");
                }
            }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_foreign_origins_are_refused() {
    let settings = [
        "--public-url=https://gallery.example.com",
        "--cors-allowed-origins=https://app.example, http://localhost:3000",
    ];
    on_sqlite(&settings, async |app: TestApp| {
        let own = format!("http://{}", app.address());
        let listed = ("origin", "https://app.example");
        let foreign = ("origin", "https://evil.example");
        for headers in [[listed, foreign], [foreign, listed]] {
            assert_forbidden(&post(&app, &headers).await, "a foreign one of two");
        }
        assert_eq!(post(&app, &[listed, listed]).await.status, 200);
        for origin in [
            own.as_str(),
            "https://gallery.example.com",
            "https://app.example",
            "http://localhost:3000",
        ] {
            for site in ["same-origin", "cross-site"] {
                let reply = post(&app, &[("origin", origin), ("sec-fetch-site", site)]).await;
                assert_eq!(reply.status, 200, "{origin}: {}", reply.body);
            }
        }
        let other_scheme = own.replace("http:", "ftp:");
        for origin in [
            "https://evil.example",
            "null",
            "http://app.example",
            "https://app.example:8443",
            "http://127.0.0.1:1",
            &other_scheme,
            "file://",
            "",
        ] {
            for method in [Method::POST, Method::OPTIONS, Method::GET] {
                let reply = send(
                    &app,
                    method,
                    "/graphql?query={__typename}",
                    &[("origin", origin)],
                )
                .await;
                assert_forbidden(&reply, origin);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_other_origins_change_nothing() {
    on_sqlite(&[], async |app: TestApp| {
        let id = app.user("alice").create_image().await;
        let body =
            format!(r#"{{"query":"mutation {{ softDeleteImage(id: \"{id}\") {{ changed }} }}"}}"#);
        let request = app.client().post(format!("{}/graphql", app.url()));
        let request = request
            .header("content-type", "application/json")
            .header("origin", "https://evil.example");
        let response = request.body(body).send().await.expect("the server answers");
        assert_eq!(response.status(), 403);
        let data = app
            .run("{ images { totalCount } }", serde_json::json!({}))
            .await;
        assert_eq!(data["images"]["totalCount"], 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_sites_may_link_to_the_page_only() {
    on_sqlite(&[], async |app: TestApp| {
        let visit = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("accept", PAGE),
        ];
        let reply = send(&app, Method::GET, "/graphql", &visit).await;
        assert_eq!(reply.status, 200);
        assert!(
            reply.headers["content-type"]
                .to_str()
                .is_ok_and(|kind| kind.starts_with("text/html"))
        );
        // An image or a script of another site.
        for (mode, accept) in [
            ("no-cors", "image/*,*/*;q=0.8"),
            ("no-cors", PAGE),
            ("navigate", "application/json"),
            ("cors", "*/*"),
        ] {
            let headers = [
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", mode),
                ("accept", accept),
            ];
            assert_forbidden(
                &send(&app, Method::GET, "/graphql?query={__typename}", &headers).await,
                mode,
            );
        }
        // A form of another site.
        let form = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("accept", PAGE),
        ];
        assert_forbidden(&post(&app, &form).await, "a form");
        for site in ["same-origin", "same-site", "none"] {
            let reply = send(
                &app,
                Method::GET,
                "/graphql?query={__typename}",
                &[("sec-fetch-site", site)],
            )
            .await;
            assert_eq!(reply.status, 200, "{site}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_pages_links_of_other_sites_are_rejected() {
    on_sqlite(&["--graphiql=false"], async |app: TestApp| {
        let visit = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("accept", PAGE),
        ];
        assert_forbidden(
            &send(&app, Method::GET, "/graphql?query={__typename}", &visit).await,
            "a visit",
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listed_origins_get_what_their_browsers_ask_for() {
    on_sqlite(
        &["--cors-allowed-origins=https://app.example"],
        async |app: TestApp| {
            let preflight = [
                ("origin", "https://app.example"),
                ("access-control-request-method", "POST"),
                (
                    "access-control-request-headers",
                    "authorization,content-type,x-graphql-cost",
                ),
            ];
            let reply = send(&app, Method::OPTIONS, "/graphql", &preflight).await;
            assert!(reply.status.is_success(), "{}", reply.status);
            assert_eq!(
                reply.headers["access-control-allow-origin"],
                "https://app.example"
            );
            let allowed = |name: &str| {
                reply.headers[name]
                    .to_str()
                    .expect("text")
                    .to_ascii_lowercase()
            };
            assert!(allowed("access-control-allow-methods").contains("post"));
            for header in ["authorization", "content-type", "x-graphql-cost"] {
                assert!(
                    allowed("access-control-allow-headers").contains(header),
                    "{header}"
                );
            }
            assert!(allowed("vary").contains("origin"));
            let reply = post(&app, &[("origin", "https://app.example")]).await;
            assert_eq!(
                reply.headers["access-control-allow-origin"],
                "https://app.example"
            );
            let exposed = reply.headers["access-control-expose-headers"]
                .to_str()
                .expect("text");
            assert!(
                exposed.contains("x-request-id") && exposed.contains("retry-after"),
                "{exposed}"
            );
            // Without credentials, because there are no cookies.
            assert!(
                !reply
                    .headers
                    .contains_key("access-control-allow-credentials")
            );
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_address_accepts_any_host_but_no_other_origin() {
    on_sqlite(
        &["--host=0.0.0.0", "--allow-open-access=true"],
        async |app: TestApp| {
            let local = format!("http://127.0.0.1:{}/graphql", app.address().port());
            let ask = async |headers: &[(&str, &str)]| {
                let mut request = app
                    .client()
                    .post(&local)
                    .header("content-type", "application/json")
                    .body(HELLO);
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                request.send().await.expect("the server answers").status()
            };
            assert_eq!(ask(&[("host", "gallery.example.com")]).await, 200);
            assert_eq!(
                ask(&[
                    ("host", "gallery.example.com"),
                    ("origin", "https://gallery.example.com")
                ])
                .await,
                200
            );
            assert_eq!(
                ask(&[
                    ("host", "gallery.example.com"),
                    ("origin", "https://evil.example")
                ])
                .await,
                403
            );
        },
    )
    .await;
}
