//! The value of an argument: a literal in the document, a variable in the request, or a variable's default.

use std::cell::RefCell;
use std::collections::BTreeSet;

use async_graphql::parser::types::{Directive, Field, OperationDefinition, VariableDefinition};
use async_graphql::{Name, Number, Positioned, Value as Sent, Variables};
use async_graphql_value::Value as Literal;

/// The values of one operation's arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    definitions: &'a [Positioned<VariableDefinition>],
    variables: &'a Variables,
    /// Collects the variables that were read.
    looked_at: Option<&'a LookedAt>,
}

/// Names of variables.
pub(super) type LookedAt = RefCell<BTreeSet<Name>>;

/// A value that is present and not null.
#[derive(Clone, Copy, Debug)]
pub(super) enum ArgumentValue<'a> {
    /// A literal in the document, which may contain variables.
    Literal(&'a Literal),
    /// The value of a variable, or its default.
    Sent(&'a Sent),
}

impl<'a> Values<'a> {
    pub(super) fn of(
        operation: &'a OperationDefinition,
        variables: &'a Variables,
        looked_at: Option<&'a LookedAt>,
    ) -> Self {
        Self {
            definitions: &operation.variable_definitions,
            variables,
            looked_at,
        }
    }

    /// The value of a field's argument; `None` if it is omitted or null.
    pub(super) fn argument(self, field: &'a Field, name: &str) -> Option<ArgumentValue<'a>> {
        self.resolve(&field.get_argument(name)?.node)
    }

    /// Whether `@skip` or `@include` excludes a selection from this request. Unknown conditions do not exclude it.
    pub(super) fn is_left_out(self, directives: &'a [Positioned<Directive>]) -> bool {
        directives.iter().any(|directive| {
            let leaves_out_if = match directive.node.name.node.as_str() {
                "skip" => true,
                "include" => false,
                _ => return false,
            };
            let condition = directive.node.get_argument("if");
            let condition = condition.and_then(|condition| self.resolve(&condition.node));
            condition.and_then(ArgumentValue::truth) == Some(leaves_out_if)
        })
    }

    fn resolve(self, value: &'a Literal) -> Option<ArgumentValue<'a>> {
        match value {
            Literal::Null => None,
            Literal::Variable(name) => {
                if let Some(looked_at) = self.looked_at {
                    looked_at.borrow_mut().insert(name.clone());
                }
                self.variable(name).map(ArgumentValue::Sent)
            }
            literal => Some(ArgumentValue::Literal(literal)),
        }
    }

    /// A variable's value, <https://spec.graphql.org/October2021/#sec-Coercing-Variable-Values>: an explicit
    /// null does not use the default.
    pub(super) fn variable(self, name: &Name) -> Option<&'a Sent> {
        let sent = self.variables.get(name);
        let default = || {
            let mut definitions = self.definitions.iter();
            let definition = definitions.find(|definition| definition.node.name.node == *name)?;
            let default = definition.node.default_value.as_ref()?;
            Some(&default.node)
        };
        sent.or_else(default)
            .filter(|value| !matches!(value, Sent::Null))
    }

    /// A field of an input object.
    pub(super) fn entry(self, object: ArgumentValue<'a>, name: &str) -> Option<ArgumentValue<'a>> {
        match object {
            ArgumentValue::Literal(Literal::Object(fields)) => self.resolve(fields.get(name)?),
            ArgumentValue::Sent(Sent::Object(fields)) => match fields.get(name)? {
                Sent::Null => None,
                value => Some(ArgumentValue::Sent(value)),
            },
            _ => None,
        }
    }
}

impl ArgumentValue<'_> {
    /// A number, clamped to 64 bits.
    pub(super) fn number(self) -> Option<i64> {
        match self {
            Self::Literal(Literal::Number(number)) | Self::Sent(Sent::Number(number)) => {
                Some(whole(number))
            }
            _ => None,
        }
    }

    /// Whether it is a blank string. Other types are not blank: the field itself rejects them.
    pub(super) fn is_blank_text(self) -> bool {
        match self {
            Self::Literal(Literal::String(text)) | Self::Sent(Sent::String(text)) => {
                text.trim().is_empty()
            }
            _ => false,
        }
    }

    fn truth(self) -> Option<bool> {
        match self {
            Self::Literal(Literal::Boolean(truth)) | Self::Sent(Sent::Boolean(truth)) => {
                Some(*truth)
            }
            _ => None,
        }
    }

    /// The number of items; a single value is a list of one.
    pub(super) fn items(self) -> usize {
        match self {
            Self::Literal(Literal::List(items)) => items.len(),
            Self::Sent(Sent::List(items)) => items.len(),
            _ => 1,
        }
    }
}

fn whole(number: &Number) -> i64 {
    let is_negative = || number.as_f64().is_some_and(|number| number < 0.0);
    number
        .as_i64()
        .unwrap_or_else(|| if is_negative() { i64::MIN } else { i64::MAX })
}
