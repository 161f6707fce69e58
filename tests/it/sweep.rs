//! `emptyTrash`, `restoreTrash`.

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::rows::db_fill_trash;
use crate::harness::{TestApp, TestDatabase, each_database, on_postgres};

async fn trash(app: &TestApp, owner: &str) -> (String, String) {
    let id = app.user(owner).create_image().await;
    let deleted = app
        .run(
            "mutation($id: ID!) { softDeleteImage(id: $id) { image { deletedAt } } }",
            json!({ "id": id }),
        )
        .await;
    let deleted_at = deleted["softDeleteImage"]["image"]["deletedAt"]
        .as_str()
        .expect("it is deleted")
        .to_owned();
    (id, deleted_at)
}

async fn sweep(app: &TestApp, verb: &str, arguments: &str) -> Value {
    let (count, ids) = if verb == "emptyTrash" {
        ("purgedCount", "purgedIds")
    } else {
        ("restoredCount", "restoredIds")
    };
    let mutation =
        format!("mutation {{ it: {verb}({arguments}) {{ count: {count} ids: {ids} hasMore }} }}");
    app.run(&mutation, json!({})).await["it"].take()
}

async fn deleted(app: &TestApp) -> i64 {
    let count = app.run("{ deletedImages { totalCount } }", json!({})).await;
    count["deletedImages"]["totalCount"]
        .as_i64()
        .expect("a count")
}

#[apply(each_database!)]
async fn the_owner_of_the_trash_is_required(app: TestApp) {
    trash(&app, "alice").await;
    for verb in ["emptyTrash", "restoreTrash"] {
        let dry = (verb == "emptyTrash").then_some("(dryRun: true)");
        for arguments in dry.into_iter().chain([
            "",
            "(all: false)",
            r#"(userId: "alice", all: true)"#,
            r#"(userId: "")"#,
        ]) {
            let mutation = format!("mutation {{ {verb}{arguments} {{ hasMore }} }}");
            assert_eq!(
                app.error_code(&mutation, json!({})).await,
                "BAD_USER_INPUT",
                "{mutation}"
            );
        }
    }
    assert_eq!(deleted(&app).await, 1);
}

#[apply(each_database!)]
async fn one_owners_trash_is_swept_and_no_active_image(app: TestApp) {
    let (first, _) = trash(&app, "alice").await;
    let (second, _) = trash(&app, "alice").await;
    trash(&app, "bob").await;
    app.user("alice").create_image().await;
    let restored = sweep(&app, "restoreTrash", r#"userId: "alice""#).await;
    assert_eq!(
        restored,
        json!({ "count": 2, "ids": [first, second], "hasMore": false })
    );
    assert_eq!(
        sweep(&app, "emptyTrash", r#"userId: "alice""#).await["count"],
        json!(0)
    );
    assert_eq!(
        sweep(&app, "emptyTrash", "all: true").await["count"],
        json!(1)
    );
    let left = app.run("{ images { totalCount } }", json!({})).await;
    assert_eq!(left["images"]["totalCount"], json!(3));
}

#[apply(each_database!)]
async fn a_dry_run_says_what_would_be_purged_and_purges_nothing(app: TestApp) {
    let (first, _) = trash(&app, "alice").await;
    let (second, second_at) = trash(&app, "alice").await;
    let (third, _) = trash(&app, "bob").await;
    app.user("alice").create_image().await;
    let older = format!(r#"all: true, deletedBefore: "{second_at}""#);
    for (arguments, ids) in [
        ("all: true", vec![&first, &second, &third]),
        (r#"userId: "alice""#, vec![&first, &second]),
        (&older, vec![&first]),
        (r#"userId: "carol""#, vec![]),
    ] {
        let dry = sweep(&app, "emptyTrash", &format!("{arguments}, dryRun: true")).await;
        let expected = json!({ "count": ids.len(), "ids": ids, "hasMore": false });
        assert_eq!(dry, expected, "{arguments}");
    }
    assert_eq!(deleted(&app).await, 3);
    let events = "{ galleryEvents(types: [PURGED]) { nodes { id } } }";
    let events = app.run(events, json!({})).await;
    assert_eq!(events["galleryEvents"]["nodes"], json!([]));
    let purged = sweep(&app, "emptyTrash", "all: true, dryRun: false").await;
    assert_eq!(purged["ids"], json!([first, second, third]));
}

#[apply(each_database!)]
async fn deleted_before_is_exclusive_and_deleted_after_inclusive(app: TestApp) {
    let (first, _) = trash(&app, "alice").await;
    let (second, second_at) = trash(&app, "alice").await;
    let (third, _) = trash(&app, "alice").await;
    let emptied = sweep(
        &app,
        "emptyTrash",
        &format!(r#"all: true, deletedBefore: "{second_at}""#),
    )
    .await;
    assert_eq!(emptied["ids"], json!([first]));
    let restored = sweep(
        &app,
        "restoreTrash",
        &format!(r#"all: true, deletedAfter: "{second_at}""#),
    )
    .await;
    assert_eq!(restored["ids"], json!([second, third]));
}

#[apply(each_database!)]
async fn one_call_takes_ten_thousand_at_most(app: TestApp) {
    db_fill_trash(&app, 10_001).await;
    trash(&app, "alice").await;
    let restored = sweep(&app, "restoreTrash", r#"userId: "alice""#).await;
    assert_eq!(
        (&restored["count"], &restored["hasMore"]),
        (&json!(1), &json!(false))
    );
    let dry = sweep(&app, "emptyTrash", "all: true, dryRun: true").await;
    assert_eq!(
        (&dry["count"], &dry["hasMore"]),
        (&json!(10_000), &json!(true))
    );
    let (mut purged, mut calls) = (0, 0);
    loop {
        let emptied = sweep(&app, "emptyTrash", "all: true").await;
        let count = emptied["count"].as_i64().expect("a count");
        assert!(count <= 10_000);
        purged += count;
        calls += 1;
        if emptied["hasMore"] == json!(false) {
            break;
        }
    }
    assert_eq!(purged, 10_001);
    assert!(calls > 1);
    assert_eq!(deleted(&app).await, 0);
}

#[apply(each_database!)]
async fn concurrent_sweeps_take_each_image_once(app: TestApp) {
    db_fill_trash(&app, 3_000).await;
    let sweeps = join_all((0..6).map(|_| sweep(&app, "emptyTrash", "all: true"))).await;
    let purged: i64 = sweeps
        .iter()
        .map(|swept| swept["count"].as_i64().expect("a count"))
        .sum();
    let rest = sweep(&app, "emptyTrash", "all: true").await["count"]
        .as_i64()
        .expect("a count");
    assert_eq!(purged + rest, 3_000);
    assert_eq!(deleted(&app).await, 0);
}

#[apply(each_database!)]
async fn images_purged_before_a_failure_are_reported(app: TestApp) {
    db_fill_trash(&app, 600).await;
    let last = match app.database() {
            TestDatabase::Postgres(_) => "UPDATE image_gallery SET user_id = 'kept', deleted_at = '2027-01-01' \
                WHERE image_id = (SELECT image_id FROM image_gallery LIMIT 1);
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
                CREATE TRIGGER refuse BEFORE DELETE ON image_gallery FOR EACH ROW WHEN (old.user_id = 'kept') EXECUTE FUNCTION refuse()",
            TestDatabase::Sqlite(_) => "UPDATE image_gallery SET user_id = 'kept', deleted_at = '2027-01-01T00:00:00.000000Z' \
                WHERE row_key = (SELECT min(row_key) FROM image_gallery);
                CREATE TRIGGER refuse BEFORE DELETE ON image_gallery WHEN old.user_id = 'kept' \
                BEGIN SELECT raise(ABORT, 'not this one'); END",
        };
    app.db_execute(last).await;
    let swept = sweep(&app, "emptyTrash", "all: true").await;
    assert_eq!(
        (&swept["count"], &swept["hasMore"]),
        (&json!(500), &json!(true))
    );
    assert_eq!(deleted(&app).await, 100);
    // This call changed nothing.
    let code = app
        .error_code(
            "mutation { emptyTrash(all: true) { purgedCount } }",
            json!({}),
        )
        .await;
    assert_eq!(code, "INTERNAL_SERVER_ERROR");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_sweep_ends_before_its_request_times_out() {
    on_postgres(&["--request-timeout-seconds=2"], async |app: TestApp| {
        db_fill_trash(&app, 2000).await;
        let slow = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.6); RETURN null; END $$;
            CREATE TRIGGER wait BEFORE DELETE ON image_gallery FOR EACH STATEMENT EXECUTE FUNCTION wait()";
        app.db_execute(slow).await;
        let swept = sweep(&app, "emptyTrash", "all: true").await;
        assert_eq!(swept["hasMore"], json!(true));
        let count = swept["count"].as_i64().expect("a count");
        assert_eq!(deleted(&app).await, 2000 - count);
    })
    .await;
}
