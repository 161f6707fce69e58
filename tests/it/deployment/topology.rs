//! The services of `compose.yaml` as processes on this machine: Postgres, PgBouncer with `deploy/pgbouncer.ini`, the
//! servers with `deploy/server.env`, nginx with `deploy/nginx.conf`.
//!
//! Only host names, ports and paths are replaced, each of which must occur exactly once in its file: the tests run the
//! delivered files.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use url::Url;

use crate::harness::{Nginx, PgBouncer, Program, ServerProcess, TestDatabase, token};

/// The password of the gallery's role.
const PASSWORD: &str = "0123456789abcdef";
/// The public host name.
pub(super) const PUBLIC_HOST: &str = "gallery.example.com";

/// All processes, killed on drop.
pub(super) struct Topology {
    /// The servers with their working directories.
    pub(super) servers: Vec<(Program, ServerProcess)>,
    pub(super) nginx: Nginx,
    _pgbouncer: PgBouncer,
}

impl Topology {
    /// Starts everything on an empty database, in the order of `compose.yaml`; `None` if a program is not installed.
    pub(super) async fn start(database: &TestDatabase) -> Option<Self> {
        let direct_url = own_role(database).await;
        let pgbouncer = pgbouncer(&direct_url)?;
        let mut pooled_url = direct_url.clone();
        pooled_url.set_port(Some(pgbouncer.port())).expect("a host");
        pooled_url.set_path("gallery");
        let program = || {
            settings()
                .into_iter()
                .fold(Program::new(), |program, (variable, value)| {
                    program.with(&variable, &value)
                })
                .with("DATABASE_URL", pooled_url.as_str())
                .with("DATABASE_DIRECT_URL", direct_url.as_str())
                .with("PUBLIC_URL", &format!("https://{PUBLIC_HOST}"))
                .with("SERVICE_TOKENS", &token::service_tokens())
        };
        let migrated = program().run(&["migrate", "up"]).await.expect_success();
        assert!(
            migrated.contains("applied m0001_image_gallery"),
            "{migrated}"
        );
        let mut servers = Vec::new();
        for _ in 0..2 {
            let program = program();
            let server = program.serve().await;
            servers.push((program, server));
        }
        let addresses = servers.iter().map(|(_, server)| server.address());
        let addresses = addresses.collect::<Vec<_>>();
        let nginx = Nginx::start(|address, home| nginx_conf(address, home, &addresses)).await?;
        Some(Self {
            servers,
            nginx,
            _pgbouncer: pgbouncer,
        })
    }

    /// A URL behind nginx.
    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.nginx.address())
    }

    /// nginx' access log so far.
    pub(super) fn access_log(&self) -> String {
        fs::read_to_string(self.nginx.directory().join("access.log")).expect("nginx logs")
    }
}

/// A role that owns the database and is not a superuser. It has the database's name, so the harness drops both.
async fn own_role(database: &TestDatabase) -> Url {
    let url = Url::parse(&database.url()).expect("a URL");
    let name = url.path().trim_start_matches('/');
    database
        .db_execute(&format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'; ALTER DATABASE {name} OWNER TO {name}"
        ))
        .await;
    let url = database.url_of_role(name, PASSWORD);
    Url::parse(&url).expect("a URL")
}

fn pgbouncer(direct_url: &Url) -> Option<PgBouncer> {
    let port = direct_url.port().expect("a port");
    let name = direct_url.path().trim_start_matches('/');
    let target = format!("host=127.0.0.1 port={port} dbname={name}");
    let configuration = replaced(
        include_str!("../../../deploy/pgbouncer.ini"),
        &[
            ("host=postgres port=5432 dbname=gallery", &target),
            ("listen_addr = 0.0.0.0", "listen_addr = 127.0.0.1"),
            ("listen_port = 6432", "listen_port = @PORT@"),
            ("/etc/pgbouncer/userlist.txt", "@USERS@"),
        ],
    );
    PgBouncer::with_configuration(&configuration, direct_url.username(), PASSWORD)
}

/// A flag changes the port of `serve`.
fn settings() -> Vec<(String, String)> {
    let settings = replaced(
        include_str!("../../../deploy/server.env"),
        &[
            ("HOST=0.0.0.0", "HOST=127.0.0.1"),
            ("TRUSTED_PROXIES=172.30.99.10", "TRUSTED_PROXIES=127.0.0.1"),
        ],
    );
    let settings = dotenvy::from_read_iter(settings.as_bytes());
    settings
        .collect::<Result<_, _>>()
        .expect("lines of the form NAME=value")
}

fn nginx_conf(address: SocketAddr, home: &Path, servers: &[SocketAddr]) -> String {
    let [first, second] = servers else {
        panic!("two servers, not {}", servers.len());
    };
    let files = format!("http {{ {}", Nginx::temporary_files_in(home));
    let home = home.display();
    replaced(
        include_str!("../../../deploy/nginx.conf"),
        &[
            ("listen 80;", &format!("listen {address};")),
            ("server-1:9999", &first.to_string()),
            ("server-2:9999", &second.to_string()),
            ("/run/nginx.pid", &format!("{home}/pid")),
            ("/var/log/nginx/error.log", &format!("{home}/error.log")),
            ("/var/log/nginx/access.log", &format!("{home}/access.log")),
            // The default folder for long bodies belongs to the system's nginx.
            ("http {", &files),
        ],
    )
}

fn replaced(file: &str, replacements: &[(&str, &str)]) -> String {
    let mut text = file.to_owned();
    for (from, to) in replacements {
        assert_eq!(text.matches(from).count(), 1, "`{from}` in {text}");
        text = text.replace(from, to);
    }
    text
}
