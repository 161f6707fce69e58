//! Validation that the library lacks: `__typename`, the directives of variables, and whether the condition of `@skip` or
//! `@include` may be null. Unused fragments and repeated directives are checked here too, because the document that the
//! library validates has been rewritten.

use std::collections::HashSet;

use async_graphql::parser::types::{
    Directive, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
    VariableDefinition,
};
use async_graphql::{Name, Pos, Positioned, ServerError};
use async_graphql_value::{ConstValue, Value};

use super::code::Code;
use super::collect_fields::note_spreads;
use super::naming::shortened;
use super::walk::{definitions, directives, selections};

/// Checks a document as sent, with all operations and fragments.
pub(crate) fn validate(document: &ExecutableDocument) -> Result<(), ServerError> {
    for (_, operation) in document.operations.iter() {
        validate_variables(&operation.node)?;
        require_conditions(document, &operation.node)?;
    }
    require_all_used(document)?;
    for definition in definitions(document) {
        validate_directives(definition.directives)?;
        for selection in selections(definition.selection_set) {
            validate_directives(directives(&selection.node))?;
            if let Selection::Field(field) = &selection.node {
                validate_typename(field)?;
            }
        }
    }
    Ok(())
}

/// No executable directive is allowed on a variable definition.
fn validate_variables(operation: &OperationDefinition) -> Result<(), ServerError> {
    let variables = operation.variable_definitions.iter();
    let mut directives = variables.flat_map(|variable| &variable.node.directives);
    let Some(directive) = directives.next() else {
        return Ok(());
    };
    let name = shortened(&directive.node.name.node);
    let message = format!("the directive `@{name}` is not allowed on a variable definition");
    Err(invalid(message, directive.pos))
}

/// `if` is a `Boolean!`, so its variable must have this type or a default,
/// <https://spec.graphql.org/October2021/#sec-All-Variable-Usages-are-Allowed>.
fn require_conditions(
    document: &ExecutableDocument,
    operation: &OperationDefinition,
) -> Result<(), ServerError> {
    let may_be_null = |variable: &VariableDefinition| {
        let default = variable.default_value.as_ref();
        variable.var_type.node.nullable
            && default.is_none_or(|default| default.node == ConstValue::Null)
    };
    let variables = operation.variable_definitions.iter();
    let variables = variables.map(|variable| &variable.node);
    let nullable: HashSet<&Name> = variables
        .filter(|variable| may_be_null(variable))
        .map(|variable| &variable.name.node)
        .collect();
    if nullable.is_empty() {
        return Ok(());
    }
    let mut spread = HashSet::new();
    let set = &operation.selection_set.node;
    note_spreads(set, &document.fragments, &mut spread);
    let fragments = spread.into_iter();
    let fragments = fragments.filter_map(|name| document.fragments.get(name));
    let sets = fragments.map(|fragment| &fragment.node.selection_set.node);
    std::iter::once(set)
        .chain(sets)
        .try_for_each(|set| refuse_conditions(set, &nullable))
}

fn refuse_conditions(set: &SelectionSet, nullable: &HashSet<&Name>) -> Result<(), ServerError> {
    for directive in selections(set).flat_map(|selection| directives(&selection.node)) {
        let name = &directive.node.name.node;
        let condition = directive.node.get_argument("if");
        if matches!(name.as_str(), "skip" | "include")
            && let Some(condition) = condition
            && let Value::Variable(variable) = &condition.node
            && nullable.contains(variable)
        {
            let variable = shortened(variable);
            let message = format!(
                "the condition of `@{name}` must not be null: variable `${variable}` must be a `Boolean!`, or have a default"
            );
            return Err(invalid(message, condition.pos));
        }
    }
    Ok(())
}

/// The library could not report it after field collection removes fragments.
fn require_all_used(document: &ExecutableDocument) -> Result<(), ServerError> {
    let mut used = HashSet::new();
    for (_, operation) in document.operations.iter() {
        let set = &operation.node.selection_set.node;
        note_spreads(set, &document.fragments, &mut used);
    }
    let unused = document.fragments.iter();
    let unused = unused.filter(|(name, _)| !used.contains(name));
    let Some((name, fragment)) = unused.min_by_key(|(_, fragment)| fragment.pos) else {
        return Ok(());
    };
    let message = format!("the fragment `{}` is never used", shortened(name));
    Err(invalid(message, fragment.pos))
}

/// No executable directive is repeatable.
fn validate_directives(directives: &[Positioned<Directive>]) -> Result<(), ServerError> {
    let mut names = HashSet::new();
    for directive in directives {
        let name = &directive.node.name.node;
        if !names.insert(name) {
            let name = shortened(name);
            let message = format!("the directive `@{name}` may be used only once at a location");
            return Err(invalid(message, directive.pos));
        }
    }
    Ok(())
}

/// It has no arguments and no selection set.
fn validate_typename(field: &Positioned<Field>) -> Result<(), ServerError> {
    if field.node.name.node != "__typename" {
        return Ok(());
    }
    if let Some((name, _)) = field.node.arguments.first() {
        let message = format!(
            "`__typename` has no arguments; `{}` was given",
            shortened(&name.node)
        );
        return Err(invalid(message, name.pos));
    }
    if !field.node.selection_set.node.items.is_empty() {
        let message = "`__typename` is a string: nothing can be selected of it";
        return Err(invalid(message, field.node.selection_set.pos));
    }
    Ok(())
}

fn invalid(message: impl Into<String>, place: Pos) -> ServerError {
    let mut error = Code::ValidationFailed.error(message);
    error.locations = vec![place];
    error
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn check(text: &str) -> Result<(), String> {
        let document = parse_query(text).expect("a document");
        validate(&document).map_err(|error| error.message)
    }

    #[test]
    fn what_is_valid_passes() {
        for text in [
            "{ a: __typename @skip(if: true) @include(if: true) }",
            "query($x: Boolean! $y: Boolean = false) { a @skip(if: $x) b @include(if: $y) }",
            "query A($x: Boolean) { a(b: $x) } query B($x: Boolean!) { ...F } fragment F on Query { a @skip(if: $x) }",
            "query Q @x { a @skip(if: true) ...F @skip(if: true) ... @skip(if: true) { b } } fragment F on Query { c }",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_not_says_why() {
        let repeated = "the directive `@skip` may be used only once at a location";
        let twice = "@skip(if: true) @include(if: true) @skip(if: true)";
        for (text, expected) in [
            (format!("{{ __typename {twice} }}"), repeated),
            (format!("{{ a {{ b {twice} }} }}"), repeated),
            (format!("{{ ... {twice} {{ b }} }}"), repeated),
            (
                format!("{{ ...F {twice} }} fragment F on Query {{ c }}"),
                repeated,
            ),
            (
                format!("{{ ...F }} fragment F on Query {twice} {{ c }}"),
                repeated,
            ),
            (format!("query {twice} {{ a }}"), repeated),
            (
                format!("{{ ...F }} fragment F on Query {{ c {twice} }}"),
                repeated,
            ),
            (
                "query($a: Int @skip(if: true)) { a }".to_owned(),
                "the directive `@skip` is not allowed on a variable definition",
            ),
            (
                "query A { ...F } query B($x: Boolean = null) { ...F } fragment F on Query { a { b @include(if: $x) } }".to_owned(),
                "the condition of `@include` must not be null: variable `$x` must be a `Boolean!`, or have a default",
            ),
            (
                "{ __typename(a: 1) }".to_owned(),
                "`__typename` has no arguments; `a` was given",
            ),
            (
                "{ a { __typename { b } } }".to_owned(),
                "`__typename` is a string: nothing can be selected of it",
            ),
        ] {
            assert_eq!(check(&text), Err(expected.to_owned()), "{text}");
        }
    }
}
