//! Checks a Postgres server: connection, pooler, privileges and clock.

use sqlx::postgres::PgConnectOptions;

use super::report::Finding;
use crate::config::Settings;
use crate::db::inspect::{self, PostgresFacts};
use crate::db::options::{
    Options, Pooler, Target, is_local, is_supabase_direct, is_supabase_pooler,
};

/// The oldest version that is tested.
const OLDEST_TRIED: i32 = 15;
/// The port of Supabase's pooler in transaction mode.
const TRANSACTION_PORT: u16 = 6543;
/// Larger clock differences are reported, in milliseconds.
const SKEW: i64 = 5_000;
/// Larger clock differences make tokens invalid.
const LEEWAY: i64 = 30_000;

const CONNECTION: &str = "connection";
const POOLER: &str = "pooler";
const TLS: &str = "tls";
const NAME_POOLER: &str = "set DATABASE_POOLER=transaction, and DATABASE_DIRECT_URL for migrations; or bypass the \
                           pooler (Supabase: port 5432)";

/// Checks the server and, if it responds, the tables.
pub(super) async fn look(
    settings: &Settings,
    options: &Options,
    target: &PgConnectOptions,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let shown = &options.target;
    let facts = match inspect::postgres(target, options.connect_timeout).await {
        Ok(facts) => facts,
        Err(error) => {
            findings.push(Finding::wrong(
                CONNECTION,
                format!("cannot connect to {shown}: {error}"),
            ));
            findings.extend(unseen_pooler(options, target));
            findings.extend(project(settings, target));
            return findings;
        }
    };
    findings.push(Finding::ok(
        CONNECTION,
        format!("{shown}, PostgreSQL {}", facts.version),
    ));
    findings.extend(server(&facts));
    findings.push(tls(&facts, target));
    findings.extend(pooler(options, target, facts.shares_sessions));
    findings.extend(direct(options, &facts).await);
    findings.extend(replica(options).await);
    findings.push(clock(facts.clock_ahead));
    findings.extend(project(settings, target));
    findings.push(rights(&facts, target.get_username()));
    let mut options = options.clone();
    if facts.shares_sessions == Some(true) {
        // The problem has been reported; the tables can be checked nevertheless.
        options.pooler = Pooler::Transaction;
    }
    findings.extend(super::schema(settings, &options).await);
    findings
}

fn server(facts: &PostgresFacts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.major < OLDEST_TRIED {
        let what = format!(
            "PostgreSQL {} is older than the tested versions",
            facts.version
        );
        findings.push(
            Finding::warning(CONNECTION, what)
                .with_remedy(format!("upgrade the server to {OLDEST_TRIED} or newer")),
        );
    }
    if facts.is_read_only {
        findings.push(
            Finding::wrong(
                CONNECTION,
                "the server rejects writes: it is a standby, or configured as read-only",
            )
            .with_remedy(
                "set DATABASE_URL or SUPABASE_DB_HOST to the primary, or unset \
                         `default_transaction_read_only`",
            ),
        );
    }
    findings
}

fn tls(facts: &PostgresFacts, target: &PgConnectOptions) -> Finding {
    let mode = facts.ssl_mode;
    if is_local(target) {
        let what = if facts.is_encrypted {
            "encrypted"
        } else {
            "not encrypted, which is not necessary"
        };
        return Finding::ok(
            TLS,
            format!("sslmode={mode}, {what}: the connection stays on this machine"),
        );
    }
    let remedy = "set sslmode=verify-full (SUPABASE_DB_SSLMODE) and sslrootcert (SUPABASE_DB_SSLROOTCERT), the file \
                  of the server's CA";
    if !facts.is_encrypted {
        let what = format!(
            "sslmode={mode}, not encrypted: an attacker in between can read and change the login and every row"
        );
        let host = target.get_host();
        return if is_supabase_direct(host) || is_supabase_pooler(host) {
            Finding::wrong(TLS, what).with_remedy(remedy)
        } else {
            Finding::warning(TLS, what).with_remedy(remedy)
        };
    }
    match mode {
        "verify-full" => Finding::ok(TLS, "sslmode=verify-full: encrypted, with the right server"),
        "verify-ca" => Finding::warning(
            TLS,
            "sslmode=verify-ca: encrypted, but any server with a certificate of a public CA is accepted",
        )
        .with_remedy(remedy),
        _ => Finding::warning(
            TLS,
            format!("sslmode={mode}: encrypted, but the certificate is not verified, so any server is accepted"),
        )
        .with_remedy(remedy),
    }
}

/// Compares the detected pooler with the settings.
fn pooler(
    options: &Options,
    target: &PgConnectOptions,
    shares_sessions: Option<bool>,
) -> Vec<Finding> {
    let (Pooler::Session, Some(is_shared)) = (options.pooler, shares_sessions) else {
        let mut findings = unseen_pooler(options, target);
        if findings.is_empty() && options.pooler == Pooler::Session {
            let what = "no second connection could be opened, so a pooler cannot be detected";
            let remedy = "leave more connections free, and try again";
            findings.push(Finding::warning(POOLER, what).with_remedy(remedy));
        } else if options.pooler == Pooler::Transaction {
            let what = "DATABASE_POOLER=transaction: no session state is used";
            findings.insert(0, Finding::ok(POOLER, what));
        }
        return findings;
    };
    let mut findings = vec![if is_shared {
        Finding::wrong(
            POOLER,
            "DATABASE_POOLER=session, but connections share sessions: they go through a pooler in transaction mode, \
             and prepared statements and settings get lost or mixed up",
        )
        .with_remedy(NAME_POOLER)
    } else {
        let what = "DATABASE_POOLER=session, and each connection has its own session";
        Finding::ok(POOLER, what)
    }];
    findings.extend(user_of_pooler(target));
    findings
}

/// Checks only the settings.
fn unseen_pooler(options: &Options, target: &PgConnectOptions) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (host, port) = (target.get_host(), target.get_port());
    let is_supabase = is_supabase_pooler(host) || is_supabase_direct(host);
    match options.pooler {
        Pooler::Session if port == TRANSACTION_PORT && is_supabase => {
            let what = format!(
                "DATABASE_POOLER=session, but port {port} of {host} is Supabase's pooler in transaction mode"
            );
            findings.push(Finding::wrong(POOLER, what).with_remedy(NAME_POOLER));
        }
        Pooler::Transaction if options.direct.is_none() => {
            let what = "without DATABASE_DIRECT_URL `migrate` refuses to run, and the server polls for changes of \
                        other processes once a second";
            let remedy =
                "set DATABASE_DIRECT_URL to the database itself, or to a pooler in session mode";
            findings.push(Finding::warning(POOLER, what).with_remedy(remedy));
        }
        Pooler::Session | Pooler::Transaction => {}
    }
    findings.extend(user_of_pooler(target));
    findings
}

fn user_of_pooler(target: &PgConnectOptions) -> Option<Finding> {
    let user = target.get_username();
    let is_plain = is_supabase_pooler(target.get_host()) && !user.contains('.');
    is_plain.then(|| {
        Finding::wrong(
            POOLER,
            format!("Supabase's pooler does not know the user `{user}`"),
        )
        .with_remedy("use postgres.<project>, as shown by Connect in the dashboard")
    })
}

/// Checks the connection that bypasses the pooler.
async fn direct(options: &Options, facts: &PostgresFacts) -> Option<Finding> {
    const AREA: &str = "direct connection";
    let Some(direct @ Target::Postgres(target)) = &options.direct else {
        return None;
    };
    let found = match inspect::postgres(target, options.connect_timeout).await {
        Ok(found) => found,
        Err(error) => {
            let what = format!("cannot connect to DATABASE_DIRECT_URL, {direct}: {error}");
            return Some(Finding::wrong(AREA, what));
        }
    };
    if found.identity != facts.identity {
        let what = format!(
            "DATABASE_DIRECT_URL, {direct}, is another database than {}",
            options.target
        );
        return Some(Finding::wrong(AREA, what).with_remedy("set both to the same database"));
    }
    Some(match found.shares_sessions {
        Some(true) => Finding::wrong(
            AREA,
            format!(
                "DATABASE_DIRECT_URL, {direct}, also goes through a pooler in transaction mode"
            ),
        )
        .with_remedy(
            "set it to the database itself, or to a pooler in session mode (Supabase: port 5432)",
        ),
        _ => Finding::ok(
            AREA,
            format!("DATABASE_DIRECT_URL, {direct}, is the same database"),
        ),
    })
}

/// If the replica is not usable, the primary serves all requests.
async fn replica(options: &Options) -> Option<Finding> {
    const AREA: &str = "replica";
    let Some(replica @ Target::Postgres(target)) = &options.replica else {
        return None;
    };
    Some(
        match inspect::postgres(target, options.connect_timeout).await {
            Ok(found) if found.is_read_only => {
                Finding::ok(AREA, format!("DATABASE_READ_URL, {replica}, is a standby"))
            }
            Ok(_) => Finding::warning(
                AREA,
                format!("DATABASE_READ_URL, {replica}, is not a standby: it accepts writes"),
            )
            .with_remedy("set it to a streaming replica of the database, or unset it"),
            Err(error) => Finding::warning(
                AREA,
                format!(
                    "cannot connect to DATABASE_READ_URL, {replica}, so the primary serves all reads: {error}"
                ),
            ),
        },
    )
}

fn clock(ahead: i64) -> Finding {
    const AREA: &str = "clock";
    let seconds = ahead.abs() / 1000;
    let direction = if ahead < 0 { "behind" } else { "ahead of" };
    let what = format!("the database's clock is {seconds} s {direction} this machine's");
    let remedy =
        "synchronise both with NTP: images have times of either clock, and tokens may be rejected";
    match ahead.abs() {
        skew if skew > LEEWAY => Finding::wrong(AREA, what).with_remedy(remedy),
        skew if skew > SKEW => Finding::warning(AREA, what).with_remedy(remedy),
        _ => Finding::ok(AREA, "the database's agrees with this machine's"),
    }
}

/// Checks that tokens and images belong to the same Supabase project.
fn project(settings: &Settings, target: &PgConnectOptions) -> Option<Finding> {
    let keys = settings.access.project()?;
    let host = target.get_host();
    let database = if is_supabase_pooler(host) {
        target.get_username().split_once('.')?.1
    } else if is_supabase_direct(host) {
        host.split('.').nth(1)?
    } else {
        return None;
    };
    (keys != database).then(|| {
        let what = format!(
            "SUPABASE_URL is the project `{keys}`, but the database is that of `{database}`"
        );
        Finding::warning("keys", what)
            .with_remedy("set both to the same project, unless this is intended")
    })
}

fn rights(facts: &PostgresFacts, user: &str) -> Finding {
    const AREA: &str = "rights";
    if facts.lacking_rights.is_empty() {
        return Finding::ok(
            AREA,
            format!("`{user}` has the required privileges on the tables"),
        );
    }
    let lacking = facts.lacking_rights.join("; ");
    Finding::wrong(AREA, format!("`{user}` lacks {lacking}"))
        .with_remedy("connect as the tables' owner, or GRANT the owner's role to this one")
}

#[cfg(test)]
mod tests;
