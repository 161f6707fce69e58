//! The complexity of an operation, cached for requests with the same values of the variables that it depends on.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{Name, Value as Sent, Variables};

use super::argument_value::{LookedAt, Values};
use super::variable_expansion::{ArgumentWeights, MAX_COPIED_BYTES, VALUE_BYTES, weight_of_value};
use super::{CostVisitor, Priced};

/// The complexity of an operation for certain variables.
#[derive(Debug)]
pub(crate) struct OperationCost {
    pub(crate) complexity: usize,
    /// The variables that it depends on, with their values.
    depends_on: Vec<(Name, Option<Sent>)>,
    /// Upper bounds: the size of arguments without variables, and the number of uses of variables.
    literal_bytes: usize,
    variable_uses: usize,
}

/// The most recent one. Most clients send an operation with the same page size each time.
#[derive(Debug, Default)]
pub(crate) struct LatestCost(Mutex<Option<Arc<OperationCost>>>);

impl LatestCost {
    /// The complexity of an operation, which must be the same for each call.
    pub(crate) fn of(&self, operation: Priced<'_>) -> Arc<OperationCost> {
        let latest = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(latest) = latest.filter(|latest| latest.is_for(operation.variables)) {
            return latest;
        }
        let priced = Arc::new(OperationCost::new(operation));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&priced));
        priced
    }
}

impl OperationCost {
    fn new(priced: Priced<'_>) -> Self {
        let Priced {
            document,
            operation,
            variables,
            model,
        } = priced;
        let looked_at = LookedAt::default();
        let values = Values::of(operation, variables, Some(&looked_at));
        let visitor = || CostVisitor::new(&document.fragments, values, model);
        let complexity = visitor().whole(operation);
        let weigh = |variable| {
            let mut weights = ArgumentWeights::with_variables_of(variable);
            let as_written = weights.weight_of_document(values, document);
            let mut visitor = visitor();
            visitor.weights = Some(weights);
            (as_written, visitor.whole(operation))
        };
        let (written_without, given_without) = weigh(0);
        let (written_with, given_with) = weigh(1);
        let written_uses = written_with.saturating_sub(written_without);
        let given_uses = given_with.saturating_sub(given_without);
        Self {
            complexity,
            depends_on: (looked_at.take().into_iter())
                .map(|name| {
                    let sent = variables.get(&name).cloned();
                    (name, sent)
                })
                .collect(),
            literal_bytes: written_without.max(given_without),
            variable_uses: written_uses.max(given_uses),
        }
    }

    fn is_for(&self, variables: &Variables) -> bool {
        let mut depends_on = self.depends_on.iter();
        depends_on.all(|(name, sent)| variables.get(name) == sent.as_ref())
    }

    /// Whether the arguments are small even if each variable were as large as the largest one. `text_bytes` is the length of
    /// the document, which limits the size of default values.
    pub(crate) fn has_small_arguments(&self, variables: &Variables, text_bytes: usize) -> bool {
        let sent = variables.values().map(weight_of_value).max().unwrap_or(0);
        let largest = sent.max(text_bytes.saturating_add(1).saturating_mul(VALUE_BYTES));
        let most = largest.saturating_mul(self.variable_uses);
        most.saturating_add(self.literal_bytes) <= MAX_COPIED_BYTES
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::super::sample;
    use super::*;

    #[test]
    fn a_price_is_kept_for_the_values_that_it_depends_on() {
        let index = sample::index();
        let model = sample::model(&index);
        let text = "query($first: Int, $after: String) {
            images(first: $first, after: $after) { nodes { id } } }";
        let document = parse_query(text).expect("the test's document parses");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let latest = LatestCost::default();
        let price = |variables| {
            let variables = Variables::from_json(variables);
            latest.of(Priced {
                document: &document,
                operation: &operation.node,
                variables: &variables,
                model,
            })
        };
        let ten = price(json!({ "first": 10, "after": "a" }));
        assert!(Arc::ptr_eq(
            &ten,
            &price(json!({ "first": 10, "after": "b" }))
        ));
        let twenty = price(json!({ "first": 20 }));
        assert_eq!((ten.complexity, twenty.complexity), (11, 21));
        assert!(!Arc::ptr_eq(&twenty, &price(json!({}))), "left out");
    }
}
