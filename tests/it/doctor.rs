//! `image-gallery doctor`: a line with a fix for each finding, exit code 1 if something is wrong, and no secrets.

use macro_rules_attribute::apply;
use serde_json::json;

use crate::harness::{
    KeyServer, Output, Program, Standby, TestDatabase, TlsDatabase, each_database, on_own_cluster,
    on_pgbouncer_url, on_postgres, on_tls,
};

async fn doctor(program: &Program) -> Output {
    program.run(&["doctor"]).await
}

fn at(url: &str) -> Program {
    Program::new().with("DATABASE_URL", url)
}

async fn migrated(database: &TestDatabase) -> Program {
    let program = at(&database.url());
    program.run(&["migrate", "up"]).await.expect_success();
    program
}

/// The lines of a level.
fn lines<'a>(report: &'a str, level: &str) -> Vec<&'a str> {
    let lines = report.lines();
    lines
        .filter(|line| line.split_whitespace().next() == Some(level))
        .collect()
}

/// Asserts that exactly these findings are wrong, each with all parts and a fix, and that the exit code is 1.
#[track_caller]
fn assert_wrong(output: &Output, expected: &[&[&str]]) {
    let wrong = lines(&output.stdout, "wrong");
    assert_eq!(wrong.len(), expected.len(), "{}", output.stdout);
    for (line, parts) in wrong.iter().zip(expected) {
        for part in *parts {
            assert!(line.contains(part), "{part} is missing in: {line}");
        }
    }
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(output.stderr.lines().count(), 1, "{}", output.stderr);
}

#[track_caller]
fn assert_warned(report: &str, expected: &[&str]) {
    let warnings = lines(report, "warning");
    let is_there = |line: &&str| expected.iter().all(|part| line.contains(part));
    assert!(warnings.iter().any(is_there), "{expected:?} in\n{report}");
}

#[apply(each_database!)]
async fn a_migrated_database_is_in_order(database: TestDatabase) {
    let program = migrated(&database).await;
    let report = doctor(&program).await.expect_success();
    assert!(report.ends_with("\neverything is in order\n"), "{report}");
    assert_eq!(lines(&report, "warning"), Vec::<&str>::new());
    for area in ["settings", "connection", "migrations", "table", "access"] {
        assert!(
            report.contains(&format!("ok      {area}: ")),
            "{area} in\n{report}"
        );
    }
}

#[apply(each_database!)]
async fn pending_migrations_are_wrong_unless_the_start_runs_them(database: TestDatabase) {
    // An empty file is a valid SQLite database too.
    database.db_execute("CREATE TABLE other (id integer)").await;
    let program = at(&database.url()).with("AUTO_MIGRATE", "false");
    let output = doctor(&program).await;
    assert_wrong(
        &output,
        &[&[
            "migrations: pending: m0001",
            "→ run `image-gallery migrate up`",
        ]],
    );
    let again = doctor(&program).await;
    assert_eq!(again.stdout, output.stdout, "nothing was changed");

    let program = at(&database.url()).with("AUTO_MIGRATE", "true");
    let report = doctor(&program).await.expect_success();
    assert!(report.contains("the next start runs them"), "{report}");
}

#[tokio::test]
async fn an_unusable_sqlite_file_is_reported() {
    let program = Program::new();
    let report = doctor(&program).await.expect_success();
    assert_warned(&report, &["there is no file `gallery.db`", "→"]);
    assert!(!program.directory().join("gallery.db").exists());

    std::fs::write(program.directory().join("gallery.db"), "x".repeat(8192)).expect("a file");
    let expected = [
        "connection: `gallery.db` cannot be used",
        "not a database",
        "→ check",
    ];
    assert_wrong(&doctor(&program).await, &[&expected]);

    let elsewhere = program.with("DATABASE_URL", "sqlite://not/there/gallery.db?mode=rwc");
    let expected = [
        "directory: no file can be created in `not/there`",
        "→ create it",
    ];
    assert_wrong(&doctor(&elsewhere).await, &[&expected]);
}

#[tokio::test]
async fn an_unreachable_server_is_reported_and_the_rest_is_checked() {
    let url = "postgres://postgres:hunter2@gallery.invalid/postgres";
    let program = at(url).with("SERVICE_TOKENS", &format!("worker:{}", "a".repeat(64)));
    let output = doctor(&program).await;
    assert_wrong(
        &output,
        &[
            &[
                "connection: cannot connect to postgres://postgres@gallery.invalid:5432/postgres",
                "is not known",
            ],
            &[
                "access: tokens are set, but AUTH_MODE=open",
                "→ set AUTH_MODE=supabase",
            ],
        ],
    );
    assert!(!format!("{output:?}").contains("hunter2"), "{output:?}");
}

#[tokio::test]
async fn an_unreachable_supabase_pooler_is_detected_by_its_address() {
    // A label of 64 characters, for which no name server is queried.
    let host = format!("{}.pooler.supabase.com", "x".repeat(64));
    let program = at(&format!(
        "postgres://postgres:hunter2@{host}:6543/postgres?sslmode=require"
    ));
    let output = doctor(&program).await;
    assert_wrong(
        &output,
        &[
            &["connection: cannot connect to"],
            &[
                "pooler: DATABASE_POOLER=session",
                "6543",
                "→ set DATABASE_POOLER=transaction",
            ],
            &[
                "pooler: Supabase's pooler does not know the user `postgres`",
                "→ use postgres.<project>",
            ],
        ],
    );
    assert!(!format!("{output:?}").contains("hunter2"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undeclared_transaction_pooler_is_detected() {
    on_pgbouncer_url(async |database: TestDatabase, pooled: String| {
        migrated(&database).await;
        let output = doctor(&at(&pooled)).await;
        let expected = [
            "pooler: DATABASE_POOLER=session, but connections share sessions",
            "→ set DATABASE_POOLER=transaction",
        ];
        assert_wrong(&output, &[&expected]);
        assert!(
            output.stdout.contains("ok      migrations: "),
            "{}",
            output.stdout
        );

        let transaction = at(&pooled).with("DATABASE_POOLER", "transaction");
        let report = doctor(&transaction).await.expect_success();
        assert_warned(
            &report,
            &["without DATABASE_DIRECT_URL", "→ set DATABASE_DIRECT_URL"],
        );

        let direct = transaction.with("DATABASE_DIRECT_URL", &database.url());
        let report = doctor(&direct).await.expect_success();
        assert!(report.ends_with("\neverything is in order\n"), "{report}");

        let output = doctor(&direct.with("DATABASE_DIRECT_URL", &pooled)).await;
        assert_wrong(
            &output,
            &[&[
                "direct connection: ",
                "also goes through a pooler in transaction mode",
                "→",
            ]],
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_with_pgbouncer_and_connection_limit_is_honoured() {
    on_pgbouncer_url(async |database: TestDatabase, pooled: String| {
        migrated(&database).await;
        let mut url = url::Url::parse(&pooled).expect("a URL");
        for (name, value) in [
            ("pgbouncer", "true"),
            ("connection_limit", "1"),
            ("connect_timeout", "10"),
            ("schema", "public"),
        ] {
            url.query_pairs_mut().append_pair(name, value);
        }
        let program = at(url.as_str()).with("DATABASE_DIRECT_URL", &database.url());
        let report = doctor(&program).await.expect_success();
        assert!(report.ends_with("\neverything is in order\n"), "{report}");

        let server = program.with("PORT", "0").serve().await;
        let endpoint = format!("http://{}/graphql", server.address());
        let client = reqwest::Client::new();
        let requests = (0..20).map(|_| {
            let query = serde_json::json!({ "query": "{ images { totalCount } }" });
            let request = client.post(&endpoint).json(&query);
            async { request.send().await.expect("an answer").text().await }
        });
        for answer in futures_util::future::join_all(requests).await {
            assert_eq!(
                answer.expect("text"),
                r#"{"data":{"images":{"totalCount":0}}}"#
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_connection_to_another_database_is_wrong() {
    on_postgres(&[], async |database: TestDatabase| {
        migrated(&database).await;
        let mut other = url::Url::parse(&database.url()).expect("a URL");
        other.set_path("postgres");
        let program = at(&database.url()).with("DATABASE_DIRECT_URL", other.as_str());
        assert_wrong(
            &doctor(&program).await,
            &[&["direct connection: ", "is another database", "→"]],
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_difference_of_a_table_is_reported() {
    on_postgres(&[], async |database: TestDatabase| {
        migrated(&database).await;
        database
            .db_execute("ALTER TABLE image_gallery ALTER user_id DROP NOT NULL; ALTER TABLE image_gallery ADD extra text NOT NULL")
            .await;
        let output = doctor(&at(&database.url())).await;
        assert_eq!(output.code, Some(1), "{output:?}");
        let wrong = lines(&output.stdout, "wrong").join("\n");
        for part in ["`image_gallery.user_id` may be null", "`image_gallery.extra` is another application's column", "→ change the table"] {
            assert!(wrong.contains(part), "{part} in\n{wrong}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_index_is_reported() {
    on_postgres(&[], async |database: TestDatabase| {
        let program = migrated(&database).await;
        let index = "SELECT indexname FROM pg_indexes WHERE tablename = 'image_gallery' AND indexname LIKE '%metadata%'";
        let index = database.db_query_text(index).await.expect("an index");
        database.db_execute(&format!("DROP INDEX {index}")).await;
        assert_wrong(&doctor(&program).await, &[&["table: ", &index, "→ run `image-gallery migrate up`"]]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_privileges_hidden_rows_and_public_tables_are_reported() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        let program = migrated(&database).await;
        database
            .db_execute(
                "SET password_encryption = 'scram-sha-256'; CREATE ROLE anon; CREATE ROLE gallery LOGIN PASSWORD 'hunter2';
                 GRANT SELECT ON ALL TABLES IN SCHEMA public TO gallery; GRANT SELECT ON image_gallery TO anon;
                 ALTER TABLE image_gallery DISABLE ROW LEVEL SECURITY",
            )
            .await;
        let expected = ["row security: row security is off for `image_gallery`, and anon can access it", "ENABLE ROW LEVEL SECURITY"];
        assert_wrong(&doctor(&program).await, &[&expected]);

        database.db_execute("ALTER TABLE image_gallery ENABLE ROW LEVEL SECURITY").await;
        let output = doctor(&at(&database.url_of_role("gallery", "hunter2"))).await;
        assert_eq!(output.code, Some(1), "{output:?}");
        let wrong = lines(&output.stdout, "wrong").join("\n");
        for part in [
            "rights: `gallery` lacks",
            "INSERT, UPDATE, DELETE on image_gallery",
            "EXECUTE on image_gallery_sequence_events(integer)",
            "→ connect as the tables' owner",
            "row security: row security hides rows of `image_gallery` from the role `gallery`",
        ] {
            assert!(wrong.contains(part), "{part} in\n{wrong}");
        }
        assert!(!format!("{output:?}").contains("hunter2"), "{output:?}");

        database.db_execute("GRANT postgres TO gallery").await;
        doctor(&at(&database.url_of_role("gallery", "hunter2"))).await.expect_success();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_server_is_wrong() {
    on_postgres(&[], async |database: TestDatabase| {
        let program = migrated(&database).await;
        let name = database.db_query_text("SELECT current_database()").await;
        let name = name.expect("a name");
        let set = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
        database.db_execute(&set).await;
        assert_wrong(
            &doctor(&program).await,
            &[&[
                "connection: the server rejects writes",
                "→ set DATABASE_URL",
            ]],
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_reports_whether_the_connection_is_encrypted() {
    on_tls(async |tls: TlsDatabase| {
        // The harness's own role may connect without TLS.
        let url = tls.database.url();
        let (address, _) = url.split_once('?').expect("parameters");
        for (mode, expected) in [
            ("disable", "ok      tls: sslmode=disable, not encrypted"),
            ("prefer", "ok      tls: sslmode=prefer, encrypted"),
            ("require", "ok      tls: sslmode=require, encrypted"),
        ] {
            let program = at(&format!("{address}?sslmode={mode}"));
            let report = doctor(&program).await.stdout;
            assert!(report.contains(expected), "{expected} in\n{report}");
        }
        let stranger = tls.stranger.display();
        let program = at(&format!(
            "{address}?sslmode=verify-full&sslrootcert={stranger}"
        ));
        assert_wrong(
            &doctor(&program).await,
            &[&[
                "connection: ",
                "certificate is not trusted",
                "SUPABASE_DB_SSLROOTCERT",
            ]],
        );
    })
    .await;
}

#[tokio::test]
async fn implausible_keys_are_reported() {
    let with_secret = |secret: &str| {
        Program::new()
            .with("AUTH_MODE", "supabase")
            .with("SUPABASE_JWT_SECRET", secret)
    };
    for (secret, expected) in [
        ("hunter2", "has less than 32 characters"),
        (
            " hunter2-hunter2-hunter2-hunter2-hunter2",
            "begins or ends with white space",
        ),
        ("0b7e0f5a-d3b8-4d3c-b2b4-c1a0f3d2e101", "is a UUID"),
    ] {
        let output = doctor(&with_secret(secret)).await;
        assert_wrong(
            &output,
            &[&["keys: SUPABASE_JWT_SECRET", expected, "→ use the project's"]],
        );
        assert!(!format!("{output:?}").contains(secret), "{output:?}");
    }
    doctor(&with_secret("hunter2-hunter2-hunter2-hunter2-hunter2"))
        .await
        .expect_success();

    // An invalid setting stops all commands.
    for key in [
        "sb_secret_hunter2",
        "sb_publishable_hunter2",
        "eyJhbGciOiJIUzI1NiJ9.hunter2.hunter2",
    ] {
        let output = doctor(&with_secret(key)).await;
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (Some(2), ""),
            "{output:?}"
        );
        assert!(
            output.stderr.contains("SERVICE_TOKENS"),
            "{}",
            output.stderr
        );
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    }

    let nothing = Program::new().with("AUTH_MODE", "supabase");
    let expected = [
        "access: AUTH_MODE: `supabase` needs a way to verify tokens",
        "set SUPABASE_URL",
    ];
    assert_wrong(&doctor(&nothing).await, &[&expected]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_server_is_queried() {
    let keys = KeyServer::start().await;
    let program = Program::new()
        .with("AUTH_MODE", "supabase")
        .with("SUPABASE_URL", &keys.url());
    let none = [
        "keys: ",
        "publishes no key for ES256 or RS256",
        "→ create signing keys",
    ];
    assert_wrong(&doctor(&program).await, &[&none]);

    keys.publish(&[json!({ "kty": "EC", "crv": "P-256", "kid": "a", "x": "AQAB", "y": "AQAB" })]);
    let report = doctor(&program).await.expect_success();
    assert!(report.contains("publishes 1 key"), "{report}");

    keys.go_away();
    let away = [
        "keys: ",
        "returns no keys: the key server returned 503",
        "→ check SUPABASE_URL",
    ];
    assert_wrong(&doctor(&program).await, &[&away]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_any_issuer_are_looked_at() {
    let keys = KeyServer::start().await;
    let program = Program::new()
        .with("AUTH_MODE", "jwt")
        .with("JWT_JWKS_URL", &keys.jwks_url())
        .with("JWT_ALGORITHMS", "RS256,EdDSA");
    let none = ["keys: ", "publishes no key for RS256 or EdDSA", "→"];
    assert_wrong(&doctor(&program).await, &[&none]);

    keys.publish(&[json!({ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AQAB" })]);
    let report = doctor(&program).await.expect_success();
    assert!(report.contains("publishes 1 key"), "{report}");
    assert_warned(
        &report,
        &[
            "neither JWT_ISSUER nor JWT_AUDIENCE is set",
            "→ set JWT_ISSUER",
        ],
    );
    let bound = program.with("JWT_ISSUER", "https://issuer.example/");
    let report = doctor(&bound).await.expect_success();
    assert!(!report.contains("JWT_ISSUER"), "{report}");

    let short = bound
        .with("JWT_SECRET", "hunter2")
        .with("JWT_ALGORITHMS", "");
    let output = doctor(&short).await;
    let expected = [
        "keys: JWT_SECRET has less than 32 characters",
        "→ use the one",
    ];
    assert_wrong(&output, &[&expected]);
    assert!(!format!("{output:?}").contains("hunter2"), "{output:?}");

    let other = Program::new()
        .with("AUTH_MODE", "supabase")
        .with(
            "SUPABASE_JWT_SECRET",
            "hunter2-hunter2-hunter2-hunter2-hunter2",
        )
        .with("JWT_SECRET", "hunter2-hunter2-hunter2-hunter2-hunter2");
    let expected = [
        "access: AUTH_MODE=supabase does not use JWT_",
        "→ set AUTH_MODE=jwt",
    ];
    assert_wrong(&doctor(&other).await, &[&expected]);
}

#[tokio::test]
async fn an_open_server_that_others_reach_is_warned_of() {
    let program = Program::new().with("HOST", "0.0.0.0");
    assert_wrong(
        &doctor(&program).await,
        &[&["settings: HOST: `0.0.0.0`", "ALLOW_OPEN_ACCESS=true"]],
    );
    let report = doctor(&program.with("ALLOW_OPEN_ACCESS", "true"))
        .await
        .expect_success();
    assert_warned(
        &report,
        &["access: AUTH_MODE=open", "→ set AUTH_MODE=supabase"],
    );
}

#[tokio::test]
async fn an_invalid_manifest_is_reported() {
    let program = Program::new();
    std::fs::write(program.directory().join("documents.json"), "{").expect("a file");
    let program = program.with("TRUSTED_DOCUMENTS", "documents.json");
    assert_wrong(
        &doctor(&program).await,
        &[&["settings: TRUSTED_DOCUMENTS: "]],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_a_responding_standby() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        migrated(&database).await;
        let standby = Standby::of(&database).await;
        let with_replica = |url: &str| at(&database.url()).with("DATABASE_READ_URL", url);
        let report = doctor(&with_replica(&standby.database.url())).await;
        let report = report.expect_success();
        assert!(report.contains("ok      replica: "), "{report}");

        let report = doctor(&with_replica(&database.url()))
            .await
            .expect_success();
        assert_warned(
            &report,
            &[
                "replica: ",
                "is not a standby",
                "→ set it to a streaming replica",
            ],
        );
        let away = "postgres://postgres:hunter2@gallery.invalid/postgres";
        let report = doctor(&with_replica(away)).await.expect_success();
        assert_warned(
            &report,
            &[
                "replica: cannot connect to DATABASE_READ_URL",
                "is not known",
            ],
        );
        assert!(!report.contains("hunter2"), "{report}");

        let output = doctor(&at(&standby.database.url())).await;
        let wrong = lines(&output.stdout, "wrong").join("\n");
        assert!(
            wrong.contains("connection: the server rejects writes"),
            "{output:?}"
        );
    })
    .await;
}
