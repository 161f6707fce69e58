//! The types of the schema's fields: read from its SDL, so that a field added later is known by construction.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::Positioned;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, OperationType, Type, TypeKind, TypeSystemDefinition,
};

/// The objects and interfaces of the schema.
#[derive(Debug)]
pub(crate) struct SchemaIndex(HashMap<Name, IndexedType>);

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
    /// One of its items, in its place.
    Edge,
    /// Where the page lies.
    PageInfo,
}

/// A field.
#[derive(Debug)]
pub(crate) struct IndexedField {
    /// The type that it leads to, lists and non-null aside.
    of: Name,
    /// Arguments that are lists and have to be given: what the field works through, item by item.
    required_lists: Vec<Name>,
}

impl SchemaIndex {
    /// Reads it from a printed schema.
    pub(crate) fn of_schema(sdl: &str) -> Self {
        let schema = parse_schema(sdl).expect("a schema that was printed parses");
        let types = schema.definitions.into_iter().filter_map(|definition| {
            let TypeSystemDefinition::Type(definition) = definition else {
                return None;
            };
            let (is_interface, fields) = match definition.node.kind {
                TypeKind::Object(object) => (false, object.fields),
                TypeKind::Interface(interface) => (true, interface.fields),
                _ => return None,
            };
            let indexed = IndexedType {
                is_interface,
                connection_role: None,
                fields: fields.into_iter().map(indexed_field).collect(),
            };
            Some((definition.node.name.node, indexed))
        });
        let mut index = Self(types.collect());
        index.note_connection_roles();
        index
    }

    /// A connection is what has `edges` and `pageInfo`.
    fn note_connection_roles(&mut self) {
        let mut parts = Vec::new();
        for (name, object) in &self.0 {
            if let (Some(edges), Some(page_info)) =
                (object.fields.get("edges"), object.fields.get("pageInfo"))
            {
                parts.push((name.clone(), ConnectionRole::Connection));
                parts.push((edges.of.clone(), ConnectionRole::Edge));
                parts.push((page_info.of.clone(), ConnectionRole::PageInfo));
            }
        }
        for (name, part) in parts {
            if let Some(object) = self.0.get_mut(&name) {
                object.connection_role = Some(part);
            }
        }
    }

    /// The type of a field.
    pub(crate) fn of_field(&self, parent: Option<&Name>, field: &Name) -> Option<&Name> {
        self.field(parent, field).map(|field| &field.of)
    }

    fn field(&self, parent: Option<&Name>, field: &Name) -> Option<&IndexedField> {
        self.0.get(parent?)?.fields.get(field)
    }

    /// The arguments of a field that are lists and have to be given.
    pub(crate) fn required_lists(&self, parent: Option<&Name>, field: &Name) -> &[Name] {
        let field = self.field(parent, field);
        field.map_or(&[], |field| field.required_lists.as_slice())
    }

    /// The role of a type in a paginated list.
    pub(crate) fn connection_role(&self, of: Option<&Name>) -> Option<ConnectionRole> {
        self.0.get(of?)?.connection_role
    }

    /// Whether a type is an interface: what is selected of it by fragments on objects excludes each other.
    pub(crate) fn is_interface(&self, name: Option<&Name>) -> bool {
        name.and_then(|name| self.0.get(name))
            .is_some_and(|of| of.is_interface)
    }
}

/// The type that an operation begins at.
pub(crate) fn root_of(kind: OperationType) -> Name {
    Name::new(match kind {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    })
}

fn indexed_field(field: Positioned<FieldDefinition>) -> (Name, IndexedField) {
    let FieldDefinition {
        name,
        arguments,
        ty,
        ..
    } = field.node;
    let lists = arguments.into_iter().filter_map(|argument| {
        let of = &argument.node.ty.node;
        let is_list = matches!(of.base, BaseType::List(_));
        (is_list && !of.nullable).then_some(argument.node.name.node)
    });
    let indexed = IndexedField {
        of: named(ty.node),
        required_lists: lists.collect(),
    };
    (name.node, indexed)
}

/// The named type within a type reference.
fn named(reference: Type) -> Name {
    match reference.base {
        BaseType::Named(name) => name,
        BaseType::List(item) => named(*item),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text)
    }

    #[test]
    fn connections_and_lists_are_known_by_the_schema() {
        let index = crate::front::limits::sample::index();
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
}
