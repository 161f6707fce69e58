//! Single images by id.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;

use super::{Column, Columns, Error, Gallery, ImageId, PartialImage, from_rows_in};
use crate::auth::{Caller, Scope};
use crate::db::{Dialect, Sql};

impl Gallery {
    /// Reads these columns of the images of these ids, active or in the trash, in the order of the ids; none in the place
    /// of each that does not exist or is not visible to the caller.
    pub async fn find(
        &self,
        caller: &Caller,
        ids: &[Option<ImageId>],
        columns: Columns,
    ) -> Result<Vec<Option<Arc<PartialImage>>>, Error> {
        let scope = caller.scope(None)?;
        let known: Vec<Uuid> = ids.iter().flatten().map(|id| id.0).collect();
        if known.is_empty() {
            return Ok(vec![None; ids.len()]);
        }
        let columns = self.needed(columns);
        let statement = statement(&scope, &known, columns, self.database.dialect());
        let rows = self
            .database
            .read(move |unit| {
                let statement = statement.clone();
                Box::pin(async move { Ok::<_, Error>(unit.query_all_raw(statement).await?) })
            })
            .await?;
        let mut by_id = HashMap::with_capacity(rows.len());
        for row in &rows {
            let image = columns.read(row)?;
            if let Some(id) = image.image_id.try_as_ref() {
                by_id.insert(*id, Arc::new(image));
            }
        }
        Ok(ids
            .iter()
            .map(|id| id.and_then(|id| by_id.get(&id.0).cloned()))
            .collect())
    }
}

fn statement(scope: &Scope, ids: &[Uuid], columns: Columns, dialect: Dialect) -> Statement {
    let mut sql = Sql::new(dialect, "SELECT ");
    sql.columns(columns.iter());
    from_rows_in(scope, &mut sql);
    sql.text(" AND ").column(Column::ImageId).text(" IN (");
    for (place, id) in ids.iter().enumerate() {
        sql.text(if place > 0 { ", " } else { "" }).value(*id);
    }
    sql.text(")");
    sql.into_statement()
}
