//! Rows written directly, as by another application, and random numbers.

use std::env;
use std::fmt::Write as _;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{TestApp, TestDatabase, image_url};

/// A row of `image_gallery`, with values as in SQL.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: Uuid,
    pub(crate) user_id: String,
    pub(crate) original_prompt: Option<String>,
    pub(crate) refined_prompt: Option<String>,
    pub(crate) intent: Option<String>,
    pub(crate) metadata: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    pub(crate) deleted_at: Option<String>,
}

impl Row {
    /// An active row of `alice`, created and updated at this time.
    pub(crate) fn at(instant: &str) -> Self {
        Self {
            id: Uuid::new_v4(),
            user_id: "alice".to_owned(),
            original_prompt: None,
            refined_prompt: None,
            intent: None,
            metadata: "{}".to_owned(),
            created_at: instant.to_owned(),
            updated_at: instant.to_owned(),
            deleted_at: None,
        }
    }

    /// An active row with any time.
    pub(crate) fn new() -> Self {
        Self::at("2026-01-15T10:30:00.123456Z")
    }
}

/// Stores rows by plain SQL.
pub(crate) async fn db_insert(app: &TestApp, rows: &[Row]) {
    let mut sql = String::from(
        "INSERT INTO image_gallery (image_id, user_id, image_url, original_prompt, refined_prompt, intent, metadata, \
         created_at, updated_at, deleted_at) VALUES ",
    );
    for (place, row) in rows.iter().enumerate() {
        let id = id_literal(app, row.id);
        let url = image_url(&row.id.to_string());
        let comma = if place == 0 { "" } else { ", " };
        let values = [
            Some(&row.user_id),
            Some(&url),
            row.original_prompt.as_ref(),
            row.refined_prompt.as_ref(),
            row.intent.as_ref(),
            Some(&row.metadata),
            Some(&row.created_at),
            Some(&row.updated_at),
            row.deleted_at.as_ref(),
        ];
        let values = values.map(|value| literal(value.map(String::as_str)));
        let _ = write!(sql, "{comma}({id}, {})", values.join(", "));
    }
    app.db_execute(&sql).await;
}

/// Fills the trash of `mass` in one statement, with old rows for retention.
pub(crate) async fn db_fill_trash(app: &TestApp, rows: usize) {
    let columns = "image_id, user_id, image_url, metadata, created_at, updated_at, deleted_at";
    let instant = "'2020-01-15T10:30:00.000000Z'";
    let values = |id: &str| {
        format!(
            "{id}, 'mass', 'https://res.cloudinary.com/x', '{{}}', {instant}, {instant}, {instant}"
        )
    };
    let sql = match app.database() {
        TestDatabase::Postgres(_) => format!("INSERT INTO image_gallery ({columns}) SELECT {} FROM generate_series(1, {rows})", values("gen_random_uuid()")),
        TestDatabase::Sqlite(_) => format!(
            "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {rows})
             INSERT INTO image_gallery ({columns}) SELECT {} FROM series",
            values("randomblob(16)")
        ),
    };
    app.db_execute(&sql).await;
}

/// Deletes rows by plain SQL.
pub(crate) async fn db_delete(app: &TestApp, ids: &[Uuid]) {
    let ids: Vec<_> = ids.iter().map(|id| id_literal(app, *id)).collect();
    let ids = ids.join(", ");
    app.db_execute(&format!(
        "DELETE FROM image_gallery WHERE image_id IN ({ids})"
    ))
    .await;
}

/// An image's id as the database writes it.
pub(crate) fn id_literal(app: &TestApp, id: Uuid) -> String {
    match app.database() {
        TestDatabase::Sqlite(_) => format!("x'{}'", id.simple()),
        TestDatabase::Postgres(_) => format!("'{id}'"),
    }
}

fn literal(value: Option<&str>) -> String {
    value.map_or_else(
        || "NULL".to_owned(),
        |text| format!("'{}'", text.replace('\'', "''")),
    )
}

/// The sorted ids of the active images that match a filter, at most 100.
pub(crate) async fn found(app: &TestApp, filter: Value) -> Vec<Uuid> {
    let query = "query($filter: ImageFilter) { images(filter: $filter, first: 100) { nodes { id } totalCount } }";
    let data = app.run(query, json!({ "filter": filter })).await;
    let mut ids = node_ids(&data["images"]);
    assert_eq!(data["images"]["totalCount"], ids.len(), "{filter}");
    ids.sort_unstable();
    ids
}

/// The ids of a connection's `nodes`.
pub(crate) fn node_ids(connection: &Value) -> Vec<Uuid> {
    let nodes = connection["nodes"].as_array().expect("nodes");
    let id = |node: &Value| node["id"].as_str().and_then(|id| id.parse().ok());
    nodes.iter().map(|node| id(node).expect("an id")).collect()
}

/// Random numbers from a seed (`SplitMix64`). The seed is printed if the test fails; `TEST_SEED` repeats it.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = variable("TEST_SEED").unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
        eprintln!("repeat with TEST_SEED={seed}");
        Self(seed)
    }

    /// Factor for the size of random tests: `TEST_SCALE`, 1 by default.
    pub(crate) fn scale() -> usize {
        variable("TEST_SCALE").unwrap_or(1)
    }

    /// 0 to `sides` - 1.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        let sides = u64::try_from(sides).expect("a small number");
        usize::try_from(mixed % sides).expect("less than `sides`")
    }

    /// True once in `sides` times.
    pub(crate) fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "settings of a test run, not of the program"
)]
fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    env::var_os(name)?.to_str()?.parse().ok()
}
