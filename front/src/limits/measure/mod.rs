//! Limits on the parsed document, with all fragments expanded.

mod place;

use std::collections::HashMap;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
};
use async_graphql::{Name, Pos, Positioned};

use super::{
    Limit, LimitExceeded, Limits, MAX_INTROSPECTED_LISTS, MAX_NESTING, MAX_SELECTIONS, Place,
};
use place::CountedSelections;

/// Introspection fields from one type to many others: nested, they multiply the response. Other implementations count the
/// same four, <https://github.com/graphql/graphql-js/blob/16.x.x/src/validation/rules/MaxIntrospectionDepthRule.ts>.
const INTROSPECTED_LISTS: [&str; 4] = ["fields", "inputFields", "interfaces", "possibleTypes"];

/// The size of an operation with all fragments expanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Depth of nested fields.
    pub depth: usize,
    /// Fields with an alias.
    pub aliases: usize,
}

/// Checks a parsed document against the limits: depth and aliases of the selected operation (of all without one), and the
/// number of selections of every definition, because all are validated.
pub fn measure_document(
    document: &ExecutableDocument,
    selected: Option<&OperationDefinition>,
    limits: &Limits,
) -> Result<Measured, LimitExceeded> {
    let mut measure = Measure {
        document,
        fragments: HashMap::new(),
    };
    let mut of_selected = Measured::default();
    let mut of_operations = Vec::new();
    for (_, operation) in document.operations.iter() {
        let set = &operation.node.selection_set.node;
        let size = measure.selection_set(set, 0)?;
        of_operations.push((set, size.selections));
        if selected.is_none_or(|selected| std::ptr::eq(selected, &raw const operation.node)) {
            measure.check_size(set, size, limits)?;
            of_selected = Measured {
                depth: size.depth,
                aliases: size.aliases,
            };
        }
    }
    let mut of_fragments = Vec::new();
    for (name, fragment) in &document.fragments {
        let size = measure.fragment(name, 0);
        let size = size.map_err(LimitExceeded::without_path)?;
        of_fragments.push((&fragment.node.selection_set.node, size.selections));
    }
    // All definitions are expanded and validated, whichever operation is selected.
    measure.check_selections(&of_operations)?;
    for of_fragment in of_fragments {
        let checked = measure.check_selections(&[of_fragment]);
        checked.map_err(LimitExceeded::without_path)?;
    }
    Ok(of_selected)
}

/// The size of a selection set with all fragments expanded.
#[derive(Clone, Copy, Debug, Default)]
struct SelectionSize {
    selections: usize,
    depth: usize,
    aliases: usize,
    /// Depth of nested fragments.
    spreads: usize,
    /// Depth of nested introspection lists.
    introspected_lists: usize,
}

impl SelectionSize {
    fn add(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.depth = self.depth.max(other.depth);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.spreads = self.spreads.max(other.spreads);
        self.introspected_lists = self.introspected_lists.max(other.introspected_lists);
    }
}

struct Measure<'a> {
    document: &'a ExecutableDocument,
    /// The size of each fragment; `None` while it is being measured.
    fragments: HashMap<&'a Name, Option<SelectionSize>>,
}

impl<'a> Measure<'a> {
    fn check_size(
        &mut self,
        set: &'a SelectionSet,
        size: SelectionSize,
        limits: &Limits,
    ) -> Result<(), LimitExceeded> {
        let (depth, maximum) = (size.depth, limits.max_depth);
        if depth > maximum {
            let place = self.place(set, &CountedSelections::depth(maximum), 0);
            return Err(limits.exceeded(Limit::Depth { depth, maximum }).at(place));
        }
        let (aliases, maximum) = (size.aliases, limits.max_aliases);
        if aliases > maximum {
            let place = self.place(set, &CountedSelections::aliases(maximum), 0);
            let limit = Limit::Aliases { aliases, maximum };
            return Err(limits.exceeded(limit).at(place));
        }
        Ok(())
    }

    /// Limits the sum of selections.
    fn check_selections(
        &mut self,
        sets: &[(&'a SelectionSet, usize)],
    ) -> Result<(), LimitExceeded> {
        let all = sets.iter().map(|(_, selections)| *selections);
        let all = all.fold(0, usize::saturating_add);
        if all <= MAX_SELECTIONS {
            return Ok(());
        }
        let mut before = 0_usize;
        let is_over = |(_, selections): &&(&SelectionSet, usize)| {
            let (start, end) = (before, before.saturating_add(*selections));
            before = if end > MAX_SELECTIONS { start } else { end };
            end > MAX_SELECTIONS
        };
        let over = sets.iter().find(is_over);
        let place =
            over.and_then(|(set, _)| self.place(set, &CountedSelections::selections(), before));
        Err(LimitExceeded::from(Limit::Selections(all)).at(place))
    }

    /// `spreads` is the depth of fragments around the set. [`scan`](super::scan) limits the nesting inside a definition.
    fn selection_set(
        &mut self,
        set: &'a SelectionSet,
        spreads: usize,
    ) -> Result<SelectionSize, LimitExceeded> {
        let mut total = SelectionSize::default();
        for Positioned { node, pos } in &set.items {
            total.add(self.selection(node, *pos, spreads)?);
        }
        Ok(total)
    }

    fn selection(
        &mut self,
        selection: &'a Selection,
        location: Pos,
        spreads: usize,
    ) -> Result<SelectionSize, LimitExceeded> {
        let size = match selection {
            Selection::Field(field) => self.field(&field.node, spreads)?,
            Selection::InlineFragment(inline) => {
                self.selection_set(&inline.node.selection_set.node, spreads)?
            }
            Selection::FragmentSpread(spread) => {
                let size = self.fragment(&spread.node.fragment_name.node, spreads + 1);
                size.map_err(|exceeded| match exceeded.place {
                    None => exceeded.at(Place::new(location, Vec::new())),
                    Some(_) => exceeded,
                })?
            }
        };
        Ok(SelectionSize {
            selections: size.selections.saturating_add(1),
            ..size
        })
    }

    fn field(&mut self, field: &'a Field, spreads: usize) -> Result<SelectionSize, LimitExceeded> {
        let set = &field.selection_set.node;
        let response_key = &field.response_key().node;
        let within = self.selection_set(set, spreads);
        let within = within.map_err(|exceeded| exceeded.within(response_key))?;
        let is_introspection = matches!(field.name.node.as_str(), "__schema" | "__type");
        let introspected_lists = within.introspected_lists + introspected_lists_of(field);
        if is_introspection && introspected_lists > MAX_INTROSPECTED_LISTS {
            let place = self.place(set, &CountedSelections::introspected_lists(), 0);
            let exceeded = LimitExceeded::from(Limit::Introspection(introspected_lists));
            return Err(exceeded.at(place).within(response_key));
        }
        Ok(SelectionSize {
            introspected_lists,
            depth: if is_introspection {
                1
            } else {
                within.depth.saturating_add(1)
            },
            aliases: within
                .aliases
                .saturating_add(usize::from(field.alias.is_some())),
            ..within
        })
    }

    fn fragment(&mut self, name: &'a Name, spreads: usize) -> Result<SelectionSize, LimitExceeded> {
        if spreads > MAX_NESTING {
            return Err(Limit::FragmentNesting.into());
        }
        let size = match self.fragments.get(name) {
            Some(Some(size)) => *size,
            Some(None) => {
                return Err(Limit::FragmentCycle {
                    name: name.to_string(),
                }
                .into());
            }
            None => self.measure_fragment(name, spreads)?,
        };
        if spreads + size.spreads > MAX_NESTING {
            return Err(Limit::FragmentNesting.into());
        }
        Ok(size)
    }

    fn measure_fragment(
        &mut self,
        name: &'a Name,
        spreads: usize,
    ) -> Result<SelectionSize, LimitExceeded> {
        // Validation reports unknown fragments.
        let Some(fragment) = self.document.fragments.get(name) else {
            return Ok(SelectionSize::default());
        };
        self.fragments.insert(name, None);
        let within = self.selection_set(&fragment.node.selection_set.node, spreads)?;
        let size = SelectionSize {
            spreads: within.spreads + 1,
            ..within
        };
        self.fragments.insert(name, Some(size));
        Ok(size)
    }
}

/// 1 for the fields in [`INTROSPECTED_LISTS`], otherwise 0.
fn introspected_lists_of(field: &Field) -> usize {
    usize::from(INTROSPECTED_LISTS.contains(&field.name.node.as_str()))
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::limits::scan;

    fn checked(text: &str) -> Result<(), Limit> {
        scan(text, &Limits::default()).map_err(|exceeded| exceeded.limit)?;
        measure_document(
            &parse_query(text).expect("the test's document parses"),
            None,
            &Limits::default(),
        )
        .map(|_| ())
        .map_err(|exceeded| exceeded.limit)
    }

    fn doubling(levels: usize) -> String {
        let fragments = (0..levels).map(|level| {
            format!(
                "fragment f{level} on Query {{ ...f{} ...f{} }} ",
                level + 1,
                level + 1
            )
        });
        let last = format!("fragment f{levels} on Query {{ __typename }} ");
        fragments.chain([last]).collect()
    }

    #[test]
    fn fragments_are_written_out_in_numbers_only() {
        assert_eq!(checked(&format!("{{ ...f0 }} {}", doubling(5))), Ok(()));
        let bomb = doubling(40);
        assert!(matches!(
            checked(&format!("{{ ...f0 }} {bomb}")),
            Err(Limit::Selections(_))
        ));
        assert!(matches!(
            checked(&format!("{{ __typename }} {bomb}")),
            Err(Limit::Selections(_))
        ));
    }

    #[test]
    fn a_ring_of_fragments_is_refused() {
        for text in [
            "{ ...a } fragment a on Query { ...a }",
            "{ ...a } fragment a on Query { ...b } fragment b on Query { images { ...a } }",
            "{ __typename } fragment a on Query { ...b } fragment b on Query { ...a }",
        ] {
            assert!(
                matches!(checked(text), Err(Limit::FragmentCycle { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_chain_of_fragments_is_bounded() {
        let chain = |length: usize| {
            let links = (0..length)
                .map(|link| format!("fragment f{link} on Query {{ ...f{} }} ", link + 1));
            let text: String = links.collect();
            format!("{{ ...f0 }} {text}")
        };
        assert_eq!(checked(&chain(60)), Ok(()));
        assert_eq!(checked(&chain(500)), Err(Limit::FragmentNesting));
    }

    #[test]
    fn depth_and_aliases_count_through_fragments() {
        let depth = |levels: usize| format!("{}{}", "{a".repeat(levels), "}".repeat(levels));
        assert_eq!(checked(&depth(15)), Ok(()));
        assert_eq!(
            checked(&depth(16)),
            Err(Limit::Depth {
                depth: 16,
                maximum: 15
            })
        );
        let text = format!("{{ b {{ ...f }} }} fragment f on Query {}", depth(15));
        assert_eq!(
            checked(&text),
            Err(Limit::Depth {
                depth: 16,
                maximum: 15
            })
        );
        let text = "{ ...f ...f } fragment f on Query { a:x b:x c:x d:x e:x f:x g:x h:x i:x j:x k:x l:x m:x n:x o:x p:x }";
        assert_eq!(
            checked(text),
            Err(Limit::Aliases {
                aliases: 32,
                maximum: 30
            })
        );
    }

    #[test]
    fn introspection_goes_from_types_to_types_twice_at_most() {
        let nested = |levels: usize| {
            format!(
                "{}name{}",
                "possibleTypes { ...n interfaces { ".repeat(levels),
                "} }".repeat(levels)
            )
        };
        let type_of = |levels| {
            let nested = nested(levels);
            format!(r#"{{ __type(name: "Node") {{ {nested} }} }} fragment n on __Type {{ name }}"#)
        };
        assert_eq!(checked(&type_of(1)), Ok(()));
        assert_eq!(checked(&type_of(15)), Err(Limit::Introspection(30)));
        let text = "{ __schema { types { ...f } } }
            fragment f on __Type { fields { args { type { ofType { ...i } } } } }
            fragment i on __Type { inputFields { type { fields { name } } } }";
        assert_eq!(checked(text), Err(Limit::Introspection(3)));
    }

    #[test]
    fn every_operation_is_counted_whichever_is_meant() {
        let fields: Vec<_> = (0..90).map(|number| format!("a{number}:id ")).collect();
        let other = |number| format!("query q{number} {{ images {{ nodes {{ ...f }} }} }} ");
        let others: Vec<_> = (0..110).map(other).collect();
        let text = format!(
            "query q {{ __typename }} {} fragment f on Image {{ {} }}",
            others.concat(),
            fields.concat()
        );
        let document = parse_query(&text).expect("the test's document parses");
        let selected = crate::document::get_operation(&document, Some("q"));
        let selected = &selected.expect("an operation").node;
        assert_eq!(
            measure_document(&document, Some(selected), &Limits::default())
                .map_err(|exceeded| exceeded.limit),
            Err(Limit::Selections(110 * 93 + 1))
        );
    }

    #[test]
    fn introspection_may_be_deep() {
        let text = format!("{{ __schema {}{} }}", "{a".repeat(30), "}".repeat(30));
        assert_eq!(checked(&text), Ok(()));
    }
}
