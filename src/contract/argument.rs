//! Wrappers for arguments that are non-null with a default, e.g. `Boolean! = false`. A declared variable that is not
//! sent means that the argument is absent, <https://spec.graphql.org/October2021/#sec-Coercing-Field-Arguments>, so the
//! default applies. The library would pass null to the argument's type instead.

use std::borrow::Cow;

use async_graphql::registry::Registry;
use async_graphql::{InputType, InputValueError, InputValueResult, Value};

/// `Boolean! = false`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flag(pub(super) bool);

/// `Boolean! = true`.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrueFlag(pub(super) bool);

impl Default for TrueFlag {
    fn default() -> Self {
        Self(true)
    }
}

/// `Int! = N`.
#[derive(Clone, Copy, Debug)]
pub(super) struct IntOr<const N: i32>(pub(super) i32);

impl<const N: i32> Default for IntOr<N> {
    fn default() -> Self {
        Self(N)
    }
}

macro_rules! default_when_left_out {
    ([$($generics:tt)*] $wrapper:ty, $inner:ty) => {
        impl<$($generics)*> InputType for $wrapper {
            type RawValueType = $inner;

            fn type_name() -> Cow<'static, str> {
                <$inner as InputType>::type_name()
            }

            fn create_type_info(registry: &mut Registry) -> String {
                <$inner as InputType>::create_type_info(registry)
            }

            fn parse(value: Option<Value>) -> InputValueResult<Self> {
                match value {
                    None => Ok(Self::default()),
                    given => <$inner as InputType>::parse(given)
                        .map(Self)
                        .map_err(InputValueError::propagate),
                }
            }

            fn to_value(&self) -> Value {
                InputType::to_value(&self.0)
            }

            fn as_raw_value(&self) -> Option<&Self::RawValueType> {
                Some(&self.0)
            }
        }
    };
}

default_when_left_out!([] Flag, bool);
default_when_left_out!([] TrueFlag, bool);
default_when_left_out!([const N: i32] IntOr<N>, i32);
