//! Objects that are resolved in one pass, without a future for each field.
//!
//! The library makes a boxed future of every field, since any of them may wait for something. The fields of a row that
//! was read already wait for nothing: they are polled once, in place, and the row is done. So a resolver is written as
//! any other; an [`Immediate`] object is only given out faster. Its values count towards the size of the response.

use std::borrow::Cow;
use std::ops::Deref;
use std::pin::pin;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, resolve_container};
use async_graphql::{
    Context, ContextSelectionSet, ObjectType, OutputType, Positioned, ServerResult, Value,
};
use futures_util::FutureExt;

use super::budget::ResponseBudget;

/// An object of which every field without a selection of its own is there at once.
pub(crate) trait Ready: ObjectType {
    /// The fields with a selection of their own that are there at once as well.
    const OBJECTS: &'static [&'static str] = &[];
}

/// A [`Ready`] object, as it stands in lists and payloads.
#[derive(Clone, Debug)]
pub(crate) struct Immediate<T>(pub(crate) T);

impl<T> Deref for Immediate<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Immediate<T> {
    fn from(object: T) -> Self {
        Self(object)
    }
}

impl<T: Ready> OutputType for Immediate<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let budget = ctx.data_opt::<ResponseBudget>();
        if let Some(budget) = budget {
            budget.check()?;
        }
        if !has_only_ready_fields::<T>(&ctx.item.node) {
            return Box::pin(resolve_container(ctx, self)).await;
        }
        let Some(object) = resolve_at_once(ctx, &self.0) else {
            return Box::pin(resolve_container(ctx, self)).await;
        };
        let object = object?;
        if let Some(budget) = budget
            && budget.count(object.values())
        {
            tokio::task::yield_now().await;
        }
        Ok(Value::Object(object))
    }
}

/// How the library resolves it where a field has to wait.
impl<T: Ready> ContainerType for Immediate<T> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        let budget = ctx.data_opt::<ResponseBudget>();
        if let Some(budget) = budget {
            budget.check()?;
        }
        let value = self.0.resolve_field(ctx).await?;
        if let Some(budget) = budget
            && budget.count(&value)
        {
            tokio::task::yield_now().await;
        }
        Ok(value)
    }
}

impl<T: Ready> ObjectType for Immediate<T> {}

fn has_only_ready_fields<T: Ready>(set: &SelectionSet) -> bool {
    set.items.iter().all(|selection| match &selection.node {
        Selection::Field(field) => {
            let field = &field.node;
            let within = &field.selection_set.node;
            field.directives.is_empty()
                && (within.items.is_empty()
                    || T::OBJECTS.contains(&field.name.node.as_str()) && has_only_leaves(within))
        }
        Selection::InlineFragment(_) | Selection::FragmentSpread(_) => false,
    })
}

fn has_only_leaves(set: &SelectionSet) -> bool {
    set.items.iter().all(|selection| match &selection.node {
        Selection::Field(field) => {
            field.node.directives.is_empty() && field.node.selection_set.node.items.is_empty()
        }
        Selection::InlineFragment(_) | Selection::FragmentSpread(_) => false,
    })
}

/// None where a field had to wait after all.
fn resolve_at_once<T: Ready>(
    ctx: &ContextSelectionSet<'_>,
    object: &T,
) -> Option<ServerResult<IndexMap<async_graphql::Name, Value>>> {
    let items = &ctx.item.node.items;
    let mut fields = IndexMap::with_capacity(items.len());
    for selection in items {
        let Selection::Field(field) = &selection.node else {
            return None;
        };
        let value = if field.node.name.node == "__typename" {
            Value::String(object.introspection_type_name().into_owned())
        } else {
            let ctx = ctx.with_field(field);
            match pin!(object.resolve_field(&ctx)).now_or_never()? {
                Ok(value) => value.unwrap_or_default(),
                Err(error) => return Some(Err(error)),
            }
        };
        fields.insert(field.node.response_key().node.clone(), value);
    }
    Some(Ok(fields))
}
