//! Restricts browsers to the server's own pages and the origins listed by the operator.
//!
//! A page of any site can make its visitor's browser send requests, including to a server on the visitor's machine. The
//! browser states their source in `Origin` and `Sec-Fetch-Site`, and their target in `Host`. Clients that are not
//! browsers send no such headers and are not restricted.

use axum::extract::Request;
use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use url::Url;

use crate::contract::code::Code;
use crate::loopback::is_loopback;
use crate::server::body;
use crate::server::http::refused;
use crate::server::media::Accepted;

/// An origin as browsers send it, <https://www.rfc-editor.org/rfc/rfc6454#section-6.2>: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Parses `https://gallery.example.com`, with at most a slash after host and port.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_bare = matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if !is_bare || !url.has_host() {
            return None;
        }
        let origin = url.origin();
        if origin.is_tuple() {
            return Some(Self(origin.ascii_serialization()));
        }
        // With an app's own scheme, e.g. `capacitor://localhost`.
        Some(Self(text.trim_end_matches('/').to_ascii_lowercase()))
    }

    /// The origin as browsers send it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request to that host is same-origin. A proxy may have terminated TLS.
    fn is_at(&self, authority: &Authority) -> bool {
        let Ok(url) = Url::parse(&self.0) else {
            return false;
        };
        let default_port = match url.scheme() {
            "http" => 80,
            "https" => 443,
            _ => return false,
        };
        let host = url.host_str().unwrap_or_default();
        host.eq_ignore_ascii_case(authority.host())
            && url.port().unwrap_or(default_port) == authority.port_u16().unwrap_or(default_port)
    }
}

/// Which browser requests are allowed.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// `PUBLIC_URL`: the server's public URL.
    pub public: Option<Origin>,
    /// `CORS_ALLOWED_ORIGINS`.
    pub listed: Vec<Origin>,
    /// Whether the server listens on loopback: then only loopback names may be its `Host`, so that DNS rebinding cannot
    /// make a foreign page same-origin.
    pub is_on_loopback: bool,
    /// Whether the server has pages.
    pub has_pages: bool,
}

impl Origins {
    /// The listed origins, as headers.
    pub(in crate::server) fn listed_headers(&self) -> Vec<HeaderValue> {
        let header = |origin: &Origin| HeaderValue::from_str(origin.as_str()).ok();
        self.listed.iter().filter_map(header).collect()
    }

    /// Why a request is rejected, if it is. Probes never are.
    pub(super) fn refusal(&self, request: &Request) -> Option<String> {
        if matches!(request.uri().path(), "/healthz" | "/readyz") {
            return None;
        }
        let host = host(request);
        if self.is_on_loopback && !host.as_ref().is_some_and(|host| self.is_known_host(host)) {
            let shown = host.map_or_else(|| "none".to_owned(), |host| format!("`{host}`"));
            return Some(format!(
                "Host: {shown} is not served here; allowed are loopback names such as `localhost`, and the host of PUBLIC_URL"
            ));
        }
        let headers = request.headers();
        let mut origins = headers.get_all(ORIGIN).iter();
        if let Some(origin) = origins.next() {
            let is_allowed = |origin: &HeaderValue| {
                let origin = origin.to_str().ok().and_then(Origin::parse);
                origin.is_some_and(|origin| self.is_allowed(&origin, host.as_ref()))
            };
            let are_allowed = is_allowed(origin) && origins.all(is_allowed);
            return (!are_allowed).then(|| {
                "Origin: pages of this origin may not call the server; allowed are its own and those in CORS_ALLOWED_ORIGINS"
                    .to_owned()
            });
        }
        let is_cross_site = is(headers, "sec-fetch-site", "cross-site");
        (is_cross_site && !self.is_visit(request)).then(|| {
            "Sec-Fetch-Site: other sites' pages may not call the server, unless they are in CORS_ALLOWED_ORIGINS"
                .to_owned()
        })
    }

    fn is_known_host(&self, host: &Authority) -> bool {
        is_loopback(host.host()) || self.is_public(host)
    }

    /// Whether `PUBLIC_URL` has this host, ignoring ports that a proxy may change.
    fn is_public(&self, host: &Authority) -> bool {
        let public = self.public.as_ref().and_then(|url| Url::parse(&url.0).ok());
        public
            .as_ref()
            .and_then(Url::host_str)
            .is_some_and(|public| public.eq_ignore_ascii_case(host.host()))
    }

    fn is_allowed(&self, origin: &Origin, host: Option<&Authority>) -> bool {
        self.public.as_ref() == Some(origin)
            || self.listed.contains(origin)
            || host.is_some_and(|host| origin.is_at(host))
    }

    /// Whether the user follows a link to a page, whose content the other site cannot read.
    fn is_visit(&self, request: &Request) -> bool {
        self.has_pages
            && request.method() == Method::GET
            && is(request.headers(), "sec-fetch-mode", "navigate")
            && Accepted::of(request.headers()).prefers_page()
    }
}

/// The response to a request that [`Origins`] do not allow.
pub(super) fn refuse(request: Request, reason: String) -> Response {
    body::discard(request.into_body());
    refused(StatusCode::FORBIDDEN, Code::Forbidden.error(reason))
}

/// The host that the client addresses; in HTTP/2 it is part of the URI.
fn host(request: &Request) -> Option<Authority> {
    let from_header = || {
        let header = request.headers().get(HOST)?;
        Authority::try_from(header.as_bytes()).ok()
    };
    request.uri().authority().cloned().or_else(from_header)
}

fn is(headers: &HeaderMap, name: &str, value: &str) -> bool {
    let mut given = headers.get_all(name).iter();
    given.any(|given| given.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, expected) in [
            ("https://a.example", Some("https://a.example")),
            ("https://A.example:443/", Some("https://a.example")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("http://[::1]:3000", Some("http://[::1]:3000")),
            ("Capacitor://localhost", Some("capacitor://localhost")),
            ("https://a.example/path", None),
            ("https://u:p@a.example", None),
            ("a.example", None),
            ("*", None),
            ("null", None),
            ("", None),
        ] {
            let origin = Origin::parse(text);
            assert_eq!(origin.as_ref().map(Origin::as_str), expected, "{text}");
        }
    }

    #[test]
    fn the_servers_own_origin_is_the_one_of_its_host() {
        for (origin, host, expected) in [
            ("http://a.example", "a.example", true),
            ("https://a.example", "a.example", true),
            ("https://a.example", "A.example:443", true),
            ("http://a.example:9999", "a.example:9999", true),
            ("http://a.example", "a.example:9999", false),
            ("http://b.example", "a.example", false),
            ("http://[::1]:9999", "[::1]:9999", true),
        ] {
            let origin = Origin::parse(origin).expect("an origin");
            let host = Authority::try_from(host).expect("a host");
            assert_eq!(origin.is_at(&host), expected, "{origin:?} {host}");
        }
    }
}
