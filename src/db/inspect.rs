//! Facts about the database and the connection to it, for diagnosis. Changes nothing and judges nothing.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sea_orm::SqlxSqliteConnector;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection as _, Executor, Row};
use tokio::time::timeout;

use super::connect_diagnosis::mode_name;
use super::source::{ACQUIRE_TIMEOUT, connect};
use super::{Dialect, Error};

/// How often each of two connections is asked for its session.
const ROUNDS: usize = 4;
/// The privileges that this program needs on the tables.
const RIGHTS: &str = "
    SELECT format('%s on %s', string_agg(privilege, ', '), name) FROM (VALUES
        ('image_gallery', 'SELECT'), ('image_gallery', 'INSERT'), ('image_gallery', 'UPDATE'), ('image_gallery', 'DELETE'),
        ('image_gallery_event', 'SELECT'), ('image_gallery_event', 'INSERT'), ('image_gallery_event', 'UPDATE'),
        ('image_gallery_event', 'DELETE'),
        ('image_gallery_trail', 'SELECT'), ('image_gallery_trail', 'UPDATE'), ('seaql_migrations', 'SELECT'),
        ('image_gallery_once_key', 'SELECT'), ('image_gallery_once_key', 'INSERT'), ('image_gallery_once_key', 'DELETE'),
        ('image_gallery_tag', 'SELECT'), ('image_gallery_tag', 'INSERT'), ('image_gallery_tag', 'UPDATE'),
        ('image_gallery_tag', 'DELETE'), ('image_gallery_favorite', 'SELECT'), ('image_gallery_favorite', 'INSERT'),
        ('image_gallery_favorite', 'DELETE')
    ) AS needed (name, privilege)
    WHERE to_regclass(name) IS NOT NULL AND NOT has_table_privilege(to_regclass(name), privilege) GROUP BY name
    UNION ALL
    SELECT 'EXECUTE on ' || name FROM unnest(ARRAY['image_gallery_sequence_events(integer)',
        'image_gallery_prune_events(timestamptz, integer)']) AS name
    WHERE to_regprocedure(name) IS NOT NULL AND NOT has_function_privilege(to_regprocedure(name), 'EXECUTE')";

/// Facts about a Postgres server and the connection to it.
#[derive(Clone, Debug)]
pub struct PostgresFacts {
    /// The version as the server reports it, e.g. `15.8`.
    pub version: String,
    /// The major version, e.g. 15.
    pub major: i32,
    /// By how many milliseconds the server's clock is ahead of this machine's.
    pub clock_ahead: i64,
    /// Whether it rejects writes, as a standby or by configuration.
    pub is_read_only: bool,
    /// Whether the connection is encrypted.
    pub is_encrypted: bool,
    /// The TLS mode, as written in a URL.
    pub ssl_mode: &'static str,
    /// Whether sessions are shared with other connections, so that there is a pooler in transaction mode. None if no
    /// second connection could be opened to find out.
    pub shares_sessions: Option<bool>,
    /// Missing privileges, e.g. `INSERT on image_gallery`.
    pub lacking_rights: Vec<String>,
    /// Identifies this database: equal values mean the same database.
    pub identity: String,
}

/// Facts about a SQLite file.
#[derive(Debug)]
pub struct SqliteFacts {
    /// Its journal mode, `wal` once this program has opened it.
    pub journal: String,
    /// The state of its tables.
    pub survey: migration::Survey,
}

/// Inspects a Postgres server, with at most three connections of its own.
pub async fn postgres(
    target: &PgConnectOptions,
    connect_timeout: Duration,
) -> Result<PostgresFacts, Error> {
    let target = target.clone().disable_statement_logging();
    let mut connection = connect(&target, connect_timeout).await?;
    let before = now();
    let row = connection
        .fetch_one(sqlx::raw_sql(
            "SELECT current_setting('server_version') AS version,
                current_setting('server_version_num')::integer / 10000 AS major,
                (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS clock,
                pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean AS is_read_only,
                (SELECT oid::text FROM pg_database WHERE datname = current_database()) || ' ' || current_database()
                    || ' ' || extract(epoch FROM pg_postmaster_start_time())::text AS identity",
        ))
        .await?;
    let ours = i64::midpoint(before, now());
    let lacking = connection.fetch_all(sqlx::raw_sql(RIGHTS)).await?;
    let facts = PostgresFacts {
        version: row.try_get("version")?,
        major: row.try_get("major")?,
        clock_ahead: row.try_get::<i64, _>("clock")? - ours,
        is_read_only: row.try_get("is_read_only")?,
        is_encrypted: is_encrypted(&target).await,
        ssl_mode: mode_name(target.get_ssl_mode()),
        shares_sessions: shares_sessions(&mut connection, &target).await,
        lacking_rights: lacking
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<_, _>>()?,
        identity: row.try_get("identity")?,
    };
    // Everything has been read.
    let _ = connection.close().await;
    Ok(facts)
}

/// Milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let milliseconds = since.ok().map(|since| since.as_millis());
    milliseconds
        .and_then(|milliseconds| i64::try_from(milliseconds).ok())
        .unwrap_or_default()
}

/// The driver does not report TLS when the server decides, so this tests whether a connection that requires it
/// succeeds.
async fn is_encrypted(target: &PgConnectOptions) -> bool {
    match target.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow => false,
        PgSslMode::Prefer => match connect(
            &target.clone().ssl_mode(PgSslMode::Require),
            ACQUIRE_TIMEOUT,
        )
        .await
        {
            Ok(connection) => {
                let _ = connection.close().await;
                true
            }
            Err(_) => false,
        },
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => true,
    }
}

/// Whether two concurrent connections share a session, or one of them changes its session: both happen only behind a
/// transaction pooler. Statements are unnamed, each in its own transaction.
async fn shares_sessions(first: &mut PgConnection, target: &PgConnectOptions) -> Option<bool> {
    let mut second = connect(target, ACQUIRE_TIMEOUT).await.ok()?;
    let mut sessions = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        sessions[0].push(session(first).await?);
        sessions[1].push(session(&mut second).await?);
    }
    let _ = second.close().await;
    let [first, second] = sessions;
    let changes = |own: &[i32]| own.windows(2).any(|pair| pair.first() != pair.last());
    let is_met = first.iter().any(|session| second.contains(session));
    Some(is_met || changes(&first) || changes(&second))
}

async fn session(connection: &mut PgConnection) -> Option<i32> {
    let row = connection.fetch_one(sqlx::raw_sql("SELECT pg_backend_pid()"));
    let row = timeout(ACQUIRE_TIMEOUT, row).await.ok()?.ok()?;
    row.try_get(0).ok()
}

/// Inspects an existing SQLite file, and whether it is writable. Writes nothing, and does not change the journal mode.
pub async fn sqlite(
    target: &SqliteConnectOptions,
    prompt_key: Option<&str>,
) -> Result<SqliteFacts, Error> {
    let target = target
        .clone()
        .create_if_missing(false)
        .collation(Dialect::LETTER_CASE, Dialect::compare_labels)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect_with(target).await?;
    let facts = sqlite_facts(&pool, prompt_key).await;
    pool.close().await;
    facts
}

async fn sqlite_facts(pool: &SqlitePool, prompt_key: Option<&str>) -> Result<SqliteFacts, Error> {
    let journal = pool.fetch_one(sqlx::raw_sql("PRAGMA journal_mode")).await?;
    let journal = journal.try_get(0)?;
    pool.execute(sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK"))
        .await?;
    let connection = SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.clone());
    let survey = migration::survey(&connection, prompt_key).await?;
    Ok(SqliteFacts { journal, survey })
}

/// Tests whether files can be created in a directory, by creating one and removing it.
pub fn can_make_files(directory: &Path) -> std::io::Result<()> {
    let name = format!(".image-gallery-doctor-{}", std::process::id());
    let path = directory.join(name);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)?;
    drop(file);
    std::fs::remove_file(path)
}
