//! The scan before the parser: an accepted document neither overflows the parser's stack nor takes long, and its
//! measurement terminates. A crash or a timeout is a finding.
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
