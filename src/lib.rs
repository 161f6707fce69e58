//! A GraphQL server for galleries of AI-generated images whose files live on Cloudinary.
//!
//! | module | what lives there |
//! |---|---|
//! | [`cli`] | the commands: serve, migrate, doctor, purge-expired, schema |
//! | [`config`] | every setting: name, default, meaning |
//! | [`telemetry`] | the log and traces |
//! | [`metrics`] | what is counted, for Prometheus |
//! | [`server`] | HTTP: router, layers, start and stop |
//! | [`execution`] | runs operations: every one of them goes through its executor |
//! | [`contract`] | the API: types and resolvers |
//! | [`gallery`] | what the product does, one verb or noun to a file |
//! | [`auth`] | from a token to who asks, and which rows they may touch |
//! | [`cloudinary`] | image URL → id, URL + transformation → URL |
//! | [`db`] | connections, units of work, the two SQLs, keyset paging |
//! | [`entity`] | the tables |
//!
//! Arrows point one way: `cli` → { `config`, `server` }, `server` → `execution` → `contract` → `gallery` → `db` → `entity`.
//! What stands before the library (requests, documents, limits, cost) is a crate of its own, [`graphql_front`]: from
//! `contract` upwards it is used, and it knows nothing of the gallery.
//! `auth` (`Caller`, `Scope`) and `cloudinary` are pure, for everyone above `db`; `auth::Authenticator` is for `server` alone.

pub mod auth;
pub mod cli;
pub mod cloudinary;
pub mod config;
pub mod contract;
pub mod db;
pub mod entity;
pub mod execution;
pub mod gallery;
mod loopback;
pub mod metrics;
pub mod server;
pub mod telemetry;
