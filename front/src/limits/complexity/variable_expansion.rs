//! The size of an operation's arguments with all variables expanded: the library copies a variable's value for each use, once
//! for validation and once for each object that the field is resolved for.

use std::collections::HashMap;

use async_graphql::parser::types::{Directive, ExecutableDocument, Field, Selection};
use async_graphql::{Name, Positioned, Value as Sent};
use async_graphql_value::Value as Literal;

use super::Priced;
use super::argument_value::Values;
use crate::limits::{Limit, LimitExceeded, Place};
use crate::walk::{definitions, directives, selections};

/// The maximum size of arguments in bytes beyond the request's own size.
pub(super) const MAX_COPIED_BYTES: usize = 8 * 1024 * 1024;
/// The size of a value in addition to its text: the maximum number of values has the size of [`MAX_COPIED_BYTES`].
pub(super) const VALUE_BYTES: usize = 8;

/// Rejects a document that uses large variables so often that the copies need too much memory: once for each use, because
/// validation reads every definition, and once for each object that is resolved. `sent_bytes` is the document's length. The
/// request's own size is always allowed.
pub(crate) fn check_variable_expansion(
    priced: Priced<'_>,
    sent_bytes: usize,
) -> Result<(), LimitExceeded> {
    let Priced {
        document,
        operation,
        variables,
        ..
    } = priced;
    let sent = variables.values().map(weight_of_value);
    let sent = sent.fold(sent_bytes, usize::saturating_add);
    let maximum = sent.saturating_add(MAX_COPIED_BYTES);
    let exceeded = |bytes| LimitExceeded::from(Limit::Copies { bytes, maximum });
    let values = priced.values();
    let mut weights = ArgumentWeights::default();
    let as_written = weights.weight_of_document(values, document);
    if as_written > maximum {
        let place = weights.place_in_document(values, document, maximum);
        return Err(exceeded(as_written).at(place));
    }
    let bytes = priced.weighing_visitor(weights).whole(operation);
    if bytes > maximum {
        let visitor = priced.weighing_visitor(ArgumentWeights::default());
        return Err(exceeded(bytes).at(visitor.into_place(operation, maximum)));
    }
    Ok(())
}

/// Computes the size of arguments; the size of each variable is computed once.
#[derive(Debug, Default)]
pub(super) struct ArgumentWeights {
    of_variables: HashMap<Name, usize>,
    /// A fixed size for all variables.
    of_each_variable: Option<usize>,
}

impl ArgumentWeights {
    /// All variables have this size.
    pub(super) fn with_variables_of(weight: usize) -> Self {
        Self {
            of_variables: HashMap::new(),
            of_each_variable: Some(weight),
        }
    }

    /// Counts the arguments of each selection and directive once.
    pub(super) fn weight_of_document(
        &mut self,
        values: Values<'_>,
        document: &ExecutableDocument,
    ) -> usize {
        definitions(document)
            .map(|definition| {
                let weights = selections(definition.selection_set)
                    .map(|selection| self.weight_of_selection(values, &selection.node));
                let weight = weights.fold(0, usize::saturating_add);
                weight.saturating_add(self.weight_of_directives(values, definition.directives))
            })
            .fold(0, usize::saturating_add)
    }

    /// The selection, or the directive of a definition, at which that exceeds the maximum.
    fn place_in_document(
        &mut self,
        values: Values<'_>,
        document: &ExecutableDocument,
        maximum: usize,
    ) -> Option<Place> {
        let mut sum = 0_usize;
        for definition in definitions(document) {
            for selection in selections(definition.selection_set) {
                sum = sum.saturating_add(self.weight_of_selection(values, &selection.node));
                if sum > maximum {
                    return Some(Place::new(selection.pos, Vec::new()));
                }
            }
            sum = sum.saturating_add(self.weight_of_directives(values, definition.directives));
            if sum > maximum {
                let directive = definition.directives.first()?;
                return Some(Place::new(directive.pos, Vec::new()));
            }
        }
        None
    }

    /// Without its selection set.
    fn weight_of_selection(&mut self, values: Values<'_>, selection: &Selection) -> usize {
        let own = match selection {
            Selection::Field(field) => self.weight_of_arguments(values, &field.node),
            _ => 0,
        };
        own.saturating_add(self.weight_of_directives(values, directives(selection)))
    }

    fn weight_of_directives(
        &mut self,
        values: Values<'_>,
        directives: &[Positioned<Directive>],
    ) -> usize {
        let arguments = directives
            .iter()
            .flat_map(|directive| &directive.node.arguments);
        let weights = arguments.map(|(_, value)| self.weight(values, &value.node));
        weights.fold(0, usize::saturating_add)
    }

    pub(super) fn weight_of_arguments(&mut self, values: Values<'_>, field: &Field) -> usize {
        let arguments = field.arguments.iter();
        let weights = arguments.map(|(_, value)| self.weight(values, &value.node));
        weights.fold(0, usize::saturating_add)
    }

    /// The scan limits the nesting of literals.
    fn weight(&mut self, values: Values<'_>, literal: &Literal) -> usize {
        let within = match literal {
            Literal::Variable(name) => return self.weight_of_variable(values, name),
            Literal::String(text) => text.len(),
            Literal::List(items) => items
                .iter()
                .map(|item| self.weight(values, item))
                .fold(0, usize::saturating_add),
            Literal::Object(fields) => fields
                .values()
                .map(|field| self.weight(values, field))
                .fold(0, usize::saturating_add),
            _ => 0,
        };
        within.saturating_add(VALUE_BYTES)
    }

    fn weight_of_variable(&mut self, values: Values<'_>, name: &Name) -> usize {
        if let Some(weight) = self.of_each_variable {
            return weight;
        }
        if let Some(weight) = self.of_variables.get(name) {
            return *weight;
        }
        let weight = values.variable(name).map_or(VALUE_BYTES, weight_of_value);
        self.of_variables.insert(name.clone(), weight);
        weight
    }
}

/// The nesting of variables is limited before they are built.
pub(super) fn weight_of_value(value: &Sent) -> usize {
    let within = match value {
        Sent::String(text) => text.len(),
        Sent::Enum(name) => name.len(),
        Sent::Binary(bytes) => bytes.len(),
        Sent::List(items) => items
            .iter()
            .map(weight_of_value)
            .fold(0, usize::saturating_add),
        Sent::Object(fields) => fields
            .iter()
            .map(|(name, field)| name.len().saturating_add(weight_of_value(field)))
            .fold(0, usize::saturating_add),
        Sent::Null | Sent::Number(_) | Sent::Boolean(_) => 0,
    };
    within.saturating_add(VALUE_BYTES)
}

#[cfg(test)]
mod tests {
    use async_graphql::Variables;
    use async_graphql::parser::parse_query;
    use serde_json::{Value as Json, json};

    use super::super::sample;
    use super::*;
    use crate::collect_fields::collect_fields;

    fn checked(text: &str, variables: Json) -> Result<(), Limit> {
        let index = sample::index();
        let mut document = parse_query(text).expect("the test's document parses");
        collect_fields(&mut document, &index).expect("it is small");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let variables = Variables::from_json(variables);
        let priced = Priced {
            document: &document,
            operation: &operation.node,
            variables: &variables,
            model: sample::model(&index),
        };
        check_variable_expansion(priced, text.len()).map_err(|exceeded| exceeded.limit)
    }

    fn is_refused(text: &str, variables: Json) -> bool {
        matches!(
            checked(text, variables),
            Err(Limit::Copies { bytes, maximum }) if bytes > maximum
        )
    }

    #[test]
    fn what_is_used_once_may_be_large() {
        let list = vec![0; 900_000];
        let text = "query($m: JSON) { images(filter: { metadataContains: $m }) { nodes { id } } }";
        assert_eq!(checked(text, json!({ "m": list })), Ok(()));
        let text = "query($c: String) { images(after: $c) { nodes { id } } }";
        let long = "x".repeat(8_000_000);
        assert_eq!(checked(text, json!({ "c": long })), Ok(()));
    }

    #[test]
    fn a_small_variable_may_be_used_often() {
        let uses = "$s ".repeat(2000);
        let text = format!("query($s: ID!) {{ nodes(ids: [{uses}]) {{ id }} }}");
        assert_eq!(checked(&text, json!({ "s": "x" })), Ok(()));
    }

    #[test]
    fn a_large_variable_used_often_is_refused() {
        let uses = "$s ".repeat(2000);
        let within_list = format!(
            "query($s: JSON) {{ images(filter: {{ metadataContains: {{ a: [{uses}] }} }}) {{ nodes {{ id }} }} }}"
        );
        assert!(is_refused(&within_list, json!({ "s": vec![0; 50_000] })));
        let default =
            within_list.replace("$s: JSON", &format!("$s: JSON = \"{}\"", "x".repeat(9000)));
        assert!(is_refused(&default, json!({})));
        let alias = |number| format!("a{number}: nodes(ids: $s) {{ id }} ");
        let aliases: Vec<_> = (0..30).map(alias).collect();
        let text = format!("query($s: [ID!]!) {{ {} }}", aliases.concat());
        assert!(is_refused(&text, json!({ "s": vec!["x"; 900_000] })));
        // Validation also visits excluded fields, and those in other operations or unused fragments.
        for text in [
            format!("query($s: JSON) {{ nodes(ids: [{uses}]) @skip(if: true) {{ id }} }}"),
            format!("query($s: JSON) {{ __typename @skip(if: [{uses}]) }}"),
            format!("query($s: JSON) @skip(if: [{uses}]) {{ __typename }}"),
            format!(
                "query($s: JSON) {{ __schema {{ types {{ fields(a: [{uses}]) {{ name }} }} }} }}"
            ),
            format!("query a {{ id }} query b($s: JSON) {{ nodes(ids: [{uses}]) {{ id }} }}"),
            format!("{{ id }} fragment f on Query {{ nodes(ids: [{uses}]) {{ id }} }}"),
        ] {
            assert!(is_refused(&text, json!({ "s": vec![0; 50_000] })), "{text}");
        }
        // Once for each of a hundred images, also through a fragment.
        let text =
            "query($s: String) { images(first: 100) { nodes { ... @include(if: true) { ...f } } } }
            fragment f on Image { events(after: $s) { nodes { id } } }";
        assert!(is_refused(text, json!({ "s": "x".repeat(200_000) })));
        assert_eq!(checked(text, json!({ "s": "x".repeat(80_000) })), Ok(()));
    }
}
