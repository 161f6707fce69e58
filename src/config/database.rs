//! Settings: the database.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgSslMode;

use super::SettingError;
use super::value::{
    Checked, boolean, connection_count, database_host, milliseconds, port, secret, text,
};
use crate::db::options::{
    ConnectionUrl, DEFAULT_CONNECT_TIMEOUT, Host, Options, PASSWORD_PLACEHOLDER, Pooler, Server,
    Target, UrlParameters, certificate_file, ssl_mode,
};

const DEFAULT_DATABASE_URL: &str = "sqlite://gallery.db?mode=rwc";
const DEFAULT_MAX_CONNECTIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const DATABASE: &str = "Database";
const SUPABASE: &str = "Supabase: used when SUPABASE_DB_HOST is set and DATABASE_URL is not";

/// The database.
#[derive(Args, Clone, Debug)]
pub struct DatabaseSettings {
    /// `DATABASE_URL`, default `sqlite://gallery.db?mode=rwc`: the database, as `postgres://user:password@host:5432/name`
    /// or `sqlite://file`
    ///
    /// The password may contain any character; percent-encode a `%` that two hexadecimal digits follow, and characters
    /// that are special in the shell or in `.env` (`%25`). Parameters for Postgres: `sslmode` (default `prefer`;
    /// `disable`, `require`, `verify-ca`, `verify-full`), `sslrootcert`, `application_name`, `host` (the directory of a
    /// Unix socket). Only `verify-full` prevents man-in-the-middle attacks, with the server's CA in `sslrootcert`
    /// unless it is a public one. `pgbouncer=true`, `connection_limit` and `connect_timeout` (seconds, default 3) are
    /// supported as in the URLs of Prisma and Supabase's dashboard. For SQLite: `mode=rwc` creates the file if it does
    /// not exist.
    #[arg(long, env, value_name = "URL", help_heading = DATABASE, hide_env_values = true, value_parser = Checked(secret))]
    database_url: Option<SecretString>,

    /// `DATABASE_MAX_CONNECTIONS`, default 10: size of the connection pool, 1 to 1000
    ///
    /// Overrides `connection_limit` in `DATABASE_URL`.
    #[arg(long, env, value_name = "COUNT", help_heading = DATABASE, value_parser = Checked(connection_count))]
    database_max_connections: Option<NonZeroU32>,

    /// `DATABASE_POOLER`, default `session`: `transaction` for PgBouncer or Supavisor in transaction mode
    ///
    /// Statements are then unnamed and run inside transactions, without session state. Supabase's pooler is in
    /// transaction mode on port 6543. Overrides `pgbouncer=true` in `DATABASE_URL`, which means `transaction`.
    #[arg(long, env, value_name = "MODE", help_heading = DATABASE, value_parser = Checked(str::parse::<Pooler>))]
    database_pooler: Option<Pooler>,

    /// `DATABASE_DIRECT_URL`, default the database itself: a connection that bypasses the transaction pooler, for
    /// migrations and for notifications of changes by other processes
    ///
    /// Same format as `DATABASE_URL`. Behind a transaction pooler without it, migrations refuse to run, and the server
    /// polls for changes once a second.
    #[arg(long, env, value_name = "URL", help_heading = DATABASE, hide_env_values = true, value_parser = Checked(secret))]
    database_direct_url: Option<SecretString>,

    /// `DATABASE_READ_URL`, unset by default: a streaming replica of the database, for requests with `X-Gallery-Read:
    /// replica`
    ///
    /// Same format as `DATABASE_URL`. If it lags behind what such a request needs, or is unavailable, the primary
    /// answers.
    #[arg(long, env, value_name = "URL", help_heading = DATABASE, hide_env_values = true, value_parser = Checked(secret))]
    database_read_url: Option<SecretString>,

    /// `AUTO_MIGRATE`, default `true` on SQLite, `false` on Postgres: run pending migrations at startup
    ///
    /// If `false`, the server starts nevertheless, logs which command to run, and returns 503 until then.
    #[arg(long, env, value_name = "BOOLEAN", help_heading = DATABASE, value_parser = Checked(boolean))]
    auto_migrate: Option<bool>,

    /// `SLOW_QUERY_MILLISECONDS`, default 500: log statements that take longer
    #[arg(long = "slow-query-milliseconds", env = "SLOW_QUERY_MILLISECONDS", value_name = "MILLISECONDS",
        help_heading = DATABASE, default_value = "500",
        value_parser = Checked(milliseconds))]
    slow_query: Duration,

    /// `SUPABASE_DB_HOST`, unset by default: host of the database, or of its pooler in session mode
    #[arg(long, env, value_name = "HOST", help_heading = SUPABASE, value_parser = Checked(database_host))]
    supabase_db_host: Option<Host>,

    /// `SUPABASE_DB_PORT`, default 5432: port of the database
    #[arg(long, env, value_name = "PORT", help_heading = SUPABASE, default_value = "5432",
        value_parser = Checked(port::<1>))]
    supabase_db_port: u16,

    /// `SUPABASE_DB_NAME`, no default: name of the database
    #[arg(long, env, value_name = "NAME", help_heading = SUPABASE, value_parser = Checked(text))]
    supabase_db_name: Option<String>,

    /// `SUPABASE_DB_USER`, no default: user to log in as
    #[arg(long, env, value_name = "USER", help_heading = SUPABASE, value_parser = Checked(text))]
    supabase_db_user: Option<String>,

    /// `SUPABASE_DB_PASSWORD`, no default: its password, unencoded, with any characters
    #[arg(long, env, value_name = "PASSWORD", help_heading = SUPABASE, hide_env_values = true,
        value_parser = Checked(secret))]
    supabase_db_password: Option<SecretString>,

    /// `SUPABASE_DB_SSLMODE`, default `require`: TLS mode, `disable`, `prefer`, `require`, `verify-ca` or `verify-full`
    ///
    /// Only `verify-full` prevents man-in-the-middle attacks: `verify-ca` accepts any certificate of a public CA.
    #[arg(long, env, value_name = "MODE", help_heading = SUPABASE, default_value = "require",
        value_parser = Checked(ssl_mode))]
    supabase_db_sslmode: PgSslMode,

    /// `SUPABASE_DB_SSLROOTCERT`, unset by default: file of the CA for `verify-ca` and `verify-full`
    #[arg(long, env, value_name = "FILE", help_heading = SUPABASE, value_parser = Checked(certificate_file))]
    supabase_db_sslrootcert: Option<PathBuf>,
}

impl DatabaseSettings {
    /// The options of the database.
    pub fn options(&self, request_timeout: Duration) -> Result<Options, SettingError> {
        let ConnectionUrl { target, parameters } = self.database_target()?;
        let pooler = self.database_pooler.or(parameters.pooler);
        let pooler = pooler.unwrap_or_default();
        if let (Target::Sqlite(_), Pooler::Transaction) = (&target, pooler) {
            return Err(SettingError::new(format!(
                "DATABASE_POOLER: `transaction` is for Postgres, but the database is {target}; allowed with it: `session`"
            )));
        }
        Ok(Options {
            prompt_metadata_key: None,
            direct: second_server(
                "DATABASE_DIRECT_URL",
                self.database_direct_url.as_ref(),
                &target,
                Pooler::Session,
            )?,
            replica: second_server(
                "DATABASE_READ_URL",
                self.database_read_url.as_ref(),
                &target,
                pooler,
            )?,
            target,
            pooler,
            max_connections: (self.database_max_connections.or(parameters.max_connections))
                .unwrap_or(DEFAULT_MAX_CONNECTIONS),
            connect_timeout: (parameters.connect_timeout).unwrap_or(DEFAULT_CONNECT_TIMEOUT),
            slow_query: self.slow_query,
            statement_time: statement_time(request_timeout),
        })
    }

    fn database_target(&self) -> Result<ConnectionUrl, SettingError> {
        match (&self.database_url, &self.supabase_db_host) {
            (None, Some(host)) => Ok(ConnectionUrl {
                target: self.supabase(host)?,
                parameters: UrlParameters::default(),
            }),
            (url, _) => {
                let url = url
                    .as_ref()
                    .map_or(DEFAULT_DATABASE_URL, ExposeSecret::expose_secret);
                ConnectionUrl::parse(url)
                    .map_err(|error| SettingError::new(format!("DATABASE_URL: {error}")))
            }
        }
    }

    fn supabase(&self, host: &Host) -> Result<Target, SettingError> {
        let (Some(name), Some(user), Some(password)) = (
            &self.supabase_db_name,
            &self.supabase_db_user,
            &self.supabase_db_password,
        ) else {
            return Err(self.supabase_incomplete(host));
        };
        let password = password.expose_secret();
        if password == PASSWORD_PLACEHOLDER {
            return Err(SettingError::new(format!(
                "SUPABASE_DB_PASSWORD: `{PASSWORD_PLACEHOLDER}` is still the placeholder for the password; allowed: \
                 the database's password (Project Settings → Database)"
            )));
        }
        let mut server = Server::new(host.clone(), self.supabase_db_port, user, password, name);
        server.ssl_mode = self.supabase_db_sslmode;
        server
            .ssl_root_certificate
            .clone_from(&self.supabase_db_sslrootcert);
        Ok(Target::postgres(server))
    }

    fn supabase_incomplete(&self, host: &Host) -> SettingError {
        let missing: Vec<_> = [
            ("SUPABASE_DB_NAME", self.supabase_db_name.is_none()),
            ("SUPABASE_DB_USER", self.supabase_db_user.is_none()),
            ("SUPABASE_DB_PASSWORD", self.supabase_db_password.is_none()),
        ]
        .into_iter()
        .filter_map(|(variable, is_missing)| is_missing.then_some(variable))
        .collect();
        SettingError::new(format!(
            "SUPABASE_DB_HOST: `{host}` also needs SUPABASE_DB_NAME, SUPABASE_DB_USER and SUPABASE_DB_PASSWORD; not \
             set: {}",
            missing.join(", ")
        ))
    }

    /// Whether pending migrations run at startup: as set in `AUTO_MIGRATE`, else on SQLite only.
    pub fn auto_migrate(&self, target: &Target) -> bool {
        self.auto_migrate
            .unwrap_or(matches!(target, Target::Sqlite(_)))
    }
}

/// Parses a second connection to the same data, which only Postgres has.
fn second_server(
    variable: &str,
    url: Option<&SecretString>,
    target: &Target,
    pooler: Pooler,
) -> Result<Option<Target>, SettingError> {
    let Some(url) = url else {
        return Ok(None);
    };
    let ConnectionUrl {
        target: second,
        parameters,
    } = ConnectionUrl::parse(url.expose_secret())
        .map_err(|error| SettingError::new(format!("{variable}: {error}")))?;
    if let Some(name) = parameters.only_for_database_url() {
        return Err(SettingError::new(format!(
            "{variable}: `{second}` has `{name}`, which is only allowed in DATABASE_URL; leave it out"
        )));
    }
    if parameters.pooler.is_some_and(|asked| asked != pooler) {
        let remedy = match variable {
            "DATABASE_DIRECT_URL" => {
                "it must bypass the pooler: use the address of the server itself, or of a pooler in session mode"
            }
            _ => {
                "the database itself is not reached through such a pooler: set DATABASE_POOLER=transaction, or leave it out"
            }
        };
        return Err(SettingError::new(format!(
            "{variable}: `{second}` has `pgbouncer=true`, but {remedy}"
        )));
    }
    if let (Target::Postgres(_), Target::Postgres(_)) = (target, &second) {
        return Ok(Some(second));
    }
    Err(SettingError::new(format!(
        "{variable}: `{second}` does not go with {target}; allowed: the URL of a Postgres server, where the database itself \
         is on one"
    )))
}

/// Slightly less than the request's timeout, so that the database's error still reaches the client.
fn statement_time(request_time: Duration) -> Duration {
    const FOR_THE_ANSWER: Duration = Duration::from_millis(500);
    request_time.saturating_sub(FOR_THE_ANSWER.min(request_time / 10))
}
