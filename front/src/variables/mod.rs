//! Checks the values of variables against the types that an operation declares,
//! <https://spec.graphql.org/October2021/#sec-Coercing-Variable-Values>. The library would check them as arguments at
//! each use, and report the document as invalid.
//!
//! Values stay as they were sent: the library coerces them with the same rules. Custom scalars parse their own values.

mod sample;

use std::collections::HashMap;

use async_graphql::parser::types::{
    BaseType, InputObjectType, ServiceDocument, Type, TypeKind, TypeSystemDefinition,
    VariableDefinition,
};
use async_graphql::{Name, Positioned, ServerError, Value, Variables};

use crate::code::Code;
use crate::naming::shortened;

/// The types that a variable may have.
#[derive(Debug)]
pub(crate) struct InputTypes {
    types: HashMap<Name, InputType>,
    /// Whether errors may list the values that the schema allows.
    names_values: bool,
}

#[derive(Debug)]
enum InputType {
    CustomScalar,
    Enum(Vec<Name>),
    Object(InputObject),
}

#[derive(Debug)]
struct InputObject {
    fields: Vec<InputField>,
    /// Exactly one field is required, <https://spec.graphql.org/September2025/#sec-OneOf-Input-Objects>.
    is_one_of: bool,
}

#[derive(Debug)]
struct InputField {
    name: Name,
    of: Type,
    has_default: bool,
}

/// Why a value does not match its type, and where in the variable.
struct Mismatch {
    /// The path after the variable's name, e.g. `.intents[0]`.
    path: String,
    /// The end of the error's sentence.
    reason: String,
}

impl InputTypes {
    /// Builds them from a schema.
    pub(crate) fn of_schema(schema: ServiceDocument, names_values: bool) -> Self {
        let types = schema.definitions.into_iter().filter_map(|definition| {
            let TypeSystemDefinition::Type(definition) = definition else {
                return None;
            };
            let definition = definition.node;
            let input_type = match definition.kind {
                TypeKind::Scalar => InputType::CustomScalar,
                TypeKind::Enum(of) => {
                    let values = of.values.into_iter();
                    InputType::Enum(values.map(|value| value.node.value.node).collect())
                }
                TypeKind::InputObject(object) => InputType::Object(InputObject {
                    fields: fields(object),
                    is_one_of: (definition.directives.iter())
                        .any(|directive| directive.node.name.node == "oneOf"),
                }),
                _ => return None,
            };
            Some((definition.name.node, input_type))
        });
        Self {
            types: types.collect(),
            names_values,
        }
    }

    /// Rejects values that do not match the type of their variable, and missing values of required variables. Validation
    /// reports variables of unknown types.
    pub(crate) fn check(
        &self,
        definitions: &[Positioned<VariableDefinition>],
        variables: &Variables,
    ) -> Result<(), ServerError> {
        for definition in definitions {
            let VariableDefinition {
                name,
                var_type,
                default_value,
                ..
            } = &definition.node;
            let checked = match variables.get(&name.node) {
                Some(value) => self.value(&var_type.node, value),
                None if var_type.node.nullable || default_value.is_some() => Ok(()),
                None => Err(Mismatch::required()),
            };
            checked.map_err(|Mismatch { path, reason }| {
                let (name, of) = (shortened(&name.node), &var_type.node);
                let mut error = Code::BadUserInput.error(if path.is_empty() {
                    format!("variable `${name}` of type `{of}` {reason}")
                } else {
                    format!("variable `${name}` of type `{of}`: `{name}{path}` {reason}")
                });
                error.locations = vec![definition.pos];
                error
            })?;
        }
        Ok(())
    }

    fn value(&self, of: &Type, value: &Value) -> Result<(), Mismatch> {
        if *value == Value::Null {
            return if of.nullable {
                Ok(())
            } else {
                Err(Mismatch::required())
            };
        }
        match (&of.base, value) {
            (BaseType::Named(name), _) => self.named(name, value),
            (BaseType::List(item), Value::List(values)) => {
                values.iter().enumerate().try_for_each(|(index, value)| {
                    let checked = self.value(item, value);
                    checked.map_err(|mismatch| mismatch.within(&format!("[{index}]")))
                })
            }
            // A single value is a list of one.
            (BaseType::List(item), value) => self.value(item, value),
        }
    }

    fn named(&self, name: &Name, value: &Value) -> Result<(), Mismatch> {
        let expected = match name.as_str() {
            "Int" if is_int(value) => return Ok(()),
            "Int" => "a whole number from -2147483648 to 2147483647",
            "Float" if matches!(value, Value::Number(_)) => return Ok(()),
            "Float" => "a number",
            "String" if matches!(value, Value::String(_)) => return Ok(()),
            "String" => "a string",
            "Boolean" if matches!(value, Value::Boolean(_)) => return Ok(()),
            "Boolean" => "a boolean",
            "ID" if is_id(value) => return Ok(()),
            "ID" => "a string or a whole number",
            _ => {
                return match self.types.get(name) {
                    Some(InputType::Enum(values)) => self.enumerated(name, values, value),
                    Some(InputType::Object(object)) => self.object(name, object, value),
                    Some(InputType::CustomScalar) | None => Ok(()),
                };
            }
        };
        Err(Mismatch::expected(expected, value))
    }

    fn enumerated(&self, of: &Name, values: &[Name], value: &Value) -> Result<(), Mismatch> {
        let given = match value {
            Value::String(given) => given.as_str(),
            Value::Enum(given) => given.as_str(),
            _ => return Err(Mismatch::expected("the name of an enum value", value)),
        };
        if values.iter().any(|name| name == given) {
            return Ok(());
        }
        let given = shortened(given);
        Err(Mismatch::because(if self.names_values {
            let allowed: Vec<_> = values.iter().map(Name::as_str).collect();
            let allowed = allowed.join(", ");
            format!("has to be one of {allowed}; `{given}` was given")
        } else {
            format!("has to be a value of the enum `{of}`; `{given}` was given")
        }))
    }

    fn object(&self, of: &Name, object: &InputObject, value: &Value) -> Result<(), Mismatch> {
        let Value::Object(given) = value else {
            return Err(Mismatch::expected("an object", value));
        };
        let is_known = |name: &Name| object.fields.iter().any(|field| field.name == *name);
        if let Some(unknown) = given.keys().find(|name| !is_known(name)) {
            let unknown = shortened(unknown);
            let reason = format!("has a field `{unknown}`, which `{of}` does not define");
            return Err(Mismatch::because(reason));
        }
        if object.is_one_of
            && (given.len() != 1 || given.values().any(|value| *value == Value::Null))
        {
            let reason = format!("has to give exactly one field of `{of}`, and not as null");
            return Err(Mismatch::because(reason));
        }
        for field in &object.fields {
            let checked = match given.get(&field.name) {
                Some(value) => self.value(&field.of, value),
                None if field.of.nullable || field.has_default => Ok(()),
                None => Err(Mismatch::required()),
            };
            checked.map_err(|mismatch| mismatch.within(&format!(".{}", field.name)))?;
        }
        Ok(())
    }
}

impl Mismatch {
    fn because(reason: String) -> Self {
        Self {
            path: String::new(),
            reason,
        }
    }

    fn required() -> Self {
        Self::because("has to be given, and may not be null".to_owned())
    }

    fn expected(expected: &str, value: &Value) -> Self {
        let given = match value {
            Value::Null => "null",
            Value::Number(_) => "another number",
            Value::String(_) => "a string",
            Value::Boolean(_) => "a boolean",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
            Value::Binary(_) | Value::Enum(_) => "another value",
        };
        let given = match value {
            Value::Number(_) if !expected.contains("number") => "a number",
            _ => given,
        };
        Self::because(format!("has to be {expected}; {given} was given"))
    }

    fn within(mut self, step: &str) -> Self {
        self.path.insert_str(0, step);
        self
    }
}

fn fields(object: InputObjectType) -> Vec<InputField> {
    let fields = object.fields.into_iter().map(|field| InputField {
        name: field.node.name.node,
        of: field.node.ty.node,
        has_default: field.node.default_value.is_some(),
    });
    fields.collect()
}

fn is_int(value: &Value) -> bool {
    matches!(value, Value::Number(number)
        if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()))
}

fn is_id(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Number(number) => number.is_i64(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::{parse_query, parse_schema};
    use serde_json::json;

    use super::*;

    const SDL: &str = "
        scalar Any
        enum Colour { RED GREEN }
        input Choice @oneOf { a: Int b: Int }
        input Paint { colour: Colour! layers: [Int!] = [1] under: Paint coats: Int! = 1 any: Any }
        type Query { a(paint: Paint choice: Choice): Int }";

    fn types(names_values: bool) -> InputTypes {
        InputTypes::of_schema(parse_schema(SDL).expect("a schema"), names_values)
    }

    fn check(types: &InputTypes, of: &str, value: &serde_json::Value) -> Result<(), String> {
        let document = parse_query(format!("query($v: {of}) {{ a }}")).expect("a document");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let definitions = &operation.node.variable_definitions;
        let variables = Variables::from_json(json!({ "v": value }));
        types
            .check(definitions, &variables)
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
            ("Int!", json!(null), "has to be given, and may not be null"),
            (
                "Int",
                json!("1"),
                "has to be a whole number from -2147483648 to 2147483647; a string was given",
            ),
            (
                "Int",
                json!(1.5),
                "has to be a whole number from -2147483648 to 2147483647; another number was given",
            ),
            (
                "Int",
                json!(2_147_483_648_i64),
                "has to be a whole number from -2147483648 to 2147483647; another number was given",
            ),
            (
                "Float",
                json!("1"),
                "has to be a number; a string was given",
            ),
            ("String", json!(1), "has to be a string; a number was given"),
            (
                "Boolean",
                json!([]),
                "has to be a boolean; a list was given",
            ),
            (
                "ID",
                json!(1.5),
                "has to be a string or a whole number; another number was given",
            ),
            (
                "Colour",
                json!("BLUE"),
                "has to be one of RED, GREEN; `BLUE` was given",
            ),
            (
                "Colour",
                json!(1),
                "has to be the name of an enum value; a number was given",
            ),
            (
                "Paint",
                json!("x"),
                "has to be an object; a string was given",
            ),
            (
                "Paint",
                json!({ "x": 1, "colour": "RED" }),
                "has a field `x`, which `Paint` does not define",
            ),
            (
                "Choice",
                json!({ "a": 1, "b": 1 }),
                "has to give exactly one field of `Choice`, and not as null",
            ),
            (
                "Choice",
                json!({ "a": null }),
                "has to give exactly one field of `Choice`, and not as null",
            ),
        ] {
            let message = format!("variable `$v` of type `{of}` {expected}");
            assert_eq!(check(&types, of, &value), Err(message));
        }
        for (of, value, expected) in [
            (
                "[Int!]",
                json!([1, null]),
                "`v[1]` has to be given, and may not be null",
            ),
            (
                "Paint",
                json!({}),
                "`v.colour` has to be given, and may not be null",
            ),
            (
                "Paint",
                json!({ "colour": "RED", "coats": null }),
                "`v.coats` has to be given, and may not be null",
            ),
            (
                "[Paint]",
                json!([{ "colour": "RED", "under": { "colour": "RED", "layers": [1, "x"] } }]),
                "`v[0].under.layers[1]` has to be a whole number from -2147483648 to 2147483647; a string was given",
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
            Err("variable `$v` of type `Colour` has to be a value of the enum `Colour`; `BLUE` was given".to_owned())
        );
    }
}
