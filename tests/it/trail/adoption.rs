//! The trail beside a Django application: in its own schema, and on Supabase.

use crate::harness::{Program, TestDatabase, on_own_cluster, on_postgres};

const TABLE: &str = "CREATE TABLE gallery.image_gallery (
    image_id uuid PRIMARY KEY, user_id varchar(255) NOT NULL, image_url varchar(1024) NOT NULL, refined_prompt text,
    intent varchar(100), metadata jsonb NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    deleted_at timestamptz
)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adopted_table_in_another_schema_is_captured_for_any_search_path() {
    on_postgres(&[], async |database: TestDatabase| {
        database
            .db_execute(&format!(
                "CREATE SCHEMA gallery; {TABLE};
                 INSERT INTO gallery.image_gallery VALUES
                    (gen_random_uuid(), 'alice', 'x', NULL, NULL, '{{}}', now(), now(), NULL);
                 DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = gallery', current_database()); END $$"
            ))
            .await;
        let program = Program::new().with("DATABASE_URL", &database.url());
        program.run(&["migrate", "up"]).await.expect_success();
        let events = "SELECT string_agg(type, ' ' ORDER BY sequence) FROM gallery.image_gallery_event";
        assert_eq!(database.db_query_text(events).await, None);
        database
            .db_execute(
                "SET search_path = pg_catalog; UPDATE gallery.image_gallery SET intent = 'edit';
                 UPDATE gallery.image_gallery SET deleted_at = now(); TRUNCATE gallery.image_gallery",
            )
            .await;
        let told = database.db_query_text(events).await;
        assert_eq!(told.as_deref(), Some("UPDATED SOFT_DELETED PURGED"));
        // After `migrate down` the table is Django's alone.
        program.run(&["migrate", "down"]).await.expect_success();
        let left = "SELECT string_agg(proname, ' ') FROM pg_proc WHERE pronamespace = 'gallery'::regnamespace";
        assert_eq!(database.db_query_text(left).await, None);
        let left = "SELECT string_agg(relname, ' ') FROM pg_class
             WHERE relnamespace = 'gallery'::regnamespace AND relkind IN ('r', 'S')";
        assert_eq!(database.db_query_text(left).await.as_deref(), Some("image_gallery"));
        database
            .db_execute("INSERT INTO image_gallery VALUES (gen_random_uuid(), 'a', 'x', NULL, NULL, '{}', now(), now(), NULL)")
            .await;
    })
    .await;
}

/// Supabase gives its public roles all privileges on objects created in `public`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn public_roles_have_no_privileges_on_the_trail() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        database
            .db_execute(
                "CREATE ROLE anon; CREATE ROLE authenticated;
                 GRANT USAGE ON SCHEMA public TO anon, authenticated;
                 ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated;
                 ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated;
                 ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated",
            )
            .await;
        let program = Program::new().with("DATABASE_URL", &database.url());
        program.run(&["migrate", "up"]).await.expect_success();
        let rights = "SELECT string_agg(format('%s: %s', role, thing), ', ') FROM (
                SELECT role, relname AS thing FROM unnest(ARRAY['anon', 'authenticated']) AS role, pg_class
                WHERE relname IN ('image_gallery_event', 'image_gallery_trail')
                    AND has_table_privilege(role, oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES')
                UNION ALL
                SELECT role, relname FROM unnest(ARRAY['anon', 'authenticated']) AS role, pg_class
                WHERE relkind = 'S' AND relname LIKE 'image\\_gallery%' AND has_sequence_privilege(role, oid, 'USAGE, SELECT, UPDATE')
                UNION ALL
                SELECT role, proname FROM unnest(ARRAY['anon', 'authenticated']) AS role, pg_proc
                WHERE proname LIKE 'image\\_gallery\\_%\\_events' AND has_function_privilege(role, oid, 'EXECUTE')
            ) AS rights";
        assert_eq!(database.db_query_text(rights).await, None);
    })
    .await;
}
