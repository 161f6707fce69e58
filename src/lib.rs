//! A GraphQL server for galleries of AI-generated images whose files are on Cloudinary.
//!
//! | module | contents |
//! |---|---|
//! | [`cli`] | commands: serve, migrate, doctor, purge-expired, schema |
//! | [`config`] | settings: names, defaults, documentation |
//! | [`telemetry`] | logs and traces |
//! | [`metrics`] | metrics for Prometheus |
//! | [`server`] | HTTP: router, layers, start and shutdown |
//! | [`execution`] | the executor, which runs all operations |
//! | [`contract`] | the API: types and resolvers |
//! | [`gallery`] | product operations, one verb or noun per file |
//! | [`auth`] | tokens, callers, and the rows that they may access |
//! | [`cloudinary`] | image URL → id, URL + transformation → URL |
//! | [`db`] | connections, units of work, SQL dialects, search |
//! | [`entity`] | tables |
//!
//! Dependencies point one way: `cli` → { `config`, `server` }, `server` → `execution` → `contract` → `gallery` → `db` →
//! `entity`. Requests, documents, limits and costs are checked by a separate crate, [`graphql_front`], which knows nothing of
//! the gallery; `contract` and the modules above use it. `auth` (`Caller`, `Scope`) and `cloudinary` are pure, for all modules
//! above `db`; only `server` uses `auth::Authenticator`.

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
