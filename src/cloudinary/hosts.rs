//! The hosts allowed in image URLs.

use std::fmt;
use std::str::FromStr;

/// Allowed hosts: names in which `*` matches one label or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPatterns(Vec<String>);

/// Why a text is not a list of host patterns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host name, in which `*` may match one label or a part of one, e.g. `*-res.cloudinary.com`"
)]
pub struct HostPatternError(String);

impl Default for HostPatterns {
    fn default() -> Self {
        Self(vec![
            "res.cloudinary.com".to_owned(),
            "*-res.cloudinary.com".to_owned(),
        ])
    }
}

impl FromStr for HostPatterns {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let patterns = text.split(',').map(|entry| {
            let pattern = entry.trim().to_ascii_lowercase();
            let is_label = |label: &str| {
                !label.is_empty()
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-*".contains(&byte))
            };
            if pattern.split('.').all(is_label) {
                Ok(pattern)
            } else {
                Err(HostPatternError(entry.trim().to_owned()))
            }
        });
        patterns.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for HostPatterns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(", "))
    }
}

impl HostPatterns {
    /// Whether an image URL may have this host, in any letter case.
    pub fn allow(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.0.iter().any(|pattern| {
            let (patterns, labels) = (pattern.split('.'), host.split('.'));
            patterns.clone().count() == labels.clone().count()
                && patterns
                    .zip(labels)
                    .all(|(pattern, label)| label_matches(pattern, label))
        })
    }
}

/// Each `*` matches one or more characters.
fn label_matches(pattern: &str, label: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == label;
    };
    let Some(rest) = label.strip_prefix(before) else {
        return false;
    };
    let ends = rest
        .char_indices()
        .skip(1)
        .map(|(place, _)| place)
        .chain([rest.len()]);
    !rest.is_empty()
        && ends
            .into_iter()
            .any(|end| label_matches(after, rest.get(end..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_strictly() {
        for text in ["", "a,,b", "a b", "https://a", "a..b", "*.é"] {
            assert!(text.parse::<HostPatterns>().is_err(), "{text:?}");
        }
        let patterns: HostPatterns = " IMG.example.com , a*b*.example.com"
            .parse()
            .expect("valid");
        for (host, is_allowed) in [
            ("img.example.com", true),
            ("aXbY.example.com", true),
            ("axb.example.com", false),
            ("ab.example.com", false),
            ("img.example.com.", false),
        ] {
            assert_eq!(patterns.allow(host), is_allowed, "{host}");
        }
    }
}
