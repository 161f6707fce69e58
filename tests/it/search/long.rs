//! Searches and prompts of maximum length.

use macro_rules_attribute::apply;
use uuid::Uuid;

use super::search;
use crate::harness::rows::{Row, db_insert};
use crate::harness::{TestApp, each_database, on_postgres, on_sqlite};

#[apply(each_database!)]
async fn a_search_of_thousands_of_words_drops_none_of_them(app: TestApp) {
    // The longest prompt of this server: 20,000 characters.
    let words: Vec<String> = (0..10_000)
        .map(|number| {
            char::from_u32(0x20000 + number)
                .expect("an ideograph")
                .to_string()
        })
        .collect();
    let prompt = |words: &[String]| Row {
        original_prompt: Some(words.join(" ")),
        ..Row::new()
    };
    let mut swapped = words.clone();
    swapped.swap(5_000, 5_001);
    let rows = [prompt(&words), prompt(&words[..9_999]), prompt(&swapped)];
    db_insert(&app, &rows).await;
    let whole = words.join(" ");
    let ids = |places: &[usize]| {
        let mut ids: Vec<Uuid> = places.iter().map(|place| rows[*place].id).collect();
        ids.sort_unstable();
        ids
    };
    let last = &words[9_999];
    let short = words[..300].join(" ");
    let ors: Vec<String> = (0..499)
        .map(|number| format!("\"no such{number}\""))
        .collect();
    let exclusions: Vec<String> = (0..499)
        .map(|number| format!("-{} -\"no such{number}\"", words[number]))
        .collect();
    let cases = [
        ("all words", whole.clone(), ids(&[0, 2])),
        ("as a phrase", format!("\"{whole}\""), ids(&[0])),
        ("but the phrase", format!("{last} -\"{whole}\""), ids(&[2])),
        (
            "excluded behind many",
            format!("{short} -{last}"),
            ids(&[1]),
        ),
        ("the last of many", format!("{short} missing"), ids(&[])),
        (
            "the first phrase is long",
            format!("\"{}\" {last}", words[..9_000].join(" ")),
            ids(&[0]),
        ),
        (
            "alternatives",
            format!("{} or \"{} {last}\"", ors.join(" or "), words[9_998]),
            ids(&[0, 2]),
        ),
        ("exclusions", exclusions.join(" or "), ids(&[])),
        (
            "too many alternatives",
            format!("{} or more or {last}", ors.join(" or ")),
            ids(&[]),
        ),
        (
            "too long",
            format!("{whole}{}", " ".repeat(20_002)),
            ids(&[]),
        ),
    ];
    for (what, text, expected) in cases {
        assert_eq!(search(&app, &text).await, expected, "{what}");
    }
}

#[apply(each_database!)]
async fn a_word_of_more_than_five_hundred_characters_is_found(app: TestApp) {
    let word = |length: usize| "猫".repeat(length);
    let lengths = [500, 501, 3_000, 8_000];
    let rows = lengths.map(|length| Row {
        original_prompt: Some(format!("a {} b", word(length))),
        ..Row::new()
    });
    db_insert(&app, &rows).await;
    for (row, length) in rows.iter().zip(lengths) {
        assert_eq!(search(&app, &word(length)).await, [row.id], "{length}");
        assert_eq!(
            search(&app, &format!("\"a {}\" b", word(length))).await,
            [row.id],
            "{length}"
        );
        let others = search(&app, &format!("a -{}", word(length))).await;
        assert!(others.len() == 3 && !others.contains(&row.id), "{length}");
    }
    assert_eq!(search(&app, &word(8_001)).await, Vec::<Uuid>::new());
}

/// Postgres keeps 255 positions of a word, up to the 16,383rd word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phrase_is_found_after_many_occurrences_of_its_words() {
    on_sqlite(&[], a_phrase_is_found).await;
    on_postgres(&[], a_phrase_is_found).await;
}

async fn a_phrase_is_found(app: TestApp) {
    let rows = [
        Row {
            original_prompt: Some(format!("{}the cat", "the dog ".repeat(400))),
            ..Row::new()
        },
        Row {
            original_prompt: Some("a ".repeat(10_000)),
            refined_prompt: Some(format!("{}the cat", "b ".repeat(9_000))),
            ..Row::new()
        },
        Row {
            original_prompt: Some(format!("{}the", "a ".repeat(9_999))),
            refined_prompt: Some(format!("{}cat", "b ".repeat(9_000))),
            ..Row::new()
        },
    ];
    db_insert(&app, &rows).await;
    let mut expected = [rows[0].id, rows[1].id];
    expected.sort_unstable();
    assert_eq!(search(&app, "\"the cat\"").await, expected);
    assert_eq!(search(&app, "cat -\"the cat\"").await, [rows[2].id]);
}
