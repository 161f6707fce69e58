//! Each row of the README's access table, over REST.

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::json;

use super::{Caller, assert_error, ids};
use crate::harness::token::{SERVICE_TOKEN, authorization, role_claims, user_claims};
use crate::harness::{TestApp, each_database, image_url};

const ID: &str = "3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b";

/// Every call, good and bad ones.
fn calls() -> Vec<(Method, String, Option<serde_json::Value>)> {
    let image = json!({ "user_id": "alice", "image_url": image_url(ID) });
    vec![
        (Method::GET, "/".to_owned(), None),
        (Method::GET, "/?user_id=alice".to_owned(), None),
        (Method::GET, "/?limit=0&user_id=%00".to_owned(), None),
        (Method::GET, "/deleted/?user_id=alice".to_owned(), None),
        (Method::GET, "/count?user_id=alice".to_owned(), None),
        (Method::GET, format!("/{ID}/"), None),
        (Method::GET, "/x".to_owned(), None),
        (Method::POST, "/".to_owned(), Some(image)),
        (
            Method::POST,
            "/".to_owned(),
            Some(json!({ "image_url": 7 })),
        ),
        (Method::DELETE, format!("/{ID}"), None),
        (Method::POST, format!("/{ID}/restore/"), None),
        (Method::DELETE, format!("/{ID}/permanent"), None),
    ]
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn without_a_valid_token_nothing_is_done(app: TestApp) {
    let alice = Caller::user(&app, "alice");
    alice
        .post("/", Some(json!({ "image_url": image_url(ID) })))
        .await;
    let mut expired = user_claims("alice");
    expired["exp"] = json!(1);
    let expired = authorization(&expired);
    for token in [
        None,
        Some("Bearer x"),
        Some("Basic x"),
        Some(expired.as_str()),
    ] {
        let caller = match token {
            Some(token) => Caller::with_authorization(&app, token),
            None => Caller::anyone(&app),
        };
        for (method, below, body) in calls() {
            let reply = caller.send(method, &below, body).await;
            assert_error(&reply, 401, "sign in first");
            assert_eq!(reply.headers["www-authenticate"], "Bearer");
            assert_eq!(reply.body.get("errors"), None, "{below}");
        }
    }
    let anon = Caller::with_authorization(&app, &authorization(&role_claims("anon")));
    for (method, below, body) in calls() {
        assert_error(&anon.send(method, &below, body).await, 403, "anon");
    }
    assert_eq!(ids(&alice.get("/?user_id=alice").await), [ID]);
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn a_user_sees_and_changes_only_their_own(app: TestApp) {
    let (alice, bob) = (Caller::user(&app, "alice"), Caller::user(&app, "bob"));
    let (own, others) = (alice.create("alice").await, bob.create("bob").await);
    assert_eq!(
        ids(&alice.get("/?user_id=alice").await),
        std::slice::from_ref(&own)
    );
    for below in [
        "/?user_id=bob",
        "/deleted/?user_id=bob",
        "/count/?user_id=bob",
    ] {
        assert_error(&alice.get(below).await, 403, "another user's images");
    }
    // A call must have the same user id as its token.
    for below in ["/", "/deleted", "/count"] {
        assert_error(&alice.get(below).await, 400, "user_id");
    }
    let body = json!({ "user_id": "bob", "image_url": image_url(ID) });
    assert_error(
        &alice.post("/", Some(body)).await,
        403,
        "another user's images",
    );
    let taken = json!({ "image_url": image_url(&others) });
    assert_error(
        &alice.post("/", Some(taken)).await,
        409,
        "already stored for another owner",
    );
    for (method, below) in [
        (Method::GET, format!("/{others}/")),
        (Method::DELETE, format!("/{others}/")),
        (Method::POST, format!("/{others}/restore/")),
        (Method::DELETE, format!("/{others}/permanent/")),
    ] {
        assert_error(
            &alice.send(method, &below, None).await,
            404,
            "Image not found",
        );
    }
    assert_eq!(ids(&bob.get("/?user_id=bob").await), [others]);
    // The owner may be left out: it is the caller.
    let reply = alice
        .post("/", Some(json!({ "image_url": image_url(ID) })))
        .await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["data"]["user_id"]),
        (201, &json!("alice"))
    );
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn services_may_do_everything_on_every_row(app: TestApp) {
    let id = Caller::user(&app, "alice").create("alice").await;
    let by_role = authorization(&role_claims("service_role"));
    for service in [by_role, format!("Bearer {SERVICE_TOKEN}")] {
        let service = Caller::with_authorization(&app, &service);
        assert_eq!(ids(&service.get("/").await), std::slice::from_ref(&id));
        assert_eq!(
            ids(&service.get("/?user_id=bob").await),
            Vec::<String>::new()
        );
        assert_eq!(service.get(&format!("/{id}")).await.status, 200);
        assert_eq!(service.delete(&format!("/{id}")).await.status, 200);
        assert_eq!(
            service.post(&format!("/{id}/restore"), None).await.status,
            200
        );
        let reply = service
            .post("/", Some(json!({ "image_url": image_url(ID) })))
            .await;
        assert_error(&reply, 400, "user_id");
    }
}

/// The trail records the actor, as for GraphQL.
#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn the_trail_names_the_caller(app: TestApp) {
    let alice = Caller::user(&app, "alice");
    let id = alice.create("alice").await;
    let service = Caller::with_authorization(&app, &format!("Bearer {SERVICE_TOKEN}"));
    service.delete(&format!("/{id}/permanent")).await;
    let query = "{ galleryEvents(first: 10) { nodes { type imageId actor } } }";
    let events = app.worker().run(query, json!({})).await;
    let expected = json!([
        { "type": "CREATED", "imageId": id, "actor": "alice" },
        { "type": "PURGED", "imageId": id, "actor": "worker" },
    ]);
    assert_eq!(events["galleryEvents"]["nodes"], expected);
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn a_user_who_tries_ids_of_others_is_told_to_wait_a_minute(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let create = "mutation($input: [CreateImageInput!]!) { createImages(input: $input) { results { created } } }";
    let inputs: Vec<_> = (0..100)
        .map(|_| json!({ "imageUrl": image_url(&uuid::Uuid::new_v4().to_string()) }))
        .collect();
    for user in [&bob, &alice] {
        user.run(create, json!({ "input": inputs })).await;
    }
    let body = json!({ "image_url": image_url(ID) });
    let reply = Caller::user(&app, "alice").post("/", Some(body)).await;
    assert_eq!(reply.status, 429, "{}", reply.body);
    assert_eq!(reply.headers["retry-after"], "60");
}
