//! Tests isolation in every call: nothing that one owner sends shows or changes another owner's data.
//!
//! 1. The calls are those of the OpenAPI document: the test fails if one is not in the table.
//! 2. Alice sends each call with values of Bob's images: her responses contain nothing of his, and his images stay
//!    unchanged.
//! 3. Bob's images are purged, and she sends the calls again: the responses are the same.

use std::collections::BTreeSet;

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::{Value, json};

use super::Caller;
use crate::harness::{Reply, TestApp, each_database, image_url};

/// Each call, with `ID` as a placeholder for one of Bob's ids, and `CURSOR` for one of his cursors.
const CALLS: [(&str, &str, &[&str]); 8] = [
    (
        "GET",
        "/",
        &[
            "?user_id=alice",
            "?user_id=bob",
            "",
            "?user_id=alice&after=CURSOR",
            "?user_id=alice&intent=boblabel",
            "?user_id=alice&user_id=bob",
        ],
    ),
    ("POST", "/", &[""]),
    (
        "GET",
        "/deleted/",
        &[
            "?user_id=alice",
            "?user_id=bob",
            "",
            "?user_id=alice&after=CURSOR",
        ],
    ),
    (
        "GET",
        "/count/",
        &[
            "?user_id=alice",
            "?user_id=bob",
            "",
            "?user_id=alice&intent=boblabel",
        ],
    ),
    ("GET", "/{image_id}/", &[""]),
    ("DELETE", "/{image_id}/", &[""]),
    ("POST", "/{image_id}/restore/", &[""]),
    ("DELETE", "/{image_id}/permanent/", &[""]),
];

const CREATE: &str = "POST /";

async fn images_of(owner: &Caller, name: &str) -> [String; 2] {
    let mut ids = Vec::new();
    for _ in 0..4 {
        let id = uuid::Uuid::new_v4().to_string();
        let body = json!({
            "image_url": image_url(&id), "refined_prompt": format!("{name}secret"), "original_prompt": format!("{name}secret"),
            "intent": format!("{name}label"), "metadata": { "owner": format!("{name}secret") },
        });
        let reply = owner.post("/", Some(body)).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        ids.push(id);
    }
    for id in &ids[2..] {
        owner.delete(&format!("/{id}")).await;
    }
    [ids[0].clone(), ids[2].clone()]
}

/// The cursor of the first page of one.
async fn cursor(owner: &Caller, below: &str) -> String {
    let reply = owner.get(&format!("{below}?user_id=bob&limit=1")).await;
    let link = reply.headers["link"].to_str().expect("text").to_owned();
    let (_, cursor) = link.split_once("after=").expect("a cursor");
    cursor.split('>').next().expect("a cursor").to_owned()
}

/// All of Bob's images, as a service sees them.
async fn bobs(service: &Caller) -> [Value; 3] {
    let mut answers = Vec::new();
    for below in ["/?user_id=bob", "/deleted/?user_id=bob"] {
        answers.push(service.get(below).await.body);
    }
    let worker = service.app.worker();
    let events = worker.run(
        "{ galleryEvents(userId: \"bob\", first: 100) { nodes { type imageId } } }",
        json!({}),
    );
    answers.push(events.await);
    answers.try_into().expect("three")
}

async fn send_all(
    alice: &Caller,
    ids: &[String],
    cursors: &[String],
    has_creates: bool,
) -> Vec<(String, Reply)> {
    let mut replies = Vec::new();
    for (method, path, queries) in CALLS {
        let method: Method = method.parse().expect("a method");
        for query in queries {
            for id in ids {
                for cursor in cursors {
                    let below = format!("{path}{query}")
                        .replace("{image_id}", id)
                        .replace("CURSOR", cursor);
                    // Without an owner, with hers and with his.
                    let bodies = [
                        json!({}),
                        json!({ "user_id": "alice" }),
                        json!({ "user_id": "bob" }),
                    ];
                    let is_create = format!("{method} {path}") == CREATE;
                    let bodies = match (is_create, has_creates) {
                        (true, true) => &bodies[..],
                        (true, false) => &[],
                        (false, _) => &bodies[..1],
                    };
                    for body in bodies {
                        let mut body = body.clone();
                        body["image_url"] = json!(image_url(id));
                        let body = is_create.then_some(body);
                        let call = format!("{method} {below} {body:?}");
                        replies.push((call, alice.send(method.clone(), &below, body).await));
                    }
                }
            }
        }
    }
    replies
}

/// What Alice learns from calls that store nothing.
fn learnt(replies: &[(String, Reply)]) -> Vec<(&str, u16, &Value)> {
    let is_create = |call: &str| call.starts_with("POST / ");
    let replies = replies.iter().filter(|(call, _)| !is_create(call));
    replies
        .map(|(call, reply)| (call.as_str(), reply.status.as_u16(), &reply.body))
        .collect()
}

#[apply(each_database!)]
#[settings("--auth-mode=supabase")]
async fn no_call_shows_or_changes_anything_of_anothers(app: TestApp) {
    let (alice, bob) = (Caller::user(&app, "alice"), Caller::user(&app, "bob"));
    let service = Caller::with_authorization(
        &app,
        &format!("Bearer {}", crate::harness::token::SERVICE_TOKEN),
    );

    let document = alice.get("/openapi.json").await.body;
    let paths = document["paths"].as_object().expect("paths");
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            let path = path
                .strip_prefix("/v1/gallery")
                .expect("below the path")
                .to_owned();
            let methods = item.as_object().expect("an item").keys();
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let tried = CALLS.map(|(method, path, _)| (method.to_owned(), path.to_owned()));
    assert_eq!(described, BTreeSet::from(tried));

    images_of(&alice, "alice").await;
    let ids = images_of(&bob, "bob").await;
    let cursors = [cursor(&bob, "/").await, cursor(&bob, "/deleted/").await];
    let before = bobs(&service).await;
    let first = send_all(&alice, &ids, &cursors, true).await;
    for (call, reply) in &first {
        let text = reply.body.to_string();
        for secret in ["bobsecret", "boblabel", "\"bob\""] {
            assert!(!text.contains(secret), "{call} shows {secret}: {text}");
        }
        assert_eq!(reply.headers.get("x-gallery-position"), None, "{call}");
    }
    assert_eq!(bobs(&service).await, before, "nothing of Bob's changed");

    // Now they are purged, and calls for images that do not exist look the same.
    for list in ["/?user_id=bob", "/deleted/?user_id=bob"] {
        for id in super::ids(&service.get(list).await) {
            service.delete(&format!("/{id}/permanent")).await;
        }
    }
    let second = send_all(&alice, &ids, &cursors, false).await;
    assert_eq!(learnt(&first), learnt(&second));
}
