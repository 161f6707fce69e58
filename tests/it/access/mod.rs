//! Access control: each row of the README's access table, over HTTP.

mod isolation;
mod issuers;
mod keys;
mod tokens;

use macro_rules_attribute::apply;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::token::{authorization, role_claims, user_claims};
use crate::harness::{Program, Socket, TestApp, each_database, image_url};

/// An operation that every caller with access may run.
pub(super) const COUNT: &str = "{ images { totalCount } }";
const CREATE: &str = "mutation($input: CreateImageInput!) {
    createImage(input: $input) { created image { id userId } userErrors { code path } }
}";

/// Asserts a 401 with a challenge, and no data.
#[track_caller]
pub(super) fn assert_unauthenticated(reply: &crate::harness::Reply) {
    assert_eq!(reply.error_code(), "UNAUTHENTICATED", "{}", reply.body);
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    assert_eq!(reply.headers["www-authenticate"], "Bearer");
    let fields = reply.body["data"].as_object();
    let is_empty = fields.is_none_or(|fields| fields.values().all(Value::is_null));
    assert!(is_empty, "{}", reply.body);
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn input(user_id: Option<&str>) -> Value {
    json!({ "userId": user_id, "imageUrl": image_url(&uuid()) })
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn anonymous_callers_may_only_query_the_schema(app: TestApp) {
    for (query, variables) in [
        (COUNT, json!({})),
        ("{ deletedImages { nodes { id } } }", json!({})),
        ("{ galleryStats { __typename } }", json!({})),
        ("{ image(id: \"x\") { id } }", json!({})),
        ("{ node(id: \"x\") { id } }", json!({})),
        ("{ nodes(ids: []) { id } }", json!({})),
        (
            "{ images(userId: \"\", first: 1000, filter: { search: \"x\" }) { nodes { id } } }",
            json!({}),
        ),
        (
            "{ galleryEvents(userId: \"\", first: 1000, after: \"x\") { nodes { id } } }",
            json!({}),
        ),
        ("{ trailCursor }", json!({})),
        (
            "mutation { softDeleteImage(id: \"x\") { changed } }",
            json!({}),
        ),
        (
            "mutation { emptyTrash(all: true, userId: \"x\") { purgedCount } }",
            json!({}),
        ),
        ("mutation { restoreTrash { restoredCount } }", json!({})),
        (
            "mutation { softDeleteMatching(filter: {}) { hasMore } }",
            json!({}),
        ),
        (
            "mutation { undo(operationId: \"x\") { restoredIds } }",
            json!({}),
        ),
        (
            "mutation($ids: [ID!]!) { purgeImages(ids: $ids) { purgedIds } }",
            json!({ "ids": vec!["x"; 101] }),
        ),
        (
            "mutation { updateImage(input: { id: \"x\", imageUrl: \"x\" }) { userErrors { code } } }",
            json!({}),
        ),
        (
            CREATE,
            json!({ "input": { "imageUrl": "x", "userId": "" } }),
        ),
        (
            "mutation { createImages(input: []) { results { created } } }",
            json!({}),
        ),
    ] {
        assert_unauthenticated(&app.graphql(query, variables).await);
    }
    let schema = app
        .run(
            "{ __schema { queryType { name } } __type(name: \"Image\") { name } __typename }",
            json!({}),
        )
        .await;
    assert_eq!(schema["__schema"]["queryType"]["name"], "Query");
    let expired = authorization(
        &json!({ "role": "authenticated", "aud": "authenticated", "sub": "alice", "exp": 1 }),
    );
    let reply = app
        .graphql_as(Some(&expired), "{ __typename }", json!({}))
        .await;
    assert_eq!(reply.into_data(), json!({ "__typename": "Query" }));
    // It has data, so it is not a 401.
    let reply = app
        .graphql("{ __typename image(id: \"x\") { id } }", json!({}))
        .await;
    assert_eq!(
        (reply.status, reply.error_code()),
        (StatusCode::OK, "UNAUTHENTICATED".to_owned())
    );
    assert_eq!(
        reply.body["data"],
        json!({ "__typename": "Query", "image": null })
    );
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn a_user_has_access_to_their_own_images(app: TestApp) {
    let alice = app.user("alice");
    let created = alice.run(CREATE, json!({ "input": input(None) })).await;
    assert_eq!(created["createImage"]["image"]["userId"], "alice");
    let created = alice
        .run(CREATE, json!({ "input": input(Some("alice")) }))
        .await;
    assert_eq!(created["createImage"]["created"], true);
    app.user("bob").create_image().await;
    for query in [COUNT, "{ images(userId: \"alice\") { totalCount } }"] {
        assert_eq!(alice.run(query, json!({})).await["images"]["totalCount"], 2);
    }
    for query in [
        "{ images(userId: \"bob\") { totalCount } }",
        "{ deletedImages(userId: \"bob\") { totalCount } }",
        "{ galleryStats(userId: \"bob\") { activeCount } }",
        "{ galleryStats(userId: \"bob\") { __typename } }",
        "{ images(userId: \"Alice\") { totalCount } }",
        "{ galleryEvents(userId: \"bob\") { nodes { id } } }",
        "mutation { emptyTrash(userId: \"bob\") { purgedCount } }",
        "mutation { emptyTrash(all: true) { purgedCount } }",
        "mutation { restoreTrash(userId: \"bob\", all: true) { restoredCount } }",
        "mutation { restoreTrash(all: true) { restoredCount } }",
        "mutation { softDeleteMatching(userId: \"bob\", filter: {}) { hasMore } }",
        "mutation { softDeleteMatching(all: true, filter: {}, dryRun: true) { hasMore } }",
    ] {
        let reply = alice.graphql(query, json!({})).await;
        assert_eq!(
            (reply.status, reply.error_code()),
            (StatusCode::OK, "FORBIDDEN".to_owned()),
            "{query}"
        );
    }
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn probing_many_ids_of_others_is_rate_limited(app: TestApp) {
    let ids = |count| {
        (0..count)
            .map(|_| json!({ "imageUrl": image_url(&uuid()) }))
            .collect::<Vec<_>>()
    };
    let create = "mutation($input: [CreateImageInput!]!) { createImages(input: $input) { results { created userErrors { code } } } }";
    let bobs = ids(100);
    app.user("bob").run(create, json!({ "input": bobs })).await;
    let alice = app.user("alice");
    let reply = alice.run(create, json!({ "input": bobs })).await;
    assert_eq!(
        reply["createImages"]["results"][99]["userErrors"][0]["code"],
        "IMAGE_ID_TAKEN"
    );
    // Whether the next ids are taken does not matter.
    for input in [&bobs[..1], &ids(1)] {
        let reply = alice.graphql(create, json!({ "input": input })).await;
        assert_eq!(
            (reply.status, reply.error_code()),
            (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED".to_owned())
        );
    }
    app.user("carol").create_image().await;
    app.worker().create(json!({ "userId": "alice" })).await;
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn another_user_id_in_any_input_stores_nothing(app: TestApp) {
    let alice = app.user("alice");
    let reply = alice
        .graphql(CREATE, json!({ "input": input(Some("bob")) }))
        .await;
    assert_eq!(reply.error_code(), "FORBIDDEN");
    let many = "mutation($input: [CreateImageInput!]!) {
            createImages(input: $input) { results { created userErrors { code path } } }
        }";
    let inputs = json!([input(None), input(Some("")), input(Some("bob")), { "imageUrl": "x" }]);
    let reply = alice.graphql(many, json!({ "input": inputs })).await;
    assert_eq!(reply.error_code(), "FORBIDDEN");
    assert_eq!(
        app.worker().run(COUNT, json!({})).await["images"]["totalCount"],
        0
    );
    // A blank user id is an input error.
    let data = alice
        .run(many, json!({ "input": [input(None), input(Some(" "))] }))
        .await;
    assert_eq!(data["createImages"]["results"][0]["created"], true);
    let refused = json!([{ "code": "INVALID_USER_ID", "path": ["input", "1", "userId"] }]);
    assert_eq!(data["createImages"]["results"][1]["userErrors"], refused);
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn a_users_own_trash_is_the_default(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    for user in [&alice, &bob] {
        let id = user.create_image().await;
        user.run(
            "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
            json!({ "id": id }),
        )
        .await;
    }
    let data = alice
        .run("mutation { emptyTrash { purgedCount hasMore } }", json!({}))
        .await;
    assert_eq!(
        data["emptyTrash"],
        json!({ "purgedCount": 1, "hasMore": false })
    );
    let data = bob
        .run(
            "mutation { restoreTrash { restoredCount hasMore } }",
            json!({}),
        )
        .await;
    assert_eq!(
        data["restoreTrash"],
        json!({ "restoredCount": 1, "hasMore": false })
    );
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn services_may_do_everything_on_every_row(app: TestApp) {
    let id = app.user("alice").create_image().await;
    let by_role = authorization(&role_claims("service_role"));
    for service in [
        by_role.as_str(),
        &format!("Bearer {}", crate::harness::token::SERVICE_TOKEN),
    ] {
        let run = async |query: &str, variables| {
            app.graphql_as(Some(service), query, variables)
                .await
                .into_data()
        };
        assert_eq!(run(COUNT, json!({})).await["images"]["totalCount"], 1);
        assert_eq!(
            run("{ images(userId: \"bob\") { totalCount } }", json!({})).await["images"]["totalCount"],
            0
        );
        let data = run(
            "query($id: ID!) { image(id: $id) { userId } }",
            json!({ "id": id }),
        )
        .await;
        assert_eq!(data["image"]["userId"], "alice");
        let data = run(
            "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
            json!({ "id": id }),
        )
        .await;
        assert_eq!(data["softDeleteImage"]["changed"], true);
        let data = run(
            "mutation { restoreTrash(all: true) { restoredCount } }",
            json!({}),
        )
        .await;
        assert_eq!(data["restoreTrash"]["restoredCount"], 1);
        // A program owns no images.
        let data = run(CREATE, json!({ "input": input(None) })).await;
        let refused = json!([{ "code": "INVALID_USER_ID", "path": ["input", "userId"] }]);
        assert_eq!(data["createImage"]["userErrors"], refused);
        let code = app
            .graphql_as(
                Some(service),
                "mutation { emptyTrash { purgedCount } }",
                json!({}),
            )
            .await
            .error_code();
        assert_eq!(code, "BAD_USER_INPUT");
    }
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn the_role_anon_has_no_access(app: TestApp) {
    let anon = authorization(&role_claims("anon"));
    for query in [
        COUNT,
        "{ image(id: \"x\") { id } }",
        "mutation { restoreTrash { restoredCount } }",
    ] {
        let reply = app.graphql_as(Some(&anon), query, json!({})).await;
        assert_eq!(
            (reply.status, reply.error_code()),
            (StatusCode::OK, "FORBIDDEN".to_owned())
        );
    }
    let reply = app
        .graphql_as(Some(&anon), "{ __typename }", json!({}))
        .await;
    assert_eq!(reply.into_data(), json!({ "__typename": "Query" }));
}

#[apply(each_database!)]
async fn an_open_server_ignores_tokens(app: TestApp) {
    app.user("alice").create_image().await;
    for authorization in [
        "Bearer x",
        "Basic x",
        "",
        &authorization(&user_claims("bob")),
        &authorization(&role_claims("anon")),
    ] {
        let reply = app.graphql_as(Some(authorization), COUNT, json!({})).await;
        assert_eq!(
            reply.into_data()["images"]["totalCount"],
            1,
            "{authorization}"
        );
    }
}

#[tokio::test]
async fn nothing_of_a_secret_is_printed() {
    let program = Program::new()
        .with("AUTH_MODE", "supabase")
        .with("SUPABASE_JWT_SECRET", "s3cret-of-the-project")
        .with("SERVICE_TOKENS", "worker:s3cret");
    let refused = program.run(&["serve"]).await;
    assert_eq!(refused.code, Some(2));
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    assert!(
        refused.stderr.starts_with("SERVICE_TOKENS: "),
        "{}",
        refused.stderr
    );
    let help = program.run(&["--help"]).await;
    for text in [&refused.stderr, &refused.stdout, &help.stderr, &help.stdout] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[tokio::test]
async fn the_closest_log_has_no_token_of_a_socket_in_it() {
    let program = Program::new()
        .with("AUTH_MODE", "supabase")
        .with(
            "SERVICE_TOKENS",
            "worker:1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0",
        )
        .with("RUST_LOG", "trace,tungstenite=trace");
    let server = program.serve().await;
    let payload = json!({ "Authorization": "Bearer s3cret" });
    let mut socket = Socket::begun_at(server.address(), payload).await;
    socket.subscribe("1", "{ __typename }", json!({})).await;
    assert_eq!(socket.receive().await["type"], "next");
    server.terminate();
    let log = server.output().await.stderr;
    assert!(log.contains("TRACE") && !log.contains("s3cret"), "{log}");
}

#[tokio::test]
async fn authentication_without_keys_stops_the_start() {
    let refused = Program::new()
        .with("AUTH_MODE", "supabase")
        .run(&["serve"])
        .await;
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.starts_with("AUTH_MODE: `supabase` needs"),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn the_log_warns_of_open_access() {
    let open = Program::new().serve().await;
    open.terminate();
    let log = open.output().await.stderr;
    assert!(log.contains("no authentication"), "{log}");
    let closed = Program::new()
        .with("AUTH_MODE", "supabase")
        .with(
            "SUPABASE_JWT_SECRET",
            "s3cret-of-the-project-that-is-long-enough",
        )
        .with("HOST", "0.0.0.0")
        .serve()
        .await;
    closed.terminate();
    let log = closed.output().await.stderr;
    assert!(
        !log.contains("no authentication") && !log.contains("s3cret"),
        "{log}"
    );
}
