//! The API: all types, fields and resolvers.

mod argument;
pub(crate) mod budget;
pub mod code;
mod connection;
pub mod error;
mod event;
mod filter;
mod image;
mod immediate;
mod intent;
pub(crate) mod json_text;
pub(crate) mod loader;
mod mutation;
pub(crate) mod page;
pub(crate) mod prices;
mod prompts;
pub(crate) mod query;
pub(crate) mod scalar;
mod stats;
pub(crate) mod stream_state;
mod subscription;
mod tags;
pub(crate) mod trail_end;
mod transform;
mod user_error;

use async_graphql::{Context, SDLExportOptions, Schema, SchemaBuilder};
use graphql_front::limits::MAX_NESTING;

use crate::auth::Caller;
use crate::gallery::Gallery;
use mutation::Mutation;
use query::Query;
use subscription::Subscription;

pub(crate) type GallerySchema = Schema<Query, Mutation, Subscription>;

/// Levels of nesting in a definition and in the fragments that it spreads.
const MAX_LIBRARY_RECURSION: usize = 2 * MAX_NESTING;

pub(crate) fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query, Mutation::default(), Subscription)
        .register_output_type::<image::Node>()
        // `limits` has already bounded the nesting; the library's own default is lower than that allows.
        .limit_recursive_depth(MAX_LIBRARY_RECURSION)
}

/// The schema's description, for introspection and `schema.graphql`.
pub(crate) const DESCRIPTION: &str = "Galleries of AI-generated images: a record of each image, a trash, and every change as an event. The image files \
     are on Cloudinary.";

/// The schema as SDL, identical to the file `schema.graphql`.
pub fn sdl() -> String {
    let types = types_sdl();
    // The library prints the schema definition last, without a description.
    match types.rsplit_once("\nschema {") {
        Some((types, schema)) => {
            format!("{types}\n\n\"\"\"\n{DESCRIPTION}\n\"\"\"\nschema {{{schema}")
        }
        None => types,
    }
}

/// The SDL without the schema's description, which the library's parser does not support.
pub(crate) fn types_sdl() -> String {
    let options = SDLExportOptions::new().use_space_ident().indent_width(2);
    builder().finish().sdl_with_options(options)
}

/// The gallery of this request.
fn gallery<'a>(ctx: &Context<'a>) -> &'a Gallery {
    ctx.data_unchecked::<std::sync::Arc<Gallery>>()
}

/// The caller of this request.
fn caller<'a>(ctx: &Context<'a>) -> &'a Caller {
    ctx.data_unchecked::<Caller>()
}
