//! A position in Postgres' write-ahead log, <https://www.postgresql.org/docs/current/datatype-pg-lsn.html>. A standby
//! shows all changes up to the position that it has replayed.

use std::fmt;
use std::str::FromStr;

/// A position in the log: later writes have greater ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lsn(u64);

impl Lsn {
    pub(super) fn from_number(number: u64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }
}

/// As Postgres prints it: `16/B374D848`.
impl fmt::Display for Lsn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = self.0 & u64::from(u32::MAX);
        write!(formatter, "{:X}/{low:X}", self.0 >> 32)
    }
}

/// The text is not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a position like `16/B374D848`")]
pub struct InvalidLsn;

impl FromStr for Lsn {
    type Err = InvalidLsn;

    fn from_str(text: &str) -> Result<Self, InvalidLsn> {
        let number = |part: &str| {
            let is_hexadecimal = part.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hexadecimal.then(|| u32::from_str_radix(part, 16).ok())?
        };
        let (high, low) = text.split_once('/').ok_or(InvalidLsn)?;
        let (high, low) = number(high).zip(number(low)).ok_or(InvalidLsn)?;
        Ok(Self((u64::from(high) << 32) | u64::from(low)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_invalid_lsn_is_rejected() {
        for text in [
            "",
            "/",
            "1",
            "1/",
            "/1",
            "1/2/3",
            "+1/2",
            "1/-2",
            "g/1",
            "1/123456789",
            " 1/2",
        ] {
            assert_eq!(text.parse::<Lsn>(), Err(InvalidLsn), "{text}");
        }
        let lsn = "16/B374D848".parse::<Lsn>().map(|lsn| lsn.to_string());
        assert_eq!(lsn.as_deref(), Ok("16/B374D848"));
    }

    proptest! {
        #[test]
        fn lsns_read_back_and_are_ordered(one: u64, other: u64) {
            let read = |number: u64| Lsn(number).to_string().parse::<Lsn>();
            prop_assert_eq!(read(one), Ok(Lsn(one)));
            prop_assert_eq!(Lsn(one) < Lsn(other), one < other);
        }
    }
}
