//! The path of the REST calls.

use std::str::FromStr;

/// A path that no other route of the server begins with, without a slash at its end, such as `/v1/gallery`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestPath(String);

/// First segments of the server's other routes.
const TAKEN: [&str; 6] = [
    "graphql", "healthz", "readyz", "metrics", "assets", "webhooks",
];

impl RestPath {
    /// Without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request's path is one of REST's.
    pub fn contains(&self, path: &str) -> bool {
        self.below(path).is_some()
    }

    /// The methods of a path, as in `Allow`; none if it is not one of REST's.
    pub fn allowed_methods(&self, path: &str) -> Option<&'static str> {
        let below = self.below(path)?;
        let segments: Vec<&str> = below
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        match *segments.as_slice() {
            [] => Some("GET, HEAD, POST, OPTIONS"),
            ["deleted" | "count" | "openapi.json"] => Some("GET, HEAD, OPTIONS"),
            [_] => Some("GET, HEAD, DELETE, OPTIONS"),
            [_, "restore"] => Some("POST, OPTIONS"),
            [_, "permanent"] => Some("DELETE, OPTIONS"),
            _ => None,
        }
    }

    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        let below = path.strip_prefix(self.0.as_str())?;
        (below.is_empty() || below.starts_with('/')).then_some(below)
    }
}

impl FromStr for RestPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let is_plain = |segment: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
            !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed)
        };
        let segments = path.strip_prefix('/').map(|path| path.split('/'));
        if !segments.is_some_and(|mut segments| segments.all(is_plain)) {
            return Err(
                "is not a path; allowed are segments of letters, digits and `-_.~`, as in `/v1/gallery`".to_owned(),
            );
        }
        if path
            .split('/')
            .nth(1)
            .is_some_and(|first| TAKEN.contains(&first))
        {
            return Err(format!(
                "is a path of the server's own; its first segment must be none of {}",
                TAKEN.join(", ")
            ));
        }
        Ok(Self(path.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_plain_and_free() {
        for (text, expected) in [
            ("/v1/gallery", Some("/v1/gallery")),
            ("/v1/gallery/", Some("/v1/gallery")),
            ("/api", Some("/api")),
            ("/v1/graphql", Some("/v1/graphql")),
            ("", None),
            ("/", None),
            ("v1/gallery", None),
            ("/v1//gallery", None),
            ("/v1/../gallery", None),
            ("/{id}", None),
            ("/v1/*", None),
            ("/a b", None),
            ("/graphql", None),
            ("/metrics/x", None),
        ] {
            let path = text.parse::<RestPath>().ok();
            assert_eq!(path.as_ref().map(RestPath::as_str), expected, "{text}");
        }
    }

    #[test]
    fn methods_of_each_path() {
        let rest: RestPath = "/v1/gallery".parse().expect("a path");
        for (path, expected) in [
            ("/v1/gallery", Some("GET, HEAD, POST, OPTIONS")),
            ("/v1/gallery/", Some("GET, HEAD, POST, OPTIONS")),
            ("/v1/gallery/x/permanent/", Some("DELETE, OPTIONS")),
            ("/v1/gallery/x/y", None),
            ("/v1/gallery2", None),
            ("/v1", None),
        ] {
            assert_eq!(rest.allowed_methods(path), expected, "{path}");
        }
        assert!(rest.contains("/v1/gallery/x/y") && !rest.contains("/v1/gallery2"));
    }
}
