//! Logs, written to the standard error, and traces.

mod request_id;
mod traces;

use std::fmt::Debug;
use std::io::{self, IsTerminal};
use std::str::FromStr;

use anyhow::Context;
use chrono::{SecondsFormat, Utc};
use tracing::field::Field;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{self, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use request_id::WithRequestId;
pub use request_id::{RequestId, in_current_request};
use traces::Traces;
pub use traces::{Options as TraceOptions, follow};

/// Libraries that log each statement or batch at `info` or `debug`: enabled only by name.
const TALKATIVE: [&str; 3] = ["sqlx", "sea_orm", "opentelemetry"];

/// Options of logs and traces.
#[derive(Clone, Debug)]
pub struct Options {
    /// The log filter.
    pub filter: Filter,
    /// The log format.
    pub format: Format,
    /// Where traces are exported to, if anywhere.
    pub traces: Option<TraceOptions>,
}

/// Must be stopped before the program exits.
#[derive(Debug)]
pub struct Telemetry(Option<Traces>);

impl Telemetry {
    /// Exports pending spans, for at most five seconds.
    pub fn stop(self) {
        if let Some(traces) = self.0 {
            traces.flush();
        }
    }
}

/// Targets of libraries that log whole messages at `trace` and `debug`, including tokens: never enabled at these
/// levels.
const INDISCREET: [&str; 3] = [
    "tungstenite",
    "tungstenite::protocol",
    "tungstenite::protocol::frame",
];

/// A log filter: a level, or `target=level` pairs, in the syntax of `tracing_subscriber::EnvFilter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

/// The log format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text.
    Pretty,
    /// One JSON object per line.
    Json,
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match EnvFilter::try_new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(
                "is not a log filter: `error`, `warn`, `info`, `debug`, `trace`, `off`, \
                 or a list like `info,image_gallery=debug`"
                    .to_owned(),
            ),
        }
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err("is not `pretty` or `json`".to_owned()),
        }
    }
}

impl Filter {
    fn layer(&self) -> EnvFilter {
        let filter = EnvFilter::new(&self.0);
        if filter
            .max_level_hint()
            .is_some_and(|level| level <= LevelFilter::WARN)
        {
            return filter;
        }
        let is_close = filter
            .max_level_hint()
            .is_none_or(|level| level > LevelFilter::INFO);
        let talkative = TALKATIVE
            .iter()
            .filter(|library| !self.0.contains(*library))
            .map(|library| format!("{library}=warn"));
        let indiscreet = INDISCREET
            .iter()
            .filter(|_| is_close)
            .map(|part| format!("{part}=info"));
        talkative
            .chain(indiscreet)
            .filter_map(|directive| directive.parse().ok())
            .fold(filter, EnvFilter::add_directive)
    }
}

/// Starts logging and exporting traces. Fails if logging was already started, or if the exporter cannot be created.
pub fn start(options: &Options) -> anyhow::Result<Telemetry> {
    let traces = options.traces.as_ref().map(Traces::new);
    let traces = traces.transpose().context("cannot set up traces")?;
    let filter = options.filter.layer();
    let lines = lines(options.format, io::stderr, io::stderr().is_terminal());
    let lines = match filter.to_string().parse::<Targets>() {
        // An `EnvFilter` would check each entered span for directives that name it.
        Ok(targets) => lines.with_filter(targets).boxed(),
        Err(_) => lines.with_filter(filter).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines)
        .with(traces.as_ref().map(Traces::layer))
        .try_init()
        .context("cannot begin to log")?;
    Ok(Telemetry(traces))
}

/// UTC with microseconds. The library's own clock takes more instructions.
struct Rfc3339;

impl FormatTime for Rfc3339 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the log's clock, not the gallery's"
    )]
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        writer.write_str(&now)
    }
}

/// As the library writes them, without considering a style for each part of a field.
fn fields_without_colors() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    let field = |writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| match field.name() {
        "message" => write!(writer, "{value:?}"),
        name => write!(writer, "{}={value:?}", name.trim_start_matches("r#")),
    };
    format::debug_fn(field).delimited(" ")
}

fn lines<W>(format: Format, writer: W, has_colors: bool) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    match format {
        Format::Json => {
            let lines = fmt::format().json().with_timer(Rfc3339);
            let lines = lines.with_current_span(false).with_span_list(false);
            let lines = WithRequestId { lines, format };
            layer
                .event_format(lines)
                .fmt_fields(JsonFields::new())
                .boxed()
        }
        Format::Pretty => {
            let lines = fmt::format().with_timer(Rfc3339).with_ansi(has_colors);
            let lines = WithRequestId { lines, format };
            let layer = layer.with_ansi(has_colors).event_format(lines);
            if has_colors {
                return layer.boxed();
            }
            layer.fmt_fields(fields_without_colors()).boxed()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const UNHEARD: &str =
        "tungstenite::protocol::frame=info,tungstenite::protocol=info,tungstenite=info";

    /// The library does not define their order.
    fn directives(text: &str) -> BTreeSet<&str> {
        text.split(',').collect()
    }

    #[test]
    fn messages_are_not_logged_even_if_enabled_by_name() {
        for text in [
            "trace,tungstenite=trace",
            "trace,tungstenite::protocol=trace",
            "tungstenite::protocol::frame=debug",
        ] {
            let filter: Filter = text.parse().expect(text);
            let shown = filter.layer().to_string();
            for directive in UNHEARD.split(',') {
                assert!(shown.split(',').any(|own| own == directive), "{shown}");
            }
            assert_eq!(shown.matches("tungstenite").count(), 3, "{shown}");
        }
    }

    #[test]
    fn libraries_report_statements_only_when_asked_by_name() {
        for (text, expected) in [
            ("info", "opentelemetry=warn,sea_orm=warn,sqlx=warn,info"),
            (
                "debug",
                &format!("{UNHEARD},opentelemetry=warn,sea_orm=warn,sqlx=warn,debug"),
            ),
            ("warn", "warn"),
            ("error", "error"),
            ("off", "off"),
            (
                "info,sqlx=debug",
                &format!("{UNHEARD},opentelemetry=warn,sea_orm=warn,sqlx=debug,info"),
            ),
        ] {
            let filter: Filter = text.parse().expect(text);
            let shown = filter.layer().to_string();
            assert_eq!(directives(&shown), directives(expected), "{text}");
        }
    }

    #[test]
    fn a_wrong_filter_is_refused() {
        for text in ["image_gallery=loud", "info,=,", "a=b=c"] {
            text.parse::<Filter>().expect_err(text);
        }
    }
}
