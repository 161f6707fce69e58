//! What the schema's fields lead to: read from its SDL, so that a field added later is known by construction.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::Positioned;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, OperationType, Type, TypeKind, TypeSystemDefinition,
};

/// The objects and interfaces of the schema.
#[derive(Debug)]
pub(crate) struct Shape(HashMap<Name, TypeShape>);

/// An object or an interface.
#[derive(Debug)]
pub(crate) struct TypeShape {
    is_interface: bool,
    /// What it is to a paginated list, <https://relay.dev/graphql/connections.htm>.
    paging: Option<Paging>,
    fields: HashMap<Name, FieldShape>,
}

/// The part that a type plays in a paginated list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paging {
    /// The page.
    Connection,
    /// One of its items, in its place.
    Edge,
    /// Where the page lies.
    PageInfo,
}

/// A field.
#[derive(Debug)]
pub(crate) struct FieldShape {
    /// The type that it leads to, lists and non-null aside.
    of: Name,
    /// Arguments that are lists and have to be given: what the field works through, item by item.
    required_lists: Vec<Name>,
}

impl Shape {
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
            let shape = TypeShape {
                is_interface,
                paging: None,
                fields: fields.into_iter().map(field_shape).collect(),
            };
            Some((definition.node.name.node, shape))
        });
        let mut shape = Self(types.collect());
        shape.note_paging();
        shape
    }

    /// A connection is what has `edges` and `pageInfo`.
    fn note_paging(&mut self) {
        let mut parts = Vec::new();
        for (name, object) in &self.0 {
            if let (Some(edges), Some(page_info)) =
                (object.fields.get("edges"), object.fields.get("pageInfo"))
            {
                parts.push((name.clone(), Paging::Connection));
                parts.push((edges.of.clone(), Paging::Edge));
                parts.push((page_info.of.clone(), Paging::PageInfo));
            }
        }
        for (name, part) in parts {
            if let Some(object) = self.0.get_mut(&name) {
                object.paging = Some(part);
            }
        }
    }

    /// The type of a field.
    pub(crate) fn of_field(&self, parent: Option<&Name>, field: &Name) -> Option<&Name> {
        self.field(parent, field).map(|field| &field.of)
    }

    fn field(&self, parent: Option<&Name>, field: &Name) -> Option<&FieldShape> {
        self.0.get(parent?)?.fields.get(field)
    }

    /// The arguments of a field that are lists and have to be given.
    pub(crate) fn required_lists(&self, parent: Option<&Name>, field: &Name) -> &[Name] {
        let field = self.field(parent, field);
        field.map_or(&[], |field| field.required_lists.as_slice())
    }

    /// The part that a type plays in a paginated list.
    pub(crate) fn paging(&self, of: Option<&Name>) -> Option<Paging> {
        self.0.get(of?)?.paging
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

fn field_shape(field: Positioned<FieldDefinition>) -> (Name, FieldShape) {
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
    let shape = FieldShape {
        of: named(ty.node),
        required_lists: lists.collect(),
    };
    (name.node, shape)
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
        let shape = crate::front::limits::sample::shape();
        for (of, expected) in [
            ("ImageConnection", Some(Paging::Connection)),
            ("GalleryEventConnection", Some(Paging::Connection)),
            ("GalleryEventEdge", Some(Paging::Edge)),
            ("PageInfo", Some(Paging::PageInfo)),
            ("Image", None),
            ("Nothing", None),
        ] {
            assert_eq!(shape.paging(Some(&name(of))), expected, "{of}");
        }
        for (of, field, expected) in [
            ("Query", "nodes", vec![name("ids")]),
            ("Query", "galleryEvents", vec![]),
            ("Mutation", "createImages", vec![name("input")]),
            ("Mutation", "createImage", vec![]),
        ] {
            let lists = shape.required_lists(Some(&name(of)), &name(field));
            assert_eq!(lists, expected, "{of}.{field}");
        }
        assert!(shape.is_interface(Some(&name("Node"))));
        assert!(!shape.is_interface(Some(&name("Image"))));
    }
}
