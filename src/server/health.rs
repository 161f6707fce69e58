//! Probes for orchestrators and load balancers.

use axum::extract::State as Extract;
use axum::http::StatusCode;

use super::State;
use crate::db::Error;

/// 200 while the process runs.
pub(super) async fn alive() -> &'static str {
    "alive\n"
}

/// 200 if the database responds and no migration of this program is pending; else 503 with the reason, without hosts or
/// paths.
pub(super) async fn ready(Extract(state): Extract<State>) -> (StatusCode, String) {
    let reason = match state.gallery.database().require_ready().await {
        Ok(()) => return (StatusCode::OK, "ready\n".to_owned()),
        Err(error @ Error::MigrationsPending(_)) => error.to_string(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            "the database does not respond".to_owned()
        }
    };
    (
        StatusCode::SERVICE_UNAVAILABLE,
        format!("not ready: {reason}\n"),
    )
}
