//! Input fields that an object gives twice, <https://spec.graphql.org/October2021/#sec-Input-Object-Field-Uniqueness>.
//! They are found in the text, because the parser keeps only the last value.

use std::collections::HashSet;

use async_graphql::ServerError;

use super::code::Code;
use super::limits::{is_ignored, position, tokens_and_ignored};
use super::naming::shortened;

/// Rejects a document with an input object that gives a field twice.
pub(crate) fn refuse_repeated_input_fields(text: &str) -> Result<(), ServerError> {
    let mut parentheses = 0_usize;
    // The fields of each open input object. Braces outside parentheses are selection sets.
    let mut objects: Vec<HashSet<&str>> = Vec::new();
    let mut previous = (0, "");
    let mut start = 0;
    for (first, token) in tokens_and_ignored(text) {
        let current = (start, token);
        start += token.len();
        match first {
            _ if is_ignored(first) => continue,
            '(' => parentheses += 1,
            ')' => parentheses = parentheses.saturating_sub(1),
            '{' if parentheses > 0 => objects.push(HashSet::new()),
            '}' => drop(objects.pop()),
            ':' => {
                let (start, name) = previous;
                if (objects.last_mut()).is_some_and(|fields| !fields.insert(name)) {
                    return Err(repeated(name, text.get(..start).unwrap_or_default()));
                }
            }
            _ => {}
        }
        previous = current;
    }
    Ok(())
}

fn repeated(name: &str, before: &str) -> ServerError {
    let name = shortened(name);
    let mut error = Code::ValidationFailed.error(format!(
        "an input object gives the field `{name}` more than once"
    ));
    error.locations = vec![position(before)];
    error
}

#[cfg(test)]
mod tests {
    use async_graphql::Pos;

    use super::*;

    #[test]
    fn a_repeated_field_is_found_at_its_place() {
        for (text, column) in [
            ("{ a(b: {c: 1, c: 2}) }", 15),
            ("{ a(b: [{c: 1}, {c: {d: 1 d: 2}}]) }", 27),
            ("query($a: B = {c: 1 c: 2}) { a }", 21),
            ("{ a @d(b: {c: {}, d: 1, c: {}}) }", 25),
            ("{ a(b: {c: e, e: c, c: 1}) }", 21),
        ] {
            let error = refuse_repeated_input_fields(text).expect_err("an error");
            let line = 1;
            assert_eq!(error.locations, [Pos { line, column }], "{text}");
        }
    }

    #[test]
    fn fields_of_different_objects_and_selections_may_have_one_name() {
        for text in [
            "{ a: b a: b c(d: {e: {d: 1}, d: 1}, e: {e: 1}) { a: b a: b } }",
            "{ a(b: [{c: 1}, {c: 2}]) a(b: {c: 1}) @d(c: {c: c}) }",
            "query($c: B = {c: 1}, $d: B = {c: \"c: 1, c: 2\"}) { a(b: {c: $c d: $d}) # {c: 1 c: 2}\n }",
            "{ a(b: {c: 1",
            "}}})))",
        ] {
            assert!(refuse_repeated_input_fields(text).is_ok(), "{text}");
        }
    }
}
