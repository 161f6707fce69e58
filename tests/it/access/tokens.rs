//! Valid tokens, and invalid ones that look similar.

use serde_json::{Value, json};

use super::{COUNT, assert_unauthenticated};
use crate::harness::token::{
    JWT_SECRET, SERVICE_TOKEN, SigningKey, authorization, message, now, role_claims, user_claims,
};
use crate::harness::{SignedApp, TestApp, on_sqlite};

/// A user's claims with one changed, or removed if the value is null.
fn with(name: &str, value: Value) -> Value {
    let mut claims = user_claims("alice");
    if value.is_null() {
        claims.as_object_mut().expect("an object").remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

async fn is_good(app: &TestApp, token: &str) -> bool {
    let authorization = format!("Bearer {token}");
    let reply = app.graphql_as(Some(&authorization), COUNT, json!({})).await;
    let is_good = reply.body.get("errors").is_none();
    if !is_good {
        assert_unauthenticated(&reply);
        assert!(!reply.body.to_string().contains(token), "{}", reply.body);
    }
    is_good
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_are_checked() {
    on_sqlite(&["--auth-mode=supabase"], async |app: TestApp| {
        let key = SigningKey::shared_secret();
        let long = "é".repeat(255);
        for (claims, expected) in [
            (user_claims("alice"), true),
            (with("aud", json!(["other", "authenticated"])), true),
            (with("iss", json!("https://elsewhere.example")), true),
            (with("sub", json!(long)), true),
            (with("exp", json!(now() - 20)), true),
            (with("exp", json!(4_102_444_800.5)), true),
            (with("exp", json!(u64::MAX)), true),
            (with("nbf", json!(now() + 20)), true),
            (with("nbf", json!(now() - 100)), true),
            (role_claims("service_role"), true),
            (with("role", json!("service_role")), true),
            (with("exp", json!(now() - 40)), false),
            (with("exp", json!(1)), false),
            (with("exp", json!(-1)), false),
            (with("exp", json!("tomorrow")), false),
            (with("exp", Value::Null), false),
            (with("nbf", json!(now() + 60)), false),
            (with("aud", json!("other")), false),
            (with("aud", json!("Authenticated")), false),
            (with("aud", json!([])), false),
            (with("aud", json!({ "authenticated": true })), false),
            (with("aud", Value::Null), false),
            (with("sub", Value::Null), false),
            (with("sub", json!("")), false),
            (with("sub", json!(" ")), false),
            (with("sub", json!("a\u{0}")), false),
            (with("sub", json!(7)), false),
            (with("sub", json!(format!("{long}é"))), false),
            (with("role", Value::Null), false),
            (with("role", json!("")), false),
            (with("role", json!("admin")), false),
            (with("role", json!("SERVICE_ROLE")), false),
            (with("role", json!(["service_role"])), false),
            (json!({}), false),
            (json!([]), false),
        ] {
            let token = key.sign("legacy", &claims);
            assert_eq!(is_good(&app, &token).await, expected, "{claims}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_audience_can_be_set() {
    let settings = ["--auth-mode=supabase", "--supabase-jwt-audience=gallery"];
    on_sqlite(&settings, async |app: TestApp| {
        let key = SigningKey::shared_secret();
        assert!(is_good(&app, &key.sign("legacy", &with("aud", json!("gallery")))).await);
        assert!(!is_good(&app, &key.sign("legacy", &user_claims("alice"))).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalid_metrics_token_is_rejected() {
    on_sqlite(&["--auth-mode=supabase"], async |app: TestApp| {
        let good = authorization(&user_claims("alice"));
        let token = good.strip_prefix("Bearer ").expect("a bearer");
        let (unsigned, signature) = token.rsplit_once('.').expect("a signature");
        let (header, claims) = unsigned.split_once('.').expect("claims");
        for authorization in [
            "",
            "Bearer",
            "Bearer ",
            "Basic YTpi",
            token,
            "Bearer x",
            "Bearer a.b.c",
            "Bearer ..",
            "Bearer sb_secret_abc",
            &format!("{good} {good}"),
            &format!("Bearer {unsigned}"),
            &format!("Bearer {unsigned}."),
            &format!("Bearer {unsigned}.{signature}.{signature}"),
            &format!("Bearer {header}.{header}.{signature}"),
            &format!("Bearer {header}.{claims}x.{signature}"),
            &format!("Bearer .{claims}.{signature}"),
            &format!("Bearer {JWT_SECRET}"),
            &format!("Bearer {SERVICE_TOKEN}x"),
            &format!("Bearer {}", "x".repeat(20_000)),
        ] {
            let reply = app.graphql_as(Some(authorization), COUNT, json!({})).await;
            assert_unauthenticated(&reply);
        }
        let twice = app.client().post(format!("{}/graphql", app.url()));
        let twice = twice
            .header("authorization", &good)
            .header("authorization", "Bearer x");
        let reply = twice
            .json(&json!({ "query": COUNT }))
            .send()
            .await
            .expect("an answer");
        assert_eq!(reply.status(), 401);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_checked_by_the_algorithm_of_its_key() {
    on_sqlite(&[], async |SignedApp { app, keys }: SignedApp| {
        let (ec, rsa, other) = (SigningKey::elliptic_curve(), SigningKey::rsa(), SigningKey::elliptic_curve());
        let secret = SigningKey::shared_secret();
        // A key server that publishes a secret reveals it to everyone.
        let leaked = SigningKey::Secret(b"published".to_vec());
        keys.publish(&[ec.published("ec"), rsa.published("rsa"), leaked.published("leaked")]);
        let claims = user_claims("mallory");
        for (key, id) in [(&ec, "ec"), (&rsa, "rsa"), (&secret, "ec"), (&secret, "unheard of")] {
            assert!(is_good(&app, &key.sign(id, &claims)).await, "{id}");
            let header = json!({ "alg": if matches!(key, SigningKey::Secret(_)) { "HS256" } else { continue } });
            assert!(is_good(&app, &key.sign_with_header(&header, &claims)).await);
        }
        for (key, algorithm) in [(&ec, "ES256"), (&rsa, "RS256")] {
            let header = json!({ "alg": algorithm });
            assert!(is_good(&app, &key.sign_with_header(&header, &claims)).await, "without an id");
        }
        let mut forged = vec![
            ec.sign("rsa", &claims),
            rsa.sign("ec", &claims),
            other.sign("ec", &claims),
            other.sign("unheard of", &claims),
            leaked.sign("leaked", &claims),
            leaked.sign("legacy", &claims),
        ];
        for (key, id) in [(&ec, "ec"), (&rsa, "rsa")] {
            for public in key.public_forms() {
                let public = SigningKey::Secret(public);
                forged.push(public.sign(id, &claims));
                forged.push(public.sign_with_header(&json!({ "alg": "HS256" }), &claims));
            }
        }
        let published = ec.published("ec");
        for algorithm in ["none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"] {
            let header = json!({ "alg": algorithm, "kid": "ec", "jwk": published, "jku": "http://127.0.0.1:1/" });
            forged.push(format!("{}.", message(&header, &claims)));
            forged.push(SigningKey::Secret(Vec::new()).sign_with_header(&header, &claims));
            if algorithm != "ES256" {
                forged.push(ec.sign_with_header(&header, &claims));
            }
            if algorithm != "HS256" {
                forged.push(secret.sign_with_header(&header, &claims));
            }
            forged.push(other.sign_with_header(&header, &claims));
        }
        for header in [
            json!({ "alg": "ES256", "kid": "ec", "crit": ["exp"] }), json!({ "kid": "ec" }), json!({ "alg": ["ES256"], "kid": "ec" }),
            json!({ "alg": null, "kid": "ec" }), json!({ "alg": "ES256", "kid": 7 }), json!({ "alg": "ES256", "kid": "' OR 1=1" }),
        ] {
            forged.push(ec.sign_with_header(&header, &claims));
        }
        for token in forged {
            assert!(!is_good(&app, &token).await, "{token}");
        }
        assert_eq!(keys.fetches(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_secret_hs256_tokens_are_invalid() {
    let settings = ["--supabase-jwt-secret=", "--service-tokens="];
    on_sqlite(&settings, async |SignedApp { app, keys }: SignedApp| {
        let rsa = SigningKey::rsa();
        keys.publish(&[rsa.published("rsa")]);
        assert!(is_good(&app, &rsa.sign("rsa", &user_claims("alice"))).await);
        for public in rsa.public_forms() {
            let token = SigningKey::Secret(public).sign("rsa", &user_claims("alice"));
            assert!(!is_good(&app, &token).await);
        }
    })
    .await;
}
