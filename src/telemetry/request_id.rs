//! The id of a request. Each log line of the request ends with it.
//!
//! A tracing span would do the same, but creating, entering and formatting one costs more than the log line itself.

use std::fmt::{self, Display};

use tracing::{Event, Instrument, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use super::Format;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// Identifies a request in the log, in a response header and in internal errors. Generated here, because ids from clients
/// may not be unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new id.
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }

    /// The id of the request that the current task works for.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|id| *id).ok()
    }

    /// Runs the work of the request.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }
}

impl Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Work that another task does for the current request: its log lines have the request's id, and its spans the current
/// one as parent.
pub fn in_current_request<F>(work: F) -> impl Future<Output = F::Output> + use<F>
where
    F: Future,
{
    let id = RequestId::current();
    let work = work.in_current_span();
    async move {
        match id {
            Some(id) => id.scope(work).await,
            None => work.await,
        }
    }
}

/// The lines of a library's formatter, with the request's id at the end.
pub(super) struct WithRequestId<F> {
    pub(super) lines: F,
    pub(super) format: Format,
}

impl<S, N, F> FormatEvent<S, N> for WithRequestId<F>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(id) = RequestId::current() else {
            return self.lines.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.lines
            .format_event(context, Writer::new(&mut line), event)?;
        let line = line.trim_end();
        match self.format {
            Format::Pretty => writeln!(writer, "{line} request.id={id}"),
            Format::Json => {
                let members = line.strip_suffix('}').unwrap_or(line);
                writeln!(writer, "{members},\"request.id\":\"{id}\"}}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt;

    use super::super::lines;
    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("the log").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines of two events: one of a request, one of none.
    fn logged(format: Format, id: RequestId) -> Vec<String> {
        let log = Log::default();
        let written = log.clone();
        let lines = lines(format, move || written.clone(), false);
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, || {
            let log = || tracing::warn!(answer = 42, "a {} event", "\"quoted\"");
            CURRENT.sync_scope(id, log);
            log();
        });
        let log = log.0.lock().expect("the log");
        let log = String::from_utf8_lossy(&log);
        log.lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_line_of_a_request_ends_with_its_id() {
        let id = RequestId::generate();
        let lines = logged(Format::Pretty, id);
        let [of_request, of_none] = lines.as_slice() else {
            panic!("{lines:?}");
        };
        let expected = format!("a \"quoted\" event answer=42 request.id={id}");
        assert!(of_request.ends_with(&expected), "{of_request}");
        assert!(of_none.ends_with("event answer=42"), "{of_none}");
    }

    #[test]
    fn in_json_the_id_is_a_member() {
        let id = RequestId::generate();
        let lines = logged(Format::Json, id);
        let lines: Vec<Value> = (lines.iter())
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let ids: Vec<&Value> = lines.iter().map(|line| &line["request.id"]).collect();
        assert_eq!(ids, [&json!(id.to_string()), &Value::Null]);
        assert_eq!(lines[0]["fields"]["message"], "a \"quoted\" event");
    }
}
