//! Metrics in Prometheus' text format, <https://prometheus.io/docs/instrumenting/exposition_formats/>.
//!
//! Counters are stored here; gauges ([`Readings`]) are read when the page is requested.

use std::time::Duration;

use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, TextEncoder,
};

/// Value of `Content-Type`.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const PREFIX: &str = "image_gallery";
/// In seconds: from a read from memory to the default request timeout.
const BUCKETS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0,
];

/// The outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Without errors.
    Succeeded,
    /// Executed, with errors.
    Failed,
    /// Not executed.
    Refused,
    /// The client disconnected, or the server stopped.
    Abandoned,
}

impl Outcome {
    /// The value of the label `outcome`, also in the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The counters of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    operations: IntCounterVec,
    durations: HistogramVec,
    errors: IntCounterVec,
    responses: IntCounterVec,
    passes: IntCounterVec,
    purged_images: IntCounter,
    dropped_events: IntCounter,
}

impl Metrics {
    /// Creates all counters at zero. Fails for duplicate or invalid names.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counters = |name, help, labels: &[&str]| {
            let counters = IntCounterVec::new(options(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let durations = HistogramOpts {
            common_opts: options(
                "operation_duration_seconds",
                "Duration of queries, of mutations, and of starting subscriptions.",
            ),
            buckets: BUCKETS.to_vec(),
        };
        let durations = HistogramVec::new(durations, &["type"])?;
        registry.register(Box::new(durations.clone()))?;
        let expired = counters(
            "retention_expired_total",
            "Results of this process' passes of retention: images purged, events deleted.",
            &["kind"],
        )?;
        Ok(Self {
            operations: counters(
                "operations_total",
                "Operations by type (query, mutation, subscription; unknown if it was rejected before that was known; \
                 rest_read, rest_write) and outcome.",
                &["type", "outcome"],
            )?,
            durations,
            errors: counters(
                "errors_total",
                "Top-level GraphQL errors by extensions.code.",
                &["code"],
            )?,
            responses: counters(
                "http_responses_total",
                "HTTP responses of all paths by status.",
                &["status"],
            )?,
            passes: counters(
                "retention_passes_total",
                "Passes of retention in this process by outcome.",
                &["outcome"],
            )?,
            purged_images: expired.with_label_values(&["image"]),
            dropped_events: expired.with_label_values(&["event"]),
            registry,
        })
    }

    /// Counts an operation that has ended; for a subscription, its start.
    pub fn count_operation(&self, kind: &str, outcome: Outcome, duration: Duration) {
        self.operations
            .with_label_values(&[kind, outcome.as_str()])
            .inc();
        self.durations
            .with_label_values(&[kind])
            .observe(duration.as_secs_f64());
    }

    /// Counts a top-level error.
    pub fn count_error(&self, code: &str) {
        self.errors.with_label_values(&[code]).inc();
    }

    /// Counts an HTTP response.
    pub fn count_response(&self, status: u16) {
        self.responses
            .with_label_values(&[status.to_string()])
            .inc();
    }

    /// Counts a pass of retention and its results.
    pub fn count_pass(&self, outcome: Outcome, images: u64, events: u64) {
        self.passes.with_label_values(&[outcome.as_str()]).inc();
        self.purged_images.inc_by(images);
        self.dropped_events.inc_by(events);
    }

    /// Renders all counters, and these readings.
    pub fn to_text(&self, readings: &Readings) -> prometheus::Result<String> {
        let mut families = self.registry.gather();
        families.extend(readings.0.gather());
        TextEncoder::new().encode_to_string(&families)
    }
}

/// Gauges at the current time. Values that cannot be read are omitted.
#[derive(Debug, Default)]
pub struct Readings(Registry);

impl Readings {
    /// Adds one value. Fails if the name exists.
    pub fn add(&self, name: &str, help: &str, value: f64) -> prometheus::Result<()> {
        self.add_each(name, help, &[], [(vec![], value)])
    }

    /// Adds a value for each set of labels. Fails if the name exists, or has other labels.
    pub fn add_each<'v>(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        values: impl IntoIterator<Item = (Vec<&'v str>, f64)>,
    ) -> prometheus::Result<()> {
        let gauges = GaugeVec::new(options(name, help), labels)?;
        for (values, value) in values {
            gauges.get_metric_with_label_values(&values)?.set(value);
        }
        self.0.register(Box::new(gauges))
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(PREFIX)
}
