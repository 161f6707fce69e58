//! Pages of the gallery and of the trash: all orders, both directions, any arguments.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::rows::{Dice, Row, db_delete, db_insert, node_ids};
use crate::harness::{TestApp, each_database, image_url, on_postgres};

const INSTANTS: [&str; 4] = [
    "2026-01-15T10:30:00.000000Z",
    "2026-01-15T10:30:00.000001Z",
    "2026-01-15T10:29:59.999999Z",
    "1999-12-31T23:59:59.100000Z",
];

/// One ordering of one of the two lists.
#[derive(Clone, Copy, Debug)]
struct List {
    name: &'static str,
    field: &'static str,
    direction: &'static str,
}

/// Every list in every supported order.
fn lists() -> Vec<List> {
    let fields = [
        ("images", "CREATED_AT"),
        ("images", "UPDATED_AT"),
        ("deletedImages", "CREATED_AT"),
        ("deletedImages", "UPDATED_AT"),
        ("deletedImages", "DELETED_AT"),
    ];
    let directions = ["ASC", "DESC"];
    let list = |(name, field), direction| List {
        name,
        field,
        direction,
    };
    fields
        .iter()
        .flat_map(|field| directions.map(|direction| list(*field, direction)))
        .collect()
}

impl List {
    async fn reply(self, app: &TestApp, arguments: &Value) -> Value {
        let name = self.name;
        let query = format!(
            "query($userId: String, $filter: ImageFilter, $orderBy: ImageOrder, $first: Int, $after: String, $last: Int, $before: String) {{
                {name}(userId: $userId, filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {{
                    edges {{ cursor node {{ id }} }}
                    nodes {{ id }}
                    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
                    totalCount
                }}
            }}"
        );
        let mut variables =
            json!({ "orderBy": { "field": self.field, "direction": self.direction } });
        let own = arguments.as_object().expect("an object").clone();
        variables.as_object_mut().expect("an object").extend(own);
        app.graphql(&query, variables).await.body
    }

    async fn page(self, app: &TestApp, arguments: Value) -> Page {
        let mut body = self.reply(app, &arguments).await;
        assert_eq!(body.get("errors"), None, "{arguments} {body}");
        let connection = body["data"][self.name].take();
        let edges = connection["edges"].as_array().expect("edges");
        let cursors: Vec<_> = edges.iter().map(|edge| edge["cursor"].clone()).collect();
        let info = &connection["pageInfo"];
        let end = |cursor: Option<&Value>| cursor.cloned().unwrap_or(Value::Null);
        assert_eq!(info["startCursor"], end(cursors.first()));
        assert_eq!(info["endCursor"], end(cursors.last()));
        let ids = node_ids(&connection);
        for (edge, id) in edges.iter().zip(&ids) {
            assert_eq!(edge["node"]["id"], id.to_string());
        }
        Page {
            ids,
            cursors,
            has_next: info["hasNextPage"] == true,
            has_previous: info["hasPreviousPage"] == true,
            total: connection["totalCount"].clone(),
        }
    }

    /// The expected list: by time and then by id, in the same direction.
    fn reference(self, rows: &[Row]) -> Vec<Uuid> {
        let in_list = |row: &&Row| (self.name == "images") == row.deleted_at.is_none();
        let key = |row: &Row| {
            let instant = match self.field {
                "CREATED_AT" => &row.created_at,
                "UPDATED_AT" => &row.updated_at,
                _ => row.deleted_at.as_ref().expect("it is in the trash"),
            };
            (instant.clone(), row.id)
        };
        let mut keys: Vec<_> = rows.iter().filter(in_list).map(key).collect();
        keys.sort_unstable();
        if self.direction == "DESC" {
            keys.reverse();
        }
        keys.into_iter().map(|(_, id)| id).collect()
    }

    /// Walks the list in pages of `limit` and returns it in its own order; checks both flags of each page.
    async fn walk(self, app: &TestApp, limit: usize, is_forwards: bool) -> Vec<Uuid> {
        let mut pages: Vec<Page> = Vec::new();
        let mut cursor = Value::Null;
        loop {
            assert!(pages.len() < 200, "{self:?} never ends");
            let arguments = if is_forwards {
                json!({ "first": limit, "after": cursor })
            } else {
                json!({ "last": limit, "before": cursor })
            };
            let page = self.page(app, arguments).await;
            let (goes_on, came_from) = if is_forwards {
                (page.has_next, page.has_previous)
            } else {
                (page.has_previous, page.has_next)
            };
            assert_eq!(came_from, !pages.is_empty(), "{self:?} {page:?}");
            assert!(!goes_on || page.ids.len() == limit, "{self:?} {page:?}");
            let end = if is_forwards {
                page.cursors.last()
            } else {
                page.cursors.first()
            };
            cursor = end.cloned().unwrap_or_default();
            pages.push(page);
            if !goes_on {
                break;
            }
        }
        if !is_forwards {
            pages.reverse();
        }
        pages.into_iter().flat_map(|page| page.ids).collect()
    }
}

#[derive(Debug)]
struct Page {
    ids: Vec<Uuid>,
    cursors: Vec<Value>,
    has_next: bool,
    has_previous: bool,
    total: Value,
}

/// Rows of two owners and two intents, a third of them in the trash, with many equal times.
fn rows(count: usize, dice: &mut Dice) -> Vec<Row> {
    let mut row = || Row {
        user_id: dice.pick(&["alice", "bob"]).to_owned(),
        intent: Some(dice.pick(&["edit", "enhance"]).to_owned()),
        updated_at: dice.pick(&INSTANTS).to_owned(),
        deleted_at: dice.one_in(3).then(|| dice.pick(&INSTANTS).to_owned()),
        ..Row::at(dice.pick(&INSTANTS))
    };
    (0..count).map(|_| row()).collect()
}

#[apply(each_database!)]
async fn every_order_reads_both_ways_with_ties_broken_by_id(app: TestApp) {
    let rows = rows(50, &mut Dice::new());
    db_insert(&app, &rows).await;
    for list in lists() {
        let expected = list.reference(&rows);
        for (limit, is_forwards) in [
            (3, true),
            (3, false),
            (7, true),
            (7, false),
            (100, true),
            (100, false),
        ] {
            assert_eq!(
                list.walk(&app, limit, is_forwards).await,
                expected,
                "{list:?} {limit} {is_forwards}"
            );
        }
    }
}

#[apply(each_database!)]
async fn any_page_arguments_return_correct_pages(app: TestApp) {
    let mut dice = Dice::new();
    let rows = rows(40, &mut dice);
    db_insert(&app, &rows).await;
    let lists = lists();
    let mut wholes = Vec::new();
    for list in &lists {
        wholes.push(list.page(&app, json!({ "first": 100 })).await);
    }
    // Cursors of deleted rows, or of another owner's, are valid too.
    let (gone, rows): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|_| dice.one_in(6));
    db_delete(&app, &gone.iter().map(|row| row.id).collect::<Vec<_>>()).await;
    for _ in 0..400 * Dice::scale() {
        let place = dice.roll(lists.len());
        let (list, whole) = (lists[place], &wholes[place]);
        let after = dice.one_in(2).then(|| dice.roll(whole.ids.len()));
        let before = dice.one_in(2).then(|| dice.roll(whole.ids.len()));
        let limit = 1 + dice.roll(8);
        let (first, last) = dice.pick(&[(Some(limit), None), (None, Some(limit)), (None, None)]);
        let user = dice.pick(&[None, Some("alice"), Some("nobody")]);
        let filter = dice.pick(&[None, Some("EDIT")]);
        let matches = |row: &&Row| {
            user.is_none_or(|user| row.user_id == user)
                && (filter.is_none() || row.intent.as_deref() == Some("edit"))
        };
        let matching: Vec<Row> = rows.iter().filter(matches).cloned().collect();
        let all = list.reference(&matching);
        let place_of = |id: &Uuid| whole.ids.iter().position(|other| other == id);
        let is_within = |id: &&Uuid| {
            let place = place_of(id);
            after.is_none_or(|after| place > Some(after))
                && before.is_none_or(|before| place < Some(before))
        };
        let within: Vec<Uuid> = all.iter().filter(is_within).copied().collect();
        let size = first.or(last).unwrap_or(20).min(within.len());
        let expected = if last.is_some() {
            &within[within.len() - size..]
        } else {
            &within[..size]
        };
        // On an empty page, rows at the cursors count as outside.
        let is_before = |id: &Uuid| match expected.first() {
            Some(first) => place_of(id) < place_of(first),
            None => after.is_some_and(|after| place_of(id) <= Some(after)),
        };
        let is_behind = |id: &Uuid| match expected.last() {
            Some(last) => place_of(id) > place_of(last),
            None => before.is_some_and(|before| place_of(id) >= Some(before)),
        };
        let cursor = |place: Option<usize>| place.map(|place| whole.cursors[place].clone());
        let arguments = json!({
            "first": first, "last": last, "after": cursor(after), "before": cursor(before), "userId": user,
            "filter": filter.map(|intent| json!({ "intents": [intent] })),
        });
        let page = list.page(&app, arguments.clone()).await;
        let what = format!("{list:?} {arguments} after {after:?} before {before:?}");
        assert_eq!(page.ids, expected, "{what}");
        assert_eq!(
            page.has_previous,
            all.iter().any(is_before),
            "hasPreviousPage: {what}"
        );
        assert_eq!(
            page.has_next,
            all.iter().any(is_behind),
            "hasNextPage: {what}"
        );
        assert_eq!(page.total, all.len(), "{what}");
    }
}

#[apply(each_database!)]
async fn rows_added_or_deleted_while_paging_do_not_affect_others(app: TestApp) {
    let mut dice = Dice::new();
    let rows: Vec<Row> = rows(60, &mut dice)
        .into_iter()
        .map(|row| Row {
            deleted_at: None,
            ..row
        })
        .collect();
    for is_forwards in [true, false] {
        let list = List {
            name: "images",
            field: "CREATED_AT",
            direction: "DESC",
        };
        db_insert(&app, &rows).await;
        let mut expected = list.reference(&rows);
        if !is_forwards {
            expected.reverse();
        }
        let mut seen: Vec<Uuid> = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = if is_forwards {
                list.page(&app, json!({ "first": 4, "after": cursor }))
                    .await
            } else {
                list.page(&app, json!({ "last": 4, "before": cursor }))
                    .await
            };
            let goes_on = if is_forwards {
                page.has_next
            } else {
                page.has_previous
            };
            let end = if is_forwards {
                page.cursors.last()
            } else {
                page.cursors.first()
            };
            cursor = end.and_then(Value::as_str).expect("a cursor").to_owned();
            let mut ids = page.ids;
            if !is_forwards {
                ids.reverse();
            }
            seen.extend(ids);
            if !goes_on {
                break;
            }
            // The cursor's row and another seen one are deleted; new ones are added at both ends.
            let gone = [*seen.last().expect("a row"), dice.pick(&seen)];
            db_delete(&app, &gone).await;
            db_insert(
                &app,
                &[
                    Row::at("2090-01-01T00:00:00.000000Z"),
                    Row::at("1970-01-01T00:00:00.000000Z"),
                ],
            )
            .await;
        }
        seen.retain(|id| expected.contains(id));
        assert_eq!(seen, expected);
        app.db_execute("DELETE FROM image_gallery").await;
    }
}

#[apply(each_database!)]
async fn the_default_page_has_the_newest_twenty(app: TestApp) {
    let rows: Vec<Row> = (10..40)
        .map(|second| Row::at(&format!("2026-01-15T10:30:{second}.000000Z")))
        .collect();
    db_insert(&app, &rows).await;
    let data = app
        .run("{ images { nodes { id } totalCount } }", json!({}))
        .await;
    let newest: Vec<Uuid> = rows.iter().rev().map(|row| row.id).take(20).collect();
    assert_eq!(node_ids(&data["images"]), newest);
    assert_eq!(data["images"]["totalCount"], 30);

    app.db_execute("UPDATE image_gallery SET deleted_at = updated_at")
        .await;
    let data = app
        .run(
            "{ images { totalCount } deletedImages(first: 3) { nodes { id } totalCount } }",
            json!({}),
        )
        .await;
    assert_eq!(node_ids(&data["deletedImages"]), newest[..3]);
    assert_eq!(
        [
            &data["images"]["totalCount"],
            &data["deletedImages"]["totalCount"]
        ],
        [&json!(0), &json!(30)]
    );
}

#[apply(each_database!)]
async fn an_empty_list_has_no_other_page_and_an_empty_cursor_is_none(app: TestApp) {
    for list in lists() {
        for arguments in [
            json!({}),
            json!({ "first": 1, "after": "" }),
            json!({ "last": 100, "before": "" }),
        ] {
            let page = list.page(&app, arguments).await;
            assert_eq!(
                (page.ids.len(), page.has_next, page.has_previous),
                (0, false, false)
            );
            assert_eq!(page.total, 0);
        }
    }
}

#[apply(each_database!)]
async fn page_arguments_that_make_no_page_are_bad_user_input(app: TestApp) {
    db_insert(&app, &rows(30, &mut Dice::new())).await;
    for list in lists() {
        let cursor = list
            .page(&app, json!({ "first": 1 }))
            .await
            .cursors
            .remove(0);
        let cursor = cursor.as_str().expect("text");
        let mut cases = vec![
            json!({ "first": 5, "last": 5 }),
            json!({ "first": 5, "last": 0 }),
        ];
        for number in [0, -1, 101, i32::MIN, i32::MAX] {
            cases.extend([json!({ "first": number }), json!({ "last": number })]);
        }
        let wrong = [
            "x",
            " ",
            "====",
            "\0",
            "猫",
            "null",
            "MA==",
            &cursor[1..],
            &cursor[..cursor.len() - 1],
            &format!("{cursor}A"),
            &format!(" {cursor}"),
            &format!("{cursor}="),
            &"A".repeat(100_000),
        ];
        for wrong in wrong {
            cases.extend([
                json!({ "after": wrong }),
                json!({ "before": wrong, "last": 1 }),
            ]);
        }
        for other in lists() {
            if (other.field, other.direction) != (list.field, list.direction) {
                let cursor = &other.page(&app, json!({ "first": 1 })).await.cursors[0];
                cases.extend([json!({ "after": cursor }), json!({ "before": cursor })]);
            }
        }
        for case in cases {
            let body = list.reply(&app, &case).await;
            let error = &body["errors"][0];
            assert_eq!(
                error["extensions"]["code"], "BAD_USER_INPUT",
                "{list:?} {case:.200} {body:.400}"
            );
            assert_eq!(error["path"][0], list.name);
        }
    }
}

#[apply(each_database!)]
async fn the_active_gallery_cannot_be_ordered_by_deletion(app: TestApp) {
    for direction in ["ASC", "DESC"] {
        let list = List {
            name: "images",
            field: "DELETED_AT",
            direction,
        };
        let body = list.reply(&app, &json!({})).await;
        assert_eq!(
            body["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{body}"
        );
    }
}

/// Only Postgres supports such times; those outside RFC 3339 are printed as the nearest valid one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paging_includes_times_outside_rfc_3339() {
    let sql_instants = [
        "-infinity",
        "4000-03-01 00:00:00+00 BC",
        "0044-03-15 00:00:00+00 BC",
        "2026-01-15T10:30:00.000001Z",
        "9999-12-31T23:59:59.999999Z",
        "12026-01-15 10:30:00.000001+00",
        "20000-01-01 00:00:00+00",
        "290000-01-01 00:00:00.000001+00",
        "infinity",
    ];
    on_postgres(&[], async |app: TestApp| {
        let mut expected: Vec<Vec<Uuid>> = Vec::new();
        for (place, instant) in sql_instants.iter().enumerate() {
            let other = sql_instants[sql_instants.len() - 1 - place];
            let row = || Row {
                updated_at: other.to_owned(),
                ..Row::at(instant)
            };
            let mut active = [row(), row(), row()];
            active.sort_by_key(|row| row.id);
            expected.push(active.iter().map(|row| row.id).collect());
            db_insert(&app, &active).await;
            let mut trash = active.map(|row| Row {
                id: Uuid::from_u128(!row.id.as_u128()),
                deleted_at: Some((*instant).to_owned()),
                ..row
            });
            trash.reverse();
            db_insert(&app, &trash).await;
        }
        for list in lists() {
            let mut groups = expected.clone();
            if list.name == "deletedImages" {
                let mirrored = |id: &Uuid| Uuid::from_u128(!id.as_u128());
                groups = groups.iter().map(|ids| ids.iter().rev().map(mirrored).collect()).collect();
            }
            if list.field == "UPDATED_AT" {
                groups.reverse();
            }
            let mut ids = groups.concat();
            if list.direction == "DESC" {
                ids.reverse();
            }
            for (limit, is_forwards) in [(1, true), (1, false), (2, true), (2, false), (4, true)] {
                assert_eq!(list.walk(&app, limit, is_forwards).await, ids, "{list:?} {limit} {is_forwards}");
            }
        }
        let query = "{ images(first: 1) { nodes { id imageUrl createdAt updatedAt deletedAt } } deletedImages(first: 1) { nodes { createdAt deletedAt } } }";
        let data = app.run(query, json!({})).await;
        let newest = &data["images"]["nodes"][0];
        assert_eq!(newest["createdAt"], "9999-12-31T23:59:59.999999Z");
        assert_eq!(newest["updatedAt"], "0000-01-01T00:00:00.000000Z");
        let id = newest["id"].as_str().expect("an id");
        assert_eq!(newest["imageUrl"], image_url(id));
    })
    .await;
}
