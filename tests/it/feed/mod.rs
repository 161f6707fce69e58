//! Live events without a transport: subscriptions in the executor, on a database that others change.

mod delivery;
mod isolation;
mod order;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Variables;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};
use graphql_front::limits::Limits;
use graphql_front::{Document, DocumentPolicy, Operation};
use image_gallery::auth::Caller;
use image_gallery::config::Settings;
use image_gallery::db::Database;
use image_gallery::execution::{Executor, OperationRequest};
use image_gallery::gallery::Gallery;
use image_gallery::telemetry::RequestId;
use serde_json::{Value, json};

use crate::harness::{TestApp, TestDatabase};

/// A second process on the database of a server, without transports.
#[derive(Clone)]
struct Process {
    gallery: Arc<Gallery>,
    executor: Executor,
}

impl Process {
    async fn beside(app: &TestApp) -> Self {
        Self::with_max_subscribers(app.database(), 1000).await
    }

    async fn with_max_subscribers(database: &TestDatabase, max_subscribers: usize) -> Self {
        let url = format!("--database-url={}", database.url());
        let settings = Settings::from_arguments([url]).expect("the settings are right");
        let options = settings.database().expect("a database");
        let database = Database::connect(&options).await.expect("it answers");
        let options = image_gallery::gallery::Options {
            max_subscribers,
            ..settings.gallery()
        };
        let gallery = Arc::new(Gallery::new(database, options));
        let executor = Executor::new(
            Arc::clone(&gallery),
            DocumentPolicy::default(),
            Limits::default(),
            Executor::DEFAULT_MAX_ANSWER_BYTES,
            Duration::from_secs(15),
        );
        Self { gallery, executor }
    }

    /// The replies of a subscription, as JSON.
    fn subscribe(&self, query: &str, variables: Value) -> Replies {
        self.subscribe_as(Caller::Anyone, query, variables)
    }

    /// The reply to a query or mutation in this process, as JSON.
    async fn execute(&self, query: &str) -> Value {
        let operation = operation(query, json!({}));
        let prepared = self.executor.prepare(operation).expect("it is valid");
        let deadline = self.executor.deadline();
        json!(
            self.executor
                .execute(Caller::Anyone, prepared, deadline)
                .await
        )
    }

    fn subscribe_as(&self, caller: Caller, query: &str, variables: Value) -> Replies {
        let prepared = match self.executor.prepare(operation(query, variables)) {
            Ok(prepared) => prepared,
            Err(refused) => {
                let reply = serde_json::to_value(&refused.reply).expect("a reply is JSON");
                return Replies(stream::iter([reply]).boxed());
            }
        };
        let executor = self.executor.clone();
        let replies = async move {
            match executor.subscribe(caller, prepared, None).await {
                Ok(deliveries) => deliveries.map(|delivery| json!(delivery.reply)).boxed(),
                Err(reply) => stream::iter([json!(reply)]).boxed(),
            }
        };
        Replies(stream::once(replies).flatten().boxed())
    }

    /// A started subscription: it receives everything that happens from now on.
    async fn follow(&self, query: &str) -> Replies {
        let before = self.gallery.subscriber_count();
        let mut replies = self.subscribe(query, json!({}));
        // It starts when polled, and is counted before it reads its start position.
        for _ in 0..100 {
            assert!(replies.is_quiet_for(Duration::from_millis(100)).await);
            if self.gallery.subscriber_count() > before {
                break;
            }
        }
        assert!(replies.is_quiet_for(Duration::from_millis(200)).await);
        assert_eq!(self.gallery.subscriber_count(), before + 1);
        replies
    }
}

fn operation(query: &str, variables: Value) -> OperationRequest {
    OperationRequest {
        operation: Operation {
            document: Document::Text(query.to_owned()),
            operation_name: None,
            variables: Ok(Variables::from_json(variables)),
        },
        request_id: RequestId::generate(),
        shows_cost: false,
    }
}

struct Replies(BoxStream<'static, Value>);

impl Replies {
    /// The next reply, within half a minute.
    async fn next(&mut self) -> Value {
        let next = tokio::time::timeout(Duration::from_secs(30), self.0.next()).await;
        next.expect("in time").expect("a reply")
    }

    /// `galleryEvents` of the next reply.
    async fn event(&mut self) -> Value {
        let mut reply = self.next().await;
        assert_eq!(reply.get("errors"), None, "{reply}");
        reply["data"]["galleryEvents"].take()
    }

    /// The error code of the next reply, which is the last.
    async fn last_error(mut self) -> String {
        let reply = self.next().await;
        assert!(reply.get("data").is_none_or(Value::is_null), "{reply}");
        let code = reply["errors"][0]["extensions"]["code"].as_str();
        let code = code.expect("a code").to_owned();
        assert_eq!(self.0.next().await, None);
        code
    }

    /// Whether no reply arrives within this time.
    async fn is_quiet_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.0.next()).await.is_err()
    }

    /// Whether no reply has arrived.
    fn is_quiet(&mut self) -> bool {
        self.0.next().now_or_never().is_none()
    }
}
