//! Checks authentication and its keys.

use super::report::Finding;
use crate::auth;
use crate::config::Settings;

const AREA: &str = "access";
const KEYS: &str = "keys";

/// Checks how callers authenticate, and queries the key server.
pub(super) async fn look(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    match settings.access.options() {
        Ok(auth::Options::Open) => findings.extend(open(settings)),
        Ok(auth::Options::Tokens(options)) => {
            findings.push(Finding::ok(AREA, "callers sign in by token"));
            if let Some(url) = options.key_server {
                findings.push(key_server(url, options.algorithms).await);
            }
        }
        Err(error) => findings.push(Finding::wrong(AREA, error.to_string())),
    }
    let mistake = settings.access.secret_mistake();
    findings.extend(mistake.map(|(what, remedy)| Finding::wrong(KEYS, what).with_remedy(remedy)));
    let idle = settings.access.idle_keys();
    findings.extend(idle.map(|(what, remedy)| Finding::wrong(AREA, what).with_remedy(remedy)));
    findings.extend((settings.access.unbound_keys()).map(|what| {
        Finding::warning(AREA, what)
            .with_remedy("set JWT_ISSUER to the issuer's `iss`, and JWT_AUDIENCE to its `aud`")
    }));
    findings
}

fn open(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let remedy =
        "set AUTH_MODE=supabase or AUTH_MODE=jwt, or restrict access in front of the server";
    findings.push(if settings.is_on_loopback() {
        Finding::ok(AREA, "AUTH_MODE=open: no authentication; only this machine, or a proxy on it, reaches the server")
    } else {
        let what = "AUTH_MODE=open: no authentication, and every caller may read, change and purge every image";
        Finding::warning(AREA, what).with_remedy(remedy)
    });
    findings
}

async fn key_server(url: url::Url, allowed: auth::Algorithms) -> Finding {
    let shown = url.to_string();
    let algorithms = allowed
        .intersection(&auth::Algorithms::of_public_keys())
        .to_string();
    match auth::published_keys(url, allowed).await {
        Ok(0) => Finding::wrong(KEYS, format!("{shown} publishes no key for {algorithms}"))
            .with_remedy("create signing keys at the issuer (Supabase: JWT Keys in the dashboard), or set \
                     SUPABASE_JWT_SECRET or JWT_SECRET instead"),
        Ok(keys) => Finding::ok(
            KEYS,
            format!("{shown} publishes {keys} key{}", if keys == 1 { "" } else { "s" }),
        ),
        Err(reason) => Finding::wrong(KEYS, format!("{shown} returns no keys: {reason}"))
            .with_remedy("check SUPABASE_URL, SUPABASE_JWKS_URL or JWT_JWKS_URL, and that this machine reaches it"),
    }
}
