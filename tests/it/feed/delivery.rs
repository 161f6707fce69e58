//! Latency, number of subscribers, cost, and failures of the feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::Process;
use crate::harness::rows::{Row, db_insert};
use crate::harness::{Outage, TestApp, each_database, on_own_cluster, on_postgres};

const IMAGES: &str = "subscription { galleryEvents { imageId image { id userId } } }";

fn rows(count: usize) -> Vec<Row> {
    (0..count).map(|_| Row::new()).collect()
}

#[apply(each_database!)]
async fn a_change_by_this_process_arrives_immediately(app: TestApp) {
    let process = Process::beside(&app).await;
    let mut replies = process.follow(IMAGES).await;
    let id = app.user("alice").create_image().await;
    assert_eq!(replies.event().await["imageId"], id);
    let mutation =
        format!("mutation {{ it: purgeImage(id: \"{id}\", force: true) {{ changed }} }}");
    let started = Instant::now();
    assert_eq!(
        process.execute(&mutation).await["data"]["it"]["changed"],
        true
    );
    assert_eq!(
        replies.event().await,
        json!({ "imageId": id, "image": null })
    );
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
}

#[apply(each_database!)]
async fn a_change_without_notification_arrives_within_two_seconds(app: TestApp) {
    let process = Process::beside(&app).await;
    let mut replies = process.follow(IMAGES).await;
    for _ in 0..3 {
        let rows = rows(1);
        let started = Instant::now();
        db_insert(&app, &rows).await;
        let id = rows[0].id.to_string();
        assert_eq!(
            replies.event().await,
            json!({ "imageId": id, "image": { "id": id, "userId": "alice" } })
        );
        assert!(
            started.elapsed() < Duration::from_secs(2),
            "{:?}",
            started.elapsed()
        );
    }
}

/// The subscriber falls behind the cached events; the other one is served meanwhile.
#[apply(each_database!)]
async fn a_slow_subscriber_misses_nothing_and_delays_nobody(app: TestApp) {
    let process = Process::beside(&app).await;
    let query = "subscription { galleryEvents { cursor imageId } }";
    let (mut slow, mut fast) = (process.follow(query).await, process.follow(query).await);
    let mut ids = Vec::new();
    for _ in 0..6 {
        let rows = rows(1000);
        db_insert(&app, &rows).await;
        ids.push(rows[0].id.to_string());
        let mut last = Value::Null;
        for _ in 0..1000 {
            last = fast.event().await;
        }
        assert!(last["cursor"].is_string());
    }
    let mut cursors = Vec::new();
    for place in 0..6000 {
        let event = slow.event().await;
        if place % 1000 == 0 {
            cursors.push(event["cursor"].clone());
        }
    }
    assert!(slow.is_quiet() && fast.is_quiet());
    // The first event of each thousand, by the trail.
    let query =
        "query($after: String) { galleryEvents(first: 1, after: $after) { nodes { cursor } } }";
    let first = app.run(query, json!({})).await;
    assert_eq!(first["galleryEvents"]["nodes"][0]["cursor"], cursors[0]);
}

/// Two processes on one database server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_another_process_is_announced() {
    on_postgres(&[], async |app: TestApp| {
        let process = Process::beside(&app).await;
        let mut replies = process.follow(IMAGES).await;
        let mut latencies = Vec::new();
        for _ in 0..30 {
            // Not in phase with polling.
            tokio::time::sleep(Duration::from_millis(37)).await;
            let id = app.user("alice").create_image().await;
            let started = Instant::now();
            assert_eq!(replies.event().await["imageId"], id);
            latencies.push(started.elapsed());
        }
        latencies.sort_unstable();
        let median = latencies[latencies.len() / 2];
        eprintln!(
            "change to subscriber: median {median:?}, greatest {:?}",
            latencies.last()
        );
        assert!(median < Duration::from_millis(100), "{median:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_listening_connection_is_reopened() {
    on_postgres(&[], async |app: TestApp| {
        let process = Process::beside(&app).await;
        let mut replies = process.follow(IMAGES).await;
        let listener = "query LIKE 'LISTEN%' AND datname = current_database()";
        let pid = async || {
            app.db_query_text(&format!(
                "SELECT pid::text FROM pg_stat_activity WHERE {listener}"
            ))
            .await
        };
        let first = pid().await;
        assert!(first.is_some());
        app.db_execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listener}"
        ))
        .await;
        let again = crate::harness::eventually("somebody listens again", async || {
            pid().await.filter(|pid| Some(pid) != first.as_ref())
        });
        again.await;
        let id = app.user("alice").create_image().await;
        assert_eq!(replies.event().await["imageId"], id);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_survives_an_outage_of_its_database() {
    on_own_cluster(&[], &[], async |app: TestApp| {
        let process = Process::beside(&app).await;
        let mut replies = process.follow(IMAGES).await;
        let outage = Outage::of(app.database()).await;
        for _ in 0..2 {
            app.db_execute("CHECKPOINT").await;
            outage.stop();
            tokio::time::sleep(Duration::from_millis(1500)).await;
            outage.start();
            let rows = rows(3);
            db_insert(&app, &rows).await;
            let mut expected: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
            let mut told = Vec::new();
            for _ in 0..3 {
                let event = replies.event().await;
                told.push(event["imageId"].as_str().expect("an id").to_owned());
            }
            expected.sort_unstable();
            told.sort_unstable();
            assert_eq!(told, expected);
        }
    })
    .await;
}

/// Counts the statements that read images.
struct ImageStatements(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for ImageStatements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Text(bool);
        impl Visit for Text {
            fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
                let text = format!("{value:?}").replace('\\', "");
                self.0 |= text.contains("FROM \"image_gallery\"");
            }
        }
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut text = Text(false);
        event.record(&mut text);
        if text.0 {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// On one thread, so that all statements are counted.
#[tokio::test]
async fn a_hundred_subscribers_read_the_images_of_a_page_once() {
    let statements = Arc::new(AtomicUsize::new(0));
    let layer = ImageStatements(Arc::clone(&statements));
    let counted = tracing_subscriber::registry().with(layer);
    let _guard = tracing::subscriber::set_default(counted);
    // With a single subscriber, the library caches the interest of the first thread at a call site, which may be
    // another test's without a subscriber, and never enables it again: so there are two.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    on_postgres(&[], async |app: TestApp| {
        let process = Process::beside(&app).await;
        let mut subscribers: Vec<_> = (0..100)
            .map(|_| process.subscribe(IMAGES, json!({})))
            .collect();
        let begun = subscribers.iter_mut().map(|subscriber| async {
            assert!(subscriber.is_quiet_for(Duration::from_secs(2)).await);
        });
        join_all(begun).await;
        assert_eq!(process.gallery.subscriber_count(), 100);
        let before = statements.load(Ordering::Relaxed);
        // One statement of another application: one page of events.
        let rows = rows(40);
        let started = Instant::now();
        db_insert(&app, &rows).await;
        let told = subscribers.iter_mut().map(|subscriber| async {
            for _ in 0..40 {
                let event = subscriber.event().await;
                assert_eq!(event["image"]["id"], event["imageId"]);
            }
        });
        join_all(told).await;
        let read = statements.load(Ordering::Relaxed) - before;
        // Images are read again when they are older than a second: a slow machine delivers the 4,000 events in more.
        let seconds = usize::try_from(started.elapsed().as_secs()).expect("a few");
        assert!((1..=1 + seconds).contains(&read), "{read} in {seconds} s");
    })
    .await;
}
