//! Numbers with more digits than the library's values can hold. They are found in the text, before it is parsed, and custom
//! scalars get their text.

use std::collections::BTreeMap;

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, FragmentDefinition, OperationDefinition,
    Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, ServerError, Value, Variables};
use async_graphql_value::Value as ParsedValue;
use serde_json::Number;
use serde_json::value::RawValue;

use super::code::{Code, parse_failed};
use super::limits::tokens_and_ignored;
use super::naming::shortened;
use decimal::is_exact;

/// The first number in a JSON text that would lose digits.
pub fn inexact_in_json(json: &str) -> Option<&str> {
    let mut rest = json;
    loop {
        let start = rest.find(['"', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])?;
        let (_, token_on) = rest.split_at_checked(start)?;
        let length = if token_on.starts_with('"') {
            string_length(token_on)
        } else {
            let number = number_at(token_on);
            if !is_exact(number) {
                return Some(number);
            }
            number.len()
        };
        (_, rest) = token_on.split_at_checked(length)?;
    }
}

/// Parses a document. As in [`read_variables`], a number that would lose digits becomes an enum value with its text.
pub(crate) fn parse_document(text: &str) -> Result<ExecutableDocument, ServerError> {
    let numbers = numbers_in_document(text);
    let Some((_, inexact)) = numbers.iter().find(|(_, number)| !is_exact(number)) else {
        return parse_query(text).map_err(parse_failed);
    };
    // The parser rejects numbers that overflow a double: replace them by another number of the same width.
    let mut readable = text.to_owned();
    for (start, number) in &numbers {
        let width = number.len();
        if serde_json::from_str::<Number>(number).is_err() {
            readable.replace_range(*start..start + width, &format!("{:<width$}", 1));
        }
    }
    let mut document = parse_query(readable).map_err(parse_failed)?;
    let mut texts = NumberTexts {
        rest: numbers.iter().map(|(_, number)| *number),
        is_complete: true,
    };
    texts.put_into(&mut document);
    if texts.is_complete && texts.rest.next().is_none() {
        return Ok(document);
    }
    // An input object has a field twice: the texts cannot be assigned to the values.
    Err(Code::BadUserInput.error(format!(
        "the number {} cannot be kept exactly: integers of 64 bits can, and what a double holds; send it as a string",
        shortened(inexact)
    )))
}

/// The numbers of a document, each with the index of its first byte.
fn numbers_in_document(text: &str) -> Vec<(usize, &str)> {
    let mut numbers = Vec::new();
    let mut start = 0;
    let mut end_of_number = 0;
    for (first, token) in tokens_and_ignored(text) {
        if start >= end_of_number
            && matches!(first, '-' | '0'..='9')
            && let Some(rest) = text.get(start..)
        {
            let number = number_at(rest);
            end_of_number = start + number.len();
            if serde_json::from_str::<&RawValue>(number).is_ok() {
                numbers.push((start, number));
            }
        }
        start += token.len();
    }
    numbers
}

/// The texts of a document's numbers that are still to be put into it, in document order.
struct NumberTexts<I> {
    rest: I,
    /// Whether there was a text for each number.
    is_complete: bool,
}

enum Definition<'d> {
    Operation(&'d mut OperationDefinition),
    Fragment(&'d mut FragmentDefinition),
}

impl<'t, I: Iterator<Item = &'t str>> NumberTexts<I> {
    fn put_into(&mut self, document: &mut ExecutableDocument) {
        let operations: Vec<_> = match &mut document.operations {
            DocumentOperations::Single(operation) => vec![operation],
            DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
        };
        let operations = operations.into_iter();
        let operations = operations
            .map(|definition| (definition.pos, Definition::Operation(&mut definition.node)));
        let fragments = document.fragments.values_mut();
        let fragments = fragments
            .map(|definition| (definition.pos, Definition::Fragment(&mut definition.node)));
        let mut definitions: Vec<_> = operations.chain(fragments).collect();
        definitions.sort_by_key(|(position, _)| *position);
        for (_, definition) in definitions {
            match definition {
                Definition::Operation(operation) => {
                    for variable in &mut operation.variable_definitions {
                        self.directives(&mut variable.node.directives);
                        if let Some(default) = &mut variable.node.default_value {
                            self.constant(&mut default.node);
                        }
                    }
                    self.directives(&mut operation.directives);
                    self.selections(&mut operation.selection_set.node);
                }
                Definition::Fragment(fragment) => {
                    self.directives(&mut fragment.directives);
                    self.selections(&mut fragment.selection_set.node);
                }
            }
        }
    }

    fn selections(&mut self, selections: &mut SelectionSet) {
        for selection in &mut selections.items {
            match &mut selection.node {
                Selection::Field(field) => {
                    let field = &mut field.node;
                    self.arguments(&mut field.arguments);
                    self.directives(&mut field.directives);
                    self.selections(&mut field.selection_set.node);
                }
                Selection::InlineFragment(fragment) => {
                    self.directives(&mut fragment.node.directives);
                    self.selections(&mut fragment.node.selection_set.node);
                }
                Selection::FragmentSpread(spread) => self.directives(&mut spread.node.directives),
            }
        }
    }

    fn directives(&mut self, directives: &mut [Positioned<Directive>]) {
        for directive in directives {
            self.arguments(&mut directive.node.arguments);
        }
    }

    fn arguments(&mut self, arguments: &mut [(Positioned<Name>, Positioned<ParsedValue>)]) {
        for (_, value) in arguments {
            self.value(&mut value.node);
        }
    }

    fn value(&mut self, value: &mut ParsedValue) {
        match value {
            ParsedValue::Number(_) => {
                if let Some(number) = self.next_inexact() {
                    *value = ParsedValue::Enum(number);
                }
            }
            ParsedValue::List(items) => items.iter_mut().for_each(|item| self.value(item)),
            ParsedValue::Object(fields) => {
                fields.values_mut().for_each(|field| self.value(field));
            }
            _ => {}
        }
    }

    fn constant(&mut self, value: &mut Value) {
        match value {
            Value::Number(_) => {
                if let Some(number) = self.next_inexact() {
                    *value = Value::Enum(number);
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| self.constant(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.constant(field)),
            _ => {}
        }
    }

    /// The next text, if its number would lose digits.
    fn next_inexact(&mut self) -> Option<Name> {
        let Some(number) = self.rest.next() else {
            self.is_complete = false;
            return None;
        };
        (!is_exact(number)).then(|| Name::new(number))
    }
}

/// The number at the start of a text.
fn number_at(text: &str) -> &str {
    let end = text.find(|letter| !matches!(letter, '0'..='9' | '.' | 'e' | 'E' | '+' | '-'));
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The length of the string at the start of a JSON text, including its quotes.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// Reads the variables of a request. A number that would lose digits becomes an enum value with its text. JSON has no enum
/// values, and only scalars that call [`inexact_number`] accept this one.
pub(crate) fn read_variables(json: &str) -> serde_json::Result<Variables> {
    // Not through the JSON library's own values: they parse a string under a certain key as JSON.
    if inexact_in_json(json).is_none() {
        return serde_json::from_str(json);
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
    let mut variables = Variables::default();
    for (name, value) in members {
        variables.insert(Name::new(name), read(value.get())?);
    }
    Ok(variables)
}

/// The nesting of values has been limited before.
fn read(json: &str) -> serde_json::Result<Value> {
    Ok(match json.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
            let members = members.into_iter();
            let read = members.map(|(name, value)| Ok((Name::new(name), read(value.get())?)));
            Value::Object(read.collect::<serde_json::Result<_>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json)?;
            let read = items.into_iter().map(|item| read(item.get()));
            Value::List(read.collect::<serde_json::Result<_>>()?)
        }
        Some(b'-' | b'0'..=b'9') if !is_exact(json) => Value::Enum(Name::new(json)),
        _ => serde_json::from_str(json)?,
    })
}

/// The text of a number that would have lost digits, for custom scalars that keep numbers exactly or reject such numbers.
pub fn inexact_number(value: &Value) -> Option<&str> {
    match value {
        Value::Enum(name) => number_of(name),
        _ => None,
    }
}

/// The same for a value of a document.
pub(crate) fn inexact_literal(value: &ParsedValue) -> Option<&str> {
    match value {
        ParsedValue::Enum(name) => number_of(name),
        _ => None,
    }
}

/// Names do not start like numbers.
fn number_of(name: &Name) -> Option<&str> {
    name.starts_with(|first| matches!(first, '-' | '0'..='9'))
        .then_some(name.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::code::code_of;

    const BIG: &str = "18446744073709551616";

    #[test]
    fn a_number_that_would_lose_digits_is_found() {
        for (json, expected) in [
            (r#"{"a": 18446744073709551616}"#, Some(BIG)),
            (
                r#"{"a": [1, {"b": -0.12345678901234567890}]}"#,
                Some("-0.12345678901234567890"),
            ),
            (r#"{"a": 1e400}"#, Some("1e400")),
            (r#"{"18446744073709551616": "18446744073709551616"}"#, None),
            (r#"{"a\"18446744073709551616": 1.5e3, "b": "\\"}"#, None),
            ("", None),
        ] {
            assert_eq!(inexact_in_json(json), expected, "{json}");
        }
    }

    #[test]
    fn a_number_of_a_document_that_would_lose_digits_is_kept_as_its_text() {
        for (text, expected) in [
            ("{ a(b: 18446744073709551616) }", Some(BIG)),
            (
                "{ a(b: {c: [-18446744073709551616]}) }",
                Some("-18446744073709551616"),
            ),
            (
                "{ a(b: 0.12345678901234567890) }",
                Some("0.12345678901234567890"),
            ),
            ("{ a(b: 1.5e400) }", Some("1.5e400")),
            (
                "{ a18446744073709551616(b: \"18446744073709551616\") } # 18446744073709551616",
                None,
            ),
            (
                "{ a(b: 1.5, c: -2e3, d: \"\"\"18446744073709551616\"\"\") }",
                None,
            ),
            ("{ - }", None),
        ] {
            let numbers = numbers_in_document(text);
            let inexact = numbers.iter().find(|(_, number)| !is_exact(number));
            assert_eq!(inexact.map(|(_, number)| *number), expected, "{text}");
            if let Ok(document) = parse_document(text) {
                let kept = format!("{document:?}").contains("Enum(");
                assert_eq!(kept, expected.is_some(), "{text}: {document:?}");
            }
        }
    }

    #[test]
    fn each_text_goes_to_its_own_number() {
        let text = "
            query B($v: JSON = {n: 1e400}) @d(n: 2) { a(b: 3, c: [18446744073709551616, 4]) @d(n: 5) { ...f } }
            fragment f on T { x(y: {z: 0.12345678901234567890, w: 6}) ... @d(n: 1e401) { z(n: 7) } }
            query A { a(b: 18446744073709551617) }";
        let document = parse_document(text).expect("a document");
        let printed = format!("{document:?}");
        for kept in [
            "1e400",
            BIG,
            "0.12345678901234567890",
            "1e401",
            "18446744073709551617",
        ] {
            let kept = format!("Enum(Name({kept:?}))");
            assert!(printed.contains(&kept), "{kept} in {printed}");
        }
        for number in 2..=7 {
            let number = format!("Number(Number({number}))");
            assert!(printed.contains(&number), "{number} in {printed}");
        }
    }

    #[test]
    fn what_is_not_a_document_stays_so() {
        for (text, code) in [
            ("{ a(b: 1e400x) }", Code::ParseFailed),
            ("{ a(b: 1.2.3) }", Code::ParseFailed),
            ("{ a(b: 18446744073709551616 }", Code::ParseFailed),
            (
                "{ a(b: {c: 18446744073709551616, c: 1}) }",
                Code::BadUserInput,
            ),
        ] {
            let error = parse_document(text).expect_err("an error");
            assert_eq!(code_of(&error), Some(code.as_str()), "{text}: {error:?}");
        }
    }

    #[test]
    fn other_values_are_read_as_they_are() {
        let rest = json!({ "$serde_json::private::RawValue": "1", "b": [null, true, "x", 1.5] });
        let json = format!("{{\"a\": {BIG}, \"rest\": {rest}}}");
        let variables = read_variables(&json).expect("an object");
        let big = variables.get(&Name::new("a")).expect("a");
        assert_eq!(inexact_number(big), Some(BIG));
        let expected = serde_json::from_str(&rest.to_string()).expect("a value");
        assert_eq!(variables.get(&Name::new("rest")), Some(&expected));
    }
}
