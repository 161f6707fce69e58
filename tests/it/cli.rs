//! The program as a process: commands, settings, start and shutdown.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use macro_rules_attribute::apply;

use crate::harness::{Output, Program, TestDatabase, each_database, eventually, on_postgres};

/// Characters that are special in a URL, a shell, SQL or a `.env` file.
const PASSWORD: &str = r#"p@s:s/w#o%r d$HOME%41'"\`?&=+{}é"#;

#[tokio::test]
async fn schema_prints_the_file_schema_graphql() {
    let printed = Program::new().run(&["schema"]).await.expect_success();
    let file = project_file("schema.graphql");
    assert!(
        printed == file,
        "write it anew: cargo run -- schema > schema.graphql"
    );
}

#[tokio::test]
async fn version_is_that_of_the_package() {
    let printed = Program::new().run(&["--version"]).await.expect_success();
    assert_eq!(
        printed,
        format!("image-gallery {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn help_lists_every_setting_of_the_example_file() {
    let help = Program::new().run(&["--help"]).await.expect_success();
    let example = project_file(".env.example");
    let variables: Vec<&str> = example.lines().filter_map(variable_of_line).collect();
    assert!(variables.contains(&"DATABASE_URL"), "{variables:?}");
    for variable in variables {
        assert!(
            help.contains(&format!("`{variable}`")),
            "{variable} is missing in\n{help}"
        );
    }
}

/// `PORT` of `PORT=9999` and of `# PORT=9999`.
fn variable_of_line(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start_matches(['#', ' ']).split_once('=')?;
    let is_variable = |letter: char| letter.is_ascii_uppercase() || "_0123456789".contains(letter);
    (!name.is_empty() && name.chars().all(is_variable)).then_some(name)
}

#[tokio::test]
async fn a_wrong_setting_stops_the_start_with_one_line() {
    let cases = [
        ("PORT", "abc", "65535"),
        ("PORT", "70000", "65535"),
        ("PORT", "-1", "65535"),
        ("HOST", "x y", "IP address"),
        ("HOST", "0.0.0.0", "ALLOW_OPEN_ACCESS=true"),
        ("DATABASE_URL", "foo://x", "postgres://"),
        ("DATABASE_URL", "gallery.db", "sqlite://"),
        ("DATABASE_MAX_CONNECTIONS", "0", "1 to 1000"),
        ("DATABASE_MAX_CONNECTIONS", "many", "1 to 1000"),
        ("AUTO_MIGRATE", "perhaps", "true"),
        ("LOG_FORMAT", "xml", "json"),
        ("REQUEST_TIMEOUT_SECONDS", "soon", "3600"),
    ];
    for (variable, value, allowed) in cases {
        let output = Program::new().with(variable, value).run(&[]).await;
        assert_refused(&output, &[variable, value, allowed]);
    }
}

#[tokio::test]
async fn a_wrong_supabase_setting_stops_the_start_with_one_line() {
    let cases = [
        ("SUPABASE_DB_PORT", "abc", "65535"),
        ("SUPABASE_DB_SSLMODE", "perhaps", "verify-full"),
    ];
    for (variable, value, allowed) in cases {
        let program = supabase_program("127.0.0.1", 1).with("SUPABASE_DB_USER", "gallery");
        let output = program.with(variable, value).run(&[]).await;
        assert_refused(&output, &[variable, value, allowed]);
    }
}

#[tokio::test]
async fn a_refused_database_url_does_not_show_its_password() {
    for url in [
        "mysql://gallery:hunter2@database.example/gallery",
        "postgres://gallery:hunter2@database.example:port/gallery",
        "postgres://gallery:hunter2@database.example/gallery?sslmode=perhaps",
    ] {
        let output = Program::new().with("DATABASE_URL", url).run(&[]).await;
        assert_refused(&output, &["DATABASE_URL"]);
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    }
}

/// Asserts one line on standard error with all of `parts`, and exit code 2.
#[track_caller]
fn assert_refused(output: &Output, parts: &[&str]) {
    assert_eq!(output.code, Some(2), "{output:?}");
    assert_eq!(output.stdout, "");
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
    for part in parts {
        assert!(
            output.stderr.contains(part),
            "{part} is missing in: {}",
            output.stderr
        );
    }
}

#[tokio::test]
async fn settings_come_from_the_settings_file_in_the_working_directory() {
    let program = Program::new().with_settings_file("DATABASE_URL=sqlite://file.db?mode=rwc\n");
    program.run(&["migrate", "up"]).await.expect_success();
    assert!(program.directory().join("file.db").exists());
}

#[tokio::test]
async fn the_environment_wins_over_the_settings_file() {
    let program = Program::new()
        .with_settings_file("DATABASE_URL=sqlite://file.db?mode=rwc\n")
        .with("DATABASE_URL", "sqlite://environment.db?mode=rwc");
    program.run(&["migrate", "up"]).await.expect_success();
    assert!(program.directory().join("environment.db").exists());
    assert!(!program.directory().join("file.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_settings_the_gallery_is_in_the_working_directory() {
    let program = Program::new();
    let server = program.serve().await;
    let reply = exchange(&server.address().to_string(), r#"{"query":"{__typename}"}"#);
    assert!(
        reply.ends_with(r#"{"data":{"__typename":"Query"}}"#),
        "{reply}"
    );
    assert!(program.directory().join("gallery.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_may_hold_any_character_in_the_supabase_settings() {
    on_postgres(&[], async |database: TestDatabase| {
        let (role, host, port) = role_with_password(&database).await;
        let program = supabase_program(&host, port)
            .with("SUPABASE_DB_NAME", &role)
            .with("SUPABASE_DB_USER", &role);
        let password = quoted_for_settings_file(PASSWORD);
        let settings = format!("SUPABASE_DB_PASSWORD={password}\n");

        let in_file = program.with_settings_file(&settings);
        in_file.run(&["migrate", "up"]).await.expect_success();
        let in_environment = in_file.with("SUPABASE_DB_PASSWORD", PASSWORD);
        let status = in_environment.run(&["migrate", "status"]).await;
        status.expect_success();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_may_hold_any_character_percent_encoded_in_the_url() {
    on_postgres(&[], async |database: TestDatabase| {
        let (role, host, port) = role_with_password(&database).await;
        let password = percent_encoded(PASSWORD);
        let url = format!("postgres://{role}:{password}@{host}:{port}/{role}?sslmode=disable");
        let program = Program::new().with("DATABASE_URL", &url);
        program.run(&["migrate", "up"]).await.expect_success();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_refused_and_not_shown() {
    on_postgres(&[], async |database: TestDatabase| {
        let (role, host, port) = role_with_password(&database).await;
        let url = format!("postgres://{role}:hunter2@{host}:{port}/{role}?sslmode=disable");
        let program = Program::new().with("DATABASE_URL", &url);
        let output = program.run(&["migrate", "up"]).await;
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    })
    .await;
}

/// Creates a role with the database's name (and therefore its lifetime) that owns it and needs [`PASSWORD`]. Returns
/// its name, and the server's host and port.
async fn role_with_password(database: &TestDatabase) -> (String, String, u16) {
    let name = database.db_query_text("SELECT current_database()").await;
    let name = name.expect("a name");
    let password = PASSWORD.replace('\'', "''");
    let role = format!(
        "SET password_encryption = 'scram-sha-256';
         CREATE ROLE {name} LOGIN PASSWORD '{password}';
         ALTER DATABASE {name} OWNER TO {name};"
    );
    database.db_execute(&role).await;
    let url = url::Url::parse(&database.url()).expect("a URL");
    let host = url.host_str().expect("a host").to_owned();
    (name, host, url.port().unwrap_or(5432))
}

fn supabase_program(host: &str, port: u16) -> Program {
    Program::new()
        .with("SUPABASE_DB_HOST", host)
        .with("SUPABASE_DB_PORT", &port.to_string())
        .with("SUPABASE_DB_SSLMODE", "disable")
}

/// In double quotes, as `.env.example` describes for a password with a single quote.
fn quoted_for_settings_file(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('"', r#"\""#);
    format!("\"{}\"", escaped.replace('$', r"\$"))
}

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write;

    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}

#[apply(each_database!)]
async fn migrating_down_and_up_again_keeps_every_row(database: TestDatabase) {
    let program = Program::new().with("DATABASE_URL", &database.url());
    let migrate = async |command| program.run(&["migrate", command]).await.expect_success();

    let before = migrate("status").await;
    migrate("up").await;
    let applied = migrate("status").await;
    assert_ne!(states(&before), states(&applied));
    insert_image(&database).await;

    migrate("down").await;
    assert_eq!(states(&migrate("status").await), states(&before));
    assert_eq!(owner_of_the_image(&database).await, "alice");

    migrate("up").await;
    assert_eq!(migrate("status").await, applied);
    assert_eq!(owner_of_the_image(&database).await, "alice");
}

#[apply(each_database!)]
async fn migrating_up_twice_changes_nothing(database: TestDatabase) {
    let program = Program::new().with("DATABASE_URL", &database.url());
    program.run(&["migrate", "up"]).await.expect_success();
    insert_image(&database).await;
    program.run(&["migrate", "up"]).await.expect_success();
    assert_eq!(owner_of_the_image(&database).await, "alice");
}

#[apply(each_database!)]
async fn concurrent_migrations_both_succeed(database: TestDatabase) {
    let program = Program::new().with("DATABASE_URL", &database.url());
    let arguments = ["migrate", "up"];
    let (one, other) = tokio::join!(program.run(&arguments), program.run(&arguments));
    one.expect_success();
    other.expect_success();
    insert_image(&database).await;
}

/// The lines with migrations. Those after them depend on the database.
fn states(status: &str) -> Vec<&str> {
    let names_migration =
        |line: &&str| line.starts_with("applied ") || line.starts_with("pending ");
    status.lines().filter(names_migration).collect()
}

/// A statement of another application.
async fn insert_image(database: &TestDatabase) {
    let id = match database {
        TestDatabase::Sqlite(_) => "x'0b7e0f5ad3b84d3cb2b4c1a0f3d2e101'",
        TestDatabase::Postgres(_) => "'0b7e0f5a-d3b8-4d3c-b2b4-c1a0f3d2e101'",
    };
    let insert = format!(
        "INSERT INTO image_gallery (image_id, user_id, image_url, metadata, created_at, updated_at)
         VALUES ({id}, 'alice', 'https://res.cloudinary.com/demo/image/upload/0b7e0f5a-d3b8-4d3c-b2b4-c1a0f3d2e101.png',
             '{{}}', '2026-01-15T10:30:00.123456Z', '2026-01-15T10:30:00.123456Z')"
    );
    database.db_execute(&insert).await;
}

async fn owner_of_the_image(database: &TestDatabase) -> String {
    let owner = database
        .db_query_text("SELECT min(user_id) FROM image_gallery")
        .await;
    owner.expect("the row is there")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_is_answered_at_shutdown() {
    let program = Program::new();
    let server = program.serve().await;
    let address = server.address();
    let body = r#"{"query":"{images{nodes{id}}}"}"#;
    let mut request = TcpStream::connect(address).expect("a connection");
    // The server sends `100 Continue` when it waits for the body: then the request is in flight.
    let head = head(&address.to_string(), body, "Expect: 100-continue\r\n");
    request.write_all(head.as_bytes()).expect("it is sent");
    let mut reply = BufReader::new(request.try_clone().expect("a second handle"));
    assert_eq!(line(&mut reply), "HTTP/1.1 100 Continue");
    assert_eq!(line(&mut reply), "");

    server.terminate();
    eventually("new connections are refused", async || {
        TcpStream::connect(address).err()
    })
    .await;
    request.write_all(body.as_bytes()).expect("it is sent");

    let mut rest = String::new();
    reply.read_to_string(&mut rest).expect("the reply is whole");
    assert!(rest.starts_with("HTTP/1.1 200 OK"), "{rest}");
    assert!(
        rest.contains(r#"{"data":{"images":{"nodes":[]}}}"#),
        "{rest}"
    );
    assert_eq!(server.output().await.code, Some(0));
}

/// Like a proxy with a connection per request, which opens it before the request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_connection_came_before_the_end_is_answered() {
    let program = Program::new();
    let server = program.serve().await;
    let address = server.address();
    let body = r#"{"query":"{images{nodes{id}}}"}"#;
    let request = head(&address.to_string(), body, "") + body;
    // Some connections are accepted by the program, others maybe only by the kernel.
    let connect = |_| TcpStream::connect(address).expect("a connection");
    let mut connections: Vec<_> = (0..16).map(connect).collect();
    server.terminate();
    eventually("new connections are refused", async || {
        TcpStream::connect(address).err()
    })
    .await;
    for connection in &mut connections {
        connection
            .write_all(request.as_bytes())
            .expect("it is sent");
    }
    for connection in &mut connections {
        let mut reply = String::new();
        connection
            .read_to_string(&mut reply)
            .expect("the reply is whole");
        assert!(reply.starts_with("HTTP/1.1 200 OK"), "{reply}");
    }
    assert_eq!(server.output().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_does_not_keep_the_server_from_ending() {
    let program = Program::new();
    let server = program.serve().await;
    let _idle = TcpStream::connect(server.address()).expect("a connection");
    server.terminate();
    assert_eq!(server.output().await.code, Some(0));
}

/// One POST to `/graphql` on its own connection; returns the whole response as text.
fn exchange(address: &str, body: &str) -> String {
    let mut request = TcpStream::connect(address).expect("a connection");
    let head = head(address, body, "");
    request
        .write_all(format!("{head}{body}").as_bytes())
        .expect("it is sent");
    let mut reply = String::new();
    request
        .read_to_string(&mut reply)
        .expect("the reply is whole");
    reply
}

fn head(address: &str, body: &str, headers: &str) -> String {
    let length = body.len();
    format!(
        "POST /graphql HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    )
}

fn line(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

fn project_file(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/").to_owned() + name;
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
