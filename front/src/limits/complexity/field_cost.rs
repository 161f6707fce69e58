//! The cost of a field itself, and how often its selection set is resolved.
//!
//! Connections and lists that a field processes item by item are known from the schema ([`SchemaIndex`]); the rest is in
//! [`Prices`].

use async_graphql::Name;
use async_graphql::parser::types::{Field, OperationType};

use super::argument_value::{ArgumentValue, Values};
use crate::schema_index::{ConnectionRole, SchemaError, SchemaIndex};

/// Costs that cannot be derived from the schema. Every other field costs 1.
#[derive(Clone, Copy, Debug)]
pub struct Prices {
    /// Fields with a cost of their own.
    pub fields: &'static [FieldPrice],
    /// Fields whose number of items is given by an argument.
    pub sized_lists: &'static [SizedList],
    /// Input fields that make a field more expensive, in any argument.
    pub inputs: &'static [InputPrice],
    /// `totalCount` of a connection.
    pub total_count: usize,
    /// A connection below the root, which is read for each object.
    pub nested_connection: usize,
    /// Page size without `first` and `last`.
    pub default_page: usize,
    /// Maximum page size.
    pub max_page: usize,
    /// Maximum length of a list in a required argument.
    pub max_list: usize,
}

impl Prices {
    /// Every field costs 1. A page has 20 items by default and at most 100; a list has at most 100.
    pub const PLAIN: Self = Self {
        fields: &[],
        sized_lists: &[],
        inputs: &[],
        total_count: 1,
        nested_connection: 1,
        default_page: 20,
        max_page: 100,
        max_list: 100,
    };

    /// Rejects fields that the schema does not have.
    pub(crate) fn check(&self, index: &SchemaIndex) -> Result<(), SchemaError> {
        let fields = self.fields.iter().map(|price| (price.parent, price.field));
        let lists = self.sized_lists.iter();
        let lists = lists.map(|list| (list.parent, list.field));
        for (parent, field) in fields.chain(lists) {
            if index
                .of_field(Some(&Name::new(parent)), &Name::new(field))
                .is_none()
            {
                return Err(SchemaError::UnknownField { parent, field });
            }
        }
        Ok(())
    }
}

/// A field with a cost of its own.
#[derive(Clone, Copy, Debug)]
pub struct FieldPrice {
    /// The object type.
    pub parent: &'static str,
    /// The field's name.
    pub field: &'static str,
    /// Its cost without its selection set.
    pub cost: usize,
}

/// A field whose number of items is given by an argument.
#[derive(Clone, Copy, Debug)]
pub struct SizedList {
    /// The object type.
    pub parent: &'static str,
    /// The field's name.
    pub field: &'static str,
    /// The argument with the number of items.
    pub argument: &'static str,
    /// The number of items without the argument.
    pub default: usize,
    /// Maximum number of items.
    pub max: usize,
}

/// A field of an input object that makes the field with this argument more expensive.
#[derive(Clone, Copy, Debug)]
pub struct InputPrice {
    /// The argument.
    pub argument: &'static str,
    /// The field of the argument's input object.
    pub field: &'static str,
    /// Whether a blank string costs nothing.
    pub is_free_if_blank: bool,
    /// What it adds to the cost.
    pub cost: usize,
}

/// Schema and prices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CostModel<'a> {
    pub(crate) index: &'a SchemaIndex,
    pub(crate) prices: &'a Prices,
}

/// The cost of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FieldCost {
    /// The cost of the field itself.
    pub(super) own: usize,
    /// How often its selection set is resolved.
    pub(super) times: usize,
}

impl CostModel<'_> {
    /// The cost of a field that is not part of a connection.
    pub(super) fn field_cost(
        self,
        values: Values<'_>,
        parent: Option<&Name>,
        field: &Field,
    ) -> FieldCost {
        let name = &field.name.node;
        let own_type = self.index.of_field(parent, name);
        let is_page = self.index.connection_role(own_type) == Some(ConnectionRole::Connection);
        let own = self.own_price(parent, name, is_page);
        FieldCost {
            own: own.saturating_add(self.input_price(values, field)),
            times: if is_page {
                self.page_size(values, field)
            } else {
                self.items(values, parent, field)
            },
        }
    }

    fn own_price(self, parent: Option<&Name>, field: &Name, is_page: bool) -> usize {
        let parent_name = parent.map_or("", Name::as_str);
        let mut prices = self.prices.fields.iter();
        if let Some(price) =
            prices.find(|price| price.parent == parent_name && price.field == *field)
        {
            return price.cost;
        }
        if self.index.connection_role(parent) == Some(ConnectionRole::Connection)
            && *field == "totalCount"
        {
            return self.prices.total_count;
        }
        if is_page && parent != Some(self.index.root(OperationType::Query)) {
            return self.prices.nested_connection;
        }
        1
    }

    fn input_price(self, values: Values<'_>, field: &Field) -> usize {
        let prices = self.prices.inputs.iter().filter(|price| {
            let argument = values.argument(field, price.argument);
            argument
                .and_then(|argument| values.entry(argument, price.field))
                .is_some_and(|value| !(price.is_free_if_blank && value.is_blank_text()))
        });
        prices
            .map(|price| price.cost)
            .fold(0, usize::saturating_add)
    }

    /// The value of `first` or `last`. The field itself rejects values out of range; here they are clamped.
    fn page_size(self, values: Values<'_>, field: &Field) -> usize {
        let max = self.prices.max_page;
        let first = clamped(values, field, "first", max);
        let last = clamped(values, field, "last", max);
        first.max(last).unwrap_or(self.prices.default_page)
    }

    fn items(self, values: Values<'_>, parent: Option<&Name>, field: &Field) -> usize {
        let parent_name = parent.map_or("", Name::as_str);
        let name = &field.name.node;
        let mut lists = self.prices.sized_lists.iter();
        if let Some(list) = lists.find(|list| list.parent == parent_name && list.field == *name) {
            return clamped(values, field, list.argument, list.max).unwrap_or(list.default);
        }
        // A field rejects a list that is too long, and does nothing.
        let lists = self.index.required_lists(parent, name).iter();
        let lengths = lists.filter_map(|list| values.argument(field, list));
        let longest = lengths.map(ArgumentValue::items).max();
        longest.unwrap_or(1).clamp(1, self.prices.max_list.max(1))
    }
}

fn clamped(values: Values<'_>, field: &Field, argument: &str, max: usize) -> Option<usize> {
    let number = values.argument(field, argument)?.number()?;
    let beyond = if number < 0 { 1 } else { max };
    Some(
        usize::try_from(number)
            .unwrap_or(beyond)
            .clamp(1, max.max(1)),
    )
}
