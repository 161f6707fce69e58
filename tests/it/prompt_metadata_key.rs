//! `PROMPT_METADATA_KEY`: the text under a key of the metadata replaces a missing `originalPrompt`, in searches too.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::rows::{Row, db_insert, found};
use crate::harness::{Program, TestApp, TestDatabase, each_database, on_postgres};

/// Whether a migration makes the search index follow the setting of the running server.
async fn migrate(app: &TestApp) {
    let program = Program::new()
        .with("DATABASE_URL", &app.database().url())
        .with("PROMPT_METADATA_KEY", "original prompt");
    program.run(&["migrate", "up"]).await.expect_success();
}

fn row(original: Option<&str>, refined: Option<&str>, metadata: &Value) -> Row {
    Row {
        original_prompt: original.map(str::to_owned),
        refined_prompt: refined.map(str::to_owned),
        metadata: metadata.to_string(),
        ..Row::new()
    }
}

fn ids(rows: &[&Row]) -> Vec<Uuid> {
    let mut ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    ids.sort_unstable();
    ids
}

#[apply(each_database!)]
#[settings("--prompt-metadata-key=original prompt")]
async fn it_is_shown_and_searched_where_no_prompt_is_stored(app: TestApp) {
    let key = "original prompt";
    let before = row(None, Some("refined"), &json!({ key: "an early walrus" }));
    db_insert(&app, std::slice::from_ref(&before)).await;
    migrate(&app).await;
    let rows = [
        row(None, Some("in watercolour"), &json!({ key: "a tabby cat" })),
        row(Some("a dog"), None, &json!({ key: "a tabby cat" })),
        row(None, Some("refined"), &json!({ key: 5 })),
        row(None, None, &json!({ key: { "text": "tabby" } })),
        row(None, None, &json!({})),
    ];
    db_insert(&app, &rows).await;
    let expected = [Some("a tabby cat"), Some("a dog"), None, None, None];
    for (row, prompt) in rows.iter().zip(expected) {
        let image = "query($id: ID!) { image(id: $id) { originalPrompt } node(id: $id) { ... on Image { originalPrompt } } }";
        let image = app.run(image, json!({ "id": row.id })).await;
        assert_eq!(image["image"], json!({ "originalPrompt": prompt }));
        assert_eq!(image["node"], json!({ "originalPrompt": prompt }));
        let detail = format!("{}/v1/gallery/{}/", app.url(), row.id);
        let detail = app.client().get(detail).send().await.expect("an answer");
        let detail: Value = detail.json().await.expect("JSON");
        assert_eq!(detail["data"]["original_prompt"], json!(prompt));
    }
    let list = app
        .run(
            "{ images(first: 10) { nodes { originalPrompt } } }",
            json!({}),
        )
        .await;
    let nodes = list["images"]["nodes"].as_array().expect("nodes");
    let shown = nodes
        .iter()
        .filter(|node| node["originalPrompt"] == json!("a tabby cat"));
    assert_eq!(shown.count(), 1);

    let search = async |text: &str| found(&app, json!({ "search": text })).await;
    assert_eq!(search("tabby").await, ids(&[&rows[0]]));
    assert_eq!(search("\"tabby cat\"").await, ids(&[&rows[0]]));
    assert_eq!(search("tabby watercolour").await, ids(&[&rows[0]]));
    // No phrase spans the two prompts.
    assert_eq!(search("\"cat in\"").await, ids(&[]));
    assert_eq!(search("walrus -tabby").await, ids(&[&before]));
    assert_eq!(search("dog").await, ids(&[&rows[1]]));
    assert_eq!(search("5").await, ids(&[]));

    // It follows changes of either, and goes when the prompt is stored.
    let update = "mutation($input: UpdateImageInput!) { updateImage(input: $input) { image { originalPrompt } userErrors { code } } }";
    let id = rows[0].id;
    let change = async |changes: Value| {
        let mut input = json!({ "id": id });
        if let (Some(input), Value::Object(changes)) = (input.as_object_mut(), changes) {
            input.extend(changes);
        }
        app.run(update, json!({ "input": input })).await["updateImage"]["image"]["originalPrompt"]
            .clone()
    };
    assert_eq!(
        change(json!({ "metadataPatch": { key: "a heron" } })).await,
        json!("a heron")
    );
    assert_eq!(
        (search("tabby").await, search("heron").await),
        (ids(&[]), ids(&[&rows[0]]))
    );
    assert_eq!(
        change(json!({ "originalPrompt": "an otter" })).await,
        json!("an otter")
    );
    assert_eq!(
        (search("heron").await, search("otter").await),
        (ids(&[]), ids(&[&rows[0]]))
    );
    assert_eq!(
        change(json!({ "originalPrompt": null })).await,
        json!("a heron")
    );
    assert_eq!(
        (search("heron").await, search("otter").await),
        (ids(&[&rows[0]]), ids(&[]))
    );
    app.db_execute("DELETE FROM image_gallery").await;
    assert_eq!(search("heron").await, ids(&[]));
}

#[apply(each_database!)]
async fn without_the_setting_it_is_neither_shown_nor_searched(app: TestApp) {
    let row = row(None, None, &json!({ "original prompt": "a tabby cat" }));
    db_insert(&app, std::slice::from_ref(&row)).await;
    let image = app
        .run(
            "query($id: ID!) { image(id: $id) { originalPrompt } }",
            json!({ "id": row.id }),
        )
        .await;
    assert_eq!(image["image"], json!({ "originalPrompt": null }));
    assert_eq!(found(&app, json!({ "search": "tabby" })).await, ids(&[]));
}

#[apply(each_database!)]
async fn migrate_up_builds_the_search_index_for_the_key_that_is_set(database: TestDatabase) {
    let plain = Program::new().with("DATABASE_URL", &database.url());
    let keyed = Program::new()
        .with("DATABASE_URL", &database.url())
        .with("PROMPT_METADATA_KEY", "original_prompt");
    plain.run(&["migrate", "up"]).await.expect_success();
    let (again, built) = (
        "nothing is pending\n",
        "built the index image_gallery_search\n",
    );
    for (program, other) in [(&keyed, &plain), (&plain, &keyed)] {
        let status = program.run(&["migrate", "status"]).await.expect_success();
        assert!(status.contains("PROMPT_METADATA_KEY"), "{status}");
        assert_eq!(
            program.run(&["migrate", "up"]).await.expect_success(),
            built
        );
        assert_eq!(
            program.run(&["migrate", "up"]).await.expect_success(),
            again
        );
        let status = program.run(&["migrate", "status"]).await.expect_success();
        assert!(!status.contains("PROMPT_METADATA_KEY"), "{status}");
        let report = other.run(&["doctor"]).await;
        assert!(
            report.stdout.contains("PROMPT_METADATA_KEY"),
            "{}",
            report.stdout
        );
    }
    keyed.run(&["migrate", "up"]).await.expect_success();
    keyed.run(&["migrate", "down"]).await.expect_success();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_reads_the_index_that_was_built_for_the_key() {
    on_postgres(&["--prompt-metadata-key=original prompt"], async |app: TestApp| {
        migrate(&app).await;
        let prompt = "coalesce(original_prompt, CASE WHEN jsonb_typeof(metadata -> 'original prompt') = 'string' \
             THEN metadata ->> 'original prompt' END)";
        let plan = format!(
            "SET enable_seqscan = off; EXPLAIN SELECT FROM image_gallery
             WHERE image_gallery_search_words(image_gallery_search_text({prompt}, refined_prompt)) @@ CAST(CAST('xcat' AS text) AS tsquery)"
        );
        let mut connection = app.database().db_connect().await;
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(plan)).fetch_all(&mut connection).await.expect("a plan");
        let plan: Vec<String> = rows.iter().map(|row| sqlx::Row::get(row, 0)).collect();
        assert!(plan.join("\n").contains("Bitmap Index Scan on image_gallery_search"), "{plan:?}");
    })
    .await;
}
