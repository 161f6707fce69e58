//! Where a request broke a limit: `locations`, and the `path` of the response field.

use serde_json::{Value, json};

use super::{doubling, nested, numbered};
use crate::harness::{Reply, TestApp, on_sqlite};

/// The place as the client finds it: what the document has there, and the path.
async fn place(app: &TestApp, document: &str, variables: Value) -> (String, Value) {
    let reply = app.graphql(document, variables).await;
    let code = reply.error_code();
    assert_eq!(code, "QUERY_TOO_COMPLEX", "{:?}", reply.body);
    place_of(&reply, document)
}

fn place_of(reply: &Reply, document: &str) -> (String, Value) {
    let error = &reply.body["errors"][0];
    let location = &error["locations"][0];
    let index = |value: &Value| {
        let number = value
            .as_u64()
            .unwrap_or_else(|| panic!("no place in {error}"));
        usize::try_from(number).expect("a place in memory") - 1
    };
    let line = document.lines().nth(index(&location["line"]));
    let rest: String = line
        .expect("a line of the document")
        .chars()
        .skip(index(&location["column"]))
        .collect();
    let word = rest.split([' ', '(']).next().expect("a word");
    (word.to_owned(), error["path"].clone())
}

async fn assert_place(app: &TestApp, document: &str, word: &str, path: Value) {
    let found = place(app, document, json!({})).await;
    assert_eq!(found, (word.to_owned(), path), "{document:.300}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_text_has_the_token_that_is_too_much() {
    on_sqlite(&["--graphql-max-tokens=100"], async |app: TestApp| {
        let tokens = format!("# é\n{{\r\n {}here b }}", "a ".repeat(99));
        assert_place(&app, &tokens, "here", Value::Null).await;
        let brackets = format!("{{ a(b: \"é\", c:\n{} [here", "[".repeat(62));
        assert_place(&app, &brackets, "[here", Value::Null).await;
        let long = format!("{{ a }}\n   # {}\n b", "x".repeat(256 * 1024));
        assert_place(&app, &long, "#", Value::Null).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_selections_has_the_first_that_is_too_much() {
    on_sqlite(&[], async |app: TestApp| {
        // Depth: the first of two that are too deep, through fragments.
        let deep = nested("{a ", "{here a}", "}", 14);
        let document = format!(
            "{{ b x: images {{ c ... {{ ...F }} }} }}\nfragment F on ImageConnection {{ {} }}",
            &deep[1..deep.len() - 1]
        );
        let mut path = vec!["x"];
        path.extend(["a"; 14]);
        path.push("here");
        assert_place(&app, &document, "here", json!(path)).await;
        // Aliases: the one after thirty.
        let aliases = numbered(15, |number| format!("a{number}: id "));
        let document = format!(
            "{{ images {{ nodes {{ ...F ... on Image {{ ...F }} here: id b: id }} }} }}\nfragment F on Image {{ {aliases} }}"
        );
        assert_place(&app, &document, "here:", json!(["images", "nodes", "here"])).await;
        // Introspection: the list after two.
        let document = "{ __schema { types { ...F } } }
            fragment F on __Type { name fields { type { interfaces { name possibleTypes { name } } } } }";
        let path = json!(["__schema", "types", "fields", "type", "interfaces", "possibleTypes"]);
        assert_place(&app, document, "possibleTypes", path).await;
        // Selections: where the doubling comes to ten thousand.
        let bomb = doubling(40, "here");
        let (word, path) = place(&app, &bomb, json!({})).await;
        assert!(word == "here" || word.starts_with("...f"), "{word}");
        assert!(path.is_null() || path == json!(["here"]), "{path}");
        // Fragments within fragments: the spread.
        let links = numbered(100, |link| format!("fragment f{link} on Query {{ ...f{} }}\n", link + 1));
        let document = format!("{{ ...f0 }}\n{links}fragment f100 on Query {{ __typename }}");
        let (word, path) = place(&app, &document, json!({})).await;
        assert_eq!((word.as_str(), path), ("...f64", Value::Null));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_complexity_has_the_field_with_which_the_sum_is_too_much() {
    on_sqlite(&["--graphql-max-complexity=120"], async |app: TestApp| {
        let document = "{ a: images(first: 20) { nodes { id userId } }
            b: images(first: 50) { edges { node { id\n intent } } totalCount } }";
        let path = json!(["b", "edges", "node", "intent"]);
        assert_place(&app, document, "intent", path).await;
        assert_place(
            &app,
            "{ trailCursor galleryStats { activeCount createdPerDay { date } } }",
            "date",
            json!(["galleryStats", "createdPerDay", "date"]),
        )
        .await;
        let document = "mutation { x: emptyTrash { purgedCount } }";
        assert_place(&app, document, "x:", json!(["x"])).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_a_variable_has_its_definition() {
    on_sqlite(&[], async |app: TestApp| {
        let document = "query($f: Int,\n $a: JSON) { images(first: $f, filter: { metadataContains: $a }) { nodes { id } } }";
        let deep: Value = serde_json::from_str(&nested("[", "", "]", 65)).expect("JSON");
        let found = place(&app, document, json!({ "f": 1, "a": deep })).await;
        assert_eq!(found, ("$a:".to_owned(), Value::Null));
        let many = json!({ "a": vec![0; 1_000_000], "f": 1 });
        let found = place(&app, document, many).await;
        assert_eq!(found, ("$a:".to_owned(), Value::Null));
        // Not even one of the operation's.
        let reply = app.graphql(document, json!({ "b": deep })).await;
        assert_eq!(reply.body["errors"][0].get("locations"), None);
        // Used too often: the field with which it is too much.
        let uses = numbered(20, |number| {
            format!("a{number}: images(filter: {{ metadataContains: $a }}) {{ totalCount }}\n")
        });
        let document = format!("query($a: JSON) {{ {uses} }}");
        let large = json!({ "a": "x".repeat(1_000_000) });
        let (word, path) = place(&app, &document, large).await;
        assert_eq!((word.as_str(), path), ("a9:", Value::Null));
        // For each of a hundred images.
        let document = "query($a: String) { images(first: 100) { nodes { id ...F } } }
            fragment F on Image { events(after: $a) { nodes { id } } }";
        let large = json!({ "a": "x".repeat(200_000) });
        let (word, path) = place(&app, document, large).await;
        assert_eq!((word.as_str(), path), ("events", json!(["images", "nodes", "events"])));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introspection_and_directives_that_are_refused_have_their_place() {
    on_sqlite(&["--graphql-introspection=false"], async |app: TestApp| {
        for (document, word) in [
            ("{ __typename\n x: __schema { types { name } } }", "x:"),
            ("{ __typename @skip(if: false)\n @skip(if: true) }", "@skip"),
            ("query($a: Int @here) { __typename }", "@here)"),
        ] {
            let reply = app.graphql(document, json!({})).await;
            assert_eq!(
                reply.error_code(),
                "GRAPHQL_VALIDATION_FAILED",
                "{document}"
            );
            assert_eq!(place_of(&reply, document).0, word, "{document}");
        }
        let ring =
            "{ ...a }\nfragment a on Query { ...b }\nfragment b on Query { images { ...a } }";
        let reply = app.graphql(ring, json!({})).await;
        assert_eq!(
            place_of(&reply, ring),
            ("...a".to_owned(), json!(["images"]))
        );
    })
    .await;
}
