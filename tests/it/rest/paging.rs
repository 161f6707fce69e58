//! Lists are cut at 1,000 images, and link to the rest.

use std::collections::HashSet;

use macro_rules_attribute::apply;

use super::{Caller, ids};
use crate::harness::rows::{Row, db_insert};
use crate::harness::{Reply, TestApp, each_database};

/// The query string that `Link` gives for the next page.
fn next(reply: &Reply) -> Option<String> {
    let link = reply.headers.get("link")?.to_str().expect("text");
    let link = link.strip_prefix('<').expect("a link");
    Some(
        link.strip_suffix(">; rel=\"next\"")
            .expect("the next page")
            .to_owned(),
    )
}

/// Every id of a list, page by page, and how long each page was.
async fn pages(caller: &Caller, below: &str, query: &str) -> (Vec<String>, Vec<usize>) {
    let (mut all, mut lengths) = (Vec::new(), Vec::new());
    let mut query = Some(query.to_owned());
    while let Some(this) = query {
        let reply = caller.get(&format!("{below}{this}")).await;
        let page = ids(&reply);
        lengths.push(page.len());
        all.extend(page);
        query = next(&reply);
        assert!(lengths.len() < 20, "it goes on and on");
    }
    (all, lengths)
}

#[apply(each_database!)]
async fn a_list_is_cut_at_a_thousand(app: TestApp) {
    // Many of the same instant, so that the id must break ties.
    let rows: Vec<Row> = (0..1101)
        .map(|number| {
            let mut row = Row::at(&format!("2026-01-15T10:30:{:02}.123456Z", number / 60));
            row.refined_prompt = Some(format!("number {number}"));
            row
        })
        .collect();
    for part in rows.chunks(200) {
        db_insert(&app, part).await;
    }
    let caller = Caller::anyone(&app);
    let query = "query { images(first: 100) { nodes { id } } }";
    let newest = app.run(query, serde_json::json!({})).await;
    for (below, query, expected) in [
        ("/", "", &[1000, 101][..]),
        ("", "?limit=5000&user_id=alice", &[1000, 101]),
        ("/", "?limit=550", &[550, 550, 1]),
        ("/", "?limit=1101&intent=", &[1000, 101]),
    ] {
        let (all, lengths) = pages(&caller, below, query).await;
        assert_eq!(lengths, expected, "{below}{query}");
        let distinct: HashSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), rows.len(), "none twice, none left out");
        // In the order of GraphQL.
        let nodes = newest["images"]["nodes"].as_array().expect("nodes");
        let first: Vec<&str> = nodes
            .iter()
            .filter_map(|node| node["id"].as_str())
            .collect();
        assert_eq!(all[..100], first[..]);
    }
}

#[apply(each_database!)]
async fn the_link_keeps_the_other_parameters(app: TestApp) {
    let mut rows = Vec::new();
    for user_id in ["alice", "bob & co"] {
        for _ in 0..3 {
            let mut row = Row::new();
            user_id.clone_into(&mut row.user_id);
            row.intent = Some("edit".to_owned());
            row.deleted_at = Some("2026-01-15T10:31:00.000000Z".to_owned());
            rows.push(row);
        }
    }
    db_insert(&app, &rows).await;
    let caller = Caller::anyone(&app);
    let query = "?user_id=bob+%26+co&limit=2&intent=edit";
    let (all, lengths) = pages(&caller, "/deleted/", query).await;
    assert_eq!(lengths, [2, 1]);
    let expected: HashSet<String> = rows[3..].iter().map(|row| row.id.to_string()).collect();
    assert_eq!(all.into_iter().collect::<HashSet<_>>(), expected);
}

/// Another application may have stored long prompts: a list of them ends early, and goes on.
#[apply(each_database!)]
async fn a_list_of_long_prompts_ends_early(app: TestApp) {
    let rows: Vec<Row> = (0..201)
        .map(|_| {
            let mut row = Row::new();
            row.refined_prompt = Some("x".repeat(100_000));
            row
        })
        .collect();
    for part in rows.chunks(20) {
        db_insert(&app, part).await;
    }
    let (all, lengths) = pages(&Caller::anyone(&app), "/", "").await;
    assert_eq!((all.len(), lengths), (201, vec![100, 100, 1]));
}
