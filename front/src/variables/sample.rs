//! Sample values: with them a document is validated independently of the values of one request.

use async_graphql::parser::types::{BaseType, Type, VariableDefinition};
use async_graphql::{Positioned, Value, Variables};

use super::{InputField, InputObject, InputType, InputTypes};

/// The maximum nesting of input objects. Only an input that requires itself, which is invalid, has no value.
const MAX_LEVELS: usize = 16;

impl InputTypes {
    /// A small value of its type for each variable.
    pub(crate) fn samples(&self, definitions: &[Positioned<VariableDefinition>]) -> Variables {
        let samples = definitions.iter().map(|definition| {
            let VariableDefinition { name, var_type, .. } = &definition.node;
            (name.node.clone(), self.sample(&var_type.node, MAX_LEVELS))
        });
        Variables::from_value(Value::Object(samples.collect()))
    }

    fn sample(&self, of: &Type, levels: usize) -> Value {
        let name = match &of.base {
            BaseType::Named(name) => name,
            BaseType::List(item) => return Value::List(vec![self.sample(item, levels)]),
        };
        match (self.types.get(name), name.as_str()) {
            (Some(InputType::Enum(values)), _) => {
                values.first().cloned().map_or(Value::Null, Value::Enum)
            }
            (Some(InputType::Object(object)), _) => {
                let Some(levels) = levels.checked_sub(1) else {
                    return Value::Null;
                };
                let field = |field: &InputField| {
                    let sample = self.sample(&field.of, levels);
                    (field.name.clone(), sample)
                };
                Value::Object(self.given(object).map(field).collect())
            }
            (Some(InputType::CustomScalar(Some(scalar))), _) => Value::from(scalar.sample),
            (_, "Int" | "Float") => Value::from(1),
            (_, "Boolean") => Value::from(true),
            _ => Value::from("a"),
        }
    }

    /// The required fields.
    fn given<'o>(&'o self, object: &'o InputObject) -> impl Iterator<Item = &'o InputField> {
        let is_leaf = |field: &&InputField| !self.is_object(&field.of);
        let one = object.fields.iter().find(is_leaf);
        let one = one.or_else(|| object.fields.first());
        let is_one_of = object.is_one_of;
        let fields = object.fields.iter();
        let required =
            fields.filter(move |field| !is_one_of && !field.of.nullable && !field.has_default);
        required.chain(one.filter(|_| is_one_of))
    }

    fn is_object(&self, of: &Type) -> bool {
        match &of.base {
            BaseType::Named(name) => matches!(self.types.get(name), Some(InputType::Object(_))),
            BaseType::List(item) => self.is_object(item),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Name;
    use async_graphql::parser::{parse_query, parse_schema};

    use super::*;

    const SDL: &str = "
        scalar Any
        enum Colour { RED GREEN }
        input Choice @oneOf { under: Choice a: Int b: Int }
        input Paint { colour: Colour! under: Paint coats: Int! = 1 choice: [Choice!]! }
        input Endless { within: Endless! }
        type Query { a: Int }";

    #[test]
    fn every_type_has_a_small_value() {
        let types = InputTypes::of_schema(parse_schema(SDL).expect("a schema"), &[], true);
        for (of, expected) in [
            ("Int", "1"),
            ("Float!", "1"),
            ("[[Boolean!]]", "[[true]]"),
            ("ID", r#""a""#),
            ("Any", r#""a""#),
            ("Colour", "RED"),
            ("Choice", "{a: 1}"),
            ("Paint", "{colour: RED, choice: [{a: 1}]}"),
        ] {
            let document = parse_query(format!("query($v: {of}) {{ a }}")).expect("a document");
            let (_, operation) = document.operations.iter().next().expect("an operation");
            let definitions = &operation.node.variable_definitions;
            let mut samples = types.samples(definitions);
            let sample = samples.get(&Name::new("v")).expect("a value");
            assert_eq!(sample.to_string(), expected, "{of}");
            assert!(types.coerce(definitions, &mut samples).is_ok(), "{of}");
        }
        let endless = parse_query("query($v: Endless) { a }").expect("a document");
        let (_, operation) = endless.operations.iter().next().expect("an operation");
        types.samples(&operation.node.variable_definitions);
    }
}
