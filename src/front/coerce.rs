//! The values of variables against their types,
//! <https://spec.graphql.org/October2021/#sec-Coercing-Variable-Values>. What the schema's own scalars take, they say
//! themselves when the operation is executed.

use std::collections::HashMap;
use std::fmt;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, OperationDefinition, Type, TypeKind, TypeSystemDefinition, VariableDefinition,
};
use async_graphql::{Name, Positioned, ServerError, Value, Variables};

use super::code::Code;

/// The longest value that an error shows.
const MAX_SHOWN_CHARACTERS: usize = 100;

/// The schema's enums and input objects.
#[derive(Debug)]
pub(crate) struct InputTypes(HashMap<Name, Input>);

#[derive(Debug)]
enum Input {
    Enum(Vec<Name>),
    Object(HashMap<Name, InputField>),
}

#[derive(Debug)]
struct InputField {
    of: Type,
    has_default: bool,
}

impl InputTypes {
    /// Reads them from a printed schema.
    pub(crate) fn of_schema(sdl: &str) -> Self {
        let schema = parse_schema(sdl).expect("a schema that was printed parses");
        let types = schema.definitions.into_iter().filter_map(|definition| {
            let TypeSystemDefinition::Type(definition) = definition else {
                return None;
            };
            let input = match definition.node.kind {
                TypeKind::Enum(values) => {
                    let values = values.values.into_iter();
                    Input::Enum(values.map(|value| value.node.value.node).collect())
                }
                TypeKind::InputObject(object) => {
                    let fields = object.fields.into_iter().map(|field| {
                        let input = InputField {
                            of: field.node.ty.node,
                            has_default: field.node.default_value.is_some(),
                        };
                        (field.node.name.node, input)
                    });
                    Input::Object(fields.collect())
                }
                _ => return None,
            };
            Some((definition.node.name.node, input))
        });
        Self(types.collect())
    }

    /// Refuses a variable whose value does not fit its type, or that is missing.
    pub(crate) fn check(
        &self,
        operation: &OperationDefinition,
        variables: &Variables,
    ) -> Result<(), ServerError> {
        for definition in &operation.variable_definitions {
            let variable = &definition.node;
            let (name, of) = (&variable.name.node, &variable.var_type.node);
            let checked = match variables.get(name) {
                Some(value) => self.check_value(value, of, &Path::Root),
                None if of.nullable || variable.default_value.is_some() => Ok(()),
                None => Err(Mismatch::new(&Path::Root, "it has to be given")),
            };
            if let Err(mismatch) = checked {
                let mut error = Code::BadUserInput.error(format!(
                    "variable `${name}{}` of type `{of}`: {}",
                    mismatch.path, mismatch.reason
                ));
                error.locations = vec![definition.pos];
                return Err(error);
            }
        }
        Ok(())
    }

    /// A value for each variable, of its type: with them a document is validated as a whole, whatever its callers send.
    pub(crate) fn samples(&self, operation: &OperationDefinition) -> Variables {
        let sample = |definition: &Positioned<VariableDefinition>| {
            let variable = &definition.node;
            let value = self.sample(&variable.var_type.node);
            (variable.name.node.clone(), value)
        };
        let samples: IndexMap<Name, Value> =
            operation.variable_definitions.iter().map(sample).collect();
        Variables::from_value(Value::Object(samples))
    }

    fn sample(&self, of: &Type) -> Value {
        let name = match &of.base {
            BaseType::Named(name) => name,
            BaseType::List(item) => return Value::List(vec![self.sample(item)]),
        };
        match (self.0.get(name), name.as_str()) {
            (Some(Input::Enum(values)), _) => values
                .first()
                .map_or(Value::Null, |value| Value::Enum(value.clone())),
            (Some(Input::Object(fields)), _) => {
                let required = fields
                    .iter()
                    .filter(|(_, field)| !field.of.nullable && !field.has_default);
                let sample =
                    |(name, field): (&Name, &InputField)| (name.clone(), self.sample(&field.of));
                Value::Object(required.map(sample).collect())
            }
            (None, "Int" | "Float") => Value::from(1),
            (None, "Boolean") => Value::from(true),
            (None, _) => Value::from("a"),
        }
    }

    fn check_value(&self, value: &Value, of: &Type, path: &Path<'_>) -> Result<(), Mismatch> {
        if *value == Value::Null {
            return if of.nullable {
                Ok(())
            } else {
                Err(Mismatch::new(path, "it may not be null"))
            };
        }
        let name = match &of.base {
            BaseType::Named(name) => name,
            BaseType::List(item) => {
                let Value::List(items) = value else {
                    // A single value stands for a list of one.
                    return self.check_value(value, item, path);
                };
                return items.iter().enumerate().try_for_each(|(index, value)| {
                    self.check_value(value, item, &Path::Index(path, index))
                });
            }
        };
        match self.0.get(name) {
            Some(Input::Enum(values)) => check_enum(value, name, values, path),
            Some(Input::Object(fields)) => self.check_object(value, name, fields, path),
            None => check_scalar(value, name, path),
        }
    }

    fn check_object(
        &self,
        value: &Value,
        name: &Name,
        fields: &HashMap<Name, InputField>,
        path: &Path<'_>,
    ) -> Result<(), Mismatch> {
        let Value::Object(given) = value else {
            return Err(Mismatch::not_a(path, value, &format!("`{name}` object")));
        };
        for (field, value) in given {
            let Some(known) = fields.get(field) else {
                let reason = format!("`{name}` has no field `{}`", shortened(field.as_str()));
                return Err(Mismatch::new(path, reason));
            };
            self.check_value(value, &known.of, &Path::Field(path, field.as_str()))?;
        }
        let is_missing = |(field, known): &(&Name, &InputField)| {
            !known.of.nullable && !known.has_default && !given.contains_key(field.as_str())
        };
        let missing = fields
            .iter()
            .filter(is_missing)
            .map(|(field, _)| field)
            .min();
        match missing {
            Some(field) => {
                let path = Path::Field(path, field.as_str());
                Err(Mismatch::new(&path, "it has to be given"))
            }
            None => Ok(()),
        }
    }
}

fn check_enum(
    value: &Value,
    name: &Name,
    values: &[Name],
    path: &Path<'_>,
) -> Result<(), Mismatch> {
    let text = match value {
        Value::String(text) => text.as_str(),
        Value::Enum(text) => text.as_str(),
        _ => return Err(Mismatch::not_a(path, value, &format!("value of `{name}`"))),
    };
    if values.iter().any(|value| value == text) {
        return Ok(());
    }
    let allowed: Vec<&str> = values.iter().map(Name::as_str).collect();
    let reason = format!(
        "`{}` is not a value of `{name}`; allowed are {}",
        shortened(text),
        allowed.join(", ")
    );
    Err(Mismatch::new(path, reason))
}

fn check_scalar(value: &Value, name: &Name, path: &Path<'_>) -> Result<(), Mismatch> {
    let fits = match (name.as_str(), value) {
        ("Int", Value::Number(number)) => {
            let number = number.as_i64();
            number.is_some_and(|number| i32::try_from(number).is_ok())
        }
        ("Float", Value::Number(_))
        | ("String" | "ID", Value::String(_))
        | ("Boolean", Value::Boolean(_)) => true,
        ("ID", Value::Number(number)) => number.is_i64() || number.is_u64(),
        ("Int" | "Float" | "String" | "Boolean" | "ID", _) => false,
        _ => true,
    };
    if fits {
        return Ok(());
    }
    let what = match name.as_str() {
        "Int" => "32-bit whole number (Int)".to_owned(),
        other => format!("value of `{other}`"),
    };
    Err(Mismatch::not_a(path, value, &what))
}

/// Why a value does not fit, and where in the variable.
struct Mismatch {
    path: String,
    reason: String,
}

impl Mismatch {
    fn new(path: &Path<'_>, reason: impl Into<String>) -> Self {
        Self {
            path: path.to_string(),
            reason: reason.into(),
        }
    }

    fn not_a(path: &Path<'_>, value: &Value, what: &str) -> Self {
        let shown = shortened(&value.to_string());
        Self::new(path, format!("`{shown}` is not a {what}"))
    }
}

/// A place in a variable.
enum Path<'p> {
    Root,
    Field(&'p Self, &'p str),
    Index(&'p Self, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(parent, name) => write!(formatter, "{parent}.{name}"),
            Self::Index(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

fn shortened(text: &str) -> String {
    let mut shortened: String = text.chars().take(MAX_SHOWN_CHARACTERS).collect();
    if shortened.len() < text.len() {
        shortened.push('…');
    }
    shortened
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    const SCHEMA: &str = "
        enum Size { SMALL LARGE }
        input Box { size: Size! count: Int! = 1 tags: [String!] inner: Box }
        scalar Any
        type Query { a: Int }
    ";

    fn checked(variable: &str, value: &serde_json::Value) -> Result<(), String> {
        let text = format!("query($v: {variable}) {{ a(v: $v) }}");
        let document = parse_query(text).expect("the test's document parses");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let variables = Variables::from_json(json!({ "v": value }));
        InputTypes::of_schema(SCHEMA)
            .check(&operation.node, &variables)
            .map_err(|error| error.message)
    }

    #[test]
    fn values_that_fit_are_taken() {
        for (variable, value) in [
            ("Int", json!(null)),
            ("Int!", json!(-2_147_483_648_i64)),
            ("Float", json!(1)),
            ("ID!", json!("x")),
            ("ID!", json!(7)),
            ("Size", json!("SMALL")),
            ("[Int!]", json!(1)),
            ("[[Int]]", json!([[1, null], null])),
            (
                "Box",
                json!({ "size": "LARGE", "tags": "a", "inner": { "size": "SMALL" } }),
            ),
            ("Any!", json!({ "x": [1] })),
        ] {
            assert_eq!(checked(variable, &value), Ok(()), "{variable} {value}");
        }
    }

    #[test]
    fn samples_fit_their_types() {
        let text = "query($a: Int!, $b: [Size!]!, $c: Box!, $d: Any, $e: ID, $f: Boolean) { a }";
        let document = parse_query(text).expect("the test's document parses");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let types = InputTypes::of_schema(SCHEMA);
        let samples = types.samples(&operation.node);
        assert_eq!(samples.len(), 6);
        assert!(types.check(&operation.node, &samples).is_ok());
    }

    #[test]
    fn the_place_of_a_value_that_does_not_fit_is_named() {
        for (variable, value, expected) in [
            (
                "Int",
                json!("x"),
                "variable `$v` of type `Int`: `\"x\"` is not a 32-bit whole number (Int)",
            ),
            (
                "Int",
                json!(2_147_483_648_i64),
                "variable `$v` of type `Int`: `2147483648` is not a 32-bit whole number (Int)",
            ),
            (
                "String",
                json!(1),
                "variable `$v` of type `String`: `1` is not a value of `String`",
            ),
            (
                "Int!",
                json!(null),
                "variable `$v` of type `Int!`: it may not be null",
            ),
            (
                "[Int!]!",
                json!([1, null]),
                "variable `$v[1]` of type `[Int!]!`: it may not be null",
            ),
            (
                "Size",
                json!("BIG"),
                "variable `$v` of type `Size`: `BIG` is not a value of `Size`; allowed are SMALL, LARGE",
            ),
            (
                "Box",
                json!("x"),
                "variable `$v` of type `Box`: `\"x\"` is not a `Box` object",
            ),
            (
                "Box",
                json!({ "size": "LARGE", "inner": { "tags": [] } }),
                "variable `$v.inner.size` of type `Box`: it has to be given",
            ),
            (
                "Box",
                json!({ "size": "LARGE", "colour": 1 }),
                "variable `$v` of type `Box`: `Box` has no field `colour`",
            ),
            (
                "Box",
                json!({ "size": "LARGE", "tags": ["a", 2] }),
                "variable `$v.tags[1]` of type `Box`: `2` is not a value of `String`",
            ),
        ] {
            assert_eq!(
                checked(variable, &value),
                Err(expected.to_owned()),
                "{variable}"
            );
        }
    }
}
