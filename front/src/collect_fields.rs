//! Merges fields that an operation selects more than once under one key, so that they are executed once,
//! <https://spec.graphql.org/October2021/#sec-Field-Collection>.
//!
//! The library executes each of them and merges the values: a mutation would run twice, and a list that is read twice could
//! mix rows of two points in time (and 1,600 spreads of one list are 1,600 queries). So the document is rewritten before
//! it is executed:
//!
//! 1. A fragment on the same type as the selection set is expanded there, once for each selection set.
//! 2. Fields with the same key, name, arguments and directives are merged, including their selection sets.
//! 3. The directives of `__typename` move to an inline fragment around it, because the library does not validate
//!    directives on that field, and treats the variables in them as unused.
//!
//! Fields that differ stay as they are: validation, which comes next, rejects them, unless only their directives differ.
//! Those of a mutation's root are rejected here.

use std::collections::{HashMap, HashSet};

use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, InlineFragment, OperationType,
    Selection, SelectionSet,
};
use async_graphql::{Name, Pos, Positioned, ServerError};

use super::code::Code;
use super::limits::{Limit, LimitExceeded, MAX_ARGUMENT_BYTES, Place};
use super::naming::shortened;
use super::schema_index::SchemaIndex;
use super::walk::{Fragments, selections};

/// Rewrites a document that is known to have no fragment cycles.
pub(crate) fn collect_fields(
    document: &mut ExecutableDocument,
    types: &SchemaIndex,
) -> Result<(), LimitExceeded> {
    let mut collector = FieldCollector {
        types,
        fragments: &document.fragments,
        inlined: HashSet::new(),
        bytes: 0,
    };
    for operation in match &mut document.operations {
        DocumentOperations::Single(operation) => vec![operation],
        DocumentOperations::Multiple(operations) => operations.values_mut().collect(),
    } {
        let root = types.root(operation.node.ty);
        let set = &mut operation.node.selection_set.node;
        *set = collector.selection_set(Some(root), &[set])?;
    }
    let inlined: HashSet<Name> = collector.inlined.into_iter().cloned().collect();
    let mut spread = HashSet::new();
    for (_, operation) in document.operations.iter() {
        note_spreads(
            &operation.node.selection_set.node,
            &document.fragments,
            &mut spread,
        );
    }
    // A fragment that is expanded everywhere would be rejected as unused.
    let spread: HashSet<Name> = spread.into_iter().cloned().collect();
    document
        .fragments
        .retain(|name, _| spread.contains(name) || !inlined.contains(name));
    Ok(())
}

/// Every fragment that is spread in a selection set, directly or through fragments.
pub(super) fn note_spreads<'a>(
    set: &'a SelectionSet,
    fragments: &'a Fragments,
    found: &mut HashSet<&'a Name>,
) {
    for selection in selections(set) {
        let Selection::FragmentSpread(spread) = &selection.node else {
            continue;
        };
        let name = &spread.node.fragment_name.node;
        if found.insert(name)
            && let Some(fragment) = fragments.get(name)
        {
            note_spreads(&fragment.node.selection_set.node, fragments, found);
        }
    }
}

struct FieldCollector<'a> {
    types: &'a SchemaIndex,
    fragments: &'a Fragments,
    inlined: HashSet<&'a Name>,
    bytes: usize,
}

/// The collected fields of a selection set.
#[derive(Default)]
struct Collected<'s> {
    groups: Vec<Group<'s>>,
    /// The last group of each response key.
    by_key: HashMap<&'s Name, usize>,
    /// The fragments that are expanded in it.
    fragments: HashSet<&'s Name>,
}

enum Group<'s> {
    /// Fields that are merged.
    Fields(Vec<&'s Positioned<Field>>),
    /// A fragment that is not expanded.
    Fragment(&'s Positioned<Selection>),
}

impl<'a> FieldCollector<'a> {
    fn selection_set(
        &mut self,
        parent: Option<&Name>,
        sets: &[&SelectionSet],
    ) -> Result<SelectionSet, LimitExceeded> {
        let mut collected = Collected::default();
        for set in sets {
            self.collect(parent, set, &mut collected);
        }
        let mut items = Vec::with_capacity(collected.groups.len());
        for group in collected.groups {
            items.push(match group {
                Group::Fields(fields) => self.field(parent, &fields)?,
                Group::Fragment(fragment) => self.fragment(parent, fragment)?,
            });
        }
        Ok(SelectionSet { items })
    }

    fn collect<'s>(
        &mut self,
        parent: Option<&Name>,
        set: &'s SelectionSet,
        into: &mut Collected<'s>,
    ) where
        'a: 's,
    {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => into.add(field),
                Selection::InlineFragment(inline)
                    if inline.node.directives.is_empty()
                        && inline
                            .node
                            .type_condition
                            .as_ref()
                            .is_none_or(|condition| Some(&condition.node.on.node) == parent) =>
                {
                    self.collect(parent, &inline.node.selection_set.node, into);
                }
                Selection::FragmentSpread(spread) if spread.node.directives.is_empty() => {
                    match self
                        .fragments
                        .get_key_value(&spread.node.fragment_name.node)
                    {
                        Some((name, fragment))
                            if fragment.node.directives.is_empty()
                                && Some(&fragment.node.type_condition.node.on.node) == parent =>
                        {
                            self.inlined.insert(name);
                            if into.fragments.insert(name) {
                                self.collect(parent, &fragment.node.selection_set.node, into);
                            }
                        }
                        _ => into.groups.push(Group::Fragment(selection)),
                    }
                }
                _ => into.groups.push(Group::Fragment(selection)),
            }
        }
    }

    /// Merges fields.
    fn field(
        &mut self,
        parent: Option<&Name>,
        fields: &[&Positioned<Field>],
    ) -> Result<Positioned<Selection>, LimitExceeded> {
        let first = fields.first().expect("a group has a field");
        self.bytes += first
            .node
            .arguments
            .iter()
            .map(|(_, value)| value.node.to_string().len())
            .sum::<usize>();
        let response_key = &first.node.response_key().node;
        if self.bytes > MAX_ARGUMENT_BYTES {
            let place = Place::new(first.pos, vec![response_key.clone()]);
            return Err(LimitExceeded::from(Limit::ArgumentBytes).at(place));
        }
        let own_type = self.types.of_field(parent, &first.node.name.node);
        let sets: Vec<&SelectionSet> = fields
            .iter()
            .map(|field| &field.node.selection_set.node)
            .collect();
        let selection_set = self
            .selection_set(own_type, &sets)
            .map_err(|exceeded| exceeded.within(response_key))?;
        let field = Field {
            alias: first.node.alias.clone(),
            name: first.node.name.clone(),
            arguments: first.node.arguments.clone(),
            directives: first.node.directives.clone(),
            selection_set: Positioned::new(selection_set, first.node.selection_set.pos),
        };
        let field = Positioned::new(field, first.pos);
        // At the root of a subscription it is not a field, and validation rejects it.
        let is_typename = field.node.name.node == "__typename"
            && parent != Some(self.types.root(OperationType::Subscription));
        let selection = if is_typename && !field.node.directives.is_empty() {
            Selection::InlineFragment(with_directives_around(field))
        } else {
            Selection::Field(field)
        };
        Ok(Positioned::new(selection, first.pos))
    }

    /// A fragment that is not expanded: the fields inside are merged.
    fn fragment(
        &mut self,
        parent: Option<&Name>,
        fragment: &Positioned<Selection>,
    ) -> Result<Positioned<Selection>, LimitExceeded> {
        let Selection::InlineFragment(inline) = &fragment.node else {
            return Ok(fragment.clone());
        };
        let condition = inline.node.type_condition.as_ref();
        let of = condition
            .map(|condition| &condition.node.on.node)
            .or(parent);
        let set = self.selection_set(of, &[&inline.node.selection_set.node])?;
        let mut inline = inline.clone();
        inline.node.selection_set.node = set;
        Ok(Positioned::new(
            Selection::InlineFragment(inline),
            fragment.pos,
        ))
    }
}

impl<'s> Collected<'s> {
    fn add(&mut self, field: &'s Positioned<Field>) {
        let key = &field.node.response_key().node;
        let place = self.by_key.get(key).copied();
        if let Some(Group::Fields(fields)) = place.and_then(|place| self.groups.get_mut(place))
            && fields
                .first()
                .is_some_and(|first| is_same(&first.node, &field.node))
        {
            fields.push(field);
            return;
        }
        self.by_key.insert(key, self.groups.len());
        self.groups.push(Group::Fields(vec![field]));
    }
}

/// An inline fragment with only this field, and with its directives.
fn with_directives_around(mut field: Positioned<Field>) -> Positioned<InlineFragment> {
    let place = field.pos;
    let directives = std::mem::take(&mut field.node.directives);
    let items = vec![Positioned::new(Selection::Field(field), place)];
    let fragment = InlineFragment {
        type_condition: None,
        directives,
        selection_set: Positioned::new(SelectionSet { items }, place),
    };
    Positioned::new(fragment, place)
}

/// Two fields of a mutation's root with one key that were not merged, because their directives or those of a fragment
/// around them differ, would be executed twice.
pub(crate) fn refuse_repeated_mutations(document: &ExecutableDocument) -> Result<(), ServerError> {
    let operations = document.operations.iter();
    let mut mutations = operations.filter(|(_, it)| it.node.ty == OperationType::Mutation);
    mutations.try_for_each(|(_, operation)| {
        let mut root = MutationRoot {
            fragments: &document.fragments,
            keys: HashSet::new(),
            spread: HashMap::new(),
        };
        root.note(&operation.node.selection_set.node)
    })
}

/// What is selected at a mutation's root.
struct MutationRoot<'d> {
    fragments: &'d Fragments,
    keys: HashSet<&'d Name>,
    /// The fragments that were spread, and whether they have fields. Each is visited once.
    spread: HashMap<&'d Name, bool>,
}

impl<'d> MutationRoot<'d> {
    fn note(&mut self, set: &'d SelectionSet) -> Result<(), ServerError> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let key = &field.node.response_key().node;
                    if key != "__typename" && !self.keys.insert(key) {
                        return Err(selected_twice(key, field.pos));
                    }
                }
                Selection::InlineFragment(inline) => {
                    self.note(&inline.node.selection_set.node)?;
                }
                Selection::FragmentSpread(spread) => {
                    self.note_spread(&spread.node.fragment_name.node, spread.pos)?;
                }
            }
        }
        Ok(())
    }

    fn note_spread(&mut self, name: &'d Name, place: Pos) -> Result<(), ServerError> {
        match self.spread.get(name) {
            Some(true) => return Err(selected_twice(name, place)),
            Some(false) => return Ok(()),
            None => {}
        }
        let Some(fragment) = self.fragments.get(name) else {
            return Ok(());
        };
        let before = self.keys.len();
        self.note(&fragment.node.selection_set.node)?;
        self.spread.insert(name, self.keys.len() > before);
        Ok(())
    }
}

fn selected_twice(name: &str, place: Pos) -> ServerError {
    let name = shortened(name);
    let message = format!(
        "`{name}` is selected twice in this mutation, with different directives: give each field its own alias"
    );
    let mut error = Code::ValidationFailed.error(message);
    error.locations = vec![place];
    error
}

/// Whether two fields with one response key are merged. If only one has a selection set, they are invalid and stay apart.
fn is_same(one: &Field, other: &Field) -> bool {
    let same_directive = |(one, other): (&Positioned<Directive>, &Positioned<Directive>)| {
        one.node.name == other.node.name && one.node.arguments == other.node.arguments
    };
    one.name == other.name
        && one.arguments.len() == other.arguments.len()
        && one
            .arguments
            .iter()
            .all(|(name, value)| other.get_argument(&name.node) == Some(value))
        && one.directives.len() == other.directives.len()
        && one
            .directives
            .iter()
            .zip(&other.directives)
            .all(same_directive)
        && one.selection_set.node.items.is_empty() == other.selection_set.node.items.is_empty()
}
