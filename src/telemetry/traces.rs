//! Traces: spans of requests, operations and SQL statements, exported to a collector by OTLP
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>, protobuf).
//!
//! Exports only spans, and only the program's own: log events in them stay in the log.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

/// Timeout of exporting pending spans at exit.
const FLUSH_TIME: Duration = Duration::from_secs(5);
/// Prefix of the targets whose spans are exported.
const OWN_TARGET: &str = "image_gallery";

/// Where traces are exported to.
#[derive(Clone, Debug)]
pub struct Options {
    /// The collector's URL, without the path for traces.
    pub endpoint: Url,
    /// The service name.
    pub service_name: String,
}

/// The exporter.
#[derive(Debug)]
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends nothing yet, so an unavailable collector is not an error.
    pub(super) fn new(options: &Options) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(traces_url(&options.endpoint))
            .build()?;
        let resource = Resource::builder_empty()
            .with_service_name(options.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_detectors(&[
                Box::new(TelemetryResourceDetector),
                Box::new(EnvResourceDetector::new()),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'s> LookupSpan<'s> + Send + Sync,
    {
        let is_own_span = |metadata: &tracing::Metadata<'_>| {
            metadata.is_span() && metadata.target().starts_with(OWN_TARGET)
        };
        OpenTelemetryLayer::new(self.0.tracer(OWN_TARGET))
            // Source locations and threads are of no use to operators.
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_own_span))
    }

    /// Exports pending spans.
    pub(super) fn flush(self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_TIME) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// As specified: the path for traces is appended to the collector's.
fn traces_url(endpoint: &Url) -> String {
    format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'))
}

/// Continues the caller's trace, <https://www.w3.org/TR/trace-context/>. Does nothing without traces or with an invalid
/// header.
pub fn follow<'h>(span: &Span, header: impl Fn(&str) -> Option<&'h str>) {
    let headers = Headers(["traceparent", "tracestate"].map(|name| (name, header(name))));
    if headers.get("traceparent").is_none() {
        return;
    }
    let parent = TraceContextPropagator::new().extract(&headers);
    // Fails without traces, which is fine.
    let _ = span.set_parent(parent);
}

struct Headers<'h>([(&'static str, Option<&'h str>); 2]);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(name, _)| *name == key)?;
        *value
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_for_traces_is_appended() {
        for (endpoint, expected) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
            ("https://c.example/otlp", "https://c.example/otlp/v1/traces"),
            (
                "https://c.example/otlp/",
                "https://c.example/otlp/v1/traces",
            ),
        ] {
            assert_eq!(traces_url(&endpoint.parse().expect("a URL")), expected);
        }
    }
}
