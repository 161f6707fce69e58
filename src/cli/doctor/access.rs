//! Who may come in, and by which keys.

use super::report::Finding;
use crate::auth;
use crate::config::Settings;

const AREA: &str = "access";
const KEYS: &str = "keys";

/// Looks at how callers sign in, and asks the key server for its keys.
pub(super) async fn look(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    match settings.access.options() {
        Ok(auth::Options::Open) => findings.extend(open(settings)),
        Ok(auth::Options::Supabase(options)) => {
            findings.push(Finding::ok(AREA, "callers sign in by token"));
            if let Some(url) = options.key_server {
                findings.push(key_server(url).await);
            }
        }
        Err(error) => findings.push(Finding::wrong(AREA, error.to_string())),
    }
    if let Some(mistake) = settings.access.secret_mistake() {
        let what = format!("SUPABASE_JWT_SECRET {mistake}");
        findings.push(Finding::wrong(KEYS, what).mended(
            "take the project's own: Project Settings → JWT Keys, legacy secret; or sign in by SUPABASE_URL alone",
        ));
    }
    findings
}

fn open(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let remedy = "set AUTH_MODE=supabase, or keep strangers out in front of it";
    findings.push(if settings.is_on_loopback() {
        Finding::ok(AREA, "AUTH_MODE=open: nobody signs in; only this machine, or a proxy on it, reaches the server")
    } else {
        let what = "AUTH_MODE=open: nobody signs in, and everybody who reaches the server may read, change and purge every image";
        Finding::warning(AREA, what).mended(remedy)
    });
    if settings.access.has_idle_tokens() {
        findings.push(
            Finding::wrong(AREA, "tokens are set, but AUTH_MODE=open pays them no heed")
                .mended("set AUTH_MODE=supabase"),
        );
    }
    findings
}

async fn key_server(url: url::Url) -> Finding {
    let shown = url.to_string();
    match auth::published_keys(url).await {
        Ok(0) => Finding::wrong(KEYS, format!("{shown} publishes no key for ES256 or RS256"))
            .mended("make signing keys in the dashboard (JWT Keys), or set SUPABASE_JWT_SECRET for the legacy secret"),
        Ok(keys) => Finding::ok(
            KEYS,
            format!("{shown} publishes {keys} key{}", if keys == 1 { "" } else { "s" }),
        ),
        Err(reason) => Finding::wrong(KEYS, format!("{shown} gives no keys: {reason}"))
            .mended("check SUPABASE_URL or SUPABASE_JWKS_URL, and that this machine reaches it"),
    }
}
