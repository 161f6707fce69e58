//! Postgres' plans for each list of 100,000 rows: an index, without a table scan or a sort. Uses the server's own
//! statements, with generic plans.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use crate::harness::collector::Collector;
use crate::harness::{Program, TestDatabase, image_url, on_postgres};

/// Half of them in the trash, of a thousand owners, of whom one has a fifth; three of 10,000 tags on each. Without the trail, which would take longer than the rest.
const ROWS: &str = "
    SET session_replication_role = replica;
    INSERT INTO image_gallery (image_id, user_id, image_url, refined_prompt, intent, metadata, created_at, updated_at, deleted_at)
    SELECT gen_random_uuid(), CASE WHEN n % 5 = 0 THEN 'many' ELSE 'user-' || n % 1000 END, 'https://res.cloudinary.com/demo/' || n,
        'prompt ' || n % 3000,
        (ARRAY['generate', 'image_generation', 'Upscale', 'relight'])[1 + n % 4], '{}', now() - n * interval '1 minute',
        now() - (n * 7919 % 100000) * interval '1 minute',
        CASE WHEN n % 2 = 0 THEN now() - (n * 104729 % 100000) * interval '1 minute' END
    FROM generate_series(1::bigint, 100000) AS n;
    INSERT INTO image_gallery_event (position, type, image_id, user_id, image_url, occurred_at)
    SELECT row_number() OVER (ORDER BY created_at), 'CREATED', image_id, user_id, image_url, created_at FROM image_gallery;
    UPDATE image_gallery_trail SET last_position = 100000;
    INSERT INTO image_gallery_tag (image_id, user_id, folded, tag)
    SELECT image_id, user_id, 'tag ' || (place * 3 + part * 7919) % 10000, 'Tag ' || (place * 3 + part * 7919) % 10000
    FROM (SELECT image_id, user_id, row_number() OVER () AS place FROM image_gallery) AS image, generate_series(0, 2) AS part;
    INSERT INTO image_gallery_favorite (image_id, user_id)
    SELECT image_id, user_id FROM image_gallery WHERE intent = 'relight' AND image_url LIKE '%7';
    RESET session_replication_role;
    ANALYZE";

async fn send(url: &str, document: &str, variables: Value) -> Value {
    let client = reqwest::Client::builder().no_proxy().build();
    let request = client.expect("a client").post(url);
    let request = request.json(&json!({ "query": document, "variables": variables }));
    let response = request.send().await.expect("the server answers");
    let reply: Value = response.json().await.expect("JSON");
    assert!(reply.get("errors").is_none(), "{document}: {reply}");
    reply
}

/// The generic plan of a prepared statement.
async fn plan(connection: &mut PgConnection, statement: &str) -> String {
    let places = 1 + statement.matches('$').count();
    let used = (1..places).filter(|place| statement.contains(&format!("${place}")));
    let values = vec!["NULL"; used.count()].join(", ");
    let prepare = format!("DEALLOCATE ALL; PREPARE list AS {statement}");
    connection
        .execute(AssertSqlSafe(prepare))
        .await
        .expect("a statement");
    let arguments = if values.is_empty() {
        String::new()
    } else {
        format!("({values})")
    };
    let explain = sqlx::raw_sql(AssertSqlSafe(format!("EXPLAIN EXECUTE list{arguments}")));
    let rows = connection.fetch_all(explain).await.expect("a plan");
    let lines = rows.iter().map(|row| row.get::<String, _>(0));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_list_is_read_along_an_index() {
    on_postgres(&[], async |database: TestDatabase| {
        let collector = Collector::start().await;
        let program = Program::new()
            .with("DATABASE_URL", &database.url())
            .with("AUTO_MIGRATE", "true")
            .with("INTENT_ALIASES", "image_generation=generate,upscale=enhance,style_transfer=edit")
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
        let server = program.serve().await;
        let url = format!("http://{}/graphql", server.address());
        database.db_execute(ROWS).await;
        for (list, fields) in [("images", ["CREATED_AT", "UPDATED_AT"].as_slice()), ("deletedImages", &["DELETED_AT", "CREATED_AT", "UPDATED_AT"])] {
            for order in fields.iter().flat_map(|field| [(field, "ASC"), (field, "DESC")]) {
                let order = json!({ "field": order.0, "direction": order.1 });
                for owner in [Value::Null, json!("user-7")] {
                    let page = |bounds: &str| format!(
                        "query($user: String, $order: ImageOrder, $cursor: String) {{
                            {list}(userId: $user, orderBy: $order, {bounds}) {{
                                nodes {{ id createdAt }} pageInfo {{ endCursor hasNextPage hasPreviousPage }} }} }}"
                    );
                    let mut cursor = Value::Null;
                    for bounds in ["first: 5, after: $cursor", "last: 5, before: $cursor"].repeat(2) {
                        let variables = json!({ "user": owner, "order": order, "cursor": cursor });
                        let reply = send(&url, &page(bounds), variables).await;
                        cursor = reply["data"][list]["pageInfo"]["endCursor"].clone();
                    }
                }
            }
        }
        for (intent, owner) in [("GENERATE", ""), ("ENHANCE", ", userId: \"user-7\""), ("OTHER", ", userId: \"user-7\"")] {
            let images = format!("{{ images(first: 5, filter: {{ intents: [{intent}] }}{owner}) {{ nodes {{ id }} }} }}");
            send(&url, &images, json!({})).await;
        }
        for owner in ["", ", userId: \"user-7\"", ", userId: \"many\""] {
            for filter in [
                "tagsAny: [\"TAG 12\", \"tag 345\", \"tag 6789\"]",
                "tagsAll: [\"tag 12\", \"tag 7931\"]",
                "tagsNone: [\"tag 12\"]",
                "hasTags: true",
                "isFavorite: true",
            ] {
                let images = format!("{{ images(first: 5, filter: {{ {filter} }}{owner}) {{ nodes {{ id tags isFavorite }} }} }}");
                send(&url, &images, json!({})).await;
            }
            let tags = format!("query($after: String) {{ tags(startsWith: \"tag 12\", first: 5, after: $after{owner}) {{
                nodes {{ tag }} pageInfo {{ endCursor hasNextPage hasPreviousPage }} }} }}");
            let page = send(&url, &tags, json!({})).await;
            let cursor = &page["data"]["tags"]["pageInfo"]["endCursor"];
            send(&url, &tags, json!({ "after": cursor })).await;
        }
        for owner in ["", ", userId: \"user-7\"", ", userId: \"many\""] {
            let prompts = format!("query($after: String) {{ prompts(first: 5, after: $after{owner}) {{
                nodes {{ text imageCount images(first: 2) {{ nodes {{ id }} }} }} pageInfo {{ endCursor hasNextPage hasPreviousPage }} }} }}");
            let page = send(&url, &prompts, json!({})).await;
            let cursor = &page["data"]["prompts"]["pageInfo"]["endCursor"];
            send(&url, &prompts, json!({ "after": cursor })).await;
            send(&url, &format!("{{ prompts(first: 5, search: \"7\"{owner}) {{ nodes {{ text }} }} }}"), json!({})).await;
        }
        for bounds in ["first: 5", "last: 5"] {
            for owner in ["", ", userId: \"user-7\"", ", imageId: \"11111111-1111-4111-8111-111111111111\""] {
                let events = format!("{{ galleryEvents({bounds}{owner}) {{ nodes {{ id }} pageInfo {{ hasNextPage }} }} }}");
                send(&url, &events, json!({})).await;
            }
        }
        let input = |place: u32| format!("{{ userId: \"user-7\", imageUrl: \"{}\" }}", image_url(&format!("{place:08x}-0000-4000-8000-000000000000")));
        send(&url, &format!("mutation {{ createImage(input: {}) {{ created }} }}", input(1)), json!({})).await;
        let batch = format!("mutation {{ createImages(input: [{}, {}]) {{ results {{ created }} }} }}", input(2), input(3));
        send(&url, &batch, json!({})).await;
        server.terminate();
        // Flushes pending spans.
        assert_eq!(server.output().await.code, Some(0));
        let every_statement: BTreeSet<String> = (collector.spans().iter())
            .filter_map(|span| span.attributes.get("db.query.text").cloned())
            .collect();
        let statements: BTreeSet<&String> = (every_statement.iter())
            .filter(|text| text.starts_with("SELECT") && (text.contains("ORDER BY") || text.contains(" AS used ")))
            .collect();
        assert!(statements.len() > 20, "{statements:#?}");
        let mut connection = PgConnection::connect(&database.url()).await.expect("it answers");
        connection.execute("SET plan_cache_mode = force_generic_plan").await.expect("a setting");
        for statement in &statements {
            let plan = plan(&mut connection, statement).await;
            // The trail's state has one row.
            let mut costly = ["", "_event", "_tag", "_favorite"].map(|table| format!("Seq Scan on image_gallery{table} ")).to_vec();
            // The few rows of an owner are read by an index and then sorted, if only some of them have the intent; so are the
            // few with a tag, tags by their numbers of images, and the few with a word or a prompt.
            let reads_few = ["intent", "image_gallery_tag", "image_gallery_favorite", "image_gallery_search_words", "= hashtextextended(CAST("]
                .iter().any(|part| statement.contains(part));
            if !reads_few {
                costly.push("Sort".to_owned());
            }
            for costly in costly {
                assert!(!plan.contains(&costly), "{statement}\n{plan}");
            }
        }
        let by_url: Vec<_> = every_statement.iter().filter(|statement| statement.contains("hashtextextended(image_url, 0)")).collect();
        assert_eq!(by_url.len(), 2, "one that inserts and one that reads: {by_url:#?}");
        for statement in by_url {
            let plan = plan(&mut connection, statement).await;
            assert!(plan.contains("image_gallery_stored_url"), "{statement}\n{plan}");
            assert!(!plan.contains("Seq Scan on image_gallery "), "{statement}\n{plan}");
        }
    })
    .await;
}
