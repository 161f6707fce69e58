//! The contract: every type, field and error code of the API, and the one place that executes operations.

mod answer;
mod argument;
mod coercion;
mod connection;
pub mod error;
mod event;
pub mod executor;
mod filter;
mod image;
mod introspection;
pub mod limits;
mod merge;
mod mutation;
pub mod operation;
pub mod persisted;
mod query;
pub mod reply;
mod scalar;
mod shape;
mod stats;
mod subscription;
pub mod trusted;
mod user_error;

use async_graphql::{Context, SDLExportOptions, Schema, SchemaBuilder};

use crate::auth::Caller;
use crate::gallery::Gallery;
use mutation::Mutation;
use query::Query;
use subscription::Subscription;

type GallerySchema = Schema<Query, Mutation, Subscription>;

/// Brackets of a definition, and of the fragments within each other that it spreads.
const MAX_LIBRARY_RECURSION: usize = 2 * limits::MAX_NESTING;

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query, Mutation::default(), Subscription)
        .register_output_type::<image::Node>()
        // `limits` has bounded what the library walks; its own bound on recursion would count less than that allows.
        .limit_recursive_depth(MAX_LIBRARY_RECURSION)
}

/// The schema in SDL, as the file `schema.graphql` holds it.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .prefer_single_line_descriptions()
        .use_space_ident()
        .indent_width(2);
    builder().finish().sdl_with_options(options)
}

/// The gallery behind the schema.
fn gallery<'a>(ctx: &Context<'a>) -> &'a Gallery {
    ctx.data_unchecked::<std::sync::Arc<Gallery>>()
}

/// Who asks.
fn caller<'a>(ctx: &Context<'a>) -> &'a Caller {
    ctx.data_unchecked::<Caller>()
}
