//! A timestamp in microseconds, the precision of both databases.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike, Utc};
use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, Value, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbErr, QueryResult, TryGetError, TryGetable};
use sqlx::{Row, ValueRef};

/// Microseconds between 1970 and 2000, the epoch of Postgres' binary timestamps.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// A UTC timestamp in microseconds. Postgres' `infinity` and `-infinity`, which another application may have stored,
/// are the greatest and smallest values; they print as the last and first time that RFC 3339 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Postgres' `infinity`.
    pub const INFINITY: Self = Self(i64::MAX);
    /// Postgres' `-infinity`.
    pub const NEGATIVE_INFINITY: Self = Self(i64::MIN);
    const FIRST_PRINTABLE: i64 = -62_167_219_200_000_000;
    const LAST_PRINTABLE: i64 = 253_402_300_799_999_999;

    /// From microseconds since 1970.
    pub const fn from_microseconds(microseconds: i64) -> Self {
        Self(microseconds)
    }

    /// Whether Postgres supports the time: its range starts in 4713 BC.
    pub fn is_known_to_postgres(self) -> bool {
        const FIRST: i64 = -210_866_803_200_000_000;
        self == Self::NEGATIVE_INFINITY || self.0 >= FIRST
    }

    /// Microseconds since 2000, as Postgres counts, if the time is outside RFC 3339 but valid in Postgres.
    pub fn unprintable_postgres(self) -> Option<i64> {
        let is_printable = (Self::FIRST_PRINTABLE..=Self::LAST_PRINTABLE).contains(&self.0);
        let is_infinite = self == Self::INFINITY || self == Self::NEGATIVE_INFINITY;
        (!is_printable && !is_infinite).then(|| self.0.saturating_sub(POSTGRES_EPOCH))
    }

    /// Microseconds since 1970.
    pub const fn microseconds(self) -> i64 {
        self.0
    }

    /// Adds a duration; infinite values stay infinite.
    #[must_use]
    pub fn later_by(self, duration: Duration) -> Self {
        if self == Self::NEGATIVE_INFINITY {
            return self;
        }
        Self(self.0.saturating_add(in_microseconds(duration)))
    }

    /// Subtracts a duration; infinite values stay infinite.
    #[must_use]
    pub fn earlier_by(self, duration: Duration) -> Self {
        if self == Self::INFINITY {
            return self;
        }
        Self(self.0.saturating_sub(in_microseconds(duration)))
    }

    /// Truncates to microseconds. `None` outside the years 0 to 9999 of RFC 3339.
    pub fn from_datetime<Z: chrono::TimeZone>(datetime: &DateTime<Z>) -> Option<Self> {
        let utc = datetime.with_timezone(&Utc);
        (0..=9999)
            .contains(&utc.year())
            .then(|| Self(utc.timestamp_micros()))
    }

    /// As chrono's type, clamped to the range of RFC 3339.
    pub fn to_datetime(self) -> DateTime<Utc> {
        let bounded = self.0.clamp(Self::FIRST_PRINTABLE, Self::LAST_PRINTABLE);
        DateTime::from_timestamp_micros(bounded).unwrap_or_default()
    }

    /// From Postgres' binary form: microseconds since 2000.
    fn from_postgres(microseconds: i64) -> Self {
        match microseconds {
            i64::MAX => Self::INFINITY,
            i64::MIN => Self::NEGATIVE_INFINITY,
            finite => Self(finite.saturating_add(POSTGRES_EPOCH)),
        }
    }

    /// From SQLite's text. Text that is not a date, from another program, counts as before all time.
    fn from_sqlite(text: &str) -> Self {
        let instant = DateTime::parse_from_rfc3339(text)
            .map(|datetime| datetime.with_timezone(&Utc))
            .or_else(|_| {
                NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")
                    .map(|datetime| datetime.and_utc())
            });
        instant.map_or(Self::NEGATIVE_INFINITY, |instant| {
            Self(instant.timestamp_micros())
        })
    }
}

fn in_microseconds(duration: Duration) -> i64 {
    duration.as_micros().try_into().unwrap_or(i64::MAX)
}

/// Prints UTC with `Z` and six digits, e.g. `2026-01-15T10:30:00.123456Z`: of fixed width, so that text sorts by time.
/// SQLite stores this text.
impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = self.to_datetime();
        let (date, time) = (instant.date_naive(), instant.time());
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (place, digits, number) in [
            (0, 4, date.year().unsigned_abs()),
            (5, 2, date.month()),
            (8, 2, date.day()),
            (11, 2, time.hour()),
            (14, 2, time.minute()),
            (17, 2, time.second()),
            (20, 6, time.nanosecond() / 1000),
        ] {
            write_digits(text.iter_mut().skip(place).take(digits), number);
        }
        formatter.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// Writes the last digits of a number, as many as fit. The standard formatting takes ten times as long, and a page of
/// images has many timestamps.
fn write_digits<'t>(places: impl DoubleEndedIterator<Item = &'t mut u8>, mut number: u32) {
    for place in places.rev() {
        *place = b'0' + <u8 as TryFrom<u32>>::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
}

impl From<Timestamp> for Value {
    fn from(timestamp: Timestamp) -> Self {
        Self::ChronoDateTimeUtc(Some(timestamp.to_datetime()))
    }
}

impl Nullable for Timestamp {
    fn null() -> Value {
        Value::ChronoDateTimeUtc(None)
    }
}

impl ValueType for Timestamp {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        match value {
            Value::ChronoDateTimeUtc(Some(datetime)) => Ok(Self(datetime.timestamp_micros())),
            _ => Err(ValueTypeErr),
        }
    }

    fn type_name() -> String {
        "Timestamp".to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::ChronoDateTimeUtc
    }

    fn column_type() -> ColumnType {
        ColumnType::TimestampWithTimeZone
    }
}

impl TryGetable for Timestamp {
    fn try_get_by<I: ColIdx>(result: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let null = || TryGetError::Null(format!("{index:?}"));
        if let Some(row) = result.try_as_pg_row() {
            let raw = row
                .try_get_raw(index.as_sqlx_postgres_index())
                .map_err(unreadable)?;
            if raw.is_null() {
                return Err(null());
            }
            let bytes = raw.as_bytes().map_err(unreadable)?;
            let bytes = <[u8; 8]>::try_from(bytes).map_err(unreadable)?;
            return Ok(Self::from_postgres(i64::from_be_bytes(bytes)));
        }
        let text: Option<String> = super::sqlite_text(result, &index)?;
        text.map(|text| Self::from_sqlite(&text)).ok_or_else(null)
    }
}

fn unreadable(error: impl fmt::Display) -> TryGetError {
    TryGetError::DbErr(DbErr::Type(format!("timestamp: {error}")))
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prints_six_digits_and_z() {
        let timestamp = Timestamp::from_microseconds(1_768_473_000_100_000);
        assert_eq!(timestamp.to_string(), "2026-01-15T10:30:00.100000Z");
    }

    proptest! {
        #[test]
        fn prints_what_chrono_prints(microseconds: i64) {
            let timestamp = Timestamp::from_microseconds(microseconds);
            let expected = timestamp.to_datetime().to_rfc3339_opts(SecondsFormat::Micros, true);
            prop_assert_eq!(timestamp.to_string(), expected);
        }

        #[test]
        fn prints_every_instant_of_a_usual_year(microseconds in 0..4_000_000_000_000_000_i64) {
            let timestamp = Timestamp::from_microseconds(microseconds);
            let expected = timestamp.to_datetime().to_rfc3339_opts(SecondsFormat::Micros, true);
            prop_assert_eq!(timestamp.to_string(), expected);
        }
    }

    #[test]
    fn infinities_print_as_the_bounds_of_rfc_3339() {
        let printed = [
            (Timestamp::INFINITY, "9999-12-31T23:59:59.999999Z"),
            (Timestamp::NEGATIVE_INFINITY, "0000-01-01T00:00:00.000000Z"),
        ];
        for (timestamp, text) in printed {
            assert_eq!(timestamp.to_string(), text);
        }
    }

    #[test]
    fn reads_sqlite_values_of_other_programs() {
        let instant = Timestamp::from_microseconds(1_768_473_000_100_000);
        for text in [
            "2026-01-15T10:30:00.100000Z",
            "2026-01-15T12:30:00.1+02:00",
            "2026-01-15 10:30:00.100000+00:00",
            "2026-01-15 10:30:00.1",
        ] {
            assert_eq!(Timestamp::from_sqlite(text), instant, "{text}");
        }
        assert_eq!(Timestamp::from_sqlite("soon"), Timestamp::NEGATIVE_INFINITY);
    }
}
