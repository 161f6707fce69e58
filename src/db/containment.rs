//! Postgres' jsonb containment (<https://www.postgresql.org/docs/current/datatype-json.html#JSON-CONTAINMENT>) for
//! SQLite, which has no equivalent.
//!
//! The SQL follows the structure of the pattern: the scalar members of an object, or the scalar elements of an array,
//! are compared together; nested objects and arrays become joins or subqueries.

use sea_orm::sea_query::{Expr, SimpleExpr, Value};
use serde_json::{Map, Value as Json};

/// The condition that the column `metadata` contains `part`.
pub(super) fn sqlite(part: &Map<String, Json>) -> SimpleExpr {
    let mut builder = Builder::default();
    let mut conditions = vec!["json_type(metadata) = 'object'".to_owned()];
    conditions.extend(builder.object_scalars("metadata", part));
    for (key, value) in part.iter().filter(|(_, value)| is_container(value)) {
        conditions.push(builder.exists("metadata", (Some(key), value)));
    }
    Expr::cust_with_values(conditions.join(" AND "), builder.values)
}

/// Compares numbers by value, everything else by type and value. Integers beyond 64 bits are read as doubles, so two of
/// them are compared by their digits.
const SAME: &str = "CASE WHEN want.type = 'integer' AND have.type = 'integer' AND 'real' IN (typeof(want.atom), typeof(have.atom)) \
     THEN have.json -> have.fullkey = want.json -> want.fullkey \
     WHEN want.type IN ('integer', 'real') \
     THEN have.type IN ('integer', 'real') AND have.atom = want.atom \
     ELSE have.type = want.type AND have.atom IS want.atom END";

#[derive(Default)]
struct Builder {
    values: Vec<Value>,
    tables: usize,
}

/// A subquery: its joined tables and its conditions. Values are bound in the order of the conditions.
#[derive(Default)]
struct Subquery {
    tables: Vec<String>,
    conditions: Vec<String>,
}

/// A nested object or array with its key; elements of an array have none.
type Member<'a> = (Option<&'a str>, &'a Json);

impl Builder {
    /// The condition that `target` contains the scalars of the object.
    fn object_scalars(&mut self, target: &str, object: &Map<String, Json>) -> Option<String> {
        let scalars = object.iter().filter(|(_, value)| !is_container(value));
        let scalars: Map<_, _> = scalars
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if scalars.is_empty() {
            return None;
        }
        self.values.push(Json::Object(scalars).to_string().into());
        let is_met = format!("have.key = want.key AND {SAME}");
        Some(each_wanted(target, &is_met))
    }

    /// The same for an array.
    fn array_scalars(&mut self, target: &str, array: &[Json]) -> Option<String> {
        let scalars = array.iter().filter(|value| !is_container(value));
        let scalars: Vec<_> = scalars.cloned().collect();
        if scalars.is_empty() {
            return None;
        }
        self.values.push(Json::Array(scalars).to_string().into());
        Some(each_wanted(target, SAME))
    }

    /// The condition that a row of `target` is at the right position and contains the member.
    fn exists(&mut self, target: &str, member: Member<'_>) -> String {
        let mut subquery = Subquery::default();
        self.descend(&mut subquery, target, member);
        format!(
            "EXISTS (SELECT 1 FROM {} WHERE {})",
            subquery.tables.join(", "),
            subquery.conditions.join(" AND ")
        )
    }

    /// Joins the deepest nested container, and adds a subquery for each other one: subqueries nested as deeply as the
    /// JSON would exceed SQLite's limit of 1000 for an expression.
    fn descend(&mut self, subquery: &mut Subquery, target: &str, (key, container): Member<'_>) {
        self.tables += 1;
        let row = format!("member{}", self.tables);
        let value = format!("{row}.value");
        subquery
            .tables
            .push(format!("json_each({target}) AS {row}"));
        if let Some(key) = key {
            self.values.push(key.into());
            subquery.conditions.push(format!("{row}.key = ?"));
        }
        let (json_type, scalars) = match container {
            Json::Object(object) => ("object", self.object_scalars(&value, object)),
            Json::Array(array) => ("array", self.array_scalars(&value, array)),
            _ => return,
        };
        let is_container = format!("{row}.type = '{json_type}'");
        subquery.conditions.push(is_container);
        subquery.conditions.extend(scalars);
        let mut within = containers_within(container);
        let Some(deepest) = (0..within.len()).max_by_key(|place| levels(within[*place].1)) else {
            return;
        };
        let deepest = within.swap_remove(deepest);
        for member in within {
            let exists = self.exists(&value, member);
            subquery.conditions.push(exists);
        }
        self.descend(subquery, &value, deepest);
    }
}

fn containers_within(container: &Json) -> Vec<Member<'_>> {
    let mut members: Vec<Member<'_>> = match container {
        Json::Object(object) => object
            .iter()
            .map(|(key, value)| (Some(key.as_str()), value))
            .collect(),
        Json::Array(array) => array.iter().map(|value| (None, value)).collect(),
        _ => Vec::new(),
    };
    members.retain(|(_, value)| is_container(value));
    members
}

fn levels(value: &Json) -> usize {
    let within = containers_within(value);
    1 + within
        .into_iter()
        .map(|(_, value)| levels(value))
        .max()
        .unwrap_or(0)
}

/// The condition that each scalar of the bound JSON is in `target`.
fn each_wanted(target: &str, is_met: &str) -> String {
    format!(
        "NOT EXISTS (SELECT 1 FROM json_each(?) AS want WHERE NOT EXISTS \
         (SELECT 1 FROM json_each({target}) AS have WHERE {is_met}))"
    )
}

fn is_container(value: &Json) -> bool {
    value.is_array() || value.is_object()
}
