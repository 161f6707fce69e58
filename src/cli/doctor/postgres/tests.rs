//! Tests the findings for given facts.

use super::*;

fn facts() -> PostgresFacts {
    PostgresFacts {
        version: "15.8".to_owned(),
        major: 15,
        clock_ahead: 0,
        is_read_only: false,
        is_encrypted: true,
        ssl_mode: "verify-full",
        shares_sessions: Some(false),
        lacking_rights: Vec::new(),
        identity: String::new(),
    }
}

fn settings(arguments: &[&str]) -> Settings {
    Settings::from_arguments(arguments.iter().copied()).expect("settings")
}

fn options(arguments: &[&str]) -> Options {
    settings(arguments).database().expect("a database")
}

fn target(options: &Options) -> &PgConnectOptions {
    match &options.target {
        Target::Postgres(target) => target,
        Target::Sqlite(_) => panic!("{options:?}"),
    }
}

fn at(host: &str) -> Options {
    options(&[&format!(
        "--database-url=postgres://postgres.abc:s3cret@{host}/d"
    )])
}

#[test]
fn the_certificate_of_a_remote_server_should_be_verified() {
    for (host, mode, is_encrypted, expected) in [
        ("localhost", "prefer", false, "ok "),
        ("127.0.0.1", "disable", false, "ok "),
        ("[::1]", "require", true, "ok "),
        ("%2Frun%2Fpostgresql", "disable", false, "ok "),
        ("10.0.0.1", "disable", false, "warning"),
        ("db", "prefer", false, "warning"),
        ("db", "prefer", true, "warning"),
        ("db.example.com", "require", true, "warning"),
        ("db.example.com", "verify-ca", true, "warning"),
        ("db.example.com", "verify-full", true, "ok "),
        ("db.abc.supabase.co", "disable", false, "wrong"),
        ("db.abc.supabase.co", "require", true, "warning"),
        ("aws-0-x.pooler.supabase.com", "prefer", false, "wrong"),
    ] {
        let facts = PostgresFacts {
            is_encrypted,
            ssl_mode: mode,
            ..facts()
        };
        let finding = tls(&facts, target(&at(host))).to_string();
        assert!(finding.starts_with(expected), "{host} {mode}: {finding}");
        let has_remedy = finding.contains(" → set sslmode=verify-full");
        assert_eq!(has_remedy, expected != "ok ", "{host} {mode}: {finding}");
    }
}

#[test]
fn clocks_may_differ_by_five_seconds() {
    for (ahead, expected) in [
        (0, "ok      clock: the database's agrees"),
        (5_000, "ok "),
        (-5_000, "ok "),
        (
            5_900,
            "warning clock: the database's clock is 5 s ahead of this machine's → ",
        ),
        (
            -30_000,
            "warning clock: the database's clock is 30 s behind this machine's → ",
        ),
        (
            31_000,
            "wrong   clock: the database's clock is 31 s ahead of this machine's → ",
        ),
    ] {
        let finding = clock(ahead).to_string();
        assert!(finding.starts_with(expected), "{ahead}: {finding}");
    }
}

#[test]
fn a_transaction_pooler_is_detected_by_behaviour_or_address() {
    const POOLER: &str = "aws-0-x.pooler.supabase.com";
    for (host, arguments, seen, expected) in [
        ("db.example.com", &[][..], Some(false), &["ok "][..]),
        ("db.example.com", &[], Some(true), &["wrong"]),
        ("db.example.com:6543", &[], Some(false), &["ok "]),
        ("db.example.com:6543", &[], None, &["warning"]),
        (&format!("{POOLER}:6543"), &[], None, &["wrong"]),
        (&format!("{POOLER}:5432"), &[], None, &["warning"]),
        (&format!("{POOLER}:5432"), &[], Some(false), &["ok "]),
        ("db.abc.supabase.co:6543", &[], None, &["wrong"]),
        (
            &format!("{POOLER}:6543"),
            &["--database-pooler=transaction"],
            Some(true),
            &["ok ", "warning"],
        ),
        (
            &format!("{POOLER}:6543"),
            &[
                "--database-pooler=transaction",
                "--database-direct-url=postgres://db.abc.supabase.co/d",
            ],
            Some(true),
            &["ok "],
        ),
    ] {
        let url = format!("--database-url=postgres://postgres.abc:s3cret@{host}/d");
        let options = options(&[arguments, &[&url]].concat());
        let findings = pooler(&options, target(&options), seen);
        assert_eq!(findings.len(), expected.len(), "{host}: {findings:?}");
        for (finding, expected) in findings.iter().zip(expected) {
            let finding = finding.to_string();
            assert!(finding.starts_with(expected), "{host}: {finding}");
        }
    }
    let url = format!("--database-url=postgres://postgres:s3cret@{POOLER}/d");
    let options = options(&[&url]);
    let findings = pooler(&options, target(&options), Some(false));
    let user = findings.last().map(ToString::to_string).unwrap_or_default();
    assert!(
        user.contains("does not know the user `postgres` → use postgres.<project>"),
        "{user}"
    );
}

#[test]
fn without_a_response_only_the_settings_are_checked() {
    for (host, expected) in [
        ("db.example.com:6543", None),
        ("aws-0-x.pooler.supabase.com:5432", None),
        ("aws-0-x.pooler.supabase.com:6543", Some("wrong")),
    ] {
        let options = at(host);
        let findings = unseen_pooler(&options, target(&options));
        let level = findings.first().map(ToString::to_string);
        match (level, expected) {
            (Some(finding), Some(expected)) => assert!(finding.starts_with(expected), "{finding}"),
            (finding, expected) => assert_eq!(finding.as_deref(), expected, "{host}"),
        }
    }
}

#[test]
fn an_old_or_read_only_server_is_reported() {
    assert!(server(&facts()).is_empty());
    let old = PostgresFacts {
        major: 14,
        version: "14.2".to_owned(),
        is_read_only: true,
        ..facts()
    };
    let found: Vec<String> = server(&old).iter().map(ToString::to_string).collect();
    assert!(
        found[0].starts_with("warning connection: PostgreSQL 14.2 is older"),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("wrong   connection: the server rejects writes"),
        "{found:?}"
    );
}

#[test]
fn keys_of_another_project_are_reported() {
    for (database, url, expected) in [
        (
            "postgres://postgres.abc@aws-0-x.pooler.supabase.com/d",
            "https://abc.supabase.co",
            false,
        ),
        (
            "postgres://postgres.abc@aws-0-x.pooler.supabase.com/d",
            "https://xyz.supabase.co",
            true,
        ),
        (
            "postgres://postgres@db.abc.supabase.co/d",
            "https://abc.supabase.co",
            false,
        ),
        (
            "postgres://postgres@db.abc.supabase.co/d",
            "https://xyz.supabase.co",
            true,
        ),
        (
            "postgres://postgres@db.abc.supabase.co/d",
            "https://auth.example.com",
            false,
        ),
        (
            "postgres://postgres@db.example.com/d",
            "https://xyz.supabase.co",
            false,
        ),
    ] {
        let settings = settings(&["--database-url", database, "--supabase-url", url]);
        let options = settings.database().expect("a database");
        let found = project(&settings, target(&options));
        assert_eq!(found.is_some(), expected, "{database} {url}: {found:?}");
    }
}
