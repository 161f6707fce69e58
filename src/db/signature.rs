//! What the trail records about a change besides the change itself: who made it, and the operation that it is part of.
//!
//! On Postgres both are settings of the transaction, read where an event is written; a statement that returns
//! [`UnitOfWork::signature`] sets them without a statement of their own. On SQLite they are columns of a single row,
//! which is committed as null, so that they do not apply to other programs' changes.

use sea_orm::sea_query::{Expr, SimpleExpr, Value};
use sea_orm::{ConnectionTrait, Statement};
use uuid::Uuid;

use super::{Dialect, Error, UnitOfWork};

/// Sets the actor of a transaction on Postgres.
const SET_ACTOR: &str = "set_config('image_gallery.actor', $1, true)";
/// Sets the operation of a transaction on Postgres.
const SET_OPERATION: &str = "set_config('image_gallery.operation', $1, true)";
/// Both in one expression.
const SET_BOTH: &str = "set_config('image_gallery.actor', $1, true) || set_config('image_gallery.operation', $2, true)";

/// What the trail records about the changes of a unit of work. Made from the actor alone, or by
/// [`Signature::for_operation`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    actor: Option<Box<str>>,
    operation: Option<Uuid>,
}

impl From<Option<&str>> for Signature {
    /// Of this actor; `None` means unknown.
    fn from(actor: Option<&str>) -> Self {
        Self {
            actor: actor.map(Into::into),
            operation: None,
        }
    }
}

impl Signature {
    /// Of this actor, for changes that are part of an operation. Each statement that makes such changes must return
    /// [`UnitOfWork::signature`].
    pub fn for_operation(actor: Option<&str>, operation: Uuid) -> Self {
        Self {
            operation: Some(operation),
            ..Self::from(actor)
        }
    }

    fn expression(&self) -> Option<SimpleExpr> {
        let actor = self.actor.as_deref().map(Value::from);
        let operation = self.operation.map(|id| Value::from(id.to_string()));
        match (actor, operation) {
            (None, None) => None,
            (Some(actor), None) => Some(Expr::cust_with_values(SET_ACTOR, [actor])),
            (None, Some(operation)) => Some(Expr::cust_with_values(SET_OPERATION, [operation])),
            (Some(actor), Some(operation)) => {
                Some(Expr::cust_with_values(SET_BOTH, [actor, operation]))
            }
        }
    }
}

impl UnitOfWork {
    /// An expression that a changing statement returns along with the changed rows, to sign them: the trigger runs at
    /// the end of the statement, after RETURNING is evaluated. None if there is nothing to record in that way.
    pub fn signature(&self) -> Option<SimpleExpr> {
        self.statement_signature.get()?.expression()
    }

    /// Makes [`UnitOfWork::signature`] record this.
    pub(super) fn sign_each_statement(&self, signature: Signature) {
        // A unit is signed once.
        let _ = self.statement_signature.set(signature);
    }

    /// Signs the changes of this transaction.
    pub(super) async fn sign(&self, signature: &Signature) -> Result<(), Error> {
        let Signature { actor, operation } = signature;
        let statement = |sql: &str, values: Vec<Value>| {
            Statement::from_sql_and_values(self.get_database_backend(), sql, values)
        };
        let statement = match (self.dialect(), actor) {
            (Dialect::Postgres, actor) => {
                if operation.is_some() {
                    self.sign_each_statement(Signature {
                        actor: None,
                        operation: *operation,
                    });
                }
                let Some(actor) = actor.as_deref() else {
                    return Ok(());
                };
                statement(&format!("SELECT {SET_ACTOR}"), vec![actor.into()])
            }
            (Dialect::Sqlite, None) if operation.is_none() => return Ok(()),
            (Dialect::Sqlite, actor) => statement(
                "UPDATE image_gallery_trail SET actor = ?, operation = ?",
                vec![actor.as_deref().into(), (*operation).into()],
            ),
        };
        self.execute_raw(statement).await?;
        Ok(())
    }

    /// Ends what [`UnitOfWork::sign`] has begun.
    pub(super) async fn clear_signature(&self, signature: &Signature) -> Result<(), Error> {
        if self.dialect() == Dialect::Sqlite && *signature != Signature::default() {
            self.execute_unprepared(
                "UPDATE image_gallery_trail SET actor = NULL, operation = NULL",
            )
            .await?;
        }
        Ok(())
    }
}
