//! Connection problems: each is reported in one line with a fix, without the password.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use crate::harness::{Output, Program, TestDatabase, TlsDatabase, on_postgres, on_tls};

const PASSWORD: &str = "hunter2 and more";

/// A role that can log in with [`PASSWORD`] and owns its database; both have the same name and lifetime.
async fn role(database: &TestDatabase) -> Login {
    let name = database.db_query_text("SELECT current_database()").await;
    let name = name.expect("a name");
    let role = format!(
        "SET password_encryption = 'scram-sha-256'; CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}';
         ALTER DATABASE {name} OWNER TO {name}"
    );
    database.db_execute(&role).await;
    let url = url::Url::parse(&database.url()).expect("a URL");
    Login {
        name,
        port: url.port().expect("a port"),
    }
}

struct Login {
    name: String,
    port: u16,
}

impl Login {
    /// The program with this login in the settings for Supabase.
    fn program(&self, host: &str, mode: &str) -> Program {
        supabase(host, self.port)
            .with("SUPABASE_DB_NAME", &self.name)
            .with("SUPABASE_DB_USER", &self.name)
            .with("SUPABASE_DB_SSLMODE", mode)
    }
}

fn supabase(host: &str, port: u16) -> Program {
    Program::new()
        .with("SUPABASE_DB_HOST", host)
        .with("SUPABASE_DB_PORT", &port.to_string())
        .with("SUPABASE_DB_NAME", "gallery")
        .with("SUPABASE_DB_USER", "gallery")
        .with("SUPABASE_DB_PASSWORD", PASSWORD)
        .with("SUPABASE_DB_SSLMODE", "disable")
}

async fn status(program: &Program) -> Output {
    program.run(&["migrate", "status"]).await
}

/// Asserts one line on standard error with all of `parts`, without the password, and exit code 1.
#[track_caller]
fn assert_reported(output: &Output, parts: &[&str]) {
    let said = &output.stderr;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for part in parts {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_ca_and_host_name_connect_in_every_mode() {
    on_tls(async |tls: TlsDatabase| {
        let login = role(&tls.database).await;
        let with_authority = |host: &str, mode: &str| {
            let program = login.program(host, mode);
            program.with("SUPABASE_DB_SSLROOTCERT", text(&tls.authority))
        };
        let up = with_authority("localhost", "verify-full")
            .run(&["migrate", "up"])
            .await;
        up.expect_success();
        for (host, mode) in [
            ("localhost", "verify-full"),
            ("localhost", "verify-ca"),
            ("127.0.0.1", "verify-ca"),
            ("127.0.0.1", "require"),
        ] {
            status(&with_authority(host, mode)).await.expect_success();
        }
        for mode in ["require", "prefer"] {
            status(&login.program("127.0.0.1", mode))
                .await
                .expect_success();
        }
        let url = format!(
            "postgres://{0}:{PASSWORD}@localhost:{1}/{0}?sslmode=verify-full&sslrootcert={2}",
            login.name,
            login.port,
            text(&tls.authority)
        );
        status(&Program::new().with("DATABASE_URL", &url))
            .await
            .expect_success();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_ca_is_reported_with_the_setting() {
    on_tls(async |tls: TlsDatabase| {
        let login = role(&tls.database).await;
        let expected = ["certificate is not trusted", "SUPABASE_DB_SSLROOTCERT"];
        for mode in ["verify-full", "verify-ca", "require"] {
            let program = login.program("localhost", mode);
            let program = program.with("SUPABASE_DB_SSLROOTCERT", text(&tls.stranger));
            assert_reported(&status(&program).await, &expected);
        }
        // Public CAs have not signed it either.
        for mode in ["verify-full", "verify-ca"] {
            assert_reported(&status(&login.program("localhost", mode)).await, &expected);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_host_is_reported_with_its_names() {
    on_tls(async |tls: TlsDatabase| {
        let login = role(&tls.database).await;
        let program = login.program("127.0.0.1", "verify-full");
        let program = program.with("SUPABASE_DB_SSLROOTCERT", text(&tls.authority));
        assert_reported(
            &status(&program).await,
            &[
                "not for the host `127.0.0.1`",
                "localhost",
                "connect by a host name",
            ],
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_requires_tls_is_reported_without_it() {
    on_tls(async |tls: TlsDatabase| {
        let login = role(&tls.database).await;
        let output = status(&login.program("127.0.0.1", "disable")).await;
        assert_reported(
            &output,
            &[
                "no pg_hba.conf entry",
                "sslmode=require",
                "SUPABASE_DB_SSLMODE",
            ],
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_reported_if_it_is_required() {
    on_postgres(&[], async |database: TestDatabase| {
        let login = role(&database).await;
        for mode in ["require", "verify-ca", "verify-full"] {
            let output = status(&login.program("127.0.0.1", mode)).await;
            let wanted = format!("sslmode={mode}");
            assert_reported(&output, &["offers no TLS", &wanted, "sslmode=disable"]);
        }
        for mode in ["prefer", "disable"] {
            status(&login.program("127.0.0.1", mode))
                .await
                .expect_success();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_connections_are_reported_with_a_fix() {
    on_postgres(&[], async |database: TestDatabase| {
        let login = role(&database).await;
        let program = || login.program("127.0.0.1", "disable");
        let name = &login.name;

        let output = status(&program().with("SUPABASE_DB_PASSWORD", "hunter2 again")).await;
        assert_reported(
            &output,
            &[
                name,
                "password authentication failed",
                "check user and password",
            ],
        );
        // The driver rejects it, right or wrong.
        let emoji = program().with("SUPABASE_DB_PASSWORD", "hunter2 \u{1f98a}");
        let output = status(&emoji).await;
        assert_reported(
            &output,
            &[name, "SASLprep", "such as an emoji", "ALTER ROLE"],
        );
        assert!(!output.stderr.contains('\u{1f98a}'), "{}", output.stderr);
        let output = status(&program().with("SUPABASE_DB_USER", "nobody_of_this_name")).await;
        assert_reported(&output, &["nobody_of_this_name", "check user and password"]);
        let output = status(&program().with("SUPABASE_DB_NAME", "none_of_this_name")).await;
        assert_reported(
            &output,
            &["none_of_this_name", "SUPABASE_DB_NAME", "CREATE DATABASE"],
        );

        database
            .db_execute(&format!(
                "REVOKE ALL ON DATABASE {name} FROM PUBLIC, {name}"
            ))
            .await;
        let output = status(&program()).await;
        assert_reported(
            &output,
            &[
                "permission denied for database",
                "GRANT CONNECT ON DATABASE",
            ],
        );
        database
            .db_execute(&format!("GRANT ALL ON DATABASE {name} TO {name}"))
            .await;

        database
            .db_execute(&format!("ALTER ROLE {name} CONNECTION LIMIT 0"))
            .await;
        let output = status(&program()).await;
        assert_reported(
            &output,
            &["too many connections", "DATABASE_MAX_CONNECTIONS"],
        );

        database
            .db_execute(&format!("ALTER ROLE {name} NOLOGIN"))
            .await;
        let output = status(&program()).await;
        assert_reported(&output, &["not permitted to log in", "check the user"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_host_is_reported_with_a_fix() {
    // Reserved as a name that never exists, <https://www.rfc-editor.org/rfc/rfc6761#section-6.4>.
    let output = status(&supabase("gallery.invalid", 5432)).await;
    assert_reported(
        &output,
        &["`gallery.invalid` is not known", "SUPABASE_DB_HOST"],
    );

    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let serve = supabase("127.0.0.1", port);
    assert_reported(
        &serve.run(&["serve", "--port=0"]).await,
        &["nothing listens at", "check host and port"],
    );

    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let output = status(&supabase("127.0.0.1", port)).await;
    assert_reported(&output, &["does not answer", "firewalls"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_postgres_is_reported() {
    let hangs_up = answering(|_| {});
    let output = status(&supabase("127.0.0.1", hangs_up)).await;
    assert_reported(
        &output,
        &[
            "closed the connection during the handshake",
            "Postgres' port",
        ],
    );

    let web = answering(|mut client| {
        let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    for (mode, expected) in [
        ("disable", "closed the connection during the handshake"),
        ("require", "does not use Postgres' protocol"),
    ] {
        let program = supabase("127.0.0.1", web).with("SUPABASE_DB_SSLMODE", mode);
        assert_reported(&status(&program).await, &[expected, "port"]);
    }
}

/// Supavisor's response to a user with an unknown project.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_user_of_the_pooler_is_reported_with_the_right_format() {
    let port = answering(|mut client| {
        let _ = client.read(&mut [0; 1024]);
        let fields = b"SFATAL\0VFATAL\0CXX000\0MTenant or user not found\0\0";
        let length = u32::try_from(fields.len() + 4).expect("it is short");
        let message = [b"E", length.to_be_bytes().as_slice(), fields.as_slice()].concat();
        let _ = client.write_all(&message);
    });
    let output = status(&supabase("127.0.0.1", port)).await;
    assert_reported(
        &output,
        &["Tenant or user not found", "postgres.<project>", "region"],
    );
}

/// The port of a server that handles every client like this until the tests end.
fn answering(answer: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            answer(client);
        }
    });
    port
}
