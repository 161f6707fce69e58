//! The tests: HTTP against the real server, on SQLite and on Postgres. One file for each feature of the contract.

mod cli;
mod create;
mod harness;
mod input;
mod sweep;
mod trash;
mod update;
