//! Runs statements that lock `image_gallery` on Postgres without blocking writers for long.
//!
//! All later statements queue behind a statement that waits for such a lock, although the table is not locked yet. So
//! it gives up after half a second, lets them proceed, and retries.
//!
//! 1. First it takes SHARE UPDATE EXCLUSIVE, the lock of VACUUM. Readers and writers do not queue behind its waiters,
//!    and an autovacuum is cancelled in favour of it, which takes a second.
//! 2. Then the statements take their lock, within half a second or not at all.

use std::time::Duration;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::RuntimeErr;
use sea_orm_migration::sea_orm::sqlx::error::DatabaseError;

use crate::query;

/// The number of attempts, in about half a minute.
const ATTEMPTS: u32 = 15;
/// Pause between attempts, so that other statements can proceed; shorter after the first ones.
const PAUSE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Runs statements that lock `image_gallery`, in one transaction. They must be short.
pub(crate) async fn run(connection: &impl ConnectionTrait, statements: &str) -> Result<(), DbErr> {
    let transaction = format!(
        "SET LOCAL lock_timeout = '3s';
         LOCK TABLE image_gallery IN SHARE UPDATE EXCLUSIVE MODE;
         SET LOCAL lock_timeout = '500ms';
         {statements}"
    );
    let mut pause = FIRST_PAUSE;
    for attempt in 1.. {
        match connection.execute_unprepared(&transaction).await {
            Err(error) if is_in_the_way(&error) => {
                let holders = holders(connection).await?;
                if attempt == ATTEMPTS {
                    return Err(given_up(&holders));
                }
                tracing::info!("`image_gallery` is locked by {holders}; trying again");
            }
            done => return done.map(drop),
        }
        tokio::time::sleep(pause).await;
        pause = PAUSE.min(pause * 2);
    }
    Ok(())
}

/// By SQLSTATE: the lock timed out, or there was a deadlock.
fn is_in_the_way(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(driver)) | DbErr::Query(RuntimeErr::SqlxError(driver))) =
        error
    else {
        return false;
    };
    let code = driver.as_database_error().and_then(DatabaseError::code);
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}

fn given_up(holders: &str) -> DbErr {
    DbErr::Migration(format!(
        "the table `image_gallery` could not be locked for a moment in {ATTEMPTS} attempts: it is locked by {holders}. \
         End that transaction, or wait for its end, and run the command again: it continues where it stopped"
    ))
}

/// The sessions with a lock on the table, longest transaction first. The state of other roles' sessions may be hidden.
async fn holders(connection: &impl ConnectionTrait) -> Result<String, DbErr> {
    let holders = format!(
        "coalesce((SELECT string_agg({SESSION}, '; ' ORDER BY xact_start) FROM pg_stat_activity \
         WHERE pid <> pg_backend_pid() AND pid IN (SELECT pid FROM pg_locks \
         WHERE granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND relation = 'image_gallery'::regclass)), 'a transaction that has ended meanwhile')"
    );
    query::value(connection, &holders).await
}

/// Describes a session, for a row of `pg_stat_activity`.
pub(crate) const SESSION: &str = "format('process %s (%s)', pid, \
    concat_ws(', ', 'role ' || usename, nullif(application_name, ''), backend_type, state, \
    'its transaction began ' || date_trunc('second', clock_timestamp() - xact_start) || ' ago'))";
