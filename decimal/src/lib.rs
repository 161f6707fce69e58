//! Decimal numbers by their digits, as written in JSON and GraphQL.

use serde_json::Number;

/// A number as its digits without leading and trailing zeros, and the exponent of the last one.
#[derive(Debug, PartialEq)]
pub struct Decimal {
    is_negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// None if an exponent exceeds 64 bits.
    pub fn of(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_end_matches('0');
        let cut = i64::try_from(all.len() - digits.len()).ok()?;
        let exponent = exponent.trim_start_matches('+').parse::<i64>().ok()?;
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Self {
                is_negative: false,
                digits: String::new(),
                exponent: 0,
            });
        }
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        Some(Self {
            is_negative,
            digits: digits.to_owned(),
            exponent: exponent.checked_add(cut)?,
        })
    }
}

/// Whether 64 bits or a double represent a number exactly.
pub fn is_exact(text: &str) -> bool {
    /// The number of decimal digits that a double always preserves.
    const KEPT_DIGITS: usize = 15;
    if text.len() <= KEPT_DIGITS && !text.contains(['e', 'E']) {
        return true;
    }
    let number: Option<Number> = serde_json::from_str(text).ok();
    number.is_some_and(|number| Decimal::of(&number.to_string()) == Decimal::of(text))
}

#[cfg(test)]
mod tests {
    use super::is_exact;

    #[test]
    fn a_number_is_exact_where_its_value_stays() {
        for text in [
            "0",
            "-0",
            "1.50",
            "1E5",
            "1e-7",
            "18446744073709551615",
            "-9223372036854775808",
            "0.30000000000000004",
            "1e300",
            "100000000000000000000",
        ] {
            assert!(is_exact(text), "{text}");
        }
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            "0.12345678901234567890",
            "123456789012345678901234567890",
            "1e400",
            "1e-400",
            "1e99999999999999999999",
        ] {
            assert!(!is_exact(text), "{text}");
        }
    }
}
