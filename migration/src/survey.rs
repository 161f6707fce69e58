//! Reports the state of a database, and what `up` would do. Changes and locks nothing.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::index::{Index, State};
use crate::shape::POSTGRES_HAS_PROMPT;
use crate::{
    DoubledIndex, doubled_indexes, indexes, is_search_current, query, rights, shape, status,
};

/// Above this, the number of rows is estimated.
const COUNTED_ROWS: i64 = 10_000;

/// The state of a database.
#[derive(Debug)]
pub struct Survey {
    /// All migrations of this program, and whether each is applied.
    pub migrations: Vec<(String, bool)>,
    /// What `up` would do, one sentence each.
    pub plan: Vec<String>,
    /// Why `up` would stop before any change, one sentence each.
    pub differences: Vec<String>,
    /// Problems to review, one sentence each; `up` does not change them.
    pub warnings: Vec<String>,
    /// Another application's indexes that duplicate ours; `up` does not change them.
    pub doubled_indexes: Vec<DoubledIndex>,
}

/// Checks everything that [`crate::up`] checks.
pub async fn survey(
    connection: &impl ConnectionTrait,
    prompt_key: Option<&str>,
) -> Result<Survey, DbErr> {
    let migrations = status(connection).await?;
    let differences = shape::differences(connection).await?;
    let is_postgres = connection.get_database_backend() == DbBackend::Postgres;
    let plan = if !differences.is_empty() {
        Vec::new()
    } else if is_postgres {
        plan_on_postgres(connection, &migrations).await?
    } else {
        plan_on_sqlite(connection, &migrations).await?
    };
    let mut plan = plan;
    if differences.is_empty() && !is_search_current(connection, prompt_key).await? {
        plan.push(
            "to be built anew, because it does not follow PROMPT_METADATA_KEY as it is set: the search index".to_owned(),
        );
    }
    let warnings = if is_postgres {
        rights::warnings(connection).await?
    } else {
        Vec::new()
    };
    Ok(Survey {
        migrations,
        plan,
        differences,
        warnings,
        doubled_indexes: doubled_indexes::find(connection).await?,
    })
}

async fn plan_on_postgres(
    connection: &impl ConnectionTrait,
    migrations: &[(String, bool)],
) -> Result<Vec<String>, DbErr> {
    let is_pending = migrations.iter().any(|(_, is_applied)| !is_applied);
    if !query::yes(connection, "to_regclass('image_gallery') IS NOT NULL").await? {
        if !is_pending {
            let gone = "there is no `image_gallery`, though its migration is applied: restore it from a backup";
            return Ok(vec![gone.to_owned()]);
        }
        return fresh(connection).await;
    }
    let mut plan = Vec::new();
    if is_pending {
        let schema: String = query::value(
            connection,
            "(SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass('image_gallery'))",
        )
        .await?;
        let rows = rows(connection).await?;
        plan.push(format!(
            "`image_gallery` exists in the schema {schema} with {rows}: it is adopted unchanged, with every row"
        ));
        if !query::yes(connection, POSTGRES_HAS_PROMPT).await? {
            plan.push("to be added: the column `original_prompt`".to_owned());
        }
    }
    let (mut missing, mut invalid) = (Vec::new(), Vec::new());
    // Their names and states are the same for every key.
    for index in indexes(None) {
        match index.state(connection).await? {
            State::Missing => missing.push(index),
            State::Invalid => invalid.push(index),
            State::Valid => {}
        }
    }
    if !missing.is_empty() {
        plan.push(format!(
            "to be built, without blocking writers: the indexes {}",
            listed(&missing)
        ));
    }
    if !invalid.is_empty() {
        plan.push(format!(
            "to be dropped and rebuilt, because an interrupted build left them invalid: the indexes {}",
            listed(&invalid)
        ));
    }
    Ok(plan)
}

/// There is no table yet, or none in the search path.
async fn fresh(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let schema: String = query::value(connection, "current_schema()::text").await?;
    let mut plan = vec![format!(
        "there is no `image_gallery`: it is created in the schema {schema}, with its indexes"
    )];
    let elsewhere: Option<String> = query::value(
        connection,
        "(SELECT string_agg(relnamespace::regnamespace::text, ', ') FROM pg_class WHERE relname = 'image_gallery')",
    )
    .await?;
    if let Some(elsewhere) = elsewhere {
        plan.push(format!(
            "there is one in the schema {elsewhere}, which is not on the search path: to adopt it, connect with that \
             schema first in `search_path` (ALTER ROLE … SET search_path)"
        ));
    }
    Ok(plan)
}

/// The number of rows, in words.
async fn rows(connection: &impl ConnectionTrait) -> Result<String, DbErr> {
    let few = format!(
        "(SELECT count(*) FROM (SELECT FROM image_gallery LIMIT {COUNTED_ROWS} + 1) AS few)"
    );
    let counted: i64 = query::value(connection, &few).await?;
    if counted <= COUNTED_ROWS {
        return Ok(format!(
            "{counted} row{}",
            if counted == 1 { "" } else { "s" }
        ));
    }
    // Scaled by the number of pages since the last ANALYZE.
    let estimated: Option<i64> = query::value(
        connection,
        "(SELECT (reltuples / relpages * pg_relation_size(oid) / current_setting('block_size')::int)::bigint
          FROM pg_class WHERE oid = to_regclass('image_gallery') AND relpages > 0 AND reltuples > 0)",
    )
    .await?;
    Ok(match estimated {
        Some(rows) => format!("about {} rows", Ord::max(rows, counted)),
        None => format!("more than {COUNTED_ROWS} rows"),
    })
}

async fn plan_on_sqlite(
    connection: &impl ConnectionTrait,
    migrations: &[(String, bool)],
) -> Result<Vec<String>, DbErr> {
    if migrations.iter().all(|(_, is_applied)| *is_applied) {
        return Ok(Vec::new());
    }
    let table = "EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'image_gallery')";
    if !query::yes(connection, table).await? {
        return Ok(vec![
            "there is no `image_gallery`: it is created, with its indexes".to_owned(),
        ]);
    }
    let rows: i64 = query::value(connection, "(SELECT count(*) FROM image_gallery)").await?;
    Ok(vec![format!(
        "`image_gallery` exists with {rows} row{}: it is adopted unchanged, with every row",
        if rows == 1 { "" } else { "s" }
    )])
}

fn listed(indexes: &[Index]) -> String {
    let names: Vec<&str> = indexes.iter().map(|index| index.name).collect();
    names.join(", ")
}
