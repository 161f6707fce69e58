//! The types of the schema's fields, read from its SDL, so that new fields are known automatically.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::Positioned;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, OperationType, SchemaDefinition, ServiceDocument, Type, TypeKind,
    TypeSystemDefinition,
};

/// Why operations of a schema cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The library cannot parse the SDL. It does not support a description of the schema itself.
    #[error("the schema does not parse: {0}")]
    Malformed(#[from] async_graphql::parser::Error),
    /// [`Prices`](crate::limits::Prices) contain a field that the schema does not have.
    #[error("the schema has no field `{parent}.{field}`, which has a price")]
    UnknownField {
        /// The object type.
        parent: &'static str,
        /// The field's name.
        field: &'static str,
    },
}

/// The objects and interfaces of the schema.
#[derive(Debug)]
pub(crate) struct SchemaIndex {
    types: HashMap<Name, IndexedType>,
    roots: Roots,
}

/// The root types, <https://spec.graphql.org/October2021/#sec-Root-Operation-Types>.
#[derive(Debug)]
struct Roots {
    query: Name,
    mutation: Name,
    subscription: Name,
}

/// An object or an interface.
#[derive(Debug)]
pub(crate) struct IndexedType {
    is_interface: bool,
    /// Its role in a paginated list, <https://relay.dev/graphql/connections.htm>.
    connection_role: Option<ConnectionRole>,
    fields: HashMap<Name, IndexedField>,
}

/// The role of a type in a paginated list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionRole {
    /// The page.
    Connection,
    /// One of its items with its cursor.
    Edge,
    /// The cursors of the page.
    PageInfo,
}

/// A field.
#[derive(Debug)]
pub(crate) struct IndexedField {
    /// Its named type, without lists and non-null.
    of: Name,
    /// Required arguments that are lists: the field processes them item by item.
    required_lists: Vec<Name>,
    arguments: HashMap<Name, Type>,
}

impl SchemaIndex {
    /// Builds it from a schema.
    pub(crate) fn of_schema(schema: &ServiceDocument) -> Self {
        let mut index = Self {
            types: HashMap::new(),
            roots: Roots::default(),
        };
        for definition in &schema.definitions {
            let definition = match definition {
                TypeSystemDefinition::Schema(schema) => {
                    index.roots = Roots::of(&schema.node);
                    continue;
                }
                TypeSystemDefinition::Type(definition) => &definition.node,
                TypeSystemDefinition::Directive(_) => continue,
            };
            let (is_interface, fields) = match &definition.kind {
                TypeKind::Object(object) => (false, &object.fields),
                TypeKind::Interface(interface) => (true, &interface.fields),
                _ => continue,
            };
            let indexed = IndexedType {
                is_interface,
                connection_role: None,
                fields: fields.iter().map(indexed_field).collect(),
            };
            index.types.insert(definition.name.node.clone(), indexed);
        }
        index.note_connection_roles();
        index
    }

    /// The root type of an operation.
    pub(crate) fn root(&self, operation_type: OperationType) -> &Name {
        match operation_type {
            OperationType::Query => &self.roots.query,
            OperationType::Mutation => &self.roots.mutation,
            OperationType::Subscription => &self.roots.subscription,
        }
    }

    /// A connection is a type with `edges` and `pageInfo`.
    fn note_connection_roles(&mut self) {
        let mut parts = Vec::new();
        for (name, object) in &self.types {
            if let (Some(edges), Some(page_info)) =
                (object.fields.get("edges"), object.fields.get("pageInfo"))
            {
                parts.push((name.clone(), ConnectionRole::Connection));
                parts.push((edges.of.clone(), ConnectionRole::Edge));
                parts.push((page_info.of.clone(), ConnectionRole::PageInfo));
            }
        }
        for (name, part) in parts {
            if let Some(object) = self.types.get_mut(&name) {
                object.connection_role = Some(part);
            }
        }
    }

    /// The type of a field.
    pub(crate) fn of_field(&self, parent: Option<&Name>, field: &Name) -> Option<&Name> {
        self.field(parent, field).map(|field| &field.of)
    }

    fn field(&self, parent: Option<&Name>, field: &Name) -> Option<&IndexedField> {
        self.types.get(parent?)?.fields.get(field)
    }

    /// The required list arguments of a field.
    pub(crate) fn required_lists(&self, parent: Option<&Name>, field: &Name) -> &[Name] {
        let field = self.field(parent, field);
        field.map_or(&[], |field| field.required_lists.as_slice())
    }

    /// The types of a field's arguments.
    pub(crate) fn arguments(
        &self,
        parent: Option<&Name>,
        field: &Name,
    ) -> Option<&HashMap<Name, Type>> {
        self.field(parent, field).map(|field| &field.arguments)
    }

    /// The role of a type in a paginated list.
    pub(crate) fn connection_role(&self, of: Option<&Name>) -> Option<ConnectionRole> {
        self.types.get(of?)?.connection_role
    }

    /// Whether a type is an interface: fragments on different object types of it exclude each other.
    pub(crate) fn is_interface(&self, name: Option<&Name>) -> bool {
        name.and_then(|name| self.types.get(name))
            .is_some_and(|of| of.is_interface)
    }
}

impl Default for Roots {
    fn default() -> Self {
        Self {
            query: Name::new("Query"),
            mutation: Name::new("Mutation"),
            subscription: Name::new("Subscription"),
        }
    }
}

impl Roots {
    fn of(schema: &SchemaDefinition) -> Self {
        let default = Self::default();
        let name = |of: &Option<Positioned<Name>>, default| {
            of.as_ref().map_or(default, |name| name.node.clone())
        };
        Self {
            query: name(&schema.query, default.query),
            mutation: name(&schema.mutation, default.mutation),
            subscription: name(&schema.subscription, default.subscription),
        }
    }
}

fn indexed_field(field: &Positioned<FieldDefinition>) -> (Name, IndexedField) {
    let FieldDefinition {
        name,
        arguments,
        ty,
        ..
    } = &field.node;
    let lists = arguments.iter().filter_map(|argument| {
        let of = &argument.node.ty.node;
        let is_list = matches!(of.base, BaseType::List(_));
        (is_list && !of.nullable).then(|| argument.node.name.node.clone())
    });
    let indexed = IndexedField {
        of: named(&ty.node).clone(),
        required_lists: lists.collect(),
        arguments: arguments
            .iter()
            .map(|argument| {
                let argument = &argument.node;
                (argument.name.node.clone(), argument.ty.node.clone())
            })
            .collect(),
    };
    (name.node.clone(), indexed)
}

/// The named type of a type reference.
fn named(reference: &Type) -> &Name {
    match &reference.base {
        BaseType::Named(name) => name,
        BaseType::List(item) => named(item),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_schema;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text)
    }

    #[test]
    fn connections_and_lists_are_known_by_the_schema() {
        let index = crate::limits::sample::index();
        for (of, expected) in [
            ("ImageConnection", Some(ConnectionRole::Connection)),
            ("GalleryEventConnection", Some(ConnectionRole::Connection)),
            ("GalleryEventEdge", Some(ConnectionRole::Edge)),
            ("PageInfo", Some(ConnectionRole::PageInfo)),
            ("Image", None),
            ("Nothing", None),
        ] {
            assert_eq!(index.connection_role(Some(&name(of))), expected, "{of}");
        }
        for (of, field, expected) in [
            ("Query", "nodes", vec![name("ids")]),
            ("Query", "galleryEvents", vec![]),
            ("Mutation", "createImages", vec![name("input")]),
            ("Mutation", "createImage", vec![]),
        ] {
            let lists = index.required_lists(Some(&name(of)), &name(field));
            assert_eq!(lists, expected, "{of}.{field}");
        }
        assert!(index.is_interface(Some(&name("Node"))));
        assert!(!index.is_interface(Some(&name("Image"))));
    }

    #[test]
    fn the_schema_says_where_operations_begin() {
        let index = |sdl| SchemaIndex::of_schema(&parse_schema(sdl).expect("a schema"));
        let root = |index: &SchemaIndex, of| index.root(of).to_string();
        let default = index("type Query { a: Int }");
        assert_eq!(root(&default, OperationType::Query), "Query");
        assert_eq!(root(&default, OperationType::Subscription), "Subscription");
        let named = index("type Q { a: Int } type M { a: Int } schema { query: Q mutation: M }");
        assert_eq!(root(&named, OperationType::Query), "Q");
        assert_eq!(root(&named, OperationType::Mutation), "M");
    }
}
