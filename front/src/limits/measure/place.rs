//! The location of the first selection that exceeds a limit, in document order. It is searched for only after the limit is
//! known to be exceeded.

use async_graphql::Positioned;
use async_graphql::parser::types::{Selection, SelectionSet};

use super::{Measure, SelectionSize, introspected_lists_of};
use crate::limits::{MAX_INTROSPECTED_LISTS, MAX_SELECTIONS, Place};
use crate::walk::selection_set;

/// What is counted to find the selection that exceeds the maximum.
pub(super) struct CountedSelections {
    maximum: usize,
    /// Of a selection, without its selection set.
    own: fn(&Selection) -> usize,
    /// Of a selection with its selection set.
    total: fn(&SelectionSize) -> usize,
    /// Whether sibling selections add up.
    is_sum: bool,
}

impl<'a> Measure<'a> {
    /// The first selection at which the count exceeds its maximum, in a set that is known to exceed it.
    pub(super) fn place(
        &mut self,
        set: &'a SelectionSet,
        counted: &CountedSelections,
        mut before: usize,
    ) -> Option<Place> {
        for Positioned { node, pos } in &set.items {
            let total = (counted.total)(&self.selection(node, *pos, 0).ok()?);
            if before.saturating_add(total) <= counted.maximum {
                before += if counted.is_sum { total } else { 0 };
                continue;
            }
            let own = before.saturating_add((counted.own)(node));
            let within = match node {
                _ if own > counted.maximum => None,
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment = self.document.fragments.get(name)?;
                    Some(&fragment.node.selection_set.node)
                }
                other => selection_set(other),
            };
            let place = within.and_then(|within| self.place(within, counted, own));
            let place = place.unwrap_or_else(|| Place::new(*pos, Vec::new()));
            return Some(match node {
                Selection::Field(field) => place.within(&field.node.response_key().node),
                _ => place,
            });
        }
        None
    }
}

impl CountedSelections {
    pub(super) fn depth(maximum: usize) -> Self {
        Self {
            maximum,
            own: |selection| usize::from(matches!(selection, Selection::Field(_))),
            total: |size| size.depth,
            is_sum: false,
        }
    }

    pub(super) fn aliases(maximum: usize) -> Self {
        Self {
            maximum,
            own: |selection| match selection {
                Selection::Field(field) => usize::from(field.node.alias.is_some()),
                _ => 0,
            },
            total: |size| size.aliases,
            is_sum: true,
        }
    }

    pub(super) fn selections() -> Self {
        Self {
            maximum: MAX_SELECTIONS,
            own: |_| 1,
            total: |size| size.selections,
            is_sum: true,
        }
    }

    pub(super) fn introspected_lists() -> Self {
        Self {
            maximum: MAX_INTROSPECTED_LISTS,
            own: |selection| match selection {
                Selection::Field(field) => introspected_lists_of(&field.node),
                _ => 0,
            },
            total: |size| size.introspected_lists,
            is_sum: false,
        }
    }
}
