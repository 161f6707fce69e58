//! Settings: logs and traces.

use clap::Args;
use url::Url;

use super::value::{Checked, collector_url, text};
use crate::telemetry::{Filter, Format, Options, TraceOptions};

const LOGS: &str = "Logs and traces";

/// Logs and traces.
#[derive(Args, Clone, Debug)]
pub struct TelemetrySettings {
    /// `RUST_LOG`, default `info`: log filter, a level or a list like `info,image_gallery=debug`
    #[arg(long = "rust-log", env = "RUST_LOG", value_name = "FILTER", help_heading = LOGS, default_value = "info",
        value_parser = Checked(str::parse::<Filter>))]
    pub(super) log_filter: Filter,

    /// `LOG_FORMAT`, default `pretty`: `pretty` (text) or `json`
    #[arg(long, env, value_name = "FORMAT", help_heading = LOGS, default_value = "pretty",
        value_parser = Checked(str::parse::<Format>))]
    pub(super) log_format: Format,

    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, unset by default: send traces to this collector, by OTLP over HTTP
    ///
    /// Like `http://localhost:4318`; `/v1/traces` is appended. Spans are requests to `/graphql`, operations, and SQL
    /// statements without their values. The other variables of OpenTelemetry's SDK are supported too, such as
    /// `OTEL_EXPORTER_OTLP_HEADERS` for the collector's token, `OTEL_TRACES_SAMPLER` and `OTEL_RESOURCE_ATTRIBUTES`.
    #[arg(long, env, value_name = "URL", help_heading = LOGS, value_parser = Checked(collector_url))]
    otel_exporter_otlp_endpoint: Option<Url>,

    /// `OTEL_SERVICE_NAME`, default `image-gallery`: the service name in traces
    #[arg(long, env, value_name = "NAME", help_heading = LOGS, default_value = "image-gallery",
        value_parser = Checked(text))]
    otel_service_name: String,
}

impl TelemetrySettings {
    /// The options of logs and traces.
    pub fn options(&self) -> Options {
        let endpoint = self.otel_exporter_otlp_endpoint.clone();
        Options {
            filter: self.log_filter.clone(),
            format: self.log_format,
            traces: endpoint.map(|endpoint| TraceOptions {
                endpoint,
                service_name: self.otel_service_name.clone(),
            }),
        }
    }
}
