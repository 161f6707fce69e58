//! Checks the values of variables against the types that an operation declares,
//! <https://spec.graphql.org/October2021/#sec-Coercing-Variable-Values>. The library would check them as arguments at
//! each use, and report the document as invalid.
//!
//! Values stay as they were sent, except for floats with surplus digits: the library coerces them with the same rules.
//! Custom scalars parse their own values; those of [`CheckedScalar`] are checked here too, so that nothing is executed
//! with a wrong one.

mod literals;
mod sample;

use std::collections::HashMap;

use async_graphql::parser::types::{
    BaseType, InputObjectType, ServiceDocument, Type, TypeKind, TypeSystemDefinition,
    VariableDefinition,
};
use async_graphql::{Name, Pos, Positioned, ServerError, Value, Variables};
use serde_json::Number;

use crate::code::Code;
use crate::naming::shortened;
use crate::numbers::inexact_number;
pub(crate) use literals::coerce_literals;

/// A custom scalar whose values are checked before execution.
#[derive(Clone, Copy, Debug)]
pub struct CheckedScalar {
    /// Its name in the schema.
    pub name: &'static str,
    /// Its values, for errors, e.g. `a colour in hexadecimal digits`.
    pub values: &'static str,
    /// A valid value.
    pub sample: &'static str,
    /// Whether a value is valid.
    pub is_valid: fn(&Value) -> bool,
}

/// The types that a variable may have.
#[derive(Debug)]
pub(crate) struct InputTypes {
    types: HashMap<Name, InputType>,
    /// Whether errors may list the values that the schema allows.
    names_values: bool,
}

#[derive(Debug)]
enum InputType {
    CustomScalar(Option<CheckedScalar>),
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
    pub(crate) fn of_schema(
        schema: ServiceDocument,
        scalars: &[CheckedScalar],
        names_values: bool,
    ) -> Self {
        let types = schema.definitions.into_iter().filter_map(|definition| {
            let TypeSystemDefinition::Type(definition) = definition else {
                return None;
            };
            let definition = definition.node;
            let input_type = match definition.kind {
                TypeKind::Scalar => {
                    let mut checked = scalars.iter();
                    let name = &definition.name.node;
                    InputType::CustomScalar(checked.find(|scalar| *name == scalar.name).copied())
                }
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

    /// Rejects values that do not match the type of their variable, and missing values of required variables. Rounds floats
    /// with more digits than a double holds. Validation reports variables of unknown types.
    pub(crate) fn coerce(
        &self,
        definitions: &[Positioned<VariableDefinition>],
        variables: &mut Variables,
    ) -> Result<(), ServerError> {
        for definition in definitions {
            let VariableDefinition {
                name,
                var_type,
                default_value,
                ..
            } = &definition.node;
            let coerced = match variables.get_mut(&name.node) {
                Some(value) => self.value(&var_type.node, value),
                None if var_type.node.nullable || default_value.is_some() => Ok(()),
                None => Err(Mismatch::required()),
            };
            coerced.map_err(|mismatch| {
                let name = shortened(&name.node);
                mismatch.error("variable `$", &name, &var_type.node, definition.pos)
            })?;
        }
        Ok(())
    }

    fn value(&self, of: &Type, value: &mut Value) -> Result<(), Mismatch> {
        if *value == Value::Null {
            return if of.nullable {
                Ok(())
            } else {
                Err(Mismatch::required())
            };
        }
        match (&of.base, value) {
            (BaseType::Named(name), value) => self.named(name, value),
            (BaseType::List(item), Value::List(values)) => values
                .iter_mut()
                .enumerate()
                .try_for_each(|(index, value)| {
                    let coerced = self.value(item, value);
                    coerced.map_err(|mismatch| mismatch.within(&format!("[{index}]")))
                }),
            // A single value is a list of one.
            (BaseType::List(item), value) => self.value(item, value),
        }
    }

    fn named(&self, name: &Name, value: &mut Value) -> Result<(), Mismatch> {
        let expected = match name.as_str() {
            "Int" if is_int(value) => return Ok(()),
            "Int" => "a whole number from -2147483648 to 2147483647",
            "Float" if matches!(value, Value::Number(_)) || round(value) => return Ok(()),
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
                    Some(InputType::CustomScalar(Some(scalar))) => scalar.check(value),
                    Some(InputType::CustomScalar(None)) | None => Ok(()),
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
            format!("must be one of {allowed}; `{given}` was given")
        } else {
            format!("must be a value of the enum `{of}`; `{given}` was given")
        }))
    }

    fn object(&self, of: &Name, object: &InputObject, value: &mut Value) -> Result<(), Mismatch> {
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
            let reason = format!("must give exactly one field of `{of}`, and not as null");
            return Err(Mismatch::because(reason));
        }
        for field in &object.fields {
            let coerced = match given.get_mut(&field.name) {
                Some(value) => self.value(&field.of, value),
                None if field.of.nullable || field.has_default => Ok(()),
                None => Err(Mismatch::required()),
            };
            coerced.map_err(|mismatch| mismatch.within(&format!(".{}", field.name)))?;
        }
        Ok(())
    }
}

impl CheckedScalar {
    fn check(&self, value: &Value) -> Result<(), Mismatch> {
        if (self.is_valid)(value) {
            return Ok(());
        }
        Err(match value {
            Value::String(text) => {
                let text = shortened(text);
                Mismatch::because(format!("must be {}; `{text}` was given", self.values))
            }
            _ => Mismatch::expected(self.values, value),
        })
    }
}

impl Mismatch {
    /// The error for a variable or an argument, whose kind comes before its name.
    fn error(self, kind: &str, name: &str, of: &Type, location: Pos) -> ServerError {
        let Self { path, reason } = self;
        let mut error = Code::BadUserInput.error(if path.is_empty() {
            format!("{kind}{name}` of type `{of}` {reason}")
        } else {
            format!("{kind}{name}` of type `{of}`: `{name}{path}` {reason}")
        });
        error.locations = vec![location];
        error
    }

    fn because(reason: String) -> Self {
        Self {
            path: String::new(),
            reason,
        }
    }

    fn required() -> Self {
        Self::because("is required and must not be null".to_owned())
    }

    fn expected(expected: &str, value: &Value) -> Self {
        let is_number = matches!(value, Value::Number(_)) || inexact_number(value).is_some();
        let given = match value {
            _ if is_number && expected == "a number" => "a number out of range",
            _ if is_number && expected.contains("number") => "another number",
            _ if is_number => "a number",
            Value::Null => "null",
            Value::String(_) => "a string",
            Value::Boolean(_) => "a boolean",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
            Value::Number(_) | Value::Binary(_) | Value::Enum(_) => "another value",
        };
        Self::because(format!("must be {expected}; {given} was given"))
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

/// Rounds a number with more digits than a double holds. False for other values, and outside the range of doubles.
fn round(value: &mut Value) -> bool {
    let Some(rounded) = inexact_number(value).and_then(rounded) else {
        return false;
    };
    *value = Value::Number(rounded);
    true
}

fn rounded(number: &str) -> Option<Number> {
    number.parse().ok().and_then(Number::from_f64)
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
mod tests;
