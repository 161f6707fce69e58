//! The location at which an operation becomes too expensive: the first selection, in document order, at which the sum of costs
//! exceeds the limit. It is searched for only after the limit is known to be exceeded.

use async_graphql::parser::types::{Field, OperationDefinition, Selection, SelectionSet};
use async_graphql::{Name, Pos, Positioned};

use super::{CostVisitor, FieldCost, SelectionCost};
use crate::limits::Place;
use crate::schema_index::ConnectionRole;

/// Multipliers for the two parts of a [`SelectionCost`].
#[derive(Clone, Copy, Debug)]
struct Times {
    once: usize,
    per_item: usize,
}

impl Times {
    fn of(self, cost: SelectionCost) -> usize {
        let per_item = cost.per_item.saturating_mul(self.per_item);
        (cost.once.saturating_mul(self.once)).saturating_add(per_item)
    }
}

/// The search for the location, with the sum of costs so far.
struct Search<'a> {
    visitor: CostVisitor<'a>,
    sum: usize,
    maximum: usize,
    path: Vec<Name>,
}

impl<'a> CostVisitor<'a> {
    /// Where the sum exceeds the maximum, if it does.
    pub(super) fn into_place(
        self,
        operation: &'a OperationDefinition,
        maximum: usize,
    ) -> Option<Place> {
        let root = self.model.index.root(operation.ty).clone();
        let mut search = Search {
            visitor: self,
            sum: 0,
            maximum,
            path: Vec::new(),
        };
        let times = Times {
            once: 1,
            per_item: 0,
        };
        let set = &operation.selection_set.node;
        let location = search.within_set(Some(&root), set, times)?;
        Some(Place::new(location, search.path))
    }
}

impl<'a> Search<'a> {
    fn is_over_with(&self, cost: usize) -> bool {
        self.sum.saturating_add(cost) > self.maximum
    }

    fn within_set(
        &mut self,
        parent: Option<&Name>,
        set: &'a SelectionSet,
        times: Times,
    ) -> Option<Pos> {
        let most_expensive = self.most_expensive_object(parent, set, times);
        for Positioned { node, pos } in &set.items {
            let (on, cost) = self.visitor.selection(parent, node);
            let object = self.visitor.excluding(parent, on);
            if object.is_some() && object != most_expensive {
                continue;
            }
            let cost = times.of(cost);
            if self.is_over_with(cost) {
                return self.within(parent, node, times).or(Some(*pos));
            }
            self.sum = self.sum.saturating_add(cost);
        }
        None
    }

    /// Of fragments on several object types of an interface, only the most expensive type counts.
    fn most_expensive_object(
        &mut self,
        parent: Option<&Name>,
        set: &'a SelectionSet,
        times: Times,
    ) -> Option<&'a Name> {
        let mut by_object: Vec<(&Name, usize)> = Vec::new();
        for Positioned { node, .. } in &set.items {
            let (on, cost) = self.visitor.selection(parent, node);
            let Some(object) = self.visitor.excluding(parent, on) else {
                continue;
            };
            let cost = times.of(cost);
            match by_object.iter_mut().find(|(known, _)| *known == object) {
                Some((_, sum)) => *sum = sum.saturating_add(cost),
                None => by_object.push((object, cost)),
            }
        }
        let most_expensive = by_object.into_iter().max_by_key(|(_, cost)| *cost);
        most_expensive.map(|(object, _)| object)
    }

    fn within(
        &mut self,
        parent: Option<&Name>,
        selection: &'a Selection,
        times: Times,
    ) -> Option<Pos> {
        match selection {
            Selection::Field(field) => {
                self.path.push(field.node.response_key().node.clone());
                self.within_field(parent, &field.node, times)
            }
            Selection::InlineFragment(inline) => {
                let on = inline.node.type_condition.as_ref();
                let on = on.map(|condition| &condition.node.on.node);
                self.within_set(on.or(parent), &inline.node.selection_set.node, times)
            }
            Selection::FragmentSpread(spread) => {
                let fragment = self
                    .visitor
                    .fragments
                    .get(&spread.node.fragment_name.node)?;
                let on = &fragment.node.type_condition.node.on.node;
                self.within_set(Some(on), &fragment.node.selection_set.node, times)
            }
        }
    }

    /// `None` if it is the field itself.
    fn within_field(
        &mut self,
        parent: Option<&Name>,
        field: &'a Field,
        times: Times,
    ) -> Option<Pos> {
        let (own, inner) = self.own_and_inner(parent, field, times);
        if self.is_over_with(own) {
            return None;
        }
        self.sum = self.sum.saturating_add(own);
        let own_type = self.visitor.model.index.of_field(parent, &field.name.node);
        let own_type = own_type.cloned();
        self.within_set(own_type.as_ref(), &field.selection_set.node, inner)
    }

    /// The cost of a field without its selection set, and the multipliers of its selection set.
    fn own_and_inner(
        &mut self,
        parent: Option<&Name>,
        field: &'a Field,
        times: Times,
    ) -> (usize, Times) {
        let model = self.visitor.model;
        let name = &field.name.node;
        match (model.index.connection_role(parent), name.as_str()) {
            (Some(ConnectionRole::Connection), "edges" | "nodes") => {
                let inner = Times {
                    once: times.per_item,
                    per_item: 0,
                };
                return (0, inner);
            }
            (Some(ConnectionRole::Connection), "pageInfo")
            | (Some(ConnectionRole::Edge), "node" | "cursor")
            | (Some(ConnectionRole::PageInfo), _) => return (0, times),
            _ => {}
        }
        let FieldCost { own, times: given } = model.field_cost(self.visitor.values, parent, field);
        let own = self.visitor.own(own, field).saturating_mul(times.once);
        let own_type = model.index.of_field(parent, name);
        let given = times.once.saturating_mul(given);
        let inner = if model.index.connection_role(own_type) == Some(ConnectionRole::Connection) {
            Times {
                once: times.once,
                per_item: given,
            }
        } else {
            Times {
                once: given,
                per_item: 0,
            }
        };
        (own, inner)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Variables;
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::super::{Priced, sample};
    use super::*;

    fn place(text: &str, maximum: usize) -> Option<(usize, String)> {
        let index = sample::index();
        let document = parse_query(text).expect("the test's document parses");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let variables = Variables::from_json(json!({}));
        let priced = Priced {
            document: &document,
            operation: &operation.node,
            variables: &variables,
            model: sample::model(&index),
        };
        let found = priced.visitor().into_place(&operation.node, maximum)?;
        let path: Vec<&str> = found.path.iter().map(Name::as_str).collect();
        Some((found.location.column, path.join(".")))
    }

    #[test]
    fn the_place_is_the_first_selection_that_is_too_much() {
        let pages = "{ a: images(first: 5) { nodes { id userId } } b: images(first: 9) { edges { cursor node { id intent } } totalCount } }";
        for (text, maximum, expected) in [
            ("{ trailCursor x: trailCursor }", 2, None),
            ("{ trailCursor x: trailCursor }", 1, Some("x: t x")),
            (pages, 0, Some("a: i a")),
            (pages, 5, Some("id u a.nodes.id")),
            (pages, 6, Some("userId a.nodes.userId")),
            (pages, 11, Some("b: i b")),
            (pages, 12, Some("id in b.edges.node.id")),
            (pages, 21, Some("intent b.edges.node.intent")),
            (pages, 30, Some("totalCount b.totalCount")),
            (pages, 80, None),
            (
                "{ node(id: 1) { ... on Image { id intent } ... on GalleryEvent { type cursor id } } }",
                3,
                Some("id } } } node.id"),
            ),
            (
                "{ image(id: 1) { ...F } } fragment F on Image { id intent }",
                2,
                Some("intent image.intent"),
            ),
            (
                "{ image(id: 1) { id @skip(if: true) intent } galleryStats { activeCount } }",
                101,
                Some("galleryStats galleryStats"),
            ),
        ] {
            let found = place(text, maximum);
            let Some(expected) = expected else {
                assert_eq!(found, None, "{text} {maximum}");
                continue;
            };
            let (column, path) = found.expect("a place");
            let (at, expected) = expected.rsplit_once(' ').expect("a path");
            assert!(
                text[column - 1..].starts_with(at),
                "{text} {maximum}: {column}"
            );
            assert_eq!(path, expected, "{text} {maximum}");
        }
    }
}
