//! Full-text search over both prompts: one table of documents and cases, the same on every database.

mod cases;
mod long;

use std::fmt::Write as _;

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use uuid::Uuid;

use self::cases::{CASES, DOCUMENTS};
use crate::harness::rows::{Dice, Row, db_insert, found, id_literal};
use crate::harness::{
    TestApp, TestDatabase, each_database, on_own_cluster, on_postgres, on_sqlite,
};

fn rows() -> Vec<Row> {
    let prompt = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let row = |(_, original, refined): &(_, &str, &str)| Row {
        original_prompt: prompt(original),
        refined_prompt: prompt(refined),
        ..Row::new()
    };
    DOCUMENTS.iter().map(row).collect()
}

async fn search(app: &TestApp, text: &str) -> Vec<Uuid> {
    found(app, json!({ "search": text })).await
}

/// Runs every case of the table, and reports all differences together.
async fn the_table_holds(app: TestApp) {
    let rows = rows();
    db_insert(&app, &rows).await;
    let names = |ids: &[Uuid]| {
        let mut names: Vec<&str> = DOCUMENTS
            .iter()
            .zip(&rows)
            .filter(|(_, row)| ids.contains(&row.id))
            .map(|(document, _)| document.0)
            .collect();
        names.sort_unstable();
        names
    };
    let all_but = |left_out: &[&str]| {
        let mut names: Vec<&str> = DOCUMENTS
            .iter()
            .map(|document| document.0)
            .filter(|name| !left_out.contains(name))
            .collect();
        names.sort_unstable();
        names
    };
    let mut differences = String::new();
    let mut cases: Vec<(String, Vec<&str>)> = CASES
        .iter()
        .map(|(text, names)| ((*text).to_owned(), names.to_vec()))
        .collect();
    let everything =
        ["", " ", "\t\n", "\u{a0}", "\u{3000}"].map(|text| (text.to_owned(), all_but(&[])));
    let exclusions: [(&str, &[&str]); 6] = [
        ("-cat", &["phrase", "split"]),
        ("-\"red cat\"", &["phrase"]),
        ("-cat -neon", &["phrase", "scifi", "split"]),
        ("big or -cat", &["split"]),
        ("-nothing", &[]),
        ("-neon or -cat", &[]),
    ];
    cases.extend(everything);
    cases.extend(exclusions.map(|(text, left_out)| (text.to_owned(), all_but(left_out))));
    cases.push(("y".repeat(600), Vec::new()));
    cases.push((format!("red -{}", "y".repeat(600)), vec!["phrase", "split"]));
    cases.push(("cat ".repeat(10_000), vec!["phrase", "split"]));
    cases.push((
        (0..10_000).fold(String::new(), |mut text, word| {
            let _ = write!(text, "w{word} ");
            text
        }),
        Vec::new(),
    ));
    cases.push(("\"".repeat(9_999), Vec::new()));
    cases.push(("-".repeat(10_000), Vec::new()));
    cases.push((" or ".repeat(5_000), vec!["cpp", "operators"]));
    for (text, expected) in cases {
        let given = names(&search(&app, &text).await);
        if given != expected {
            let _ = writeln!(
                differences,
                "{text:.60?} finds {given:?} instead of {expected:?}"
            );
        }
    }
    assert_eq!(differences, "", "\n{differences}");
}

/// A word, and one that contains it.
async fn every_word_is_one(app: TestApp) {
    let letters: Vec<char> = "abexEXz0123456789٣४éßłжЖ猫あ한ابאกꝏ𝐀𐐀".chars().collect();
    let mut dice = Dice::new();
    let known = [
        "1e5abc", "1e5e6", "5e", "1e99999", "12ab34", "٣a", "a٣", "x1", "x", "xx", "0b1", "1_0",
        "3d", "e5", "1e", "e1e1",
    ];
    let mut words: Vec<String> = known.iter().map(|word| word.replace('_', "")).collect();
    for _ in 0..60 * Dice::scale() {
        let length = 1 + dice.roll(8);
        words.push((0..length).map(|_| dice.pick(&letters)).collect());
    }
    let lower = |word: &String| word.to_lowercase();
    for (number, chunk) in words.chunks(76).enumerate() {
        let rows: Vec<Row> = chunk
            .iter()
            .map(|word| Row {
                refined_prompt: Some(word.clone()),
                user_id: number.to_string(),
                ..Row::new()
            })
            .collect();
        app.db_execute("DELETE FROM image_gallery").await;
        db_insert(&app, &rows).await;
        for word in chunk {
            let mut expected: Vec<Uuid> = rows
                .iter()
                .zip(chunk)
                .filter(|(_, other)| lower(other) == lower(word))
                .map(|(row, _)| row.id)
                .collect();
            expected.sort_unstable();
            assert_eq!(search(&app, word).await, expected, "{word}");
            assert_eq!(
                search(&app, &format!("\"{word}\"")).await,
                expected,
                "{word}"
            );
        }
    }
}

/// A prompt of the maximum size that another application may have stored.
async fn large_prompts_are_searched_up_to_the_bound(app: TestApp) {
    let unlike = |count: u32| {
        (0..count).map(|number| char::from_u32(0x20000 + number % 42_000).expect("an ideograph"))
    };
    let prompts: Vec<String> = vec![
        "word ".repeat(400_000),
        format!("{}inside", "a ".repeat(49_000)),
        format!("{} outside", "b ".repeat(50_000)),
        "猫".repeat(700_000),
        unlike(100_000).fold(String::new(), |text, letter| {
            text + &letter.to_string() + " "
        }),
        unlike(100_000)
            .enumerate()
            .fold(String::new(), |mut text, (place, letter)| {
                text.push(letter);
                if place % 2 == 1 {
                    text.push('.');
                }
                text
            }),
        unlike(100_000)
            .enumerate()
            .fold(String::new(), |mut text, (place, letter)| {
                text.push(letter);
                if place % 490 == 1 {
                    text.push('\n');
                }
                text
            }),
    ];
    let mut ids = Vec::new();
    for prompt in prompts {
        let row = Row {
            original_prompt: Some(prompt.clone()),
            refined_prompt: Some(prompt.chars().rev().collect()),
            ..Row::new()
        };
        db_insert(&app, std::slice::from_ref(&row)).await;
        let data = app
            .run(
                "query($id: ID!) { image(id: $id) { originalPrompt } }",
                json!({ "id": row.id }),
            )
            .await;
        assert_eq!(
            data["image"]["originalPrompt"].as_str().map(str::len),
            Some(prompt.len())
        );
        ids.push(row.id);
    }
    let data = app
        .run(
            "{ images { totalCount nodes { id originalPrompt } } }",
            json!({}),
        )
        .await;
    assert_eq!(data["images"]["totalCount"], ids.len());
    assert_eq!(search(&app, "word").await, [ids[0]]);
    assert_eq!(search(&app, "inside").await, [ids[1]]);
    assert_eq!(search(&app, "outside").await, Vec::<Uuid>::new());
    app.db_execute(&format!(
        "UPDATE image_gallery SET original_prompt = 'new' WHERE image_id = {}",
        id_literal(&app, ids[0])
    ))
    .await;
    assert_eq!(search(&app, "new").await, [ids[0]]);
}

#[apply(each_database!)]
async fn the_table_of_cases_holds(app: TestApp) {
    the_table_holds(app).await;
}

#[apply(each_database!)]
async fn every_word_is_found_by_itself_and_not_by_its_parts(app: TestApp) {
    every_word_is_one(app).await;
}

#[apply(each_database!)]
async fn prompts_of_two_megabytes_are_stored_listed_and_searched(app: TestApp) {
    large_prompts_are_searched_up_to_the_bound(app).await;
}

#[apply(each_database!)]
async fn the_index_follows_what_is_written(app: TestApp) {
    let alice = app.user("alice");
    let image = alice
        .create(json!({ "originalPrompt": "red cat", "refinedPrompt": "blue" }))
        .await;
    let other = alice.create(json!({ "originalPrompt": "green" })).await;
    let id = image["id"].as_str().expect("an id");
    let key: Uuid = id.parse().expect("a UUID");
    let other: Uuid = other["id"]
        .as_str()
        .and_then(|id| id.parse().ok())
        .expect("a UUID");
    let finds = async |text: &str, expected: &[Uuid]| {
        assert_eq!(search(&app, text).await, expected, "{text}");
    };
    let run = async |mutation: &str, variables: Value| app.run(mutation, variables).await;
    finds("cat blue", &[key]).await;
    let update = "mutation($input: UpdateImageInput!) { updateImage(input: $input) { userErrors { code } } }";
    run(
        update,
        json!({ "input": { "id": id, "originalPrompt": "dog", "metadata": { "a": 1 } } }),
    )
    .await;
    finds("cat", &[]).await;
    finds("dog blue", &[key]).await;
    run(
        update,
        json!({ "input": { "id": id, "refinedPrompt": null } }),
    )
    .await;
    finds("blue", &[]).await;
    run(
        update,
        json!({ "input": { "id": id, "metadata": { "a": 2 } } }),
    )
    .await;
    finds("dog", &[key]).await;
    run(
        "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
        json!({ "id": id }),
    )
    .await;
    finds("dog", &[]).await;
    finds("-green", &[]).await;
    let trash = "{ deletedImages(filter: { search: \"dog\" }) { totalCount } }";
    assert_eq!(
        run(trash, json!({})).await["deletedImages"]["totalCount"],
        1
    );
    run(
        "mutation($id: ID!) { restoreImage(id: $id) { changed } }",
        json!({ "id": id }),
    )
    .await;
    finds("dog", &[key]).await;
    app.db_execute(
        "UPDATE image_gallery SET refined_prompt = 'behind' WHERE original_prompt = 'dog'",
    )
    .await;
    finds("behind dog", &[key]).await;
    let vacuum = match app.database() {
        TestDatabase::Sqlite(_) => {
            "DELETE FROM image_gallery WHERE original_prompt = 'green'; VACUUM"
        }
        TestDatabase::Postgres(_) => "DELETE FROM image_gallery WHERE original_prompt = 'green'",
    };
    app.db_execute(vacuum).await;
    finds("green", &[]).await;
    finds("dog", &[key]).await;
    run(
        "mutation($id: ID!) { purgeImage(id: $id, force: true) { changed } }",
        json!({ "id": id }),
    )
    .await;
    let again = alice.create(json!({ "originalPrompt": "violet" })).await;
    let again: Uuid = again["id"]
        .as_str()
        .and_then(|id| id.parse().ok())
        .expect("a UUID");
    finds("dog", &[]).await;
    finds("violet", &[again]).await;
    assert_ne!(again, other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_cases_holds_whatever_the_locale_of_the_cluster() {
    for locale in ["--locale=C", "--locale=C.UTF-8"] {
        on_own_cluster(&[locale], &[], the_table_holds).await;
        on_own_cluster(&[locale], &[], every_word_is_one).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_find_the_same_for_any_text() {
    on_sqlite(&[], async |sqlite: TestApp| {
        on_postgres(&[], async |postgres: TestApp| {
            let rows = rows();
            let mut dice = Dice::new();
            let pieces = [
                "red",
                "cat",
                "big",
                "mat",
                "neon",
                "or",
                "OR",
                "-",
                "\"",
                " ",
                " ",
                "  ",
                "sci-fi",
                "3.5",
                "École",
                "猫",
                "🎉",
                "'",
                "(",
                ")",
                "*",
                ":",
                "&",
                "|",
                "!",
                "<->",
                "\\",
                "\t",
                "\u{301}",
                "\u{200d}",
                "\u{ad}",
                "ß",
                "Σ",
                "İ",
                "１",
                "٣",
                "²",
                "ǅ",
                "ﬁ",
                "ª",
                "\u{1f468}\u{200d}\u{1f469}",
                "€",
                "Ⅷ",
            ];
            let mut draw = |length: usize| {
                (0..=dice.roll(length))
                    .map(|_| dice.pick(&pieces))
                    .collect::<String>()
            };
            let drawn: Vec<Row> = (0..30)
                .map(|_| Row {
                    original_prompt: Some(draw(12)),
                    refined_prompt: Some(draw(6)),
                    ..Row::new()
                })
                .collect();
            for app in [&sqlite, &postgres] {
                db_insert(app, &rows).await;
                db_insert(app, &drawn).await;
            }
            for _ in 0..200 * Dice::scale() {
                let text = draw(6);
                assert_eq!(
                    search(&sqlite, &text).await,
                    search(&postgres, &text).await,
                    "{text:?}"
                );
            }
        })
        .await;
    })
    .await;
}

/// Other programs open the file with a SQLite whose parser has a stack of 100, three entries per call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_of_the_schema_overflows_the_parser_stack_of_an_ordinary_sqlite() {
    on_sqlite(&[], async |app: TestApp| {
        let sql = "SELECT group_concat(sql, ';') FROM sqlite_schema";
        let schema = app.db_query_text(sql).await.expect("a schema");
        let mut depth = 0_usize;
        let mut deepest = 0;
        for character in schema.chars() {
            match character {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        assert!(schema.contains("CREATE TRIGGER image_gallery_search_insert"));
        assert!(deepest <= 20, "{deepest}");
        // Added in 2023; Debian 12 has a SQLite of 2022.
        assert!(!schema.contains("contentless_delete"));
    })
    .await;
}
