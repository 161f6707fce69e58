//! Checks the literal values of a document like those of variables, as far as the library does not: it checks custom
//! scalars only when their field is executed, after the fields of a mutation before it, and does not know floats with
//! surplus digits.

use async_graphql::parser::types::{
    BaseType, DocumentOperations, ExecutableDocument, Field, Selection, SelectionSet, Type,
};
use async_graphql::{Name, Positioned, ServerError};
use async_graphql_value::{ConstValue, Value};

use super::{InputType, InputTypes, Mismatch, rounded};
use crate::numbers::inexact_literal;
use crate::schema_index::SchemaIndex;

/// Rejects invalid literals of checked scalars, and rounds floats. Everything that is not valid otherwise is left to
/// validation.
pub(crate) fn coerce_literals(
    document: &mut ExecutableDocument,
    index: &SchemaIndex,
    types: &InputTypes,
) -> Result<(), ServerError> {
    let literals = Literals { index, types };
    for operation in match &mut document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    } {
        let operation = &mut operation.node;
        for variable in &mut operation.variable_definitions {
            let variable = &mut variable.node;
            if let Some(default) = &mut variable.default_value {
                let coerced = literals.default(&variable.var_type.node, default);
                coerced.map_err(|mismatch| {
                    let (name, of) = (&variable.name.node, &variable.var_type.node);
                    mismatch.error("the default of variable `$", name, of, default.pos)
                })?;
            }
        }
        let root = index.root(operation.ty);
        literals.selections(Some(root), &mut operation.selection_set.node)?;
    }
    for fragment in document.fragments.values_mut() {
        let fragment = &mut fragment.node;
        let of = &fragment.type_condition.node.on.node;
        literals.selections(Some(of), &mut fragment.selection_set.node)?;
    }
    Ok(())
}

struct Literals<'f> {
    index: &'f SchemaIndex,
    types: &'f InputTypes,
}

impl Literals<'_> {
    fn selections(&self, parent: Option<&Name>, set: &mut SelectionSet) -> Result<(), ServerError> {
        for selection in &mut set.items {
            match &mut selection.node {
                Selection::Field(field) => self.field(parent, &mut field.node)?,
                Selection::InlineFragment(inline) => {
                    let inline = &mut inline.node;
                    let condition = inline.type_condition.as_ref();
                    let within = condition.map(|condition| &condition.node.on.node);
                    let set = &mut inline.selection_set.node;
                    self.selections(within.or(parent), set)?;
                }
                Selection::FragmentSpread(_) => {}
            }
        }
        Ok(())
    }

    fn field(&self, parent: Option<&Name>, field: &mut Field) -> Result<(), ServerError> {
        if let Some(types) = self.index.arguments(parent, &field.name.node) {
            for (name, value) in &mut field.arguments {
                let Some(of) = types.get(&name.node) else {
                    continue;
                };
                let coerced = self.value(of, &mut value.node);
                coerced
                    .map_err(|mismatch| mismatch.error("argument `", &name.node, of, value.pos))?;
            }
        }
        let within = self.index.of_field(parent, &field.name.node);
        self.selections(within, &mut field.selection_set.node)
    }

    fn default(&self, of: &Type, default: &mut Positioned<ConstValue>) -> Result<(), Mismatch> {
        let mut value = default.node.clone().into_value();
        self.value(of, &mut value)?;
        if let Some(coerced) = value.into_const() {
            default.node = coerced;
        }
        Ok(())
    }

    fn value(&self, of: &Type, value: &mut Value) -> Result<(), Mismatch> {
        match (&of.base, value) {
            (_, Value::Null | Value::Variable(_)) => Ok(()),
            (BaseType::List(item), Value::List(values)) => values
                .iter_mut()
                .enumerate()
                .try_for_each(|(index, value)| {
                    let coerced = self.value(item, value);
                    coerced.map_err(|mismatch| mismatch.within(&format!("[{index}]")))
                }),
            // A single value is a list of one.
            (BaseType::List(item), value) => self.value(item, value),
            (BaseType::Named(name), value) => self.named(name, value),
        }
    }

    fn named(&self, name: &Name, value: &mut Value) -> Result<(), Mismatch> {
        match self.types.types.get(name) {
            Some(InputType::Object(object)) => {
                let Value::Object(given) = value else {
                    return Ok(());
                };
                for field in &object.fields {
                    if let Some(value) = given.get_mut(&field.name) {
                        let coerced = self.value(&field.of, value);
                        coerced.map_err(|mismatch| mismatch.within(&format!(".{}", field.name)))?;
                    }
                }
                Ok(())
            }
            Some(InputType::CustomScalar(Some(scalar))) => {
                let constant = value.clone().into_const();
                constant.map_or(Ok(()), |constant| scalar.check(&constant))
            }
            None if name == "Float" => {
                if let Some(number) = inexact_literal(value).and_then(rounded) {
                    *value = Value::Number(number);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
