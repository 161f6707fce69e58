//! `galleryStats`: counts over the gallery and over one owner's images.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use crate::harness::rows::{Row, db_insert};
use crate::harness::{TestApp, each_database, on_postgres};

fn labelled(intent: Option<&str>) -> Row {
    Row {
        intent: intent.map(str::to_owned),
        ..Row::new()
    }
}

async fn by_intent(app: &TestApp, user: Option<&str>) -> Vec<(Value, Value, u64)> {
    let query = "query($user: String) { galleryStats(userId: $user) { byIntent { intent intentLabel count } } }";
    let data = app.run(query, json!({ "user": user })).await;
    let rows = data["galleryStats"]["byIntent"]
        .as_array()
        .expect("rows")
        .clone();
    let row = |row: Value| {
        (
            row["intent"].clone(),
            row["intentLabel"].clone(),
            row["count"].as_u64().expect("a count"),
        )
    };
    rows.into_iter().map(row).collect()
}

async fn per_day(app: &TestApp, arguments: &str) -> Vec<(String, u64)> {
    let data = app
        .run(
            &format!("{{ galleryStats {{ createdPerDay{arguments} {{ date count }} }} }}"),
            json!({}),
        )
        .await;
    let days = data["galleryStats"]["createdPerDay"]
        .as_array()
        .expect("days")
        .clone();
    let day = |day: Value| {
        (
            day["date"].as_str().expect("a date").to_owned(),
            day["count"].as_u64().expect("a count"),
        )
    };
    days.into_iter().map(day).collect()
}

/// The date this many days ago, and noon of that day as text.
fn days_ago(days: i64) -> (String, String) {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test's clock, not the server's"
    )]
    let day = (chrono::Utc::now() - chrono::Duration::days(days)).date_naive();
    (day.to_string(), format!("{day}T12:00:00.000000Z"))
}

#[apply(each_database!)]
async fn labels_are_counted_case_insensitively_by_the_commonest_spelling(app: TestApp) {
    let stored = [
        ("generate", 2),
        ("Generate", 3),
        ("GENERATE", 1),
        ("edit", 1),
        ("ENHANCE", 2),
        ("Ünîcode", 2),
        ("ÜNÎCODE", 1),
        ("other", 1),
        ("OTHER", 1),
        ("", 2),
    ];
    let rows = stored
        .into_iter()
        .flat_map(|(label, count)| vec![labelled(Some(label)); count]);
    let rows = rows.chain([labelled(None), labelled(None)]);
    let trashed = labelled(Some("edit"));
    let trashed = Row {
        deleted_at: Some(trashed.updated_at.clone()),
        ..trashed
    };
    let rows: Vec<Row> = rows
        .chain([trashed])
        .map(|row| Row {
            id: uuid::Uuid::new_v4(),
            ..row
        })
        .collect();
    db_insert(&app, &rows).await;
    let mut counted = by_intent(&app, None).await;
    let tied = counted
        .iter()
        .position(|row| row.1 == "OTHER" || row.1 == "other")
        .expect("the label");
    let (_, _, count) = counted.remove(tied);
    assert_eq!(count, 2);
    counted.sort_by_key(|row| row.1.to_string());
    let expected = [
        (json!("GENERATE"), json!("Generate"), 6),
        (json!("EDIT"), json!("edit"), 1),
        (json!("ENHANCE"), json!("ENHANCE"), 2),
        (json!("OTHER"), json!("Ünîcode"), 3),
        (Value::Null, Value::Null, 4),
    ];
    let mut expected = expected.to_vec();
    expected.sort_by_key(|row| row.1.to_string());
    assert_eq!(counted, expected);
}

#[apply(each_database!)]
async fn an_empty_gallery_counts_nothing(app: TestApp) {
    assert_eq!(by_intent(&app, None).await, []);
    let counts = app
        .run("{ galleryStats { activeCount deletedCount } }", json!({}))
        .await;
    assert_eq!(
        counts["galleryStats"],
        json!({ "activeCount": 0, "deletedCount": 0 })
    );
    let days = per_day(&app, "").await;
    assert_eq!((days.len(), days.iter().all(|day| day.1 == 0)), (30, true));
}

#[apply(each_database!)]
async fn every_count_is_of_the_requested_owner(app: TestApp) {
    let (alice, bob) = (app.user("alice"), app.user("bob"));
    let trashed = alice.create_image().await;
    alice.create(json!({ "intent": "EDIT" })).await;
    for _ in 0..3 {
        bob.create(json!({ "intentLabel": "Own" })).await;
    }
    app.run(
        "mutation($id: ID!) { softDeleteImage(id: $id) { changed } }",
        json!({ "id": trashed }),
    )
    .await;
    let query = "query($user: String) { galleryStats(userId: $user) { activeCount deletedCount createdPerDay(days: 2) { count } } }";
    for (user, active, deleted) in [
        (Some("alice"), 1, 1),
        (Some("bob"), 3, 0),
        (Some("carol"), 0, 0),
        (None, 4, 1),
    ] {
        let stats = app.run(query, json!({ "user": user })).await["galleryStats"].take();
        assert_eq!(
            [&stats["activeCount"], &stats["deletedCount"]],
            [&json!(active), &json!(deleted)],
            "{user:?}"
        );
        // Two days, in case midnight passes in between.
        let days = stats["createdPerDay"].as_array().expect("days");
        assert_eq!(
            days.iter()
                .filter_map(|day| day["count"].as_u64())
                .sum::<u64>(),
            active
        );
    }
    assert_eq!(
        by_intent(&app, Some("bob")).await,
        [(json!("OTHER"), json!("own"), 3)]
    );
    assert_eq!(
        by_intent(&app, Some("alice")).await,
        [(json!("EDIT"), json!("edit"), 1)]
    );
}

#[apply(each_database!)]
async fn days_are_utc_days_oldest_first_today_included(app: TestApp) {
    let mut rows = Vec::new();
    for (days, count) in [(0, 1), (1, 2), (6, 3), (7, 1), (365, 4), (366, 5)] {
        let (_, noon) = days_ago(days);
        rows.extend((0..count).map(|_| Row::at(&noon)));
    }
    let (yesterday, _) = days_ago(1);
    rows.push(Row::at(&format!("{yesterday}T00:00:00.000000Z")));
    rows.push(Row::at(&format!("{yesterday}T23:59:59.999999Z")));
    let (_, tomorrow) = days_ago(-1);
    rows.push(Row::at(&tomorrow));
    rows.push(Row {
        deleted_at: Some(tomorrow),
        ..Row::at(&days_ago(1).1)
    });
    db_insert(&app, &rows).await;

    let week = per_day(&app, "(days: 7)").await;
    let expected = [3, 0, 0, 0, 0, 4, 1]
        .into_iter()
        .zip((0..7).rev())
        .map(|(count, days)| (days_ago(days).0, count));
    assert_eq!(week, expected.collect::<Vec<_>>());
    assert_eq!(per_day(&app, "(days: 1)").await, [(days_ago(0).0, 1)]);
    let year = per_day(&app, "(days: 366)").await;
    assert_eq!(
        (
            year.len(),
            &year[0],
            year.iter().map(|day| day.1).sum::<u64>()
        ),
        (366, &(days_ago(365).0, 4), 13)
    );
    assert_eq!(per_day(&app, "").await.len(), 30);
}

#[apply(each_database!)]
async fn days_out_of_range_are_bad_user_input(app: TestApp) {
    for days in [0, -1, 367, i32::MAX, i32::MIN] {
        let query =
            format!("{{ galleryStats {{ activeCount createdPerDay(days: {days}) {{ count }} }} }}");
        assert_eq!(
            app.error_code(&query, json!({})).await,
            "BAD_USER_INPUT",
            "{days}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_utc_in_any_time_zone_and_infinite_times_have_none() {
    on_postgres(&[], async |app: TestApp| {
        let (yesterday, _) = days_ago(1);
        let edges = ["T00:30:00Z", "T23:30:00Z"].map(|time| Row::at(&format!("{yesterday}{time}")));
        db_insert(&app, &edges).await;
        db_insert(&app, &[Row::at("infinity"), Row::at("-infinity")]).await;
        app.db_execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET timezone = ''Pacific/Kiritimati''', current_database()); END $$").await;
        app.restart().await;
        assert_eq!(per_day(&app, "(days: 2)").await, [(yesterday, 2), (days_ago(0).0, 0)]);
        let counts = app.run("{ galleryStats { activeCount } }", json!({})).await;
        assert_eq!(counts["galleryStats"]["activeCount"], 4);
    })
    .await;
}
