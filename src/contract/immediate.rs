//! Resolves objects in one pass, without a future per field.
//!
//! The library creates a boxed future for each field and each list item, since any of them may await. The fields of a
//! row that is already loaded never await, so they are polled once, in place, and serialised into the response's text.
//! Resolvers are written as usual; [`Immediate`] objects and [`List`]s of them are only faster. The written bytes count
//! towards the response budget.

use std::borrow::Cow;
use std::ops::Deref;
use std::pin::pin;

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::{ContainerType, resolve_container, resolve_list};
use async_graphql::{
    Context, ContextSelectionSet, ObjectType, OutputType, Positioned, ServerError, ServerResult,
    Value,
};
use futures_util::FutureExt;

use super::budget::ResponseBudget;
use super::json_text::{self, raw};

/// Typical size of a serialised row.
const ROW_BYTES: usize = 1024;

/// An object most of whose leaf fields never await.
pub(crate) trait Ready: ObjectType {
    /// Object fields that never await either.
    const OBJECTS: &'static [&'static str] = &[];
    /// Leaf fields that do await: an object of which one is selected is resolved by the library.
    const AWAITING: &'static [&'static str] = &[];
}

/// A [`Ready`] object in payloads and edges.
#[derive(Clone, Debug)]
pub(crate) struct Immediate<T>(pub(crate) T);

/// A list of [`Ready`] objects: a vector or a slice.
#[derive(Clone, Debug)]
pub(crate) struct List<L>(pub(crate) L);

/// For [`async_graphql::Interface`], which calls the object's methods.
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
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        Row(&self.0).resolve(ctx, field).await
    }
}

/// For [`async_graphql::Interface`], whose objects may be immediate.
impl<T: Ready> ContainerType for Immediate<T> {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        Row(&self.0).resolve_field(ctx).await
    }
}

impl<T: Ready> ObjectType for Immediate<T> {}

impl<T, L> OutputType for List<L>
where
    T: Ready,
    L: Deref<Target = [T]> + Send + Sync,
{
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let items = &*self.0;
        if let Some(fields) = Fields::of::<T>(ctx)
            && let Some(written) = fields.write_all(ctx, items).await
        {
            return written;
        }
        resolve_list(ctx, field, items.iter().map(Row), Some(items.len())).await
    }
}

/// A borrowed [`Ready`] object.
struct Row<'r, T>(&'r T);

impl<T: Ready> OutputType for Row<'_, T> {
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
        if let Some(fields) = Fields::of::<T>(ctx)
            && let Some(written) = fields.write_one(ctx, self.0).await
        {
            return written;
        }
        Box::pin(resolve_container(ctx, self)).await
    }
}

/// Fallback for the library if a field must await.
impl<T: Ready> ContainerType for Row<'_, T> {
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

impl<T: Ready> ObjectType for Row<'_, T> {}

/// The selected fields of an object, none of which awaits.
struct Fields<'s>(Vec<&'s Positioned<Field>>);

impl<'s> Fields<'s> {
    /// None if a selected field may await.
    fn of<T: Ready>(ctx: &ContextSelectionSet<'s>) -> Option<Self> {
        let selected = ctx.item.node.items.iter().map(|selection| {
            let field = ready_field(&selection.node)?;
            let within = &field.node.selection_set.node;
            let name = field.node.name.node.as_str();
            let is_ready = if within.items.is_empty() {
                !T::AWAITING.contains(&name)
            } else {
                T::OBJECTS.contains(&name) && has_only_leaves(within)
            };
            is_ready.then_some(field)
        });
        selected.collect::<Option<_>>().map(Self)
    }

    /// None if a field did await.
    async fn write_one<T: Ready>(
        &self,
        ctx: &ContextSelectionSet<'_>,
        object: &T,
    ) -> Option<ServerResult<Value>> {
        let mut text = Vec::with_capacity(ROW_BYTES);
        if let Err(error) = self.write_counted(ctx, object, &mut text).await? {
            return Some(Err(error));
        }
        Some(into_value(text))
    }

    /// None if a field did await.
    async fn write_all<T: Ready>(
        &self,
        ctx: &ContextSelectionSet<'_>,
        objects: &[T],
    ) -> Option<ServerResult<Value>> {
        let mut text = Vec::with_capacity(ROW_BYTES.saturating_mul(objects.len()));
        text.push(b'[');
        for (place, object) in objects.iter().enumerate() {
            if place > 0 {
                text.push(b',');
            }
            let ctx = ctx.with_index(place);
            if let Err(error) = self.write_counted(&ctx, object, &mut text).await? {
                return Some(Err(ctx.set_error_path(error)));
            }
        }
        text.push(b']');
        Some(into_value(text))
    }

    /// Counts the written bytes, and yields to other tasks when it is time.
    async fn write_counted<T: Ready>(
        &self,
        ctx: &ContextSelectionSet<'_>,
        object: &T,
        text: &mut Vec<u8>,
    ) -> Option<ServerResult<()>> {
        let budget = ctx.data_opt::<ResponseBudget>();
        if let Some(Err(error)) = budget.map(ResponseBudget::check) {
            return Some(Err(error));
        }
        let before = text.len();
        if let Err(error) = self.write(ctx, object, text)? {
            return Some(Err(error));
        }
        if budget.is_some_and(|budget| budget.add(text.len().saturating_sub(before))) {
            tokio::task::yield_now().await;
        }
        Some(Ok(()))
    }

    fn write<T: Ready>(
        &self,
        ctx: &ContextSelectionSet<'_>,
        object: &T,
        text: &mut Vec<u8>,
    ) -> Option<ServerResult<()>> {
        text.push(b'{');
        for (place, field) in self.0.iter().copied().enumerate() {
            // GraphQL names need no escaping.
            let key = field.node.response_key().node.as_str();
            text.extend_from_slice(if place > 0 { b",\"" } else { b"\"" });
            text.extend_from_slice(key.as_bytes());
            text.extend_from_slice(b"\":");
            let value = if field.node.name.node == "__typename" {
                Value::String(object.introspection_type_name().into_owned())
            } else {
                let ctx = ctx.with_field(field);
                match pin!(object.resolve_field(&ctx)).now_or_never()? {
                    Ok(value) => value.unwrap_or_default(),
                    Err(error) => return Some(Err(error)),
                }
            };
            if let Err(error) = json_text::write(&value, text) {
                return Some(Err(ServerError::new(error.to_string(), Some(field.pos))));
            }
        }
        text.push(b'}');
        Some(Ok(()))
    }
}

fn ready_field(selection: &Selection) -> Option<&Positioned<Field>> {
    match selection {
        Selection::Field(field) => Some(field).filter(|field| field.node.directives.is_empty()),
        Selection::InlineFragment(_) | Selection::FragmentSpread(_) => None,
    }
}

fn has_only_leaves(set: &SelectionSet) -> bool {
    let mut fields = set
        .items
        .iter()
        .map(|selection| ready_field(&selection.node));
    fields.all(|field| field.is_some_and(|field| field.node.selection_set.node.items.is_empty()))
}

fn into_value(text: Vec<u8>) -> ServerResult<Value> {
    let text =
        String::from_utf8(text).map_err(|error| ServerError::new(error.to_string(), None))?;
    Ok(raw(text))
}
