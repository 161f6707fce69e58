//! The change of a field in an update.

/// The change of one field.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Change<T> {
    /// Keeps the value.
    #[default]
    Keep,
    /// Sets null.
    Clear,
    /// Sets a value.
    Set(T),
}
