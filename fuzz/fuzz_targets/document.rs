//! The scan before the parser: a document that it lets through neither overflows the parser's stack nor keeps it busy, and
//! its measuring ends as well. A crash or a time-out is the finding.
#![no_main]

use async_graphql::parser::parse_query;
use graphql_front::limits::{Limits, measure_document, scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    if scan(text, &limits).is_err() {
        return;
    }
    let Ok(document) = parse_query(text) else {
        return;
    };
    let _ = measure_document(&document, None, &limits);
});
