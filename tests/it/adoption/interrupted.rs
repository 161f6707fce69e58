//! Migrations that are killed halfway, and the runs after them.

use sqlx::Executor;

use crate::harness::{TestDatabase, eventually, on_postgres};

use super::{ALL_INDEXES, count, indexes, make_table, program};

/// A concurrent index build waits for all older transactions: while one is open, the migration is in the middle of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_migration_is_continued_by_two_concurrent_runs() {
    on_postgres(&[], async |database: TestDatabase| {
        make_table(&database, 100).await;
        let mut reader = database.db_connect().await;
        let open = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class";
        reader.execute(sqlx::raw_sql(open)).await.expect("it is open");

        let program = program(&database);
        let first = program.start(&["migrate", "up"]);
        eventually("an index is being built", async || {
            (indexes(&database).await == (1, 1)).then_some(())
        })
        .await;
        first.kill();
        // The database detects that the client of the index build is gone.
        let locks = "pg_locks WHERE locktype = 'advisory' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        eventually("the build has ended", async || {
            (count(&database, locks).await == 0).then_some(())
        })
        .await;
        assert_eq!(indexes(&database).await, (1, 1));
        let status = program.run(&["migrate", "status"]).await.expect_success();
        assert!(status.contains("pending m0001_image_gallery"), "{status}");
        assert!(status.contains("invalid: the indexes image_gallery_active_created\n"), "{status}");

        // Two runs continue; one waits for the other without blocking it.
        let (one, other) = (program.start(&["migrate", "up"]), program.start(&["migrate", "up"]));
        eventually("the invalid index is being built anew", async || {
            let builds = "pg_stat_activity WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%'
                AND wait_event_type = 'Lock'";
            let is_alone = count(&database, builds).await == 1 && count(&database, locks).await == 1;
            is_alone.then_some(())
        })
        .await;
        reader.execute("COMMIT").await.expect("it is closed");
        let (one, other) = (one.output().await, other.output().await);
        let mut said = [one.expect_success(), other.expect_success()];
        said.sort();
        assert_eq!(said[1], "nothing is pending\n");
        assert!(said[0].starts_with("applied m0001_image_gallery\n"), "{}", said[0]);
        assert_eq!(indexes(&database).await, ALL_INDEXES);
        assert_eq!(count(&database, "image_gallery").await, 100);
    })
    .await;
}

/// Wherever a migration's connection is terminated, the next run completes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_whose_connection_is_lost_ends_and_can_be_run_again() {
    on_postgres(&[], async |database: TestDatabase| {
        make_table(&database, 100).await;
        let mut reader = database.db_connect().await;
        let open = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class";
        reader.execute(sqlx::raw_sql(open)).await.expect("it is open");
        let program = program(&database);
        let migration = program.start(&["migrate", "up"]);
        eventually("its connection is ended", async || {
            let end = "SELECT (SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%')::text";
            (database.db_query_text(end).await.as_deref() == Some("1")).then_some(())
        })
        .await;
        let output = migration.output().await;
        assert_eq!(output.code, Some(1), "{output:?}");
        reader.execute("COMMIT").await.expect("it is closed");
        for command in ["up", "down", "up"] {
            program.run(&["migrate", command]).await.expect_success();
        }
        assert_eq!(indexes(&database).await, ALL_INDEXES);
        assert_eq!(count(&database, "image_gallery").await, 100);
    })
    .await;
}

/// The states in which an interrupted migration may leave a database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_that_were_done_and_not_recorded_are_done_once() {
    on_postgres(&[], async |database: TestDatabase| {
        make_table(&database, 100).await;
        let program = program(&database);
        program.run(&["migrate", "up"]).await.expect_success();
        for unrecorded in ["m0008_stored_urls", "m0007_operations", "m0006_tags", "m0005_trash_orders", "m0004_once_keys", "m0003_trail", "m0002_search", "m0001_image_gallery"] {
            database
                .db_execute(&format!("DELETE FROM seaql_migrations WHERE version >= '{unrecorded}'"))
                .await;
            database.db_execute("UPDATE image_gallery SET intent = 'edit' WHERE user_id = 'user-1'").await;
            let events = count(&database, "image_gallery_event").await;
            let up = program.run(&["migrate", "up"]).await.expect_success();
            assert!(up.contains(&format!("applied {unrecorded}")), "{up}");
            assert_eq!(count(&database, "image_gallery_event").await, events);
            assert_eq!(indexes(&database).await, ALL_INDEXES);
        }
        // `down` interrupted before its last statement.
        database
            .db_execute("DELETE FROM seaql_migrations; ALTER TABLE image_gallery DROP COLUMN original_prompt CASCADE")
            .await;
        program.run(&["migrate", "up"]).await.expect_success();
        program.run(&["migrate", "down"]).await.expect_success();
        assert_eq!(indexes(&database).await, (1, 0));
    })
    .await;
}
