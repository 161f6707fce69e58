//! How long writers wait while their table is adopted.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Executor};

use crate::harness::rows::Dice;
use crate::harness::{TestDatabase, eventually, on_own_cluster, on_postgres};

use super::{ALL_INDEXES, count, indexes, make_table, program};

/// The documented bound, for tables of any size.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Initial rows, times `TEST_SCALE`: 50 makes a million.
const ROWS: usize = 20_000;

/// A client that writes until it is stopped.
struct Writer {
    connection: sqlx::PgConnection,
    writes: usize,
    longest: Duration,
}

impl Writer {
    async fn of(database: &TestDatabase) -> Self {
        Self {
            connection: database.db_connect().await,
            writes: 0,
            longest: Duration::ZERO,
        }
    }

    /// Inserts, changes, soft-deletes or deletes a row.
    async fn write(&mut self) {
        let victim = "image_id = (SELECT image_id FROM image_gallery WHERE image_id >= gen_random_uuid() LIMIT 1)";
        let statement = match self.writes % 4 {
            0 => "INSERT INTO image_gallery VALUES (gen_random_uuid(), 'writer', 'https://res.cloudinary.com/demo/x',
                      'a prompt', NULL, '{\"by\": \"writer\"}', now(), now(), NULL)"
                .to_owned(),
            1 => format!("UPDATE image_gallery SET refined_prompt = 'another', updated_at = now() WHERE {victim}"),
            2 => format!("UPDATE image_gallery SET deleted_at = now() WHERE {victim}"),
            _ => format!("DELETE FROM image_gallery WHERE {victim}"),
        };
        let begin = Instant::now();
        let done = self
            .connection
            .execute(sqlx::raw_sql(AssertSqlSafe(statement)));
        done.await.expect("writes go on");
        self.longest = self.longest.max(begin.elapsed());
        self.writes += 1;
    }

    /// Prints and checks the waiting times.
    fn assert_not_kept_waiting(&self) {
        let (writes, longest) = (self.writes, self.longest);
        eprintln!("{writes} writes meanwhile, the longest took {longest:?}");
        assert!(longest < LONGEST_WAIT, "a write took {longest:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_waits_for_long_during_up_and_down() {
    on_postgres(&[], async |database: TestDatabase| {
        make_table(&database, ROWS * Dice::scale()).await;
        let mut writer = Writer::of(&database).await;
        let program = program(&database);
        for command in ["up", "down"] {
            let begin = Instant::now();
            let mut migration = program.start(&["migrate", command]);
            while migration.is_running() {
                writer.write().await;
            }
            eprintln!("migrate {command} took {:?}", begin.elapsed());
            migration.output().await.expect_success();
            if command == "up" {
                assert_eq!(indexes(&database).await, ALL_INDEXES);
            }
        }
        assert!(
            writer.writes > 10,
            "they came to a write: {}",
            writer.writes
        );
        writer.assert_not_kept_waiting();
    })
    .await;
}

/// A migration waits for a lock neither at the cost of writers nor forever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_stays_open_stops_the_migration_and_no_writer() {
    on_postgres(&[], async |database: TestDatabase| {
        make_table(&database, 100).await;
        let mut holder = database.db_connect().await;
        let open = "SET application_name = 'forgetful'; BEGIN; UPDATE image_gallery SET intent = 'edit' WHERE user_id = 'user-1'";
        holder.execute(sqlx::raw_sql(open)).await.expect("it is open");

        let mut writer = Writer::of(&database).await;
        let insert = |writer: &mut Writer| writer.writes = writer.writes.next_multiple_of(4);
        let program = program(&database);
        let mut migration = program.start(&["migrate", "up"]);
        while migration.is_running() {
            // Only new rows, because the lock holder may have locked others.
            insert(&mut writer);
            writer.write().await;
        }
        let output = migration.output().await;
        assert_eq!(output.code, Some(1), "{output:?}");
        for part in ["`image_gallery` could not be locked", "forgetful", "idle in transaction", "continues where it stopped"] {
            assert!(output.stderr.contains(part), "{part} in {}", output.stderr);
        }
        writer.assert_not_kept_waiting();

        holder.execute("ROLLBACK").await.expect("it is closed");
        program.run(&["migrate", "up"]).await.expect_success();
        assert_eq!(indexes(&database).await, ALL_INDEXES);
        let before = count(&database, "image_gallery_event").await;
        insert(&mut writer);
        writer.write().await;
        assert_eq!(count(&database, "image_gallery_event").await, before + 1);
    })
    .await;
}

/// Autovacuum yields only to sessions that have waited for a second, which is too long for a lock that blocks writers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_autovacuum_of_the_table_yields() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        database.db_execute("ALTER SYSTEM SET autovacuum_naptime = '1s'").await;
        database.db_execute("SELECT pg_reload_conf()").await;
        make_table(&database, 5000).await;
        // Slow enough to run for hours.
        database
            .db_execute(
                "ALTER TABLE image_gallery SET (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,
                     autovacuum_vacuum_threshold = 10, autovacuum_vacuum_scale_factor = 0);
                 DELETE FROM image_gallery WHERE user_id < 'user-5'",
            )
            .await;
        let vacuum = "pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE '%VACUUM%image_gallery%'";
        eventually("the table is vacuumed", async || {
            (count(&database, vacuum).await > 0).then_some(())
        })
        .await;
        program(&database).run(&["migrate", "up"]).await.expect_success();
        assert_eq!(indexes(&database).await, ALL_INDEXES);
    })
    .await;
}
