//! The URL rule: every accepted URL has an allowed host, and contains the id.
#![no_main]

use std::sync::LazyLock;

use image_gallery::cloudinary::hosts::HostPatterns;
use image_gallery::cloudinary::url::{ImageUrl, MAX_CHARACTERS};
use libfuzzer_sys::fuzz_target;
use url::Url;

static HOSTS: LazyLock<HostPatterns> = LazyLock::new(HostPatterns::default);

fuzz_target!(|text: &str| {
    let Ok(accepted) = ImageUrl::parse(text, &HOSTS) else {
        return;
    };
    assert_eq!(accepted.as_str(), text, "nothing is mended");
    assert!(text.is_ascii() && text.len() <= MAX_CHARACTERS);
    let parsed = Url::parse(text).expect("an accepted URL is a URL");
    assert_eq!(parsed.scheme(), "https");
    assert!(parsed.username().is_empty() && parsed.password().is_none() && parsed.port().is_none());
    let host = parsed.host_str().expect("an https URL has a host");
    assert!(
        host == "res.cloudinary.com" || host.ends_with("-res.cloudinary.com"),
        "{host}"
    );
    // Unchanged: `..` is not resolved, and nothing else is corrected.
    let path = text
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    for id in accepted.every_id() {
        let (hyphenated, simple) = (id.to_string(), id.simple().to_string());
        assert!(
            path.contains(&hyphenated) || path.contains(&simple),
            "{id} in {path}"
        );
    }
    assert!(accepted.every_id().contains(&accepted.id()));
});
