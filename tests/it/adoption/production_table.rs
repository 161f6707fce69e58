//! The table of the replaced application as in production: created by a script, with defaults, nullable metadata,
//! indexes, a trigger and row-level security, and written by upserts.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use uuid::Uuid;

use crate::harness::rows::Dice;
use crate::harness::{Program, ServerProcess, TestDatabase, image_url, on_own_cluster};

use super::{count, program, schema};

/// As in the script. On Supabase the schema `auth` exists.
const TABLE: &str = "
    CREATE SCHEMA auth;
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE
        AS $$ SELECT nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
    CREATE TABLE image_gallery (
        image_id uuid PRIMARY KEY,
        user_id varchar(255) NOT NULL,
        image_url varchar(1024) NOT NULL,
        refined_prompt text,
        intent varchar(100),
        metadata jsonb DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
        updated_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
        deleted_at timestamptz
    );
    CREATE INDEX idx_image_gallery_user_created ON image_gallery (user_id, created_at DESC);
    CREATE INDEX idx_image_gallery_user_deleted ON image_gallery (user_id, deleted_at);
    CREATE INDEX idx_image_gallery_deleted_at ON image_gallery (deleted_at);
    CREATE INDEX idx_image_gallery_created_at ON image_gallery (created_at);
    CREATE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN NEW.updated_at = CURRENT_TIMESTAMP; RETURN NEW; END $$;
    CREATE TRIGGER update_image_gallery_updated_at BEFORE UPDATE ON image_gallery
        FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
    ALTER TABLE image_gallery ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own_images ON image_gallery USING (auth.uid()::text = user_id) WITH CHECK (auth.uid()::text = user_id);
    SET password_encryption = 'scram-sha-256';
    CREATE ROLE worker LOGIN PASSWORD 'worker';
    GRANT USAGE ON SCHEMA auth TO worker;
    GRANT SELECT, INSERT, UPDATE, DELETE ON image_gallery TO worker;";

/// The owner of the application's rows.
pub(super) const OWNER: &str = "0b6f9d52-6c7e-4a86-9d3c-2f7a51a7c001";

/// A row with null metadata, and with a URL that contains another UUID than the row's id.
pub(super) const ROW: &str = "5e0c1c9e-90bb-4c52-8f0e-6f6f5d3f0001";
const UUID_OF_ITS_URL: &str = "5e0c1c9e-90bb-4c52-8f0e-6f6f5d3fffff";

/// Creates the table with a thousand rows: every third has null metadata, and no URL contains its id.
pub(super) async fn make_table(database: &TestDatabase) {
    database.db_execute(TABLE).await;
    database
        .db_execute(&format!(
            "INSERT INTO image_gallery (image_id, user_id, image_url, refined_prompt, intent, metadata, created_at, deleted_at)
             SELECT gen_random_uuid(), '{OWNER}', 'https://res.cloudinary.com/demo/image/upload/' || gen_random_uuid() || '.png',
                 'a tabby cat number ' || n, 'image_generation',
                 CASE WHEN n % 3 > 0 THEN jsonb_build_object('task_id', n) END,
                 CURRENT_TIMESTAMP - n / 7 * interval '1 second', CASE WHEN n % 8 = 0 THEN CURRENT_TIMESTAMP END
             FROM generate_series(1, 1000) AS n;
             INSERT INTO image_gallery (image_id, user_id, image_url, metadata)
             VALUES ('{ROW}', '{OWNER}', '{}', NULL)",
            image_url(UUID_OF_ITS_URL)
        ))
        .await;
}

/// A server beside the application.
struct Server {
    process: ServerProcess,
    client: reqwest::Client,
}

impl Server {
    async fn start(program: &Program) -> Self {
        let client = reqwest::Client::builder().no_proxy().build();
        Self {
            process: program.serve().await,
            client: client.expect("a client"),
        }
    }

    /// Runs an operation that succeeds, and returns its `data`.
    async fn run(&self, query: &str, variables: Value) -> Value {
        let url = format!("http://{}/graphql", self.process.address());
        let body = json!({ "query": query, "variables": variables });
        let reply = self.client.post(url).json(&body).send().await;
        let mut reply: Value = reply.expect("an answer").json().await.expect("JSON");
        assert_eq!(reply.get("errors"), None, "{query}: {reply}");
        reply["data"].take()
    }

    async fn update(&self, input: Value) -> Value {
        let update = "mutation($input: UpdateImageInput!) { updateImage(input: $input) {
            image { imageUrl metadata updatedAt } userErrors { code } } }";
        self.run(update, json!({ "input": input })).await["updateImage"].take()
    }

    async fn image(&self, id: &str) -> Value {
        let image = "query($id: ID!) { image(id: $id) { metadata updatedAt refinedPrompt } }";
        self.run(image, json!({ "id": id })).await["image"].take()
    }
}

/// The application's worker, subject to its policy.
pub(super) async fn worker(database: &TestDatabase) -> PgConnection {
    let url = database.url_of_role("worker", "worker");
    let mut worker = PgConnection::connect(&url).await.expect("it may sign in");
    let sign_in = format!("SET request.jwt.claim.sub = '{OWNER}'");
    worker
        .execute(AssertSqlSafe(sign_in))
        .await
        .expect("its claim");
    worker
}

/// Saves a finished task like the application.
pub(super) async fn upsert(
    worker: &mut PgConnection,
    id: Uuid,
    prompt: &str,
    metadata: Option<Value>,
) {
    let upsert = "INSERT INTO image_gallery (image_id, user_id, image_url, refined_prompt, intent, metadata)
        VALUES ($1, $2, $3, $4, 'upscale', $5)
        ON CONFLICT (image_id) DO UPDATE SET image_url = EXCLUDED.image_url, refined_prompt = EXCLUDED.refined_prompt,
            intent = EXCLUDED.intent, metadata = EXCLUDED.metadata";
    sqlx::query(upsert)
        .bind(id)
        .bind(OWNER)
        .bind(image_url(&id.to_string()))
        .bind(prompt)
        .bind(metadata)
        .execute(worker)
        .await
        .expect("it writes as before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_adopted_and_restored() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        make_table(&database).await;
        let before = schema(&database).await;
        let program = program(&database);
        let status = program.run(&["migrate", "status"]).await.expect_success();
        assert!(
            status.contains("with 1001 rows") && !status.contains("warning"),
            "{status}"
        );
        program.run(&["migrate", "up"]).await.expect_success();
        assert_eq!(
            count(&database, "image_gallery WHERE metadata IS NULL").await,
            334
        );
        assert_eq!(count(&database, "image_gallery_event").await, 0);
        program.run(&["migrate", "down"]).await.expect_success();
        assert_eq!(schema(&database).await, before);
        assert_eq!(count(&database, "image_gallery").await, 1001);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn null_as_metadata_is_an_empty_object_everywhere() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        make_table(&database).await;
        let program = program(&database);
        program.run(&["migrate", "up"]).await.expect_success();
        let server = Server::start(&program).await;
        for query in [
            "query($id: ID!) { image(id: $id) { id metadata } }",
            "query($id: ID!) { node(id: $id) { id ... on Image { metadata } } }",
        ] {
            let found = server.run(query, json!({ "id": ROW })).await;
            let field = if query.contains("node") { "node" } else { "image" };
            assert_eq!(found[field], json!({ "id": ROW, "metadata": {} }));
        }
        let matching = "query($part: JSON, $search: String) {
            images(filter: { metadataContains: $part, search: $search }, first: 100) { totalCount nodes { metadata } } }";
        for (part, search, total) in [
            (json!({}), Value::Null, 876),
            (json!({ "task_id": 4 }), Value::Null, 1),
            (json!({ "task_id": null }), Value::Null, 0),
            (json!({}), json!("tabby 3"), 1),
        ] {
            let found = server.run(matching, json!({ "part": part, "search": search })).await;
            assert_eq!(found["images"]["totalCount"], json!(total), "{part} {search}");
            let nodes = found["images"]["nodes"].as_array().expect("nodes");
            assert!(nodes.iter().all(|node| node["metadata"].is_object()), "{part} {search}");
        }
        let statistics = "{ galleryStats { activeCount deletedCount byIntent { intentLabel count } createdPerDay(days: 2) { count } } }";
        let statistics = server.run(statistics, json!({})).await;
        assert_eq!(statistics["galleryStats"]["activeCount"], json!(876));

        // Replacing null by an empty object is no change; any other value is.
        let before = server.image(ROW).await;
        for same in [json!({ "metadata": {} }), json!({ "metadata": null }), json!({ "metadataPatch": { "a": null } })] {
            let mut input = json!({ "id": ROW });
            input.as_object_mut().expect("an object").extend(same.as_object().expect("an object").clone());
            let answer = server.update(input).await;
            assert_eq!(answer["image"]["updatedAt"], before["updatedAt"], "{same}");
        }
        let patched = server.update(json!({ "id": ROW, "metadataPatch": { "a": { "b": 1, "c": null } } })).await;
        assert_eq!(patched["image"]["metadata"], json!({ "a": { "b": 1 } }));
        let events = "query($id: ID!) { galleryEvents(imageId: $id) { nodes { type image { metadata } } } }";
        let events = server.run(events, json!({ "id": ROW })).await;
        assert_eq!(events["galleryEvents"]["nodes"], json!([{ "type": "UPDATED", "image": { "metadata": { "a": { "b": 1 } } } }]));

        // Moved to the trash and restored.
        database.db_execute("UPDATE image_gallery SET metadata = NULL").await;
        for (mutation, field) in [
            ("mutation($id: ID!) { softDeleteImage(id: $id) { changed image { metadata } } }", "softDeleteImage"),
            ("mutation($id: ID!) { restoreImage(id: $id) { changed image { metadata } } }", "restoreImage"),
        ] {
            let answer = server.run(mutation, json!({ "id": ROW })).await;
            assert_eq!(answer[field], json!({ "changed": true, "image": { "metadata": {} } }));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_whose_id_is_not_in_its_url_accepts_a_new_version_of_that_url() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        make_table(&database).await;
        let program = program(&database);
        program.run(&["migrate", "up"]).await.expect_success();
        let server = Server::start(&program).await;
        let newer =
            format!("https://res.cloudinary.com/demo/image/upload/v2/{UUID_OF_ITS_URL}.webp");
        for url in [image_url(UUID_OF_ITS_URL), newer.clone()] {
            let answer = server.update(json!({ "id": ROW, "imageUrl": url })).await;
            assert_eq!(
                (&answer["userErrors"], &answer["image"]["imageUrl"]),
                (&json!([]), &json!(url))
            );
        }
        let other = server
            .update(json!({ "id": ROW, "imageUrl": image_url(&Uuid::new_v4().to_string()) }))
            .await;
        assert_eq!(
            other["userErrors"],
            json!([{ "code": "INVALID_IMAGE_URL" }])
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_pages_join_without_a_gap_in_either_direction() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        make_table(&database).await;
        let program = program(&database);
        program.run(&["migrate", "up"]).await.expect_success();
        let server = Server::start(&program).await;
        for field in ["CREATED_AT", "UPDATED_AT"] {
            let page = format!(
                "query($first: Int, $after: String, $last: Int, $before: String) {{
                    images(first: $first, after: $after, last: $last, before: $before, orderBy: {{ field: {field}, direction: DESC }}) {{
                        totalCount nodes {{ id }} pageInfo {{ startCursor endCursor hasNextPage hasPreviousPage }} }} }}"
            );
            let mut forwards = Vec::new();
            let mut after = Value::Null;
            loop {
                let data = server.run(&page, json!({ "first": 77, "after": after })).await;
                let images = &data["images"];
                forwards.extend(images["nodes"].as_array().expect("nodes").clone());
                after = images["pageInfo"]["endCursor"].clone();
                if images["pageInfo"]["hasNextPage"] == json!(false) {
                    break;
                }
            }
            let mut backwards = Vec::new();
            let mut before = Value::Null;
            loop {
                let data = server.run(&page, json!({ "last": 100, "before": before })).await;
                let images = &data["images"];
                backwards.extend(images["nodes"].as_array().expect("nodes").iter().rev().cloned());
                before = images["pageInfo"]["startCursor"].clone();
                if images["pageInfo"]["hasPreviousPage"] == json!(false) {
                    break;
                }
            }
            backwards.reverse();
            assert_eq!(forwards.len(), 876, "{field}");
            assert_eq!(forwards, backwards, "{field}");
        }
    })
    .await;
}

/// Its trigger sets `updated_at` to the start of the transaction, overriding this server's value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn if_updated_at_sees_every_change_though_a_trigger_sets_updated_at() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        make_table(&database).await;
        let program = program(&database);
        program.run(&["migrate", "up"]).await.expect_success();
        let servers = [Server::start(&program).await, Server::start(&program).await];
        let mut worker = worker(&database).await;
        let id = Uuid::parse_str(ROW).expect("a UUID");

        let read = servers[0].image(ROW).await;
        let with = |prompt: &str, updated_at: &Value| json!({ "id": ROW, "refinedPrompt": prompt, "ifUpdatedAt": updated_at });
        let first = servers[0].update(with("first", &read["updatedAt"])).await;
        assert_eq!(first["userErrors"], json!([]));
        // A mutation returns the stored value, which the next one accepts.
        assert_eq!(first["image"]["updatedAt"], servers[1].image(ROW).await["updatedAt"]);
        let late = servers[1].update(with("late", &read["updatedAt"])).await;
        assert_eq!(late["userErrors"], json!([{ "code": "CONFLICT" }]));
        assert_eq!(servers[1].update(with("second", &first["image"]["updatedAt"])).await["userErrors"], json!([]));

        let read = servers[0].image(ROW).await;
        upsert(&mut worker, id, "by the worker", None).await;
        let late = servers[0].update(with("late", &read["updatedAt"])).await;
        assert_eq!(late["userErrors"], json!([{ "code": "CONFLICT" }]));

        // A transaction that began before the read sets an older, but different time.
        worker.execute("BEGIN").await.expect("a transaction");
        worker.execute("SELECT 1").await.expect("it has begun");
        let read = servers[0].update(json!({ "id": ROW, "refinedPrompt": "between" })).await;
        upsert(&mut worker, id, "by the worker again", None).await;
        worker.execute("COMMIT").await.expect("the end");
        let older = servers[0].image(ROW).await;
        assert!(older["updatedAt"].as_str() < read["image"]["updatedAt"].as_str(), "{older} {read}");
        let late = servers[1].update(with("late", &read["image"]["updatedAt"])).await;
        assert_eq!(late["userErrors"], json!([{ "code": "CONFLICT" }]));

        // Two servers increment concurrently without losing an update.
        servers[0].update(json!({ "id": ROW, "metadata": { "steps": 0 } })).await;
        let steps = join_all((0..8).map(async |turn: usize| {
            let server = &servers[turn % 2];
            let mut done = 0;
            while done < 5 {
                let read = server.image(ROW).await;
                let step = read["metadata"]["steps"].as_i64().expect("a number") + 1;
                let input = json!({ "id": ROW, "ifUpdatedAt": read["updatedAt"], "metadataPatch": { "steps": step } });
                done += i64::from(server.update(input).await["userErrors"] == json!([]));
            }
            done
        }));
        let steps: i64 = steps.await.iter().sum();
        assert_eq!(servers[0].image(ROW).await["metadata"]["steps"], json!(steps));
    })
    .await;
}

/// Its workers save the same images repeatedly, while two servers create and change them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_records_every_upsert_beside_two_servers() {
    const IMAGES: u128 = 12;
    const WORKERS: usize = 4;

    on_own_cluster(&[], &[], async |database: TestDatabase| {
        make_table(&database).await;
        let program = program(&database);
        program.run(&["migrate", "up"]).await.expect_success();
        let servers = [Server::start(&program).await, Server::start(&program).await];
        let seed = Uuid::new_v4().as_u128() & !0xff;
        let image = |number: usize| Uuid::from_u128(seed + number as u128 % IMAGES);
        let saves = 60 * Dice::scale();
        let create = "mutation($input: CreateImageInput!) { createImage(input: $input) { created userErrors { code } } }";

        let workers = (0..WORKERS).map(async |worker_number: usize| {
            let mut worker = worker(&database).await;
            for turn in 0..saves {
                let metadata = (turn % 3 > 0).then(|| json!({ "task_id": turn }));
                let prompt = format!("worker {worker_number}, turn {turn}");
                upsert(&mut worker, image(turn * (worker_number + 1)), &prompt, metadata).await;
            }
            saves
        });
        let changes = servers.iter().enumerate().map(async |(place, server): (usize, &Server)| {
            let mut changes = 0;
            for turn in 0..saves {
                let id = image(turn + place).to_string();
                let input = json!({ "userId": OWNER, "imageUrl": image_url(&id) });
                let answer = server.run(create, json!({ "input": input })).await;
                assert_eq!(answer["createImage"]["userErrors"], json!([]));
                changes += usize::from(answer["createImage"]["created"] == json!(true));
                let read = server.image(&id).await;
                let prompt = format!("server {place}, turn {turn}");
                let input = json!({ "id": id, "refinedPrompt": prompt, "ifUpdatedAt": read["updatedAt"] });
                changes += usize::from(server.update(input).await["userErrors"] == json!([]));
            }
            changes
        });
        let (saved, changed) = tokio::time::timeout(
            Duration::from_mins(5),
            futures_util::future::join(join_all(workers), join_all(changes)),
        )
        .await
        .expect("nobody waits for ever");
        let expected = saved.iter().chain(&changed).sum::<usize>();
        let told = count(&database, "image_gallery_event").await;
        assert_eq!(usize::try_from(told).expect("a count"), expected);
        assert_eq!(count(&database, "image_gallery_event WHERE type = 'CREATED'").await, 12);
        assert_eq!(count(&database, "image_gallery_event WHERE type NOT IN ('CREATED', 'UPDATED')").await, 0);
        // The first event of each image is its creation.
        let first = "(SELECT DISTINCT ON (image_id) type FROM image_gallery_event ORDER BY image_id, sequence) AS first
            WHERE type = 'CREATED'";
        assert_eq!(count(&database, first).await, 12);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_reports_its_duplicate_indexes() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        make_table(&database).await;
        database
            .db_execute(
                "CREATE INDEX idx_image_gallery_intent ON image_gallery (intent);
                 CREATE INDEX idx_image_gallery_user ON image_gallery (user_id)",
            )
            .await;
        let program = program(&database);
        program.run(&["migrate", "up"]).await.expect_success();
        let report = program.run(&["doctor"]).await.expect_success();
        let named: Vec<&str> = report
            .lines()
            .filter(|line| line.starts_with("warning indexes: "))
            .collect();
        let expected = [
            (
                "idx_image_gallery_created_at",
                "`image_gallery_active_created` does its work for active images, and `image_gallery_trash_created` for the trash: it may go, unless",
            ),
            (
                "idx_image_gallery_deleted_at",
                "and `image_gallery_trash` for the trash: it may go, unless",
            ),
            (
                "idx_image_gallery_user",
                "`idx_image_gallery_user_created` does all of its work: it may go",
            ),
            (
                "idx_image_gallery_user_created",
                "`image_gallery_owner_active_created` does its work for active images, and `image_gallery_owner_trash_created` for the trash",
            ),
            (
                "idx_image_gallery_user_deleted",
                "and `image_gallery_owner_trash` for the trash: it may go, unless",
            ),
        ];
        assert_eq!(named.len(), expected.len(), "{report}");
        for (line, (name, reason)) in named.iter().zip(expected) {
            assert!(
                line.contains(&format!("`{name}` (")) && line.contains(reason),
                "{name} {reason} in {line}"
            );
            assert!(
                line.ends_with(&format!("→ DROP INDEX CONCURRENTLY {name}")),
                "{line}"
            );
            let drop = line.rsplit_once("→ ").expect("a remedy").1;
            database.db_execute(drop).await;
        }
        let report = program.run(&["doctor"]).await.expect_success();
        assert!(report.ends_with("\neverything is in order\n"), "{report}");
    })
    .await;
}
