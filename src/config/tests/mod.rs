//! Tests valid and invalid settings.

use std::time::Duration;

use graphql_front::limits::Limits;
use url::Url;

use super::error::variable;
use super::*;
use crate::db::options::{Pooler, Target};
use crate::{auth, telemetry};

mod wrong_settings;

fn settings(arguments: &[&str]) -> Settings {
    Settings::from_arguments(arguments).expect("settings")
}

fn line(arguments: &[&str]) -> String {
    let settings = Settings::from_arguments(arguments);
    let error = settings.and_then(|settings| {
        settings.database()?;
        settings.access.options()?;
        settings.listen_address()
    });
    error.expect_err("a line").to_string()
}

fn database(arguments: &[&str]) -> String {
    format!(
        "{:?}",
        settings(arguments).database().expect("a database").target
    )
}

fn command() -> Command {
    Settings::augment_args(Command::new("image-gallery"))
}

#[test]
fn defaults() {
    let settings = settings(&[]);
    let options = settings.database().expect("a database");
    assert_eq!(format!("{:?}", options.target), "sqlite://gallery.db");
    assert_eq!(options.max_connections.get(), 10);
    assert_eq!(options.slow_query, Duration::from_millis(500));
    assert_eq!(options.pooler, Pooler::Session);
    assert!(options.direct.is_none());
    assert_eq!(options.statement_time, Duration::from_millis(14_500));
    assert!(settings.database.auto_migrate(&options.target));
    assert_eq!(
        settings.listen_address(),
        Ok(SocketAddr::from(([127, 0, 0, 1], 9999)))
    );
    assert!(settings.graphiql);
    let policy = settings.documents.policy(&Limits::default());
    let policy = policy.expect("a policy");
    assert!(policy.trusted.is_none() && policy.has_introspection);
    assert_eq!(settings.limits.graphql_max_depth, 15);
    assert_eq!(settings.limits.graphql_max_complexity, 10_000);
    assert_eq!(settings.limits.graphql_max_aliases, 30);
    assert_eq!(settings.limits.graphql_max_answer_bytes, 268_435_456);
    assert_eq!(settings.limits.graphql_max_tokens, 5000);
    assert_eq!(settings.limits.max_body_bytes, 8_388_608);
    assert_eq!(settings.limits.request_timeout, Duration::from_secs(15));
    assert!(settings.retention.policy().is_off());
    assert_eq!(settings.max_subscribers, 10_000);
    let telemetry = settings.telemetry.options();
    assert_eq!(telemetry.format, telemetry::Format::Pretty);
    assert_eq!(Ok(telemetry.filter), "info".parse());
    assert!(telemetry.traces.is_none());
}

#[test]
fn a_url_may_set_pooler_and_connections_but_settings_go_before() {
    let url = "--database-url=postgres://u:p@h:6543/d?pgbouncer=true&connection_limit=1&connect_timeout=20&schema=public";
    let options = settings(&[url]).database().expect("a database");
    assert_eq!(options.pooler, Pooler::Transaction);
    assert_eq!(options.max_connections.get(), 1);
    assert_eq!(options.connect_timeout, Duration::from_secs(20));
    let arguments = [
        url,
        "--database-pooler=session",
        "--database-max-connections=7",
    ];
    let options = settings(&arguments).database().expect("a database");
    assert_eq!(options.pooler, Pooler::Session);
    assert_eq!(options.max_connections.get(), 7);
    let replica = "--database-read-url=postgres://u:p@r:6543/d?pgbouncer=true";
    let options = settings(&[url, replica]).database().expect("a database");
    assert!(options.replica.is_some());
}

#[test]
fn retention_is_whole_days() {
    for days in ["0", "1.5", "-7", "36501", "a week"] {
        assert_eq!(
            line(&[&format!("--trash-retention-days={days}")]),
            format!("TRASH_RETENTION_DAYS: `{days}` is not a whole number, 1 to 36500")
        );
    }
    let retention = settings(&["--trash-retention-days", "30"])
        .retention
        .policy();
    assert_eq!(retention.trash, Some(Duration::from_hours(30 * 24)));
    assert_eq!(retention.events, None);
}

#[test]
fn a_collector_is_a_url_of_http() {
    for url in ["localhost:4318", "grpc://localhost:4317", "http://", "x"] {
        assert_eq!(
            line(&[&format!("--otel-exporter-otlp-endpoint={url}")]),
            format!(
                "OTEL_EXPORTER_OTLP_ENDPOINT: `{url}` is not an http or https URL, like http://localhost:4318"
            )
        );
    }
}

#[test]
fn a_metrics_token_is_never_shown() {
    assert_eq!(
        line(&["--metrics-token", "two s3cret words"]),
        "METRICS_TOKEN: `…` is not a token; allowed are ASCII letters, digits and punctuation without spaces, e.g. \
         from `openssl rand -hex 32`"
    );
    let settings = settings(&["--metrics-token", "s3cret"]);
    assert!(!format!("{settings:?}").contains("s3cret"));
}

#[test]
#[cfg(unix)]
fn a_value_that_is_no_text_names_its_variable() {
    use std::os::unix::ffi::OsStringExt;

    for (flag, expected) in [
        ("--port", "PORT: `9\u{fffd}` is not UTF-8 text"),
        (
            "--supabase-db-password",
            "SUPABASE_DB_PASSWORD: `…` is not UTF-8 text",
        ),
    ] {
        let arguments = [OsString::from(flag), OsString::from_vec(vec![b'9', 0xff])];
        let error = Settings::from_arguments(arguments).expect_err("no text");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn statements_have_a_little_less_time_than_their_request() {
    for (seconds, milliseconds) in [("1", 900), ("2", 1800), ("15", 14_500), ("3600", 3_599_500)] {
        let options = settings(&["--request-timeout-seconds", seconds]).database();
        let options = options.expect("a database");
        assert_eq!(options.statement_time, Duration::from_millis(milliseconds));
    }
}

#[test]
fn which_database() {
    let supabase = [
        "--supabase-db-host=db.example.com",
        "--supabase-db-user=postgres",
        "--supabase-db-name=gallery",
        "--supabase-db-password=p@:/#% '\"\\$w",
    ];
    assert_eq!(
        database(&supabase),
        "postgres://postgres@db.example.com:5432/gallery"
    );
    let both = [
        &supabase[..],
        &["--database-url", "sqlite://a.db", "--supabase-db-port=6543"],
    ]
    .concat();
    assert_eq!(database(&both), "sqlite://a.db");
    // Without a host, the other parts are ignored.
    assert_eq!(database(&supabase[1..]), "sqlite://gallery.db");
    let Target::Postgres(options) = settings(&supabase).database().expect("a database").target
    else {
        panic!("not Postgres");
    };
    let shown = format!("{options:?}");
    assert!(
        shown.contains(r#"password: Some("p@:/#% '\"\\$w")"#),
        "{shown}"
    );
    assert!(shown.contains("ssl_mode: Require"), "{shown}");
    let postgres = settings(&["--database-url", "postgres://u@h/d"]);
    assert!(!postgres.database.auto_migrate(&Target::Postgres(options)));
}

#[test]
fn a_non_loopback_host_must_be_allowed() {
    for (arguments, expected) in [
        (&["--host", "localhost"][..], Some("127.0.0.1:9999")),
        (&["--host", "::1", "--port", "0"], Some("[::1]:0")),
        (&["--host", "[::1]"], Some("[::1]:9999")),
        (&["--host", "127.8.9.10"], Some("127.8.9.10:9999")),
        (&["--host", "::"], None),
        (&["--host", "192.168.0.1"], None),
        (&["--host", "0.0.0.0", "--allow-open-access", "false"], None),
        (
            &["--host", "0.0.0.0", "--allow-open-access", "YES"],
            Some("0.0.0.0:9999"),
        ),
        (
            &["--host", "0.0.0.0", "--auth-mode", "supabase"],
            Some("0.0.0.0:9999"),
        ),
    ] {
        let address = settings(arguments).listen_address().ok();
        let address = address.map(|address| address.to_string());
        assert_eq!(address.as_deref(), expected, "{arguments:?}");
    }
}

/// E.g. if the dashboard's whole connection string is pasted where only a part of it belongs.
#[test]
fn a_password_in_a_url_is_hidden_in_every_setting() {
    for (flag, shown) in [
        (
            "--supabase-db-host",
            "SUPABASE_DB_HOST: `postgres://u:…@db.example.com:5432/d` is not a host name",
        ),
        (
            "--supabase-url",
            "SUPABASE_URL: `postgres://u:…@db.example.com:5432/d` is not an https URL",
        ),
        (
            "--public-url",
            "PUBLIC_URL: `postgres://u:…@db.example.com:5432/d` is not an origin",
        ),
        (
            "--otel-exporter-otlp-endpoint",
            "OTEL_EXPORTER_OTLP_ENDPOINT: `postgres://u:…@db.example.com:5432/d` is not",
        ),
    ] {
        let line = line(&[flag, "postgres://u:s3cret@db.example.com:5432/d"]);
        assert!(line.starts_with(shown), "{line}");
    }
    let line = line(&["--supabase-db-host=u:s3cret@db.example.com"]);
    assert!(!line.contains("s3cret"), "{line}");
}

#[test]
fn secrets_are_not_shown() {
    let settings = settings(&[
        "--database-url=postgres://u:s3cret@h/d",
        "--supabase-db-password=s3cret",
        "--supabase-jwt-secret=s3cret",
        "--service-tokens=worker:1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0",
    ]);
    let options = settings.access.options();
    for shown in [format!("{settings:?}"), format!("{options:?}")] {
        assert!(
            !shown.contains("s3cret") && !shown.contains("1ec1c26b"),
            "{shown}"
        );
    }
}

#[test]
fn the_url_of_the_keys() {
    for (arguments, expected) in [
        (
            &["--supabase-url=https://abc.supabase.co"][..],
            Some("https://abc.supabase.co/auth/v1/.well-known/jwks.json"),
        ),
        (
            &["--supabase-url=http://localhost:54321/"],
            Some("http://localhost:54321/auth/v1/.well-known/jwks.json"),
        ),
        (
            &[
                "--supabase-url=https://abc.supabase.co",
                "--supabase-jwks-url=http://[::1]:1/keys",
            ],
            Some("http://[::1]:1/keys"),
        ),
        (&["--supabase-jwt-secret=s3cret"], None),
    ] {
        let arguments = [&["--auth-mode=supabase"], arguments].concat();
        let options = settings(&arguments).access.options().expect("a mode");
        let auth::Options::Tokens(options) = options else {
            panic!("not by token");
        };
        assert_eq!(options.key_server.as_ref().map(Url::as_str), expected);
    }
}

#[test]
fn an_open_server_is_warned_of() {
    for (arguments, expected) in [
        (&[][..], 1),
        (&["--supabase-jwt-secret=s3cret"], 3),
        (&["--auth-mode=supabase", "--supabase-jwt-secret=s3cret"], 1),
        (
            &[
                "--auth-mode=supabase",
                "--supabase-url=https://abc.supabase.co",
            ],
            0,
        ),
    ] {
        let warnings = settings(arguments).access.warnings();
        assert_eq!(warnings.len(), expected, "{warnings:?}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let has_variable = |is_set: bool| {
        let command = prepare(command(), |_| is_set);
        command
            .get_arguments()
            .filter(|argument| argument.get_env().is_some())
            .count()
    };
    assert_eq!(has_variable(false), 0);
    assert_eq!(has_variable(true), command().get_arguments().count());
}

#[test]
fn a_later_flag_wins() {
    assert_eq!(settings(&["--port", "1", "--port", "2"]).port, 2);
}

#[test]
fn the_manual_names_each_variable_and_default() {
    let example = include_str!("../../../.env.example");
    for argument in command().get_arguments() {
        let variable = variable(argument);
        assert_eq!(argument.get_env(), Some(OsStr::new(&variable)));
        let entry = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(entry.starts_with(&format!("`{variable}`, ")), "{entry}");
        let example = example
            .lines()
            .find_map(|line| line.strip_prefix(&format!("#{variable}=")))
            .unwrap_or_else(|| panic!(".env.example lacks {variable}"));
        for default in argument.get_default_values() {
            let default = default.to_string_lossy();
            assert!(
                entry.contains(&*default),
                "{variable}: {default} is not in: {entry}"
            );
            assert_eq!(example, default, "{variable} in .env.example");
        }
    }
}
