use async_graphql::parser::{parse_query, parse_schema};
use serde_json::json;

use super::*;
use crate::numbers::{parse_document, read_variables};
use crate::schema_index::SchemaIndex;

const SDL: &str = "
    scalar Any
    scalar Even
    enum Colour { RED GREEN }
    input Choice @oneOf { a: Int b: Int }
    input Paint { colour: Colour! layers: [Int!] = [1] under: Paint coats: Int! = 1 any: Any even: Even }
    type Query { a(paint: Paint choice: Choice even: [Even] floats: [Float]): Int }";

const EVEN: CheckedScalar = CheckedScalar {
    name: "Even",
    values: "the digits of an even number",
    sample: "2",
    is_valid: |value| matches!(value, Value::String(text) if text.ends_with(['0', '2', '4', '6', '8'])),
};

fn types(names_values: bool) -> InputTypes {
    InputTypes::of_schema(parse_schema(SDL).expect("a schema"), &[EVEN], names_values)
}

fn check(types: &InputTypes, of: &str, value: &serde_json::Value) -> Result<(), String> {
    let document = parse_query(format!("query($v: {of}) {{ a }}")).expect("a document");
    let (_, operation) = document.operations.iter().next().expect("an operation");
    let definitions = &operation.node.variable_definitions;
    let mut variables = Variables::from_json(json!({ "v": value }));
    types
        .coerce(definitions, &mut variables)
        .map_err(|error| error.message)
}

#[test]
fn values_that_fit_are_taken() {
    let types = types(true);
    for (of, value) in [
        ("Int", json!(null)),
        ("Int!", json!(-2_147_483_648_i64)),
        ("Float", json!(1)),
        ("Float", json!(1e300)),
        ("ID", json!(5)),
        ("ID", json!("5")),
        ("Boolean!", json!(false)),
        ("[Int]", json!(1)),
        ("[[Int!]]", json!([1, [2], null])),
        ("Any", json!([{ "x": [1.5] }])),
        ("Even", json!("10")),
        ("[Even!]", json!("2")),
        ("Colour", json!("RED")),
        ("Paint", json!({ "colour": "RED" })),
        (
            "Paint",
            json!({ "colour": "RED", "layers": 1, "under": { "colour": "GREEN" } }),
        ),
        ("Choice", json!({ "a": 1 })),
        ("Unknown", json!(1)),
        ("Query", json!(1)),
    ] {
        assert_eq!(check(&types, of, &value), Ok(()), "{of}: {value}");
    }
}

#[test]
fn a_value_that_does_not_fit_is_named_by_its_place() {
    let types = types(true);
    for (of, value, expected) in [
        ("Int!", json!(null), "is required and must not be null"),
        (
            "Int",
            json!("1"),
            "must be a whole number from -2147483648 to 2147483647; a string was given",
        ),
        (
            "Int",
            json!(1.5),
            "must be a whole number from -2147483648 to 2147483647; another number was given",
        ),
        (
            "Int",
            json!(2_147_483_648_i64),
            "must be a whole number from -2147483648 to 2147483647; another number was given",
        ),
        ("Float", json!("1"), "must be a number; a string was given"),
        ("String", json!(1), "must be a string; a number was given"),
        ("Boolean", json!([]), "must be a boolean; a list was given"),
        (
            "ID",
            json!(1.5),
            "must be a string or a whole number; another number was given",
        ),
        (
            "Colour",
            json!("BLUE"),
            "must be one of RED, GREEN; `BLUE` was given",
        ),
        (
            "Colour",
            json!(1),
            "must be the name of an enum value; a number was given",
        ),
        ("Paint", json!("x"), "must be an object; a string was given"),
        (
            "Paint",
            json!({ "x": 1, "colour": "RED" }),
            "has a field `x`, which `Paint` does not define",
        ),
        (
            "Even",
            json!("11"),
            "must be the digits of an even number; `11` was given",
        ),
        (
            "Even",
            json!(2),
            "must be the digits of an even number; another number was given",
        ),
        (
            "Choice",
            json!({ "a": 1, "b": 1 }),
            "must give exactly one field of `Choice`, and not as null",
        ),
        (
            "Choice",
            json!({ "a": null }),
            "must give exactly one field of `Choice`, and not as null",
        ),
    ] {
        let message = format!("variable `$v` of type `{of}` {expected}");
        assert_eq!(check(&types, of, &value), Err(message));
    }
    for (of, value, expected) in [
        (
            "[Int!]",
            json!([1, null]),
            "`v[1]` is required and must not be null",
        ),
        (
            "Paint",
            json!({}),
            "`v.colour` is required and must not be null",
        ),
        (
            "Paint",
            json!({ "colour": "RED", "coats": null }),
            "`v.coats` is required and must not be null",
        ),
        (
            "[Paint]",
            json!([{ "colour": "RED", "under": { "colour": "RED", "layers": [1, "x"] } }]),
            "`v[0].under.layers[1]` must be a whole number from -2147483648 to 2147483647; a string was given",
        ),
    ] {
        let message = format!("variable `$v` of type `{of}`: {expected}");
        assert_eq!(check(&types, of, &value), Err(message));
    }
}

#[test]
fn no_value_of_the_schema_is_named_where_introspection_is_off() {
    let types = types(false);
    assert_eq!(
        check(&types, "Colour", &json!("BLUE")),
        Err(
            "variable `$v` of type `Colour` must be a value of the enum `Colour`; `BLUE` was given"
                .to_owned()
        )
    );
}

#[test]
fn floats_are_rounded_to_doubles() {
    let types = types(true);
    let document = parse_query("query($v: [Float]) { a }").expect("a document");
    let (_, operation) = document.operations.iter().next().expect("an operation");
    let definitions = &operation.node.variable_definitions;
    let coerced = |json: &str| {
        let mut variables = read_variables(json).expect("variables");
        let coerced = types.coerce(definitions, &mut variables);
        coerced
            .map(|()| variables[&Name::new("v")].clone())
            .map_err(|error| error.message)
    };
    let rounded = coerced(r#"{"v": [0.10000000000000001, 18446744073709551616, -3e-400]}"#);
    let expected = Value::from_json(json!([0.1, 18_446_744_073_709_551_616.0, -0.0]));
    assert_eq!(rounded, Ok(expected.expect("a value")));
    let message =
        "variable `$v` of type `[Float]`: `v[0]` must be a number; a number out of range was given";
    assert_eq!(coerced(r#"{"v": [1e400]}"#), Err(message.to_owned()));
}

#[test]
fn literals_are_coerced_before_execution() {
    let schema = parse_schema(SDL).expect("a schema");
    let index = SchemaIndex::of_schema(&schema);
    let types = types(true);
    let coerced = |text: &str| {
        let mut document = parse_document(text).expect("a document");
        let coerced = coerce_literals(&mut document, &index, &types);
        coerced
            .map(|()| format!("{document:?}"))
            .map_err(|error| error.message)
    };
    let rounded = coerced(
        "query($v: [Float] = 0.20000000000000001) { a(floats: [0.10000000000000001]) ...f }
         fragment f on Query { ... { a(floats: 18446744073709551616, even: [\"2\", $e]) } }",
    );
    let rounded = rounded.expect("valid literals");
    assert!(!rounded.contains("Enum("), "{rounded}");
    for number in [
        "Number(0.1)",
        "Number(0.2)",
        "Number(1.8446744073709552e+19)",
    ] {
        assert!(rounded.contains(number), "{number}: {rounded}");
    }
    let even = "must be the digits of an even number; `1` was given";
    for (text, expected) in [
        (
            "{ a(even: [\"2\", \"1\"]) }",
            format!("argument `even` of type `[Even]`: `even[1]` {even}"),
        ),
        (
            "{ ...f } fragment f on Query { a(paint: {under: {even: \"1\"}}) }",
            format!("argument `paint` of type `Paint`: `paint.under.even` {even}"),
        ),
        (
            "query($v: Even = \"1\") { a }",
            format!("the default of variable `$v` of type `Even` {even}"),
        ),
    ] {
        assert_eq!(coerced(text), Err(expected), "{text}");
    }
    // Left to validation.
    assert!(coerced("{ a(even: {x: 1} unknown: 1 paint: 1) unknown(x: 1) { y } }").is_err());
    assert!(coerced("{ a(unknown: 1 paint: 1) unknown(x: 1) { y } }").is_ok());
}
