//! `docs/moving-from-django.md`, carried out step by step, with the way back of each: the table as in production, and a
//! Django project that serves the old calls.

use std::collections::HashSet;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::rows::Dice;
use crate::harness::{Django, Program, TestDatabase, image_url, on_own_cluster};

use super::production_table::{OWNER, ROW, make_table, upsert, worker};
use super::{count, program, schema};

/// A client of the REST calls: the old front end.
struct FrontEnd {
    client: reqwest::Client,
    /// The URL of the calls, without a slash at the end.
    rest: String,
    /// What every path ends with.
    slash: &'static str,
}

/// The status of an answer, and its body.
type Answer = (u16, Value);

impl FrontEnd {
    fn of(rest: &str, slash: &'static str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build();
        Self {
            client: client.expect("a client"),
            rest: rest.to_owned(),
            slash,
        }
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Option<&Value>) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let url = format!("{}{path}{}?{query}", self.rest, self.slash);
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.expect("JSON"))
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(reqwest::Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(reqwest::Method::POST, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.call(reqwest::Method::DELETE, path, None).await
    }

    /// All items of a list, following its pages.
    async fn list(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut url = format!("{}{path}{}?user_id={OWNER}", self.rest, self.slash);
        loop {
            let response = self.client.get(&url).send().await.expect("an answer");
            assert_eq!(response.status(), 200, "{url}");
            let next = response.headers().get("link").map(|link| {
                let link = link.to_str().expect("text").trim_start_matches('<');
                let target = link.split_once('>').expect("a target").0;
                response.url().join(target).expect("a URL").to_string()
            });
            let body: Value = response.json().await.expect("JSON");
            items.extend(result(&body).as_array().expect("a list").clone());
            match next {
                Some(next) => url = next,
                None => return items,
            }
        }
    }
}

/// The result in either form.
fn result(body: &Value) -> &Value {
    body.get("result").unwrap_or(&body["data"])
}

/// Every field of the old answer has the same value in the new one, which may have more.
fn assert_same(old: &Value, new: &Value, what: &str) {
    for (name, value) in old.as_object().expect("an object") {
        // The old application has null where this server has an empty object.
        let is_empty = name == "metadata" && value.is_null() && new[name] == json!({});
        assert!(
            is_empty || *value == new[name],
            "{what}, {name}: {old} {new}"
        );
    }
}

/// The reads of the old front end have the same answers from both.
async fn assert_same_reads(old: &FrontEnd, new: &FrontEnd) {
    for path in ["", "/deleted"] {
        let (before, now) = (old.list(path).await, new.list(path).await);
        assert_eq!(before.len(), now.len(), "{path}");
        for (old, new) in before.iter().zip(&now) {
            assert_same(old, new, path);
        }
        let some = before.iter().step_by(97);
        let some = some.map(|item| item["image_id"].as_str().expect("an id"));
        for id in some.chain([ROW]) {
            let path = format!("/{id}");
            let (old, new) = (old.get(&path).await, new.get(&path).await);
            assert_eq!(old.0, new.0, "{path}");
            assert_same(result(&old.1), result(&new.1), &path);
        }
    }
    let path = format!("/count?user_id={OWNER}");
    let (before, now) = (old.get(&path).await, new.get(&path).await);
    assert_eq!(result(&before.1), result(&now.1));
    let missing = format!("/{}", Uuid::new_v4());
    assert_eq!(old.get(&missing).await.0, new.get(&missing).await.0);
}

/// The writes of the old front end, in turn on one new image: the status of each, its message if it is an error of the
/// caller, and what a reader sees then.
async fn writes(writer: &FrontEnd, reader: &FrontEnd) -> Vec<Value> {
    let id = Uuid::new_v4().to_string();
    let body = json!({
        "user_id": OWNER, "image_url": image_url(&id), "refined_prompt": "a fox", "intent": "relight",
        "metadata": { "task_id": "t-1", "seed": 7 }
    });
    let one = format!("/{id}");
    let restore = format!("/{id}/restore");
    let permanent = format!("/{id}/permanent");
    let mut answers = Vec::new();
    for step in [
        "create",
        "create again",
        "restore what is active",
        "soft delete",
        "restore",
        "purge",
        "purge again",
    ] {
        let (status, reply) = match step {
            "create" | "create again" => writer.post("", &body).await,
            "soft delete" => writer.delete(&one).await,
            "purge" | "purge again" => writer.delete(&permanent).await,
            _ => writer.post(&restore, &json!({})).await,
        };
        let message = (status == 400).then(|| reply["message"].clone());
        let (seen, body) = reader.get(&one).await;
        let seen_in_trash = &result(&body)["is_deleted"];
        answers.push(json!([step, status, message, seen, seen_in_trash]));
    }
    answers
}

/// Writes of the application, of its workers, and of this server, at the same time. Returns the number of changes.
async fn write_from_all_sides(database: &TestDatabase, old: &FrontEnd, graphql: &str) -> usize {
    let turns = 350 * Dice::scale();
    let django = async {
        for turn in 0..turns {
            let id = Uuid::new_v4().to_string();
            let body = json!({ "user_id": OWNER, "image_url": image_url(&id), "metadata": { "turn": turn } });
            assert_eq!(old.post("", &body).await.0, 201);
            assert_eq!(old.delete(&format!("/{id}")).await.0, 200);
        }
    };
    let workers = async {
        let mut worker = worker(database).await;
        let id = Uuid::new_v4();
        for turn in 0..2 * turns {
            upsert(&mut worker, id, &format!("turn {turn}"), None).await;
        }
    };
    let server = async {
        let create =
            "mutation($input: CreateImageInput!) { createImage(input: $input) { created } }";
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.expect("a client");
        for _ in 0..2 * turns {
            let url = image_url(&Uuid::new_v4().to_string());
            let variables = json!({ "input": { "userId": OWNER, "imageUrl": url } });
            let body = json!({ "query": create, "variables": variables });
            let reply = client.post(graphql).json(&body).send().await;
            let reply: Value = reply.expect("an answer").json().await.expect("JSON");
            assert_eq!(reply["data"]["createImage"]["created"], true, "{reply}");
        }
    };
    futures_util::join!(django, workers, server);
    3 * 2 * turns
}

/// The statements by which `doctor` would drop the duplicates.
async fn doubled_indexes(program: &Program) -> Vec<String> {
    let report = program.run(&["doctor"]).await.expect_success();
    let lines = report.lines();
    let lines = lines.filter(|line| line.starts_with("warning indexes: "));
    let drops = lines.map(|line| line.rsplit_once("→ ").expect("a remedy").1);
    drops.map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_is_replaced_step_by_step() {
    on_own_cluster(&[], &[], async |database: TestDatabase| {
        let Some(django) = Django::beside(&database) else {
            return;
        };
        make_table(&database).await;
        let unchanged = schema(&database).await;
        let application = django.serve();
        let old = FrontEnd::of(&application.rest, "");
        let known = old.list("").await;

        // 1. Beside each other, after the way back was tried.
        let code = program(&database).with("REST_API", "code");
        code.run(&["migrate", "up"]).await.expect_success();
        code.run(&["migrate", "down"]).await.expect_success();
        assert_eq!(schema(&database).await, unchanged);
        assert_eq!(old.list("").await, known);

        code.run(&["migrate", "up"]).await.expect_success();
        let servers = [code.serve().await, program(&database).serve().await];
        let graphql = format!("http://{}/graphql", servers[0].address());
        let changes = write_from_all_sides(&database, &old, &graphql).await;
        assert!(changes > 2_000);
        let events = count(&database, "image_gallery_event").await;
        assert_eq!(usize::try_from(events).expect("a count"), changes);

        // 2. Readers: both forms, with the slash and without.
        for server in &servers {
            for slash in ["", "/"] {
                let old = FrontEnd::of(&application.rest, slash);
                let new = FrontEnd::of(&format!("http://{}/v1/gallery", server.address()), slash);
                assert_same_reads(&old, &new).await;
            }
        }

        // 3. Writers, and back: whoever writes, both see the same.
        let new = FrontEnd::of(&format!("http://{}/v1/gallery", servers[0].address()), "/");
        let by_django = writes(&old, &old).await;
        assert_eq!(writes(&new, &old).await, by_django);
        assert_eq!(writes(&new, &new).await, by_django);
        assert_eq!(writes(&old, &new).await, by_django);

        // 4. Switched off: only this server uses the table.
        drop(application);
        let saved = definitions(&database).await;
        assert_eq!(saved.matches("CREATE INDEX").count(), 4, "{saved}");
        database
            .db_execute("DROP TRIGGER update_image_gallery_updated_at ON image_gallery")
            .await;
        let doubled = doubled_indexes(&code).await;
        assert_eq!(doubled.len(), 4, "{doubled:?}");
        for statement in &doubled {
            database.db_execute(statement).await;
        }
        assert_eq!(doubled_indexes(&code).await, Vec::<String>::new());
        let items = new.list("").await;
        let ids: HashSet<_> = items.iter().map(|item| item["image_id"].as_str()).collect();
        assert!(
            known
                .iter()
                .all(|item| ids.contains(&item["image_id"].as_str()))
        );

        // And back: what was dropped is there again.
        database.db_execute(&saved).await;
        assert_eq!(definitions(&database).await, saved);
        let application = django.serve();
        let old = FrontEnd::of(&application.rest, "/");
        assert_same_reads(&old, &new).await;
        assert_eq!(writes(&old, &new).await, by_django);
    })
    .await;
}

/// What the page's statement says of the application's trigger and indexes.
async fn definitions(database: &TestDatabase) -> String {
    let page = include_str!("../../../docs/moving-from-django.md");
    let (_, on) = page.split_once("for the way back:").expect("the step");
    let (_, on) = on.split_once("```sql").expect("its statement");
    let (statement, _) = on.split_once("```").expect("its end");
    let statement = statement.trim().trim_end_matches(';');
    let all = format!(
        "SELECT string_agg(definition, ' ' ORDER BY definition) FROM ({statement}) AS saved (definition)"
    );
    database.db_query_text(&all).await.expect("definitions")
}
