//! A fake OpenTelemetry collector that stores what it receives.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use prost::Message;

/// A received span.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) id: String,
    /// Empty for a root span.
    pub(crate) parent_id: String,
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) is_error: bool,
    /// The attributes of its resource.
    pub(crate) resource: BTreeMap<String, String>,
}

/// The fake collector.
pub(crate) struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&spans);
        let keep = async move |headers: HeaderMap, body: Bytes| {
            assert_eq!(headers["content-type"], "application/x-protobuf");
            let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
            let mut kept = kept.lock().expect("no test panics holding it");
            kept.extend(spans_of(request));
        };
        let router = Router::new().route("/v1/traces", post(keep));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        // Ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, spans }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans received so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans
            .lock()
            .expect("no test panics holding it")
            .clone()
    }
}

fn spans_of(request: ExportTraceServiceRequest) -> Vec<Span> {
    let mut all = Vec::new();
    for of_resource in request.resource_spans {
        let resource = attributes(&of_resource.resource.expect("a resource").attributes);
        for span in of_resource
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans)
        {
            all.push(Span {
                trace_id: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent_id: hex(&span.parent_span_id),
                name: span.name,
                attributes: attributes(&span.attributes),
                is_error: span.status.is_some_and(|status| status.code == 2),
                resource: resource.clone(),
            });
        }
    }
    all
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.clone().and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        other => format!("{other:?}"),
    };
    (pairs.iter())
        .map(|pair| (pair.key.clone(), text(pair)))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string can be written to");
        text
    })
}
