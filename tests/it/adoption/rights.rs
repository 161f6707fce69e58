//! Roles: Supabase's public ones, the other application's, and the migrating one, none of them a superuser.

use sqlx::{Connection, Executor, PgConnection};

use crate::harness::{Program, TestDatabase, on_own_cluster};

use super::{TABLE, count};

/// As on Supabase: the public roles have all privileges in `public`.
const WORLD: &str = "CREATE ROLE anon; CREATE ROLE authenticated;
    GRANT USAGE ON SCHEMA public TO anon, authenticated;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated;
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated;";

/// Our tables that the public roles can access, by row-level security or privileges.
async fn open_tables(database: &TestDatabase) -> String {
    let open = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND (NOT relrowsecurity
            OR has_table_privilege('anon', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')
            OR has_table_privilege('authenticated', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE'))";
    database.db_query_text(open).await.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn created_tables_are_not_publicly_accessible() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        database.db_execute(WORLD).await;
        let program = Program::new().with("DATABASE_URL", &database.url());
        let up = program.run(&["migrate", "up"]).await.expect_success();
        assert!(!up.contains("warning"), "{up}");
        assert_eq!(open_tables(&database).await, "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publicly_accessible_adopted_table_is_reported_and_not_changed() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        database.db_execute(&format!("{WORLD} {TABLE}")).await;
        let program = Program::new().with("DATABASE_URL", &database.url());
        let warning = "warning: row security is off for `image_gallery`, and anon and authenticated can access it";
        let output = program.run(&["migrate", "up"]).await;
        assert!(output.stderr.contains("row security is off"), "{}", output.stderr);
        let up = output.expect_success();
        assert!(up.contains(warning), "{up}");
        assert_eq!(open_tables(&database).await, "image_gallery");
        let status = program.run(&["migrate", "status"]).await.expect_success();
        assert!(status.contains(warning), "{status}");

        database.db_execute("ALTER TABLE image_gallery ENABLE ROW LEVEL SECURITY").await;
        let up = program.run(&["migrate", "up"]).await.expect_success();
        assert!(!up.contains("warning"), "{up}");
    })
    .await;
}

/// `django` owns its table; `gallery` migrates and serves as a member of the owner; `stranger` has SELECT, but sees no
/// rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_privileges_suffice_and_the_other_application_needs_none_on_the_trail() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        database
            .db_execute(&format!(
                "SET password_encryption = 'scram-sha-256';
                 ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
                 CREATE ROLE django LOGIN PASSWORD 'django';
                 CREATE ROLE gallery LOGIN PASSWORD 'gallery';
                 CREATE ROLE stranger LOGIN PASSWORD 'stranger';
                 ALTER DEFAULT PRIVILEGES FOR ROLE gallery REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
                 {TABLE}; ALTER TABLE image_gallery OWNER TO django"
            ))
            .await;
        let program = |role: &str| Program::new().with("DATABASE_URL", &database.url_of_role(role, role));
        let gallery = program("gallery");

        let output = gallery.run(&["migrate", "up"]).await;
        assert_eq!(output.code, Some(1), "{output:?}");
        for remedy in ["GRANT django TO gallery", "GRANT CREATE ON SCHEMA public TO gallery"] {
            assert!(output.stderr.contains(remedy), "{remedy} in {}", output.stderr);
        }
        database.db_execute("GRANT django TO gallery; GRANT CREATE ON SCHEMA public TO gallery").await;
        gallery.run(&["migrate", "up"]).await.expect_success();
        let status = gallery.run(&["migrate", "status"]).await.expect_success();
        assert!(!status.contains("warning"), "{status}");

        let url = database.url_of_role("django", "django");
        let mut django = PgConnection::connect(&url).await.expect("it may sign in");
        let writes = "INSERT INTO image_gallery VALUES
                 (gen_random_uuid(), 'a', 'x', 'p', NULL, '{}', now(), now(), NULL);
             UPDATE image_gallery SET refined_prompt = 'q'; UPDATE image_gallery SET deleted_at = now();
             DELETE FROM image_gallery";
        django.execute(sqlx::raw_sql(writes)).await.expect("it writes as before");
        assert_eq!(count(&database, "image_gallery_event").await, 4);
        let denied = django.execute("SELECT * FROM image_gallery_event").await;
        assert!(denied.is_err(), "it has no rights on the trail");

        // The error for a role that may read the tables, but owns none of them.
        database.db_execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO stranger").await;
        let status = program("stranger").run(&["migrate", "status"]).await.expect_success();
        assert!(status.contains("pending m0001"), "its rows are hidden, too: {status}");
        for table in ["image_gallery_event", "image_gallery_trail", "seaql_migrations"] {
            let warning = format!("row security hides rows of `{table}` from the role `stranger`");
            assert!(status.contains(&warning), "{status}");
        }
        assert!(status.contains("GRANT \"gallery\" TO \"stranger\""), "{status}");

        gallery.run(&["migrate", "down"]).await.expect_success();
    })
    .await;
}
