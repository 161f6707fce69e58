//! Complexity: the cost of all fields of an operation, each multiplied by the number of items that it is resolved for.
//!
//! - A field costs 1. The selection of a connection is multiplied by the page size. `edges`, `node`, `nodes`, `cursor`,
//!   `pageInfo` and its fields are free.
//! - The selection of a field with a required list argument is multiplied by the length of the list.
//! - Fields that are expensive for other reasons have a price in [`Prices`].
//! - Of fragments on several object types of an interface, only the most expensive type counts.
//! - Selections that `@skip` or `@include` exclude from this request are free.
//! - `__schema` and `__type` are free: they are resolved from memory, and other limits apply to them.
//!
//! Sums saturate, and each fragment is priced once, even if it is spread several times.

mod argument_value;
mod expensive;
mod field_cost;
mod latest_cost;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
mod variable_expansion;

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Positioned, Variables};

pub(crate) use self::field_cost::CostModel;
pub use self::field_cost::{FieldPrice, InputPrice, Prices, SizedList};
pub(crate) use self::latest_cost::LatestCost;
pub(crate) use self::variable_expansion::check_variable_expansion;

use self::argument_value::Values;
use self::field_cost::FieldCost;
use self::variable_expansion::ArgumentWeights;
use super::{Limit, LimitExceeded, Limits};
use crate::schema_index::ConnectionRole;
use crate::walk::{Fragments, directives};

/// An operation with the values of its variables, and its cost model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Priced<'a> {
    pub(crate) document: &'a ExecutableDocument,
    pub(crate) operation: &'a OperationDefinition,
    pub(crate) variables: &'a Variables,
    pub(crate) model: CostModel<'a>,
}

impl<'a> Priced<'a> {
    fn values(self) -> Values<'a> {
        Values::of(self.operation, self.variables, None)
    }

    fn visitor(self) -> CostVisitor<'a> {
        CostVisitor::new(&self.document.fragments, self.values(), self.model)
    }

    /// A visitor that computes the size of arguments instead of the cost.
    fn weighing_visitor(self, weights: ArgumentWeights) -> CostVisitor<'a> {
        CostVisitor {
            weights: Some(weights),
            ..self.visitor()
        }
    }
}

/// Checks a complexity against its limit.
pub(crate) fn check_complexity(
    complexity: usize,
    priced: Priced<'_>,
    limits: &Limits,
) -> Result<(), LimitExceeded> {
    let maximum = limits.max_complexity;
    if complexity <= maximum {
        return Ok(());
    }
    let limit = Limit::Complexity {
        complexity,
        maximum,
    };
    let place = priced.visitor().into_place(priced.operation, maximum);
    Err(limits.exceeded(limit).at(place))
}

/// The cost of a selection set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct SelectionCost {
    once: usize,
    /// In a connection, the cost per item of the page; the connection's field knows the page size.
    per_item: usize,
}

impl SelectionCost {
    fn once(once: usize) -> Self {
        Self { once, per_item: 0 }
    }

    fn add(&mut self, other: Self) {
        self.once = self.once.saturating_add(other.once);
        self.per_item = self.per_item.saturating_add(other.per_item);
    }

    fn max(self, other: Self) -> Self {
        Self {
            once: self.once.max(other.once),
            per_item: self.per_item.max(other.per_item),
        }
    }
}

struct CostVisitor<'a> {
    model: CostModel<'a>,
    fragments: &'a Fragments,
    values: Values<'a>,
    priced: HashMap<&'a Name, SelectionCost>,
    /// If set, the size of a field's arguments replaces its price.
    weights: Option<ArgumentWeights>,
}

impl<'a> CostVisitor<'a> {
    fn new(fragments: &'a Fragments, values: Values<'a>, model: CostModel<'a>) -> Self {
        Self {
            model,
            fragments,
            values,
            priced: HashMap::new(),
            weights: None,
        }
    }

    fn whole(&mut self, operation: &'a OperationDefinition) -> usize {
        let root = self.model.index.root(operation.ty);
        self.selection_set(Some(root), &operation.selection_set.node)
            .once
    }

    /// The cost of a field without its selection set, where `own` is its price.
    fn own(&mut self, own: usize, field: &Field) -> usize {
        match &mut self.weights {
            Some(weights) => weights.weight_of_arguments(self.values, field),
            None => own,
        }
    }

    fn selection_set(&mut self, parent: Option<&Name>, set: &'a SelectionSet) -> SelectionCost {
        let mut total = SelectionCost::default();
        let mut by_object: HashMap<&Name, SelectionCost> = HashMap::new();
        for Positioned { node, .. } in &set.items {
            let (on, price) = self.selection(parent, node);
            match self.excluding(parent, on) {
                Some(object) => by_object.entry(object).or_default().add(price),
                None => total.add(price),
            }
        }
        total.add(
            by_object
                .into_values()
                .fold(SelectionCost::default(), SelectionCost::max),
        );
        total
    }

    /// The type condition of a fragment, and the cost of a selection.
    fn selection(
        &mut self,
        parent: Option<&Name>,
        selection: &'a Selection,
    ) -> (Option<&'a Name>, SelectionCost) {
        if self.values.is_left_out(directives(selection)) {
            return (None, SelectionCost::default());
        }
        match selection {
            Selection::Field(field) => (None, self.field(parent, &field.node)),
            Selection::InlineFragment(inline) => {
                let on = inline.node.type_condition.as_ref();
                let on = on.map(|condition| &condition.node.on.node);
                let set = &inline.node.selection_set.node;
                (on, self.selection_set(on.or(parent), set))
            }
            Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
        }
    }

    /// The object type of a fragment in an interface: fragments on other object types exclude it.
    fn excluding(&self, parent: Option<&Name>, on: Option<&'a Name>) -> Option<&'a Name> {
        let index = self.model.index;
        on.filter(|_| index.is_interface(parent))
            .filter(|on| !index.is_interface(Some(on)))
    }

    /// The type condition of a fragment, and its cost. Validation reports unknown fragments.
    fn fragment(&mut self, name: &'a Name) -> (Option<&'a Name>, SelectionCost) {
        let Some(fragment) = self.fragments.get(name) else {
            return (None, SelectionCost::default());
        };
        let on = &fragment.node.type_condition.node.on.node;
        if let Some(price) = self.priced.get(name) {
            return (Some(on), *price);
        }
        let price = self.selection_set(Some(on), &fragment.node.selection_set.node);
        self.priced.insert(name, price);
        (Some(on), price)
    }

    fn field(&mut self, parent: Option<&Name>, field: &'a Field) -> SelectionCost {
        let name = &field.name.node;
        if matches!(name.as_str(), "__schema" | "__type") {
            return SelectionCost::once(self.own(0, field));
        }
        let own_type = self.model.index.of_field(parent, name);
        let within = self.selection_set(own_type, &field.selection_set.node);
        match (self.model.index.connection_role(parent), name.as_str()) {
            (Some(ConnectionRole::Connection), "edges" | "nodes") => SelectionCost {
                once: 0,
                per_item: within.once,
            },
            (Some(ConnectionRole::Connection), "pageInfo")
            | (Some(ConnectionRole::Edge), "node" | "cursor") => within,
            (Some(ConnectionRole::PageInfo), _) => SelectionCost::default(),
            _ => {
                let FieldCost { own, times } = self.model.field_cost(self.values, parent, field);
                let own = self.own(own, field);
                SelectionCost::once(own.saturating_add(self.total(own_type, within, times)))
            }
        }
    }

    /// The cost of a field's selection set, for all items.
    fn total(&self, own_type: Option<&Name>, within: SelectionCost, times: usize) -> usize {
        if self.model.index.connection_role(own_type) == Some(ConnectionRole::Connection) {
            return within
                .once
                .saturating_add(within.per_item.saturating_mul(times));
        }
        within.once.saturating_mul(times)
    }
}
