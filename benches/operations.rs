//! The cost of the parts of a request: the rule for URLs, cursors, and each request in `requests/`, from its JSON body
//! to its reply, on an empty SQLite database.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use graphql_front::limits::Limits;
use graphql_front::{DocumentPolicy, Parameters};
use image_gallery::auth::Caller;
use image_gallery::cloudinary::hosts::HostPatterns;
use image_gallery::cloudinary::url::ImageUrl;
use image_gallery::config::Settings;
use image_gallery::db::Database;
use image_gallery::entity::Timestamp;
use image_gallery::execution::{Executor, OperationRequest};
use image_gallery::gallery::Gallery;
use image_gallery::gallery::{Direction, Field, ListCursor, Order, SortKey};
use image_gallery::telemetry::RequestId;
use uuid::Uuid;

const URL: &str =
    "https://res.cloudinary.com/demo/image/upload/v1/00000000-0000-4000-8000-000000000001.png";

const REQUESTS: [(&str, &str); 6] = [
    ("typename", include_str!("requests/typename.json")),
    ("image", include_str!("requests/image.json")),
    ("page", include_str!("requests/page.json")),
    (
        "page-with-count",
        include_str!("requests/page-with-count.json"),
    ),
    ("events", include_str!("requests/events.json")),
    ("create-again", include_str!("requests/create-again.json")),
];

fn pieces(criterion: &mut Criterion) {
    let hosts = HostPatterns::default();
    criterion.bench_function("the URL rule", |bencher| {
        bencher.iter(|| ImageUrl::parse(black_box(URL), &hosts).map(|url| url.id()));
    });
    let order = Order {
        field: Field::CreatedAt,
        direction: Direction::Descending,
    };
    let sort_key = SortKey {
        instant: Timestamp::from_microseconds(1_768_473_000_123_456),
        id: Uuid::from_u128(1),
    };
    let cursor = ListCursor { order, sort_key };
    criterion.bench_function("a cursor, out and in", |bencher| {
        bencher.iter(|| ListCursor::decode(&black_box(cursor).encode(), order));
    });
}

fn requests(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let folder = tempfile::tempdir().expect("a folder");
    let executor = runtime.block_on(executor(folder.path()));
    let mut group = criterion.benchmark_group("a request");
    for (name, body) in REQUESTS {
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let prepared = executor.prepare(operation(body)).expect("it is valid");
                let deadline = executor.deadline();
                let reply = executor.execute(Caller::Anyone, prepared, deadline).await;
                serde_json::to_vec(&reply).expect("JSON")
            });
        });
    }
}

fn operation(body: &str) -> OperationRequest {
    let parameters = Parameters::from_json(black_box(body).as_bytes()).expect("a request");
    OperationRequest::new(parameters, RequestId::generate(), false).expect("a request")
}

async fn executor(folder: &Path) -> Executor {
    let file = folder.join("gallery.db");
    let url = format!("--database-url=sqlite://{}?mode=rwc", file.display());
    let settings = Settings::from_arguments([url]).expect("settings");
    let options = settings.database().expect("a database");
    let database = Database::connect(&options).await.expect("it answers");
    database.migrate_up().await.expect("migrations");
    let gallery = Gallery::new(database, settings.gallery());
    let time_out = Duration::from_secs(15);
    Executor::new(
        Arc::new(gallery),
        DocumentPolicy::default(),
        Limits::default(),
        Executor::DEFAULT_MAX_ANSWER_BYTES,
        time_out,
    )
}

criterion_group!(benches, pieces, requests);
criterion_main!(benches);
