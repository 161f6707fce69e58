//! Postgres' jsonb containment (<https://www.postgresql.org/docs/current/datatype-json.html#JSON-CONTAINMENT>) for
//! SQLite, which has none.
//!
//! The SQL follows the shape of what is asked for: the scalar members of one object, or the scalar elements of one
//! array, are compared together, each object or array within by a subquery of its own.

use sea_orm::sea_query::{Expr, SimpleExpr, Value};
use serde_json::{Map, Value as Json};

/// The condition that the column `metadata` contains `part`.
pub(super) fn sqlite(part: &Map<String, Json>) -> SimpleExpr {
    let mut builder = Builder::default();
    let is_object = "json_type(metadata) = 'object'".to_owned();
    let condition = all(is_object, builder.object("metadata", part));
    Expr::cust_with_values(condition, builder.values)
}

/// Numbers are the same by value, everything else by type and value.
const SAME: &str = "CASE WHEN want.type IN ('integer', 'real') \
     THEN have.type IN ('integer', 'real') AND have.atom = want.atom \
     ELSE have.type = want.type AND have.atom IS want.atom END";

#[derive(Default)]
struct Builder {
    values: Vec<Value>,
    subqueries: usize,
}

impl Builder {
    fn object(&mut self, target: &str, object: &Map<String, Json>) -> Vec<String> {
        let (containers, scalars): (Vec<_>, Vec<_>) =
            object.iter().partition(|(_, value)| is_container(value));
        let mut conditions = Vec::new();
        if !scalars.is_empty() {
            let scalars: Map<_, _> = scalars
                .into_iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            self.values.push(Json::Object(scalars).to_string().into());
            conditions.push(each_wanted(
                target,
                &format!("have.key = want.key AND {SAME}"),
            ));
        }
        for (key, container) in containers {
            self.values.push(key.as_str().into());
            conditions.push(self.container(target, container, |row| format!("{row}.key = ?")));
        }
        conditions
    }

    fn array(&mut self, target: &str, array: &[Json]) -> Vec<String> {
        let (containers, scalars): (Vec<_>, Vec<_>) =
            array.iter().partition(|value| is_container(value));
        let mut conditions = Vec::new();
        if !scalars.is_empty() {
            let scalars = scalars.into_iter().cloned().collect();
            self.values.push(Json::Array(scalars).to_string().into());
            conditions.push(each_wanted(target, SAME));
        }
        for container in containers {
            conditions.push(self.container(target, container, |_| "1".to_owned()));
        }
        conditions
    }

    /// Some row of `target` is where it should be and contains the container.
    fn container(
        &mut self,
        target: &str,
        container: &Json,
        place: impl Fn(&str) -> String,
    ) -> String {
        self.subqueries += 1;
        let row = format!("member{}", self.subqueries);
        let value = format!("{row}.value");
        let (json_type, conditions) = match container {
            Json::Array(array) => ("array", self.array(&value, array)),
            Json::Object(object) => ("object", self.object(&value, object)),
            _ => return "0".to_owned(),
        };
        let first = format!("{} AND {row}.type = '{json_type}'", place(&row));
        let condition = all(first, conditions);
        format!("EXISTS (SELECT 1 FROM json_each({target}) AS {row} WHERE {condition})")
    }
}

/// Each scalar of the bound JSON is in `target`.
fn each_wanted(target: &str, is_met: &str) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM json_each(?) AS want WHERE NOT EXISTS \
         (SELECT 1 FROM json_each({target}) AS have WHERE {is_met}))"
    )
}

fn all(first: String, mut rest: Vec<String>) -> String {
    rest.insert(0, first);
    rest.join(" AND ")
}

fn is_container(value: &Json) -> bool {
    value.is_array() || value.is_object()
}
