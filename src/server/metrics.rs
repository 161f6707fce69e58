//! `/metrics`, for Prometheus.

use axum::extract::State as Extract;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::State;
use super::authentication::{CHALLENGE, authorization};
use crate::auth::Denied;
use crate::gallery::Snapshot;
use crate::metrics::{self, Readings};

/// Renders counters and gauges.
pub(super) async fn page(Extract(state): Extract<State>, headers: HeaderMap) -> Response {
    let may_read = match authorization(&headers) {
        Ok(authorization) => state.authenticator.may_read_metrics(authorization).await,
        // On an open server any header is accepted.
        Err(denied) => {
            let anybody = state.authenticator.may_read_metrics(None).await;
            anybody.map_err(|_| denied)
        }
    };
    if let Err(denied) = may_read {
        return refused(&denied);
    }
    let readings = read(&state.gallery.snapshot().await);
    match readings.and_then(|readings| state.metrics.to_text(&readings)) {
        Ok(text) => {
            let headers = [
                (CONTENT_TYPE, metrics::CONTENT_TYPE),
                (CACHE_CONTROL, "no-store"),
            ];
            (headers, text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "what is counted cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn refused(denied: &Denied) -> Response {
    let text = format!("{denied}\n");
    match denied {
        Denied::Unauthenticated(_) => (
            StatusCode::UNAUTHORIZED,
            [(WWW_AUTHENTICATE, CHALLENGE)],
            text,
        )
            .into_response(),
        Denied::Forbidden(_) | Denied::AnotherOwner | Denied::EveryOwner => {
            (StatusCode::FORBIDDEN, text).into_response()
        }
        Denied::KeysUnavailable => (StatusCode::SERVICE_UNAVAILABLE, text).into_response(),
    }
}

fn read(snapshot: &Snapshot) -> prometheus::Result<Readings> {
    let readings = Readings::default();
    let version = [(vec![env!("CARGO_PKG_VERSION")], 1.0)];
    readings.add_each("build_info", "1, with the version.", &["version"], version)?;
    read_pools(snapshot, &readings)?;
    readings.add(
        "subscribers",
        "Subscriptions that this process serves.",
        count(snapshot.subscribers),
    )?;
    if let Some(feed) = snapshot.feed {
        readings.add(
            "feed_look_age_seconds",
            "Seconds since this process last polled the trail for its subscribers; normally at most about one.",
            feed.looked_ago.as_secs_f64(),
        )?;
    }
    readings.add(
        "database_up",
        "1 if the database responds and has its schema, else 0.",
        f64::from(u8::from(snapshot.stored.is_some())),
    )?;
    let Some(stored) = &snapshot.stored else {
        return Ok(readings);
    };
    readings.add(
        "trail_last_position",
        "The last position assigned in the audit trail.",
        count(stored.last_position),
    )?;
    readings.add(
        "trail_waiting_events",
        "Committed events without a position, counted up to 10001. They get one when the trail is next read.",
        count(stored.waiting_events),
    )?;
    if let Some(feed) = snapshot.feed {
        let behind = stored.last_position.saturating_sub(feed.position);
        readings.add(
            "feed_lag_events",
            "The minimum number of events by which subscribers of this process lag behind the trail.",
            count(behind),
        )?;
    }
    if let Some(overdue) = stored.overdue_images {
        readings.add(
            "retention_overdue_images",
            "Images that are due for purging but not yet purged, counted up to 10001.",
            count(overdue),
        )?;
    }
    Ok(readings)
}

fn read_pools(snapshot: &Snapshot, readings: &Readings) -> prometheus::Result<()> {
    let connections = snapshot.pools.iter().flat_map(|pool| {
        [
            (vec![pool.name, "in_use"], count(pool.in_use)),
            (vec![pool.name, "idle"], count(pool.idle)),
        ]
    });
    readings.add_each(
        "database_connections",
        "Connections to the database by pool and state.",
        &["pool", "state"],
        connections,
    )?;
    let maximum = snapshot.pools.iter();
    let maximum = maximum.map(|pool| (vec![pool.name], count(pool.maximum)));
    readings.add_each(
        "database_connections_max",
        "The maximum number of connections of a pool.",
        &["pool"],
        maximum,
    )?;
    let waiting = snapshot.pools.iter();
    let waiting = waiting.map(|pool| (vec![pool.name], count(pool.waiting)));
    readings.add_each(
        "database_waiting",
        "Units of work that wait for a connection.",
        &["pool"],
        waiting,
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus has nothing but doubles"
)]
fn count(number: impl TryInto<u64>) -> f64 {
    number.try_into().unwrap_or(u64::MAX) as f64
}
