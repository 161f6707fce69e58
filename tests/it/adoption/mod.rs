//! `migrate up` on a table that another application has created and still uses.

mod beside_django;
mod interrupted;
mod moving;
mod production_table;
mod rights;
mod shape;
mod under_load;

use crate::harness::{Program, TestDatabase};

/// The table as Django creates it.
const TABLE: &str = "CREATE TABLE image_gallery (
    image_id uuid PRIMARY KEY, user_id varchar(255) NOT NULL, image_url varchar(1024) NOT NULL, refined_prompt text,
    intent varchar(100), metadata jsonb NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
    deleted_at timestamptz
)";

/// Creates and fills the table; every eighth row is in the trash.
async fn make_table(database: &TestDatabase, rows: usize) {
    database.db_execute(TABLE).await;
    database
        .db_execute(&format!(
            "INSERT INTO image_gallery
             SELECT gen_random_uuid(), 'user-' || n % 100, 'https://res.cloudinary.com/demo/image/upload/' || n,
                 'a tabby cat number ' || n || ' riding a red bicycle, golden hour', 'generate',
                 jsonb_build_object('model', 'flux', 'seed', n), now() - n * interval '1 second', now(),
                 CASE WHEN n % 8 = 0 THEN now() END
             FROM generate_series(1, {rows}) AS n"
        ))
        .await;
}

fn program(database: &TestDatabase) -> Program {
    Program::new().with("DATABASE_URL", &database.url())
}

async fn count(database: &TestDatabase, what: &str) -> i64 {
    let count = database
        .db_query_text(&format!("SELECT (SELECT count(*) FROM {what})::text"))
        .await;
    count
        .and_then(|count| count.parse().ok())
        .expect("a number")
}

/// The numbers of valid and of invalid indexes of the table.
async fn indexes(database: &TestDatabase) -> (i64, i64) {
    let of = |condition: &str| {
        format!("pg_index WHERE indrelid = 'image_gallery'::regclass AND {condition}")
    };
    let valid = count(database, &of("indisvalid")).await;
    (valid, count(database, &of("NOT indisvalid")).await)
}

/// Our indexes, and the primary key.
const ALL_INDEXES: (i64, i64) = (16, 0);

/// Everything in the database's own schema that a migration could change.
async fn schema(database: &TestDatabase) -> String {
    let schema = database
        .db_query_text(
            "SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
                 SELECT format('%s %s %s %s', relkind, relname, relrowsecurity, relacl) AS line FROM pg_class
                 WHERE relnamespace = 'public'::regnamespace
                 UNION ALL
                 SELECT format('%s.%s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull)
                 FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
                 WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
                 UNION ALL
                 SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
                 UNION ALL
                 SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
             ) AS lines",
        )
        .await;
    schema.unwrap_or_default()
}
