//! `Query.prompts`: the different prompts of active images.

use std::collections::HashSet;

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::{TestApp, User, each_database};

const PROMPTS: &str = "query($user: String, $kind: PromptKind! = REFINED, $search: String, $first: Int, $after: String, $last: Int, $before: String) {
    prompts(userId: $user, kind: $kind, search: $search, first: $first, after: $after, last: $last, before: $before) {
        nodes { text imageCount firstUsedAt lastUsedAt images(first: 3) { totalCount nodes { id createdAt } } }
        edges { cursor node { text } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

async fn prompts(caller: &User, variables: Value) -> Value {
    caller.run(PROMPTS, variables).await["prompts"].take()
}

fn texts(page: &Value) -> Vec<&str> {
    let nodes = page["nodes"].as_array().expect("nodes").iter();
    nodes.filter_map(|prompt| prompt["text"].as_str()).collect()
}

async fn create(caller: &User, refined: &str) -> Value {
    caller
        .create(json!({ "refinedPrompt": refined, "userId": caller.id }))
        .await
}

#[apply(each_database!)]
async fn each_prompt_is_listed_once_last_used_first(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let mut images = Vec::new();
    for prompt in [
        "a cat",
        "a dog",
        "\u{3000} a cat\n",
        "A cat",
        "  ",
        "",
        "a  cat",
    ] {
        images.push(create(&alice, prompt).await);
    }
    create(&bob, "a dog").await;
    create(&bob, "a cat").await;
    alice.create(json!({ "userId": "alice" })).await;

    let page = prompts(&alice, json!({ "user": "alice" })).await;
    assert_eq!(texts(&page), ["a  cat", "A cat", "a cat", "a dog"]);
    let cat = &page["nodes"][2];
    assert_eq!(cat["imageCount"], 2);
    assert_eq!(cat["firstUsedAt"], images[0]["createdAt"]);
    assert_eq!(cat["lastUsedAt"], images[2]["createdAt"]);
    assert_eq!(cat["images"]["totalCount"], 2);
    let ids: Vec<_> = (cat["images"]["nodes"].as_array().expect("images").iter())
        .map(|image| image["id"].clone())
        .collect();
    assert_eq!(ids, [images[2]["id"].clone(), images[0]["id"].clone()]);

    // Of everybody's.
    let page = prompts(&app.user("anybody"), json!({})).await;
    assert_eq!(texts(&page), ["a cat", "a dog", "a  cat", "A cat"]);
    assert_eq!(page["nodes"][0]["imageCount"], 3);

    // One in the trash does not count.
    let delete = "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }";
    alice.run(delete, json!({ "id": images[2]["id"] })).await;
    let page = prompts(&alice, json!({ "user": "alice" })).await;
    assert_eq!(texts(&page), ["a  cat", "A cat", "a dog", "a cat"]);
    assert_eq!(page["nodes"][3]["imageCount"], 1);
    alice.run(delete, json!({ "id": images[0]["id"] })).await;
    let page = prompts(&alice, json!({ "user": "alice" })).await;
    assert_eq!(texts(&page), ["a  cat", "A cat", "a dog"]);
}

#[apply(each_database!)]
async fn pages_join_in_both_directions(app: TestApp) {
    let alice = app.user("alice");
    for number in 0..30 {
        create(&alice, &format!("prompt {}", number % 11)).await;
    }
    let whole = prompts(&alice, json!({ "user": "alice", "first": 30 })).await;
    let whole: Vec<String> = texts(&whole).into_iter().map(str::to_owned).collect();
    assert_eq!(whole.len(), 11);
    assert_eq!(whole[0], "prompt 7");
    let (mut forwards, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = prompts(
            &alice,
            json!({ "user": "alice", "first": 4, "after": after }),
        )
        .await;
        forwards.extend(texts(&page).into_iter().map(str::to_owned));
        assert_eq!(page["pageInfo"]["hasPreviousPage"], !after.is_null());
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(forwards, whole);
    let (mut backwards, mut before) = (Vec::new(), Value::Null);
    loop {
        let page = prompts(
            &alice,
            json!({ "user": "alice", "last": 4, "before": before }),
        )
        .await;
        backwards.extend(texts(&page).into_iter().rev().map(str::to_owned));
        assert_eq!(page["pageInfo"]["hasNextPage"], !before.is_null());
        if page["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
        before = page["pageInfo"]["startCursor"].clone();
    }
    backwards.reverse();
    assert_eq!(backwards, whole);
}

#[apply(each_database!)]
async fn a_search_is_in_the_prompts_of_that_kind(app: TestApp) {
    let alice = app.user("alice");
    for (original, refined) in [
        ("cat", "a red cat in the rain"),
        ("a red thing", "a blue cat"),
        ("dog", "a green dog, seen by a cat"),
        ("bird", "a bird"),
    ] {
        let input =
            json!({ "userId": "alice", "originalPrompt": original, "refinedPrompt": refined });
        alice.create(input).await;
    }
    for (kind, search, expected) in [
        (
            "REFINED",
            "cat",
            vec![
                "a green dog, seen by a cat",
                "a blue cat",
                "a red cat in the rain",
            ],
        ),
        ("REFINED", "red", vec!["a red cat in the rain"]),
        (
            "REFINED",
            "cat -red",
            vec!["a green dog, seen by a cat", "a blue cat"],
        ),
        ("REFINED", "\"red cat\"", vec!["a red cat in the rain"]),
        (
            "REFINED",
            "red or bird",
            vec!["a bird", "a red cat in the rain"],
        ),
        ("REFINED", "-cat", vec!["a bird"]),
        (
            "REFINED",
            "-\"green dog\" -bird",
            vec!["a blue cat", "a red cat in the rain"],
        ),
        ("REFINED", "thing", vec![]),
        ("REFINED", "!", vec![]),
        (
            "REFINED",
            " ",
            vec![
                "a bird",
                "a green dog, seen by a cat",
                "a blue cat",
                "a red cat in the rain",
            ],
        ),
        ("ORIGINAL", "red", vec!["a red thing"]),
        ("ORIGINAL", "-red", vec!["bird", "dog", "cat"]),
    ] {
        let page = prompts(
            &alice,
            json!({ "user": "alice", "kind": kind, "search": search }),
        )
        .await;
        assert_eq!(texts(&page), expected, "{kind} {search}");
    }
}

#[apply(each_database!)]
async fn long_prompts_that_begin_alike_are_different(app: TestApp) {
    let alice = app.user("alice");
    let long = |end: &str| format!("{}{end}", "long ".repeat(3_999));
    for end in ["one", "two", "one", "two ", "three"] {
        create(&alice, &long(end)).await;
    }
    let page = prompts(&alice, json!({ "user": "alice" })).await;
    let counts: Vec<_> = (page["nodes"].as_array().expect("nodes").iter())
        .map(|prompt| prompt["imageCount"].clone())
        .collect();
    assert_eq!(counts, [1, 2, 2]);
    let shown: HashSet<&str> = texts(&page).into_iter().collect();
    assert_eq!(
        shown,
        HashSet::from([&*long("one"), &*long("two"), &*long("three")])
    );
}

#[apply(each_database!)]
async fn wrong_arguments_are_refused(app: TestApp) {
    let alice = app.user("alice");
    for variables in [
        json!({ "first": 0 }),
        json!({ "first": 1, "last": 1 }),
        json!({ "after": "nonsense" }),
        json!({ "user": "" }),
    ] {
        let reply = alice.graphql(PROMPTS, variables.clone()).await;
        assert_eq!(reply.error_code(), "BAD_USER_INPUT", "{variables}");
    }
}
