//! A request before execution, from the JSON of its variables (first line) and its document (the rest): field
//! collection, complexity and variable expansion terminate, and accepted requests are within the limits.
#![no_main]

use std::cell::LazyCell;

use graphql_front::{Front, Options, Parameters};
use libfuzzer_sys::fuzz_target;

const SDL: &str = include_str!("../../front/src/limits/complexity/sample.graphql");

thread_local! {
    static FRONT: LazyCell<Front> =
        LazyCell::new(|| Front::new(SDL, Options::default()).expect("a schema"));
}

fuzz_target!(|text: &str| {
    let (variables, document) = text.split_once('\n').unwrap_or(("{}", text));
    let document = serde_json::Value::from(document);
    let json = format!(r#"{{"query":{document},"variables":{variables}}}"#);
    let operation = Parameters::from_json(json.as_bytes()).and_then(Parameters::into_operation);
    let Ok(operation) = operation else { return };
    FRONT.with(|front| {
        let Ok(prepared) = front.prepare(operation) else {
            return;
        };
        let (cost, limits) = (prepared.cost(), front.limits());
        assert!(
            cost.tokens()
                .is_some_and(|tokens| tokens <= limits.max_tokens)
        );
        assert!(cost.depth().is_some_and(|depth| depth <= limits.max_depth));
        assert!(
            cost.aliases()
                .is_some_and(|aliases| aliases <= limits.max_aliases)
        );
        assert!(
            cost.complexity()
                .is_some_and(|cost| cost <= limits.max_complexity)
        );
        assert!(front.validation_request(&prepared).is_ok());
    });
});
