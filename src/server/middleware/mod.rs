//! Layers around every route: the request's id and log line, the origins that may call, and `OPTIONS`.

pub mod origin;
pub(super) mod plain_options;
pub(super) mod request_log;
