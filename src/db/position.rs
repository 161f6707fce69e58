//! A place in Postgres' write-ahead log, <https://www.postgresql.org/docs/current/datatype-pg-lsn.html>: what a standby has
//! replayed up to there, it shows.

use std::fmt;
use std::str::FromStr;

/// A place in the log: later writes have greater ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u64);

impl Position {
    pub(super) fn from_number(number: u64) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }
}

/// As Postgres prints it: `16/B374D848`.
impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = self.0 & u64::from(u32::MAX);
        write!(formatter, "{:X}/{low:X}", self.0 >> 32)
    }
}

/// The text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no position, as in `16/B374D848`")]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let number = |part: &str| {
            let is_hexadecimal = part.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hexadecimal.then(|| u32::from_str_radix(part, 16).ok())?
        };
        let (high, low) = text.split_once('/').ok_or(NoPosition)?;
        let (high, low) = number(high).zip(number(low)).ok_or(NoPosition)?;
        Ok(Self((u64::from(high) << 32) | u64::from(low)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_position_is_refused() {
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
            assert_eq!(text.parse::<Position>(), Err(NoPosition), "{text}");
        }
        let position = "16/B374D848"
            .parse::<Position>()
            .map(|position| position.to_string());
        assert_eq!(position.as_deref(), Ok("16/B374D848"));
    }

    proptest! {
        #[test]
        fn positions_read_back_and_are_ordered(one: u64, other: u64) {
            let read = |number: u64| Position(number).to_string().parse::<Position>();
            prop_assert_eq!(read(one), Ok(Position(one)));
            prop_assert_eq!(Position(one) < Position(other), one < other);
        }
    }
}
