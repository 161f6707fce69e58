//! Which tables are adopted, and which ones stop the migration before any change.

use macro_rules_attribute::apply;
use serde_json::json;

use crate::harness::{TestApp, TestDatabase, each_database, on_postgres};

use super::{ALL_INDEXES, TABLE, count, indexes, make_table, program, schema};

/// Both `up` and `status` report each difference on its own line; nothing is changed.
async fn is_refused(database: &TestDatabase, differences: &[&str]) {
    let before = schema(database).await;
    let output = program(database).run(&["migrate", "up"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(output.stdout, "");
    let named: Vec<&str> = output.stderr.lines().skip(1).collect();
    assert_eq!(named.len(), differences.len(), "{}", output.stderr);
    for (line, difference) in named.iter().zip(differences) {
        assert!(line.contains(difference), "`{difference}` in `{line}`");
    }
    let status = program(database).run(&["migrate", "status"]).await;
    let status = status.expect_success();
    for line in named {
        assert!(
            status.lines().any(|said| said == line),
            "{line} in {status}"
        );
    }
    assert_eq!(schema(database).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_difference_of_a_table_of_another_shape_is_named_and_nothing_changed() {
    on_postgres(&[], async |database: TestDatabase| {
        database
            .db_execute(
                "CREATE TABLE image_gallery (
                     id serial PRIMARY KEY, image_id uuid, user_id varchar(100) NOT NULL, image_url varchar(100) NOT NULL UNIQUE,
                     refined_prompt text NOT NULL, intent varchar(200) CHECK (intent IN ('edit', 'generate')),
                     metadata json NOT NULL, created_at timestamptz(3) NOT NULL, updated_at timestamp NOT NULL,
                     rating integer NOT NULL, stars integer NOT NULL DEFAULT 1, note text,
                     original_prompt varchar(100)
                 )",
            )
            .await;
        let differences = [
            "`image_gallery.image_id` may be null, expected NOT NULL",
            "`image_gallery.user_id` is varchar(100), expected varchar(255)",
            "`image_gallery.image_url` is varchar(100), expected varchar(1024)",
            "`image_gallery.refined_prompt` is NOT NULL, expected one that may be null",
            "`image_gallery.metadata` is json, expected jsonb",
            "`image_gallery.created_at` is timestamptz(3), expected timestamptz",
            "`image_gallery.updated_at` is timestamp without time zone, expected timestamptz",
            "`image_gallery.deleted_at` is missing, expected timestamptz",
            "`image_gallery.original_prompt` is varchar(100), expected text",
            "`image_gallery.rating` is another application's column, NOT NULL and without a default",
            "the primary key of `image_gallery` is (id), expected (image_id)",
            "the unique index `image_gallery_image_url_key` of `image_gallery` is stricter",
            "the constraint `image_gallery_intent_check` of `image_gallery` is stricter",
        ];
        is_refused(&database, &differences).await;
    })
    .await;
}

/// One statement after the table's creation, and the resulting error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_single_difference_stops_the_migration() {
    on_postgres(&[], async |database: TestDatabase| {
        for (change, difference) in [
            ("ALTER TABLE image_gallery DROP COLUMN intent", "`image_gallery.intent` is missing"),
            ("ALTER TABLE image_gallery ALTER image_id TYPE text", "`image_gallery.image_id` is text"),
            ("ALTER TABLE image_gallery ALTER deleted_at SET NOT NULL", "`image_gallery.deleted_at` is NOT NULL"),
            ("ALTER TABLE image_gallery ALTER image_url DROP NOT NULL", "`image_gallery.image_url` may be null"),
            ("ALTER TABLE image_gallery ALTER refined_prompt TYPE varchar(19999)", "`image_gallery.refined_prompt` is varchar(19999)"),
            ("ALTER TABLE image_gallery ADD CONSTRAINT modelled CHECK (metadata ? 'model')", "`modelled` of `image_gallery` is stricter"),
            ("ALTER TABLE image_gallery ALTER user_id TYPE varchar(254)", "`image_gallery.user_id` is varchar(254)"),
            ("ALTER TABLE image_gallery DROP CONSTRAINT image_gallery_pkey", "`image_gallery` has no primary key"),
            ("ALTER TABLE image_gallery DROP COLUMN intent, ADD intent varchar(100) GENERATED ALWAYS AS ('edit') STORED",
             "`image_gallery.intent` is generated"),
            ("ALTER TABLE image_gallery ADD tenant integer NOT NULL", "`image_gallery.tenant` is another application's column"),
            ("CREATE UNIQUE INDEX one_each ON image_gallery (user_id) WHERE deleted_at IS NULL", "`one_each` of `image_gallery` is stricter"),
            ("CREATE TABLE users (id varchar(255) PRIMARY KEY);
              ALTER TABLE image_gallery ADD CONSTRAINT known FOREIGN KEY (user_id) REFERENCES users", "`known` of `image_gallery` is stricter"),
            ("CREATE INDEX image_gallery_trash ON image_gallery (deleted_at)", "`image_gallery_trash` exists already"),
            ("CREATE TABLE image_gallery_event ()", "`image_gallery_event` exists already"),
            ("CREATE TABLE parts () INHERITS (image_gallery)", "a part of other tables"),
            ("ALTER TABLE image_gallery RENAME TO other; CREATE VIEW image_gallery AS TABLE other", "a view"),
            ("DROP TABLE image_gallery; CREATE TABLE image_gallery (image_id uuid) PARTITION BY HASH (image_id)",
             "a partitioned table"),
            ("DROP TABLE image_gallery; CREATE TYPE image_gallery AS (image_id uuid)", "a type"),
        ] {
            database
                .db_execute(&format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public; {TABLE}; {change}"))
                .await;
            is_refused(&database, &[difference]).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_with_additional_columns_is_adopted_and_restored() {
    on_postgres(&[], async |database: TestDatabase| {
        make_table(&database, 50).await;
        database
            .db_execute(
                "ALTER TABLE image_gallery ALTER image_url TYPE varchar(2048), ALTER user_id TYPE text, ALTER intent TYPE text,
                     ALTER created_at TYPE timestamptz(6),
                     ADD original_prompt text, ADD album integer, ADD stars integer NOT NULL DEFAULT 0,
                     ADD CHECK (stars < 6), ADD UNIQUE (user_id, album);
                 ALTER TABLE image_gallery ALTER refined_prompt TYPE varchar(20000), ALTER image_id SET DEFAULT gen_random_uuid(),
                     ALTER intent SET DEFAULT 'generate', ALTER created_at SET DEFAULT now(), ALTER metadata SET DEFAULT '{}',
                     ALTER metadata DROP NOT NULL, ADD CHECK (jsonb_typeof(metadata) = 'object'), ADD CHECK (user_id IS NOT NULL);
                 CREATE UNIQUE INDEX ON image_gallery (image_id, user_id);
                 CREATE INDEX image_gallery_user_id_8a3b ON image_gallery (user_id);
                 UPDATE image_gallery SET original_prompt = 'kept'",
            )
            .await;
        let before = schema(&database).await;
        let program = program(&database);
        let status = program.run(&["migrate", "status"]).await.expect_success();
        assert!(status.contains("with 50 rows"), "{status}");
        assert!(!status.contains("to be added"), "{status}");
        assert!(status.contains("the indexes image_gallery_active_created"), "{status}");
        assert_eq!(schema(&database).await, before);

        program.run(&["migrate", "up"]).await.expect_success();
        assert_eq!(count(&database, "image_gallery_event").await, 0);
        assert_eq!(count(&database, "image_gallery WHERE original_prompt = 'kept'").await, 50);

        program.run(&["migrate", "down"]).await.expect_success();
        assert_eq!(schema(&database).await, before);
        assert_eq!(count(&database, "image_gallery WHERE original_prompt = 'kept'").await, 50);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_not_first_in_the_search_path_stops_the_migration() {
    on_postgres(&[], async |database: TestDatabase| {
        make_table(&database, 1).await;
        database
            .db_execute(
                "CREATE SCHEMA first;
                 DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = first, public', current_database()); END $$",
            )
            .await;
        is_refused(&database, &["is in the schema public, but new tables are created in first"]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_outside_the_search_path_is_reported_and_not_changed() {
    on_postgres(&[], async |database: TestDatabase| {
        database
            .db_execute("CREATE SCHEMA other; CREATE TABLE other.image_gallery (id integer)")
            .await;
        let status = program(&database).run(&["migrate", "status"]).await;
        let status = status.expect_success();
        assert!(status.contains("created in the schema public"), "{status}");
        assert!(
            status.contains("there is one in the schema other"),
            "{status}"
        );
        let up = program(&database).run(&["migrate", "up"]).await;
        up.expect_success();
        assert_eq!(indexes(&database).await, ALL_INDEXES);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_lost_or_invalid_later_is_built_by_the_next_up() {
    on_postgres(&[], async |database: TestDatabase| {
        make_table(&database, 50).await;
        let program = program(&database);
        program.run(&["migrate", "up"]).await.expect_success();
        database
            .db_execute(
                "DROP INDEX image_gallery_trash;
                 UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'image_gallery_search'::regclass",
            )
            .await;
        let status = program.run(&["migrate", "status"]).await.expect_success();
        assert!(status.contains("the indexes image_gallery_trash\n"), "{status}");
        assert!(status.contains("invalid: the indexes image_gallery_search\n"), "{status}");
        let up = program.run(&["migrate", "up"]).await.expect_success();
        assert_eq!(up, "built the index image_gallery_trash\nbuilt the index image_gallery_search\n");
        assert_eq!(indexes(&database).await, ALL_INDEXES);
    })
    .await;
}

#[apply(each_database!)]
async fn an_unrelated_table_is_not_changed(database: TestDatabase) {
    database
        .db_execute("CREATE TABLE image_gallery (name text NOT NULL)")
        .await;
    let program = program(&database);
    for command in ["up", "up"] {
        let output = program.run(&["migrate", command]).await;
        assert_eq!(output.code, Some(1), "{output:?}");
        assert!(
            output.stderr.contains("`image_gallery.user_id` is missing"),
            "{}",
            output.stderr
        );
        assert!(
            output
                .stderr
                .contains("`image_gallery.name` is another application's column"),
            "{}",
            output.stderr
        );
    }
    database
        .db_execute("CREATE TABLE seaql_migrations (a text)")
        .await;
}

/// SQLite has no comments on columns: ours is recognised by the text of its definition.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_existing_prompt_column_stays_on_sqlite_too() {
    crate::harness::on_sqlite(&[], async |database: TestDatabase| {
        let program = program(&database);
        let has_prompt = "SELECT group_concat(name) FROM pragma_table_info('image_gallery') WHERE name = 'original_prompt'";
        for _ in 0..2 {
            program.run(&["migrate", "up"]).await.expect_success();
            program.run(&["migrate", "down"]).await.expect_success();
            assert_eq!(database.db_query_text(has_prompt).await, None);
        }
        database.db_execute("ALTER TABLE image_gallery ADD COLUMN original_prompt TEXT").await;
        program.run(&["migrate", "up"]).await.expect_success();
        program.run(&["migrate", "down"]).await.expect_success();
        assert_eq!(database.db_query_text(has_prompt).await.as_deref(), Some("original_prompt"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_index_of_an_earlier_version_is_rebuilt_by_the_next_up() {
    on_postgres(&[], async |app: TestApp| {
        let id = app.user("alice").create(json!({ "refinedPrompt": "a red fox" })).await["id"].take();
        app.db_execute(
            "DROP INDEX image_gallery_search;
             DROP FUNCTION image_gallery_search_words(text);
             CREATE INDEX image_gallery_search ON image_gallery
                USING gin (to_tsvector('simple', image_gallery_search_text(original_prompt, refined_prompt)))",
        )
        .await;
        let up = program(app.database()).run(&["migrate", "up"]).await.expect_success();
        assert_eq!(up, "built the index image_gallery_search\n");
        let search = "{ images(filter: { search: \"fox\" }) { nodes { id } } }";
        let found = app.run(search, json!({})).await;
        assert_eq!(found["images"]["nodes"], json!([{ "id": id }]));
    })
    .await;
}
