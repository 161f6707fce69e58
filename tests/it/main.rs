//! The tests: HTTP against the real server, on SQLite and on Postgres. One file for each feature of the contract.

mod access;
mod cli;
mod create;
mod execution;
mod faults;
mod filter;
mod harness;
mod http;
mod input;
mod limits;
mod model;
mod negotiation;
mod node;
mod origin;
mod paging;
mod persisted;
mod proxy;
mod rate_limit;
mod schema;
mod search;
mod stats;
mod sweep;
mod trash;
mod update;
