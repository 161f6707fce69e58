//! Units of work, below the API: timeouts, isolation, and retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use image_gallery::db::{Database, Dialect, Error, UnitOfWork};
use macro_rules_attribute::apply;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use sqlx::{Connection, Executor};
use tokio::sync::Barrier;

use crate::harness::rows::{Row, db_insert};
use crate::harness::{
    Reply, TestApp, each_database, eventually, image_url, on_pgbouncer, on_postgres,
};

/// A second process' connection to the database.
async fn connect(app: &TestApp) -> Database {
    let options = app.settings().database().expect("a database");
    Database::connect(&options).await.expect("it answers")
}

/// Runs a body on Postgres twice: directly, and through PgBouncer in transaction mode.
async fn with_and_without_pooler(settings: &[&str], body: impl AsyncFn(TestApp)) {
    on_postgres(settings, &body).await;
    on_pgbouncer(true, settings, &body).await;
}

/// The first column of the first row, as text.
async fn text(unit: &UnitOfWork, sql: &str) -> Result<String, Error> {
    let statement = Statement::from_string(unit.get_database_backend(), sql);
    let row = unit.query_one_raw(statement).await?.expect("a row");
    Ok(row.try_get_by_index(0)?)
}

async fn execute(unit: &UnitOfWork, sql: &str) -> Result<(), Error> {
    unit.execute_unprepared(sql).await?;
    Ok(())
}

/// A statement that never ends.
fn endless(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "SELECT pg_sleep(3600)::text",
        Dialect::Sqlite => {
            "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT CAST(count(*) AS TEXT) FROM c"
        }
    }
}

async fn endless_statements_end(app: TestApp) {
    let database = connect(&app).await;
    let sql = endless(database.dialect());
    for _ in 0..3 {
        let read = database.read(move |unit| Box::pin(text(unit, sql))).await;
        assert!(matches!(read, Err(Error::Timeout)), "{read:?}");
        let write = database.write(Some("somebody"), move |unit| {
            Box::pin(async move {
                execute(unit, "UPDATE image_gallery SET refined_prompt = 'not this'").await?;
                text(unit, sql).await
            })
        });
        let write = write.await;
        assert!(matches!(write, Err(Error::Timeout)), "{write:?}");
    }
    // The connections work as before, and nothing was changed.
    database.require_ready().await.expect("it answers");
    let id = app.user("alice").create_image().await;
    let write = database.write(None, |unit| {
        Box::pin(execute(
            unit,
            "UPDATE image_gallery SET refined_prompt = 'this' WHERE refined_prompt IS NULL",
        ))
    });
    write.await.expect("it is written");
    let query = "query($id: ID!) { image(id: $id) { refinedPrompt } }";
    let data = app.run(query, json!({ "id": id })).await;
    assert_eq!(data["image"]["refinedPrompt"], "this");
}

async fn maintenance_takes_its_time(app: TestApp) {
    const STEP: &str = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 3000000) \
                        SELECT CAST(count(*) AS TEXT) FROM c";
    let database = connect(&app).await;
    let took = database.maintain(Some("system"), |unit| {
        Box::pin(async move {
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(1500) {
                match unit.dialect() {
                    Dialect::Postgres => text(unit, "SELECT pg_sleep(1.5)::text").await?,
                    Dialect::Sqlite => text(unit, STEP).await?,
                };
            }
            Ok::<_, Error>(started.elapsed())
        })
    });
    took.await.expect("it is not cut short");
}

#[apply(each_database!)]
#[settings("--request-timeout-seconds=1")]
async fn a_statement_times_out_before_its_request(app: TestApp) {
    endless_statements_end(app).await;
}

#[apply(each_database!)]
#[settings("--request-timeout-seconds=1")]
async fn background_work_has_a_long_timeout(app: TestApp) {
    maintenance_takes_its_time(app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_transaction_pooler_statements_time_out_and_maintenance_continues() {
    let settings = &["--request-timeout-seconds=1"];
    on_pgbouncer(true, settings, endless_statements_end).await;
    on_pgbouncer(true, settings, maintenance_takes_its_time).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timed_out_mutation_leaves_no_waiting_session() {
    with_and_without_pooler(&["--request-timeout-seconds=1"], async |app: TestApp| {
        let id = app.user("alice").create_image().await;
        let mut other = sqlx::PgConnection::connect(&app.database().url())
            .await
            .expect("it answers");
        let lock = "BEGIN; SELECT 1 FROM image_gallery FOR UPDATE";
        other.execute(lock).await.expect("the rows are free");
        let mutation = "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }";
        let reply = app.graphql(mutation, json!({ "id": id })).await;
        assert_eq!(reply.error_code(), "TIMEOUT", "{}", reply.body);
        // The lock is still held: a waiting statement would wait on.
        let waiting = "SELECT count(*)::text FROM pg_stat_activity \
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        eventually("nobody waits any more", async || {
            let count = app.database().db_query_text(waiting).await;
            (count.as_deref() == Some("0")).then_some(())
        })
        .await;
        other.execute("ROLLBACK").await.expect("it answers");
        assert_eq!(
            app.run(mutation, json!({ "id": id })).await["softDeleteImage"]["changed"],
            true
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_after_a_batchs_deadline_are_not_started() {
    on_postgres(&["--request-timeout-seconds=1"], async |app: TestApp| {
        let id = app.user("alice").create_image().await;
        let mut other = sqlx::PgConnection::connect(&app.database().url())
            .await
            .expect("it answers");
        let lock = "BEGIN; SELECT 1 FROM image_gallery FOR UPDATE";
        other.execute(lock).await.expect("the rows are free");
        let waiting = format!("mutation {{ softDeleteImage(id: \"{id}\") {{ changed }} }}");
        let late = uuid::Uuid::new_v4().to_string();
        let create = format!(
            "mutation {{ createImage(input: {{ userId: \"alice\", imageUrl: \"{}\" }}) {{ created }} }}",
            image_url(&late)
        );
        let batch = json!([{ "query": waiting }, { "query": waiting }, { "query": create }]);
        let request = app.client().post(format!("{}/graphql", app.url())).json(&batch);
        let reply = Reply::read(request.send().await.expect("an answer")).await;
        for entry in reply.body.as_array().expect("a batch") {
            assert_eq!(entry["errors"][0]["extensions"]["code"], "TIMEOUT", "{entry}");
        }
        // Statements run in order: everything the batch started is done by then.
        other.execute("ROLLBACK").await.expect("it answers");
        app.user("alice").create_image().await;
        let query = "query($id: ID!) { image(id: $id) { id } }";
        let data = app.run(query, json!({ "id": late })).await;
        assert_eq!(data["image"], Value::Null);
    })
    .await;
}

/// As the owner of a database may configure it.
async fn set_default_isolation(app: &TestApp, level: &str) {
    app.db_execute(&format!(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''{level}''', \
         current_database()); END $$"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_s_own_isolation_level_does_not_matter() {
    with_and_without_pooler(&[], async |app: TestApp| {
        set_default_isolation(&app, "serializable").await;
        let database = connect(&app).await;
        let level = "SHOW transaction_isolation";
        let levels = [
            database.read(move |unit| Box::pin(text(unit, level))).await,
            database
                .read_primary(move |unit| Box::pin(text(unit, level)))
                .await,
            database
                .write(None, move |unit| Box::pin(text(unit, level)))
                .await,
            database
                .maintain(None, move |unit| Box::pin(text(unit, level)))
                .await,
        ];
        for level in levels {
            assert_eq!(level.expect("it answers"), "read committed");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trail_reads_under_contention_never_fail_at_any_isolation_level() {
    with_and_without_pooler(&[], async |app: TestApp| {
        set_default_isolation(&app, "repeatable read").await;
        app.restart().await;
        // Two processes: within one, only one sequencer runs at a time.
        let process = connect(&app).await;
        let alice = app.user("alice");
        let work = (0..8).map(async |_| {
            for _ in 0..15 {
                alice.create_image().await;
                let (trail, settled) = tokio::join!(
                    app.graphql(
                        "{ trailCursor galleryEvents(last: 1) { nodes { type } } }",
                        json!({})
                    ),
                    process.sequenced_trail(),
                );
                trail.into_data();
                settled.expect("it is settled");
            }
        });
        join_all(work).await;
    })
    .await;
}

/// Two rows, and the number of attempts to change them.
struct Contest {
    database: Arc<Database>,
    rows: [Row; 2],
    attempts: Arc<AtomicUsize>,
    meeting: Arc<Barrier>,
}

impl Contest {
    async fn on(app: &TestApp) -> Self {
        let rows = [Row::new(), Row::new()];
        db_insert(app, &rows).await;
        Self {
            database: Arc::new(connect(app).await),
            rows,
            attempts: Arc::default(),
            meeting: Arc::new(Barrier::new(2)),
        }
    }

    /// Appends a letter to the prompts of both rows, in this order, after both transactions have met in between.
    async fn append(&self, letter: char, setup: &'static str, order: [usize; 2]) {
        let append = |row: usize| {
            format!(
                "UPDATE image_gallery SET refined_prompt = coalesce(refined_prompt, '') || '{letter}' WHERE image_id = '{}'",
                self.rows[row].id
            )
        };
        let [first, second] = order.map(append);
        let (attempts, meeting) = (Arc::clone(&self.attempts), Arc::clone(&self.meeting));
        let write = self.database.write(None, move |unit| {
            let is_first_round = attempts.fetch_add(1, Ordering::SeqCst) < 2;
            let (first, second) = (first.clone(), second.clone());
            let meeting = Arc::clone(&meeting);
            Box::pin(async move {
                execute(unit, setup).await?;
                if is_first_round && setup != "SELECT 1" {
                    // Takes both snapshots before either change.
                    text(unit, "SELECT 'x' FROM image_gallery").await?;
                    meeting.wait().await;
                }
                execute(unit, &first).await?;
                if is_first_round && setup == "SELECT 1" {
                    meeting.wait().await;
                }
                execute(unit, &second).await
            })
        });
        write.await.expect("it is run again");
    }

    async fn assert_each_letter_once(&self, app: &TestApp) {
        assert_eq!(self.attempts.load(Ordering::SeqCst), 3);
        let prompts = "{ images { nodes { refinedPrompt } } }";
        for image in app.run(prompts, json!({})).await["images"]["nodes"]
            .as_array()
            .expect("nodes")
        {
            let mut letters: Vec<_> = image["refinedPrompt"]
                .as_str()
                .expect("a prompt")
                .chars()
                .collect();
            letters.sort_unstable();
            assert_eq!(letters, ['a', 'b'], "{image}");
        }
        let events = app
            .run("{ galleryEvents { nodes { type } } }", json!({}))
            .await;
        let events = events["galleryEvents"]["nodes"].as_array().expect("nodes");
        let updates = events.iter().filter(|event| event["type"] == "UPDATED");
        assert_eq!(updates.count(), 4, "{events:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_retried_without_repeating_changes() {
    with_and_without_pooler(&[], async |app: TestApp| {
        let contest = Contest::on(&app).await;
        tokio::join!(
            contest.append('a', "SELECT 1", [0, 1]),
            contest.append('b', "SELECT 1", [1, 0]),
        );
        contest.assert_each_letter_once(&app).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serialization_failure_is_retried_without_repeating_changes() {
    with_and_without_pooler(&[], async |app: TestApp| {
        let contest = Contest::on(&app).await;
        let setup = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
        tokio::join!(
            contest.append('a', setup, [0, 1]),
            contest.append('b', setup, [0, 1]),
        );
        contest.assert_each_letter_once(&app).await;
    })
    .await;
}

/// The number of attempts and the result of a unit of work that runs this.
async fn attempts_of(database: &Database, sql: &'static str) -> (usize, Result<(), Error>) {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let outcome = database.write(None, move |unit| {
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(execute(unit, sql))
    });
    let outcome = outcome.await;
    (attempts.load(Ordering::SeqCst), outcome)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn permanent_conflicts_are_retried_a_few_times_and_lost_commits_never() {
    with_and_without_pooler(&[], async |app: TestApp| {
        let database = connect(&app).await;
        let conflict = "DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$";
        let (attempts, outcome) = attempts_of(&database, conflict).await;
        assert_eq!(attempts, 5);
        assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
        let (attempts, outcome) = attempts_of(&database, "SELECT 1 / 0").await;
        assert_eq!(attempts, 1);
        assert!(matches!(outcome, Err(Error::Other(_))), "{outcome:?}");
        // The session ends during the commit.
        app.db_execute(
            "CREATE TABLE doomed (n int);
             CREATE FUNCTION doom() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
             CREATE CONSTRAINT TRIGGER doom AFTER INSERT ON doomed DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION doom()",
        )
        .await;
        let (attempts, outcome) = attempts_of(&database, "INSERT INTO doomed VALUES (1)").await;
        assert_eq!(attempts, 1);
        assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
        // Work that ignores an error is not reported as done.
        let swallowing = database.write(None, |unit| {
            Box::pin(async move {
                let _ = execute(unit, "SELECT 1 / 0").await;
                Ok::<_, Error>(())
            })
        });
        assert!(swallowing.await.is_err());
        database.require_ready().await.expect("it answers");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_transaction_is_ended() {
    with_and_without_pooler(&["--request-timeout-seconds=1"], async |app: TestApp| {
        let database = connect(&app).await;
        let outcome = database.write(None, |unit| {
            Box::pin(async move {
                execute(unit, "SELECT 1").await?;
                // Longer than the idle timeout: this test measures time.
                tokio::time::sleep(Duration::from_millis(2500)).await;
                execute(unit, "SELECT 1").await
            })
        });
        let outcome: Result<(), Error> = outcome.await;
        assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
        database.require_ready().await.expect("it answers");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_the_middle_of_a_unit_leaves_its_connection_clean() {
    async fn panics(app: TestApp) {
        let database = Arc::new(connect(&app).await);
        for _ in 0..12 {
            let database = Arc::clone(&database);
            let work = tokio::spawn(async move {
                database
                    .write(None, |unit| {
                        Box::pin(async move {
                            execute(unit, "DELETE FROM image_gallery").await?;
                            assert!(unit.dialect() != unit.dialect(), "a panic, as asked for");
                            Ok::<_, Error>(())
                        })
                    })
                    .await
            });
            assert!(work.await.is_err(), "it panics");
        }
        database.require_ready().await.expect("it answers");
        assert_eq!(
            app.run("{ images { totalCount } }", json!({})).await["images"]["totalCount"],
            1
        );
    }
    async fn with_an_image(app: TestApp) {
        app.user("alice").create_image().await;
        panics(app).await;
    }
    crate::harness::on_sqlite(&[], with_an_image).await;
    with_and_without_pooler(&[], with_an_image).await;
}
