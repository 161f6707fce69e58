//! The schema by introspection: its fields, and everything that can be selected.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::harness::TestApp;

const INTROSPECTION: &str = "{ __schema {
    types { kind name possibleTypes { name }
        fields(includeDeprecated: true) { name type { ...T } args { name type { ...T } } }
        inputFields { name type { ...T } } }
} }
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

/// For each field, all its calls in the table.
type Calls = BTreeMap<&'static str, String>;

pub(super) struct Schema(Value);

impl Schema {
    pub(super) async fn read(app: &TestApp) -> Self {
        Self(app.run(INTROSPECTION, json!({})).await["__schema"].take())
    }

    /// Panics unless the table has exactly the fields of a root, and a call with each argument.
    #[track_caller]
    pub(super) fn require_fields(&self, root: &str, calls: &Calls) {
        let fields: Vec<&Value> = list(self.kind(root), "fields").collect();
        for field in &fields {
            let name = name(field);
            let calls = calls.get(name);
            let calls = calls.unwrap_or_else(|| {
                panic!("{root}.{name} is not in the table: how may it not leak?")
            });
            self.require_arguments(&format!("{root}.{name}"), field, calls);
        }
        for call in calls.keys() {
            let is_there = fields.iter().any(|field| name(field) == *call);
            assert!(
                is_there,
                "{root}.{call} is in the table, but not in the schema"
            );
        }
    }

    /// Panics unless the table has all fields with arguments of the other types.
    #[track_caller]
    pub(super) fn require_nested(&self, calls: &Calls) {
        let objects = list(&self.0, "types").filter(|kind| kind["kind"] == "OBJECT");
        let below =
            objects.filter(|kind| !matches!(name(kind), "Query" | "Mutation" | "Subscription"));
        for kind in below.filter(|kind| !name(kind).starts_with("__")) {
            for field in list(kind, "fields").filter(|field| list(field, "args").next().is_some()) {
                let place = format!("{}.{}", name(kind), name(field));
                let calls = calls.get(place.as_str());
                let calls = calls
                    .unwrap_or_else(|| panic!("{place} is not in the table: how may it not leak?"));
                self.require_arguments(&place, field, calls);
            }
        }
    }

    #[track_caller]
    fn require_arguments(&self, place: &str, field: &Value, calls: &str) {
        for argument in list(field, "args") {
            for name in self.names_of_input(argument) {
                assert!(
                    calls.contains(&format!("{name}:")),
                    "{place} is never called with {name}"
                );
            }
        }
    }

    /// The name of an argument, and of all its input fields.
    fn names_of_input(&self, input: &Value) -> Vec<String> {
        let fields = list(self.kind(base(&input["type"])), "inputFields");
        let within = fields.flat_map(|field| self.names_of_input(field));
        std::iter::once(name(input).to_owned())
            .chain(within)
            .collect()
    }

    /// A selection of everything below a root's field, `{ … }`.
    pub(super) fn selection_of(
        &self,
        root: &str,
        field: &str,
        nested: &[(&str, &[&str])],
    ) -> String {
        let field = list(self.kind(root), "fields").find(|candidate| name(candidate) == field);
        let of = base(&field.expect("the field is there")["type"]);
        if self.kind(of)["kind"] == "SCALAR" {
            return String::new();
        }
        self.selection(of, nested, &mut Vec::new())
    }

    fn selection<'a>(
        &'a self,
        of: &'a str,
        nested: &[(&str, &[&str])],
        path: &mut Vec<&'a str>,
    ) -> String {
        let kind = self.kind(of);
        path.push(of);
        let mut text = "{ __typename".to_owned();
        let possible: Vec<&str> = match kind["kind"].as_str() {
            Some("INTERFACE" | "UNION") => list(kind, "possibleTypes").map(name).collect(),
            _ => Vec::new(),
        };
        for possible in possible {
            let selection = self.selection(possible, nested, path);
            write!(text, " ... on {possible} {selection}").expect("a string can be written to");
        }
        let fields = list(kind, "fields").filter(|_| kind["kind"] == "OBJECT");
        for field in fields {
            let target = base(&field["type"]);
            // Fields that lead back to a parent type would recurse forever.
            if path.contains(&target) {
                continue;
            }
            let selection = if list(self.kind(target), "fields").next().is_some() {
                self.selection(target, nested, path)
            } else {
                String::new()
            };
            let place = format!("{of}.{}", name(field));
            let calls = nested.iter().find(|(field, _)| *field == place);
            for (number, call) in calls
                .map_or(&[""][..], |(_, calls)| calls)
                .iter()
                .enumerate()
            {
                let name = name(field);
                let key = if number == 0 {
                    String::new()
                } else {
                    format!("{name}_{number}: ")
                };
                write!(text, " {key}{name}{call} {selection}").expect("a string can be written to");
            }
        }
        path.pop();
        text + " }"
    }

    fn kind(&self, of: &str) -> &Value {
        let kind = list(&self.0, "types").find(|kind| name(kind) == of);
        kind.unwrap_or_else(|| panic!("there is no type {of}"))
    }
}

fn list<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    of[key].as_array().into_iter().flatten()
}

fn name(of: &Value) -> &str {
    of["name"].as_str().expect("a name")
}

/// The named type, without lists and `!`.
fn base(reference: &Value) -> &str {
    match &reference["ofType"] {
        Value::Null => name(reference),
        inner => base(inner),
    }
}
