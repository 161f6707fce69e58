//! Changes of `image_gallery` that lock it on Postgres, made so that nobody who writes to it waits for long.
//!
//! A statement that waits for such a lock makes everybody wait who comes after it, though the table is not locked yet.
//! So it gives up after half a second, lets them pass, and tries again.
//!
//! 1. SHARE UPDATE EXCLUSIVE, the lock of VACUUM, is taken first. No reader or writer waits behind who waits for it, and
//!    an automatic VACUUM gives way to it, which takes a second.
//! 2. Then the statements take the lock that they need, within half a second or not at all.

use std::time::Duration;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::RuntimeErr;
use sea_orm_migration::sea_orm::sqlx::error::DatabaseError;

use crate::query;

/// How often it is tried: for half a minute about.
const ATTEMPTS: u32 = 15;
/// How long those are let pass who have come meanwhile; after the first attempts, less.
const PAUSE: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Runs statements that lock `image_gallery`, in one transaction. They have to do all that they do at once.
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

/// By SQLSTATE: the lock was not to be had in time, or two waited for each other.
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
         End that transaction, or wait for its end, and run the command again: it goes on where it stopped"
    ))
}

/// Who has a lock on the table, longest transaction first. Another role's state may be hidden from us.
async fn holders(connection: &impl ConnectionTrait) -> Result<String, DbErr> {
    let holders = format!(
        "coalesce((SELECT string_agg({SESSION}, '; ' ORDER BY xact_start) FROM pg_stat_activity \
         WHERE pid <> pg_backend_pid() AND pid IN (SELECT pid FROM pg_locks \
         WHERE granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND relation = 'image_gallery'::regclass)), 'a transaction that has ended meanwhile')"
    );
    query::value(connection, &holders).await
}

/// A session in words, of a row of `pg_stat_activity`.
pub(crate) const SESSION: &str = "format('process %s (%s)', pid, \
    concat_ws(', ', 'role ' || usename, nullif(application_name, ''), backend_type, state, \
    'its transaction began ' || date_trunc('second', clock_timestamp() - xact_start) || ' ago'))";
