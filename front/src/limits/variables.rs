//! Limits on the JSON of the variables, before values are built: values take many times its bytes, and code that walks them
//! recurses.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{Limit, LimitExceeded};

/// The maximum nesting of lists and objects in a variable. Deeper than most inputs, so that the field itself can report what
/// is wrong.
pub const MAX_VARIABLE_NESTING: usize = 64;
/// The maximum number of values in all variables: numbers, strings, lists and so on, at any depth.
pub const MAX_VARIABLE_VALUES: usize = 1_000_000;

/// Checks the number of values and the nesting of a JSON object with the variables. Malformed JSON passes: its parser
/// reports it.
pub fn check_variables(json: &str) -> Result<(), LimitExceeded> {
    let Counted { nesting, values } = count(json);
    // The object of the variables itself does not count.
    let (nesting, values) = (nesting.saturating_sub(1), values.saturating_sub(1));
    if nesting > MAX_VARIABLE_NESTING {
        return Err(exceeded(Limit::VariableNesting(nesting), json, |of| {
            of.nesting
        }));
    }
    if values > MAX_VARIABLE_VALUES {
        return Err(exceeded(Limit::VariableValues(values), json, |of| {
            of.values
        }));
    }
    Ok(())
}

/// The error with the variable that contributes most. Malformed JSON has none.
fn exceeded(limit: Limit, json: &str, size: impl Fn(&Counted) -> usize) -> LimitExceeded {
    let variables: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
    let variables = variables.into_iter();
    let largest = variables.max_by_key(|(_, value)| size(&count(value.get())));
    LimitExceeded {
        variable: largest.map(|(name, _)| name),
        ..limit.into()
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    nesting: usize,
    values: usize,
}

/// A value starts with a bracket, a quote or a run of other characters; a string before a colon is a name. Malformed JSON
/// never counts as fewer values than its parser builds before it reports the error.
fn count(json: &str) -> Counted {
    let mut counted = Counted::default();
    let mut nesting = 0_usize;
    let (mut is_in_word, mut is_behind_text) = (false, false);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            is_in_word = false;
            continue;
        }
        let was_in_word = std::mem::take(&mut is_in_word);
        let was_behind_text = std::mem::take(&mut is_behind_text);
        match byte {
            b'{' | b'[' => {
                nesting += 1;
                counted.nesting = counted.nesting.max(nesting);
                counted.values += 1;
            }
            b'}' | b']' => nesting = nesting.saturating_sub(1),
            b'"' => {
                counted.values += 1;
                skip_text(&mut bytes);
                is_behind_text = true;
            }
            b':' => counted.values -= usize::from(was_behind_text),
            b',' => {}
            _ => {
                is_in_word = true;
                counted.values += usize::from(!was_in_word);
            }
        }
    }
    counted
}

fn skip_text(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn nested(levels: usize) -> String {
        format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
    }

    fn listed(values: usize) -> String {
        format!(r#"{{"a":[0{}]}}"#, ",0".repeat(values - 1))
    }

    fn limit_of(json: &str) -> Result<(), Limit> {
        check_variables(json).map_err(|exceeded| exceeded.limit)
    }

    #[test]
    fn nesting_and_values_are_bounded() {
        assert_eq!(check_variables(&nested(64)), Ok(()));
        for levels in [65, 127, 1_000_000] {
            assert_eq!(
                limit_of(&nested(levels)),
                Err(Limit::VariableNesting(levels))
            );
        }
        // The list counts as a value.
        assert_eq!(check_variables(&listed(999_999)), Ok(()));
        assert_eq!(
            limit_of(&listed(1_000_000)),
            Err(Limit::VariableValues(1_000_001))
        );
    }

    fn values_of(json: &Value) -> Counted {
        let within: Vec<Counted> = match json {
            Value::Array(items) => items.iter().map(values_of).collect(),
            Value::Object(fields) => fields.values().map(values_of).collect(),
            _ => {
                return Counted {
                    nesting: 0,
                    values: 1,
                };
            }
        };
        let deepest = within.iter().map(|of| of.nesting).max();
        Counted {
            nesting: 1 + deepest.unwrap_or_default(),
            values: 1 + within.iter().map(|of| of.values).sum::<usize>(),
        }
    }

    #[test]
    fn malformed_json_is_not_counted_as_less() {
        let lists = format!("{}{}", listed(1_000_000), ":".repeat(1_000_000));
        assert!(check_variables(&lists).is_err());
        for text in ["", ":", "::", "\"", "\"\\", "}}}", "\"a\":::1", "]["] {
            assert_eq!(check_variables(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn values_are_counted_as_the_reader_reads_them() {
        for value in [
            json!({}),
            json!({ "a": null, "b": true, "c": -1.5e-7, "d": "" }),
            json!({ "a": [[], {}, [{ "b": [1, 2, "x"] }]] }),
            json!({ "a\"b:c,[": "\\\"[{:,", "": "\\" }),
            json!({ "é[": "猫{", "\u{1F389}": ["\n", "\u{7}"] }),
        ] {
            for text in [
                value.to_string(),
                serde_json::to_string_pretty(&value).expect("JSON"),
            ] {
                assert_eq!(count(&text), values_of(&value), "{text}");
            }
        }
    }
}
