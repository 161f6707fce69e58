//! A database for one test, and direct SQL access, e.g. to act as another application.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use tempfile::TempDir;

use super::Fixture;
use super::postgres::Server;

/// The location of a test's database. As a fixture: an empty database, without tables.
#[derive(Clone, Debug)]
pub(crate) enum TestDatabase {
    /// The path of a file, which need not exist yet.
    Sqlite(PathBuf),
    /// A URL with a superuser's password.
    Postgres(String),
}

impl TestDatabase {
    /// The value for `DATABASE_URL`.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}?mode=rwc", path.display()),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// Runs statements on its own connection.
    pub(crate) async fn db_execute(&self, sql: &str) {
        let done = match self {
            Self::Sqlite(path) => {
                let mut connection = open_sqlite(path).await;
                let statements = sqlx::raw_sql(AssertSqlSafe(sql));
                connection.execute(statements).await.map(drop)
            }
            Self::Postgres(url) => {
                let mut connection = open_postgres(url).await;
                let statements = sqlx::raw_sql(AssertSqlSafe(sql));
                connection.execute(statements).await.map(drop)
            }
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// A connection to Postgres that stays open.
    pub(crate) async fn db_connect(&self) -> PgConnection {
        open_postgres(&self.url()).await
    }

    /// The URL for a role's connection to Postgres.
    pub(crate) fn url_of_role(&self, role: &str, password: &str) -> String {
        let mut url = url::Url::parse(&self.url()).expect("a URL");
        url.set_username(role).expect("a URL with a host");
        url.set_password(Some(password)).expect("a URL with a host");
        url.into()
    }

    /// The first column of the first row as text; `None` when it is null or there is no row.
    pub(crate) async fn db_query_text(&self, sql: &str) -> Option<String> {
        let text = match self {
            Self::Sqlite(path) => {
                let mut connection = open_sqlite(path).await;
                let query = sqlx::raw_sql(AssertSqlSafe(sql));
                let row = connection.fetch_optional(query).await;
                row.and_then(|row| row.map_or(Ok(None), |row| row.try_get_unchecked(0)))
            }
            Self::Postgres(url) => {
                let mut connection = open_postgres(url).await;
                let query = sqlx::raw_sql(AssertSqlSafe(sql));
                let row = connection.fetch_optional(query).await;
                row.and_then(|row| row.map_or(Ok(None), |row| row.try_get_unchecked(0)))
            }
        };
        text.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }
}

impl Fixture for TestDatabase {
    const IS_MIGRATED: bool = false;

    async fn set_up(database: Self, settings: &[&str]) -> Self {
        assert!(settings.is_empty(), "a database takes no settings");
        database
    }
}

/// A test's database and the means to remove it.
pub(super) struct TemporaryDatabase {
    pub(super) database: TestDatabase,
    home: Home,
}

enum Home {
    /// The file is removed with its directory.
    Directory(TempDir),
    Server {
        server: Arc<Server>,
        name: String,
    },
}

impl TemporaryDatabase {
    /// A SQLite file that does not exist yet; the program creates it.
    pub(super) fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self {
            database: TestDatabase::Sqlite(directory.path().join("gallery.db")),
            home: Home::Directory(directory),
        }
    }

    /// A database on a Postgres server.
    pub(super) fn postgres(server: Arc<Server>, name: String) -> Self {
        Self {
            database: TestDatabase::Postgres(server.url(&name)),
            home: Home::Server { server, name },
        }
    }

    /// Its URL through PgBouncer; none for SQLite, or if PgBouncer is not installed.
    pub(super) fn pooled_url(&self) -> Option<String> {
        match &self.home {
            Home::Directory(_) => None,
            Home::Server { server, name } => server.pooled_url(name),
        }
    }

    /// Removes it, and terminates its connections.
    pub(super) async fn remove(self) {
        match self.home {
            Home::Directory(directory) => drop(directory),
            Home::Server { server, name } => server.drop_database(&name).await,
        }
    }
}

async fn open_sqlite(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(Duration::from_secs(10))
        .connect()
        .await
        .expect("the SQLite file opens")
}

async fn open_postgres(url: &str) -> PgConnection {
    PgConnection::connect(url)
        .await
        .expect("the Postgres server answers")
}
