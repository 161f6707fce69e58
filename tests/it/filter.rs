//! Filters: intents, times, and metadata by containment.

use macro_rules_attribute::apply;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::harness::rows::{Dice, Row, db_insert, found};
use crate::harness::{TestApp, each_database, image_url, on_postgres, on_sqlite};

/// Stores rows and returns their ids by the labels of `table`.
async fn stored(app: &TestApp, rows: Vec<Row>) -> Vec<Uuid> {
    db_insert(app, &rows).await;
    rows.into_iter().map(|row| row.id).collect()
}

fn sorted(ids: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = ids.into_iter().collect();
    ids.sort_unstable();
    ids
}

async fn refusal(app: &TestApp, filter: Value) -> String {
    let query = "query($filter: ImageFilter) { images(filter: $filter) { nodes { id } } }";
    app.error_code(query, json!({ "filter": filter })).await
}

async fn contains(app: &TestApp, part: &Value) -> Vec<Uuid> {
    found(app, json!({ "metadataContains": part })).await
}

const LABELS: [Option<&str>; 14] = [
    Some("generate"),
    Some("Generate"),
    Some("GENERATE"),
    Some("edit"),
    Some("eDiT"),
    Some("Enhance"),
    Some("upscale"),
    Some("UpScale"),
    Some("other"),
    Some(" edit"),
    Some("äpfel"),
    Some("it's \"%_"),
    Some(""),
    None,
];

#[apply(each_database!)]
async fn intents_and_labels_are_found_in_any_stored_letter_case(app: TestApp) {
    let rows = LABELS.map(|label| Row {
        intent: label.map(str::to_owned),
        ..Row::new()
    });
    let ids = stored(&app, rows.to_vec()).await;
    let everything: Vec<usize> = (0..LABELS.len()).collect();
    let cases: Vec<(Value, Vec<usize>)> = vec![
        (json!({}), everything.clone()),
        (
            json!({ "intents": [], "intentLabels": [] }),
            everything.clone(),
        ),
        (json!({ "intents": null, "intentLabels": null }), everything),
        (json!({ "intents": ["GENERATE"] }), vec![0, 1, 2]),
        (json!({ "intents": ["EDIT"] }), vec![3, 4]),
        (
            json!({ "intents": ["ENHANCE", "EDIT", "EDIT"] }),
            vec![3, 4, 5],
        ),
        (json!({ "intents": ["OTHER"] }), vec![6, 7, 8, 9, 10, 11]),
        (
            json!({ "intents": ["OTHER", "EDIT"] }),
            vec![3, 4, 6, 7, 8, 9, 10, 11],
        ),
        (
            json!({ "intents": ["OTHER", "GENERATE", "EDIT", "ENHANCE"] }),
            (0..12).collect(),
        ),
        (json!({ "intentLabels": ["UPSCALE"] }), vec![6, 7]),
        (
            json!({ "intentLabels": ["upscale", "gEnErAtE"] }),
            vec![0, 1, 2, 6, 7],
        ),
        (json!({ "intentLabels": ["OTHER"] }), vec![8]),
        (json!({ "intentLabels": ["ÄPFEL"] }), vec![10]),
        (json!({ "intentLabels": ["IT'S \"%_"] }), vec![11]),
        (json!({ "intentLabels": ["edit "] }), vec![]),
        (json!({ "intentLabels": [" EDIT"] }), vec![9]),
        (json!({ "intentLabels": [""] }), vec![]),
        (json!({ "intentLabels": ["nothing of the kind"] }), vec![]),
        (
            json!({ "intents": ["OTHER"], "intentLabels": ["upscale", "edit"] }),
            vec![6, 7],
        ),
        (
            json!({ "intents": ["GENERATE"], "intentLabels": ["edit"] }),
            vec![],
        ),
    ];
    for (filter, expected) in cases {
        let expected = sorted(expected.into_iter().map(|place| ids[place]));
        assert_eq!(found(&app, filter.clone()).await, expected, "{filter}");
    }
    let query = "query($id: ID!) { image(id: $id) { intent intentLabel } }";
    for (place, intent, label) in [
        (1, json!("GENERATE"), json!("Generate")),
        (12, Value::Null, Value::Null),
        (8, json!("OTHER"), json!("other")),
    ] {
        let image = app.run(query, json!({ "id": ids[place] })).await;
        assert_eq!(
            image["image"],
            json!({ "intent": intent, "intentLabel": label })
        );
    }
    let many = |different: usize| -> Vec<String> {
        (0..different * 200)
            .map(|number| {
                format!(
                    "{}{}",
                    ["label", "Label"][number % 2],
                    number / 2 % different
                )
            })
            .collect()
    };
    assert_eq!(
        found(&app, json!({ "intentLabels": many(100) })).await,
        Vec::<Uuid>::new()
    );
    assert_eq!(
        refusal(&app, json!({ "intentLabels": many(101) })).await,
        "BAD_USER_INPUT"
    );
    let intents = vec!["EDIT"; 40_000];
    assert_eq!(found(&app, json!({ "intents": intents })).await.len(), 2);
    assert_eq!(
        refusal(&app, json!({ "intentLabels": ["a\0b"] })).await,
        "BAD_USER_INPUT"
    );
}

#[apply(each_database!)]
async fn a_label_stored_in_capitals_beyond_ascii_is_found(app: TestApp) {
    let rows = ["ÄPFEL", "Äpfel", "äpfel"].map(|label| Row {
        intent: Some(label.to_owned()),
        ..Row::new()
    });
    let ids = sorted(stored(&app, rows.to_vec()).await);
    for label in ["ÄPFEL", "äpfel", "Äpfel"] {
        assert_eq!(
            found(&app, json!({ "intentLabels": [label] })).await,
            ids,
            "{label}"
        );
    }
    assert_eq!(found(&app, json!({ "intents": ["OTHER"] })).await, ids);
}

#[apply(each_database!)]
async fn a_label_does_not_find_another_that_has_the_same_capitals(app: TestApp) {
    let labels = [
        "straße", "STRASSE", "ﬁ", "FI", "ı", "I", "ΑΣ", "ας", "ασ", "İ",
    ];
    let rows = labels.map(|label| Row {
        intent: Some(label.to_owned()),
        ..Row::new()
    });
    let ids = stored(&app, rows.to_vec()).await;
    let cases: [(&str, &[usize]); 13] = [
        ("straße", &[0]),
        ("Straße", &[0]),
        ("strasse", &[1]),
        ("ﬁ", &[2]),
        ("fi", &[3]),
        ("ı", &[4]),
        ("i", &[5]),
        ("I", &[5]),
        ("ας", &[6, 7]),
        ("ΑΣ", &[6, 7]),
        ("ασ", &[8]),
        ("İ", &[9]),
        ("i\u{307}", &[9]),
    ];
    for (label, expected) in cases {
        let expected = sorted(expected.iter().map(|place| ids[*place]));
        assert_eq!(
            found(&app, json!({ "intentLabels": [label] })).await,
            expected,
            "{label}"
        );
    }
}

#[apply(each_database!)]
async fn created_after_is_inclusive_and_created_before_exclusive_to_the_microsecond(app: TestApp) {
    let instants = [
        "2026-01-15T10:30:00.123455Z",
        "2026-01-15T10:30:00.123456Z",
        "2026-01-15T10:30:00.123457Z",
    ];
    let ids = stored(&app, instants.map(Row::at).to_vec()).await;
    let exact = instants[1];
    let cases: [(Value, &[usize]); 11] = [
        (json!({ "createdAfter": exact }), &[1, 2]),
        (json!({ "createdBefore": exact }), &[0]),
        (
            json!({ "createdAfter": exact, "createdBefore": exact }),
            &[],
        ),
        (
            json!({ "createdAfter": exact, "createdBefore": instants[2] }),
            &[1],
        ),
        (
            json!({ "createdAfter": instants[2], "createdBefore": exact }),
            &[],
        ),
        (
            json!({ "createdAfter": "2026-01-15T12:30:00.123456+02:00" }),
            &[1, 2],
        ),
        (
            json!({ "createdBefore": "2026-01-15t05:30:00.123456-05:00" }),
            &[0],
        ),
        (
            json!({ "createdAfter": "2026-01-15T10:30:00Z" }),
            &[0, 1, 2],
        ),
        (
            json!({ "createdAfter": "0000-01-01T00:00:00Z", "createdBefore": "9999-12-31T23:59:59.999999Z" }),
            &[0, 1, 2],
        ),
        (
            json!({ "createdAfter": "9999-12-31T23:59:59.999999Z" }),
            &[],
        ),
        (
            json!({ "createdAfter": null, "createdBefore": null }),
            &[0, 1, 2],
        ),
    ];
    for (filter, expected) in cases {
        let expected = sorted(expected.iter().map(|place| ids[*place]));
        assert_eq!(found(&app, filter.clone()).await, expected, "{filter}");
    }
    for wrong in [
        "",
        "yesterday",
        "2026-01-15",
        "2026-13-01T00:00:00Z",
        "2026-01-15T10:30:00",
        "infinity",
    ] {
        assert_ne!(
            refusal(&app, json!({ "createdAfter": wrong })).await,
            "INTERNAL_SERVER_ERROR",
            "{wrong}"
        );
    }
}

#[apply(each_database!)]
async fn metadata_is_contained_as_postgres_jsonb_has_it(app: TestApp) {
    let whole = json!({
        "a": 1, "b": "x", "n": null, "t": true, "f": false, "zero": 0, "float": 2.0, "tiny": 0.1, "big": 9_007_199_254_740_993_i64,
        "list": [1, 2, [3, 4], {"k": 1, "l": [5]}, "x", null, true], "empty": [], "none": {}, "deep": {"a": {"b": {"c": [1, {"d": 2}]}}},
        "it's": 1, "qu\"ote": {"in\"ner": 1}, "do.t": 1, "$": 2, "$.a": 3, "a[0]": 4, "猫": "🎉", "": 5, "back\\slash": 6, "new\nline": "a\nb",
        "lists": [[1, 2], [2, 3]], "objects": [{"p": 1, "q": 2}, {"p": 3}], "text": "1", "%": "_", "\u{1}": 7,
    });
    let ids = stored(
        &app,
        vec![Row {
            metadata: whole.to_string(),
            ..Row::new()
        }],
    )
    .await;
    let cases = [
        (json!({}), true),
        (json!({"a": 1}), true),
        (json!({"a": 1.0}), true),
        (json!({"a": 1, "b": "x", "n": null}), true),
        (json!({"a": 2}), false),
        (json!({"a": "1"}), false),
        (json!({"text": 1}), false),
        (json!({"a": true}), false),
        (json!({"t": 1}), false),
        (json!({"f": 0}), false),
        (json!({"zero": false}), false),
        (json!({"zero": -0.0}), true),
        (json!({"n": 0}), false),
        (json!({"n": "null"}), false),
        (json!({"missing": null}), false),
        (json!({"n": null}), true),
        (json!({"t": true, "f": false}), true),
        (json!({"f": true}), false),
        (json!({"float": 2}), true),
        (json!({"tiny": 0.1}), true),
        (json!({"tiny": 0.100_000_1}), false),
        (json!({"B": "x"}), false),
        (json!({"b": "X"}), false),
        (json!({"big": 9_007_199_254_740_993_i64}), true),
        (json!({"big": 9_007_199_254_740_992_i64}), false),
        (json!({"big": 9_007_199_254_740_992.0}), false),
        (json!({"list": []}), true),
        (json!({"list": {}}), false),
        (json!({"list": [2, 1]}), true),
        (json!({"list": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}), true),
        (json!({"list": [1, 9]}), false),
        (json!({"list": [[4]]}), true),
        (json!({"list": [[4, 3, 3]]}), true),
        (json!({"list": [3]}), false),
        (json!({"list": [[]]}), true),
        (json!({"list": [[[]]]}), false),
        (json!({"list": [{}]}), true),
        (json!({"list": [{"k": 1}]}), true),
        (json!({"list": [{"l": []}]}), true),
        (json!({"list": [{"l": [5, 5]}]}), true),
        (json!({"list": [{"k": 2}]}), false),
        (json!({"list": [null, "x", true]}), true),
        (json!({"list": [false]}), false),
        (json!({"list": 1}), false),
        (json!({"a": [1]}), false),
        (json!({"a": []}), false),
        (json!({"a": {}}), false),
        (json!({"empty": []}), true),
        (json!({"empty": [null]}), false),
        (json!({"empty": {}}), false),
        (json!({"none": {}}), true),
        (json!({"none": []}), false),
        (json!({"deep": {}}), true),
        (json!({"deep": {"a": {"b": {}}}}), true),
        (json!({"deep": {"a": {"b": {"c": [{"d": 2.0}]}}}}), true),
        (json!({"deep": {"b": {}}}), false),
        (json!({"deep": {"a": {"b": {"c": [{"d": 3}]}}}}), false),
        (
            json!({"it's": 1, "do.t": 1, "$": 2, "$.a": 3, "a[0]": 4, "": 5, "back\\slash": 6}),
            true,
        ),
        (json!({"qu\"ote": {"in\"ner": 1}}), true),
        (json!({"qu\"ote": {}}), true),
        (json!({"qu\"ote": {"inner": 1}}), false),
        (json!({"猫": "🎉"}), true),
        (json!({"猫": "🎊"}), false),
        (json!({"new\nline": "a\nb"}), true),
        (json!({"new\\nline": "a\nb"}), false),
        (json!({"\u{1}": 7}), true),
        (json!({"%": "_"}), true),
        (json!({"%": "a"}), false),
        (json!({"lists": [[2, 1]]}), true),
        (json!({"lists": [[1, 3]]}), false),
        (json!({"lists": [[1], [3]]}), true),
        (json!({"lists": [[], [2]]}), true),
        (json!({"objects": [{"p": 3}, {"q": 2}]}), true),
        (json!({"objects": [{"p": 3, "q": 2}]}), false),
        (json!({"objects": [{"p": 1}, {"p": 1}]}), true),
    ];
    for (part, expected) in cases {
        let expected = if expected { ids.clone() } else { Vec::new() };
        assert_eq!(contains(&app, &part).await, expected, "{part}");
    }
}

#[apply(each_database!)]
async fn integers_beyond_signed_64_bits_are_distinguished(app: TestApp) {
    let stored_json = r#"{"n": 18446744073709551615, "qu\"o.t[0]e": 18446744073709551615, "": [1, 9223372036854775808], "o": {"$": -9223372036854775809}}"#;
    let ids = stored(
        &app,
        vec![Row {
            metadata: stored_json.to_owned(),
            ..Row::new()
        }],
    )
    .await;
    let cases = [
        (json!({"n": u64::MAX}), true),
        (json!({"n": u64::MAX - 1}), false),
        (json!({"qu\"o.t[0]e": u64::MAX}), true),
        (json!({"qu\"o.t[0]e": u64::MAX - 2}), false),
        (json!({"": [9_223_372_036_854_775_808_u64]}), true),
        (json!({"": [9_223_372_036_854_775_809_u64]}), false),
        (json!({"": [i64::MAX]}), false),
        (json!({"o": {"$": i64::MIN}}), false),
    ];
    for (part, expected) in cases {
        let expected = if expected { ids.clone() } else { Vec::new() };
        assert_eq!(contains(&app, &part).await, expected, "{part}");
    }
}

#[apply(each_database!)]
async fn the_largest_part_that_is_allowed_is_answered_and_a_larger_one_is_bad_user_input(
    app: TestApp,
) {
    let nested = |levels: usize, is_list: bool| {
        (1..levels).fold(json!({}), |within, level| {
            if is_list && level + 1 < levels {
                json!([within])
            } else {
                json!({ "quote\"d": within })
            }
        })
    };
    let comb = |levels: usize| {
        (1..levels).fold(
            json!({}),
            |within, _| json!({ "a": within, "b": {}, "c": [{}] }),
        )
    };
    let containers = |count: usize| json!({ "list": vec![json!({ "a": 1 }); count - 1] });
    let of_bytes = |bytes: usize| json!({ "a": "x".repeat(bytes - r#"{"a":""}"#.len()) });
    let allowed = [
        nested(32, false),
        nested(32, true),
        containers(100),
        of_bytes(64 * 1024),
        comb(25),
    ];
    for metadata in &allowed {
        let ids = stored(
            &app,
            vec![Row {
                metadata: metadata.to_string(),
                ..Row::new()
            }],
        )
        .await;
        assert_eq!(contains(&app, metadata).await, ids, "{metadata:.100}");
    }
    let refused = [
        nested(33, false),
        nested(33, true),
        containers(101),
        of_bytes(64 * 1024 + 1),
        json!([]),
        json!([1]),
        json!("a"),
        json!(1),
        json!(true),
        json!({ "a": "\0" }),
        json!({ "\0": 1 }),
        json!({ "a": [{ "b": "\0" }] }),
    ];
    for part in refused {
        assert_eq!(
            refusal(&app, json!({ "metadataContains": part })).await,
            "BAD_USER_INPUT",
            "{part:.100}"
        );
    }
    assert_eq!(contains(&app, &Value::Null).await.len(), allowed.len());
}

#[apply(each_database!)]
async fn metadata_that_is_not_an_object_reads_as_an_empty_one(app: TestApp) {
    let rows = [
        "[1, {\"a\": 1}]",
        "[]",
        "null",
        "\"a\"",
        "1",
        "true",
        "{\"a\": 1}",
    ];
    let rows = rows.map(|metadata| Row {
        metadata: metadata.to_owned(),
        ..Row::new()
    });
    let ids = stored(&app, rows.to_vec()).await;
    let data = app
        .run("{ images { nodes { id metadata } } }", json!({}))
        .await;
    for node in data["images"]["nodes"].as_array().expect("nodes") {
        let expected = if node["id"] == ids[6].to_string() {
            json!({ "a": 1 })
        } else {
            json!({})
        };
        assert_eq!(node["metadata"], expected);
    }
    assert_eq!(contains(&app, &json!({ "a": 1 })).await, [ids[6]]);
    assert_eq!(contains(&app, &json!({})).await.len(), 7);
}

#[apply(each_database!)]
async fn numbers_that_overflow_a_double_do_not_break_a_page(app: TestApp) {
    let metadata = r#"{"a": 1e400, "b": [-1e999, {"c": 123456789012345678901234567890}], "d": "1e400", "e": 1}"#;
    let ids = stored(
        &app,
        vec![
            Row {
                metadata: metadata.to_owned(),
                ..Row::new()
            },
            Row::new(),
        ],
    )
    .await;
    let data = app
        .run("{ images { nodes { id metadata } totalCount } }", json!({}))
        .await;
    assert_eq!(data["images"]["totalCount"], 2);
    let nodes = data["images"]["nodes"].as_array().expect("nodes");
    let metadata = nodes
        .iter()
        .find(|node| node["id"] == ids[0].to_string())
        .map(|node| &node["metadata"]);
    let metadata = metadata.expect("the image");
    assert_eq!(
        (&metadata["d"], &metadata["e"]),
        (&json!("1e400"), &json!(1))
    );
    for part in [
        json!({ "e": 1 }),
        json!({ "b": [{}] }),
        json!({ "d": "1e400" }),
    ] {
        assert_eq!(contains(&app, &part).await, [ids[0]], "{part}");
    }
    assert_eq!(contains(&app, &json!({ "a": 1 })).await, Vec::<Uuid>::new());
}

#[apply(each_database!)]
async fn all_conditions_must_hold(app: TestApp) {
    let row = |intent: &str, prompt: &str, metadata: &str, user: &str| Row {
        intent: Some(intent.to_owned()),
        original_prompt: Some(prompt.to_owned()),
        metadata: metadata.to_owned(),
        user_id: user.to_owned(),
        ..Row::new()
    };
    let rows = vec![
        row("edit", "cat", "{\"a\":1}", "alice"),
        row("edit", "cat", "{\"a\":1}", "bob"),
        row("edit", "cat", "{}", "alice"),
        row("edit", "dog", "{\"a\":1}", "alice"),
        row("own", "cat", "{\"a\":1}", "alice"),
    ];
    let ids = stored(&app, rows).await;
    let query = "query($filter: ImageFilter) { images(userId: \"alice\", filter: $filter) { nodes { id } totalCount } }";
    let filter = json!({ "intents": ["EDIT"], "search": "cat", "metadataContains": { "a": 1 }, "createdAfter": "2026-01-15T10:30:00.123456Z" });
    let data = app.run(query, json!({ "filter": filter })).await;
    assert_eq!(
        data["images"],
        json!({ "nodes": [{ "id": ids[0] }], "totalCount": 1 })
    );
}

const KEYS: [&str; 6] = ["a", "b", "", "c\"d", "é", "$.a"];

/// Small JSON with few keys and values, so that containment is frequent.
fn any_json(dice: &mut Dice, levels: usize) -> Value {
    let scalars = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(1.0),
        json!(-1.5),
        json!(1e30),
        json!("1"),
        json!(""),
        json!("a\"b"),
        json!(i64::MAX),
        json!(9_223_372_036_854_775_807_f64),
        json!(1e-7),
        json!(123_456_789.123_456_78),
    ];
    match dice.roll(if levels == 0 { 2 } else { 4 }) {
        2 => (0..dice.roll(4))
            .map(|_| any_json(dice, levels - 1))
            .collect(),
        3 => any_object(dice, levels),
        _ => dice.pick(&scalars),
    }
}

fn any_object(dice: &mut Dice, levels: usize) -> Value {
    let members =
        (0..dice.roll(4)).map(|_| (dice.pick(&KEYS).to_owned(), any_json(dice, levels - 1)));
    Value::Object(members.collect())
}

/// A part of a value, usually contained in it: members and elements removed, repeated or reordered.
fn part_of(dice: &mut Dice, value: &Value) -> Value {
    if dice.one_in(12) {
        return any_json(dice, 1);
    }
    match value {
        Value::Object(members) => {
            let mut part = Map::new();
            for (key, value) in members {
                if !dice.one_in(3) {
                    part.insert(key.clone(), part_of(dice, value));
                }
            }
            Value::Object(part)
        }
        Value::Array(elements) if !elements.is_empty() => (0..dice.roll(4))
            .map(|_| {
                let element = dice.pick(elements);
                part_of(dice, &element)
            })
            .collect(),
        scalar => scalar.clone(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_agree_about_what_contains_what() {
    on_sqlite(&[], async |sqlite: TestApp| {
        on_postgres(&[], async |postgres: TestApp| {
            let mut dice = Dice::new();
            let documents: Vec<Value> = (0..60).map(|_| any_object(&mut dice, 4)).collect();
            let inputs: Vec<Value> = documents.iter().map(|metadata| {
                json!({ "userId": "alice", "imageUrl": image_url(&Uuid::new_v4().to_string()), "metadata": metadata })
            }).collect();
            let create = "mutation($input: [CreateImageInput!]!) { createImages(input: $input) { results { created } userErrors { code } } }";
            for app in [&sqlite, &postgres] {
                let data = app.run(create, json!({ "input": inputs })).await;
                assert_eq!(data["createImages"]["results"], json!(vec![json!({ "created": true }); inputs.len()]));
            }
            let mut hits = 0;
            for _ in 0..150 * Dice::scale() {
                let document = dice.pick(&documents);
                let part = if dice.one_in(5) { any_object(&mut dice, 3) } else { part_of(&mut dice, &document) };
                if !part.is_object() {
                    continue;
                }
                let answers = [contains(&sqlite, &part).await, contains(&postgres, &part).await];
                assert_eq!(answers[0], answers[1], "{part}");
                hits += answers[0].len();
            }
            assert!(hits > 100, "only {hits} found");
        })
        .await;
    })
    .await;
}
