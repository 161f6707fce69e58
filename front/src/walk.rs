//! The walker for documents. `limits` limits their nesting.

use std::collections::HashMap;

use async_graphql::parser::types::{
    Directive, ExecutableDocument, FragmentDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned};

/// The fragments of a document, by name.
pub(crate) type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// An operation or a fragment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Definition<'d> {
    pub(crate) directives: &'d [Positioned<Directive>],
    pub(crate) selection_set: &'d SelectionSet,
}

/// All operations and fragments.
pub(crate) fn definitions(document: &ExecutableDocument) -> impl Iterator<Item = Definition<'_>> {
    let operations = document.operations.iter();
    let operations = operations.map(|(_, operation)| Definition {
        directives: &operation.node.directives,
        selection_set: &operation.node.selection_set.node,
    });
    let fragments = document.fragments.values();
    let fragments = fragments.map(|fragment| Definition {
        directives: &fragment.node.directives,
        selection_set: &fragment.node.selection_set.node,
    });
    operations.chain(fragments)
}

/// All selections of a set and below, in document order, without those of spread fragments.
pub(crate) fn selections(set: &SelectionSet) -> impl Iterator<Item = &Positioned<Selection>> {
    let mut open = vec![set.items.iter()];
    std::iter::from_fn(move || {
        loop {
            let Some(selection) = open.last_mut()?.next() else {
                open.pop();
                continue;
            };
            if let Some(within) = selection_set(&selection.node) {
                open.push(within.items.iter());
            }
            return Some(selection);
        }
    })
}

/// The selection set of a field or an inline fragment.
pub(crate) fn selection_set(selection: &Selection) -> Option<&SelectionSet> {
    match selection {
        Selection::Field(field) => Some(&field.node.selection_set.node),
        Selection::InlineFragment(inline) => Some(&inline.node.selection_set.node),
        Selection::FragmentSpread(_) => None,
    }
}

/// The directives of a selection.
pub(crate) fn directives(selection: &Selection) -> &[Positioned<Directive>] {
    match selection {
        Selection::Field(field) => &field.node.directives,
        Selection::InlineFragment(inline) => &inline.node.directives,
        Selection::FragmentSpread(spread) => &spread.node.directives,
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn selections_come_in_the_order_of_the_document() {
        let text = "{ a { b ... { c ...F } d } e } fragment F on Query { f }";
        let document = parse_query(text).expect("the test's document parses");
        let sets: Vec<Vec<String>> = definitions(&document)
            .map(|definition| {
                let selections = selections(definition.selection_set);
                let names = selections.map(|selection| match &selection.node {
                    Selection::Field(field) => field.node.name.to_string(),
                    Selection::InlineFragment(_) => "...".to_owned(),
                    Selection::FragmentSpread(spread) => spread.node.fragment_name.to_string(),
                });
                names.collect()
            })
            .collect();
        assert_eq!(sets[0], ["a", "b", "...", "c", "F", "d", "e"]);
        assert_eq!(sets[1], ["f"]);
    }
}
