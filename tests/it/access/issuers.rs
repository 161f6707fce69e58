//! `AUTH_MODE=jwt`: valid and invalid tokens in the formats of well-known issuers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{CREATE, assert_unauthenticated, input};
use crate::harness::token::{SigningKey, message, now};
use crate::harness::{KeyServer, TestApp, on_postgres, on_sqlite};

/// Long enough for HS512.
const SECRET: &str =
    "the secret of an identity service of one's own, as long as HS512 wants it to be";

/// An issuer and the format of its tokens.
struct Issuer {
    settings: &'static [&'static str],
    header: Value,
    claims: Value,
    /// The user of the token.
    user: &'static str,
}

fn expiring(mut claims: Value) -> Value {
    claims["iat"] = json!(now() - 10);
    claims["exp"] = json!(now() + 3600);
    claims
}

fn auth0() -> Issuer {
    Issuer {
        settings: &[
            "--jwt-issuer=https://tenant.eu.auth0.com/",
            "--jwt-audience=https://gallery.example.com/api",
            "--jwt-service-claim=scope~gallery:admin",
        ],
        header: json!({ "alg": "RS256", "typ": "JWT", "kid": "own" }),
        claims: expiring(json!({
            "iss": "https://tenant.eu.auth0.com/",
            "sub": "auth0|64f1c0ffee64f1c0ffee64f1",
            "aud": ["https://gallery.example.com/api", "https://tenant.eu.auth0.com/userinfo"],
            "azp": "my_client_id",
            "scope": "openid profile email",
            "permissions": [],
        })),
        user: "auth0|64f1c0ffee64f1c0ffee64f1",
    }
}

fn clerk() -> Issuer {
    Issuer {
        settings: &[
            "--jwt-issuer=https://clerk.example.com",
            "--jwt-algorithms=RS256",
        ],
        header: json!({ "alg": "RS256", "typ": "JWT", "cat": "cl_B7d4PD111AAA", "kid": "own" }),
        claims: expiring(json!({
            "iss": "https://clerk.example.com",
            "sub": "user_2NNEqL2nrIRdJ194ndJqAHwEfxC",
            "azp": "https://app.example.com",
            "sid": "sess_2NNEqL2nrIRdJ194ndJqAHwEfxD",
            "nbf": now() - 20,
            "fva": [0, -1],
        })),
        user: "user_2NNEqL2nrIRdJ194ndJqAHwEfxC",
    }
}

fn firebase() -> Issuer {
    Issuer {
        settings: &[
            "--jwt-issuer=https://securetoken.google.com/my-project",
            "--jwt-audience=my-project",
        ],
        header: json!({ "alg": "RS256", "typ": "JWT", "kid": "own" }),
        claims: expiring(json!({
            "iss": "https://securetoken.google.com/my-project",
            "aud": "my-project",
            "auth_time": now() - 100,
            "user_id": "ZkFpQ1t2MSSZ9nRvZ0Xt8vH2a3b1",
            "sub": "ZkFpQ1t2MSSZ9nRvZ0Xt8vH2a3b1",
            "email": "alice@example.com",
            "email_verified": true,
            "firebase": { "identities": { "email": ["alice@example.com"] }, "sign_in_provider": "password" },
        })),
        user: "ZkFpQ1t2MSSZ9nRvZ0Xt8vH2a3b1",
    }
}

fn keycloak() -> Issuer {
    Issuer {
        settings: &[
            "--jwt-issuer=https://sso.example.com/realms/studio",
            "--jwt-audience=gallery, account",
            "--jwt-user-claim=profile.user_id",
            "--jwt-service-claim=realm_access.roles~gallery-admin",
        ],
        header: json!({ "alg": "PS256", "typ": "JWT", "kid": "own" }),
        claims: expiring(json!({
            "iss": "https://sso.example.com/realms/studio",
            "aud": "account",
            "sub": "8a5b1c9e-2f5d-4f0b-9e0e-0f5c4a6b7d8e",
            "typ": "Bearer",
            "azp": "studio-web",
            "realm_access": { "roles": ["offline_access", "uma_authorization"] },
            "resource_access": { "account": { "roles": ["view-profile", "gallery-admin"] } },
            "scope": "openid profile",
            "profile": { "user_id": "alice" },
        })),
        user: "alice",
    }
}

fn cognito() -> Issuer {
    Issuer {
        settings: &[
            "--jwt-issuer=https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI",
            "--jwt-audience=7l5s0examplec1ient",
            "--jwt-service-claim=cognito:groups~gallery-admins",
        ],
        header: json!({ "alg": "RS256", "kid": "own" }),
        // Access tokens have no `aud`.
        claims: expiring(json!({
            "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI",
            "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
            "client_id": "7l5s0examplec1ient",
            "token_use": "access",
            "scope": "aws.cognito.signin.user.admin",
            "cognito:groups": ["artists"],
            "username": "alice",
            "version": 2,
        })),
        user: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    }
}

/// The identity service of the application that this server replaces: HS512, without `role` and `aud`.
fn own_service() -> Issuer {
    Issuer {
        settings: &["--jwt-algorithms=HS512"],
        header: json!({ "alg": "HS512", "typ": "JWT" }),
        claims: expiring(json!({ "sub": "alice", "email": "alice@example.com" })),
        user: "alice",
    }
}

impl Issuer {
    /// The claims with one changed, or removed if the value is null.
    fn with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims.clone();
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value;
        }
        claims
    }
}

/// The user whose image this token creates; None if the token is rejected.
async fn user_of(app: &TestApp, token: &str) -> Option<String> {
    let authorization = format!("Bearer {token}");
    let variables = json!({ "input": input(None) });
    let reply = app
        .graphql_as(Some(&authorization), CREATE, variables)
        .await;
    if reply.body.get("errors").is_some() {
        assert_unauthenticated(&reply);
        assert!(!reply.body.to_string().contains(token), "{}", reply.body);
        return None;
    }
    let created = &reply.into_data()["createImage"]["image"]["userId"];
    Some(
        created
            .as_str()
            .expect("a user may store images")
            .to_owned(),
    )
}

/// Whether the token gives access to all images.
async fn is_service(app: &TestApp, token: &str) -> bool {
    let authorization = format!("Bearer {token}");
    let query = r#"{ images(userId: "somebody else") { totalCount } }"#;
    let reply = app.graphql_as(Some(&authorization), query, json!({})).await;
    reply.body["data"]["images"]["totalCount"].is_number()
}

/// A server for the tokens of one issuer, signed with a published key.
async fn with_issuer(issuer: Issuer, test: impl AsyncFnOnce(TestApp, Issuer, SigningKey)) {
    let (key, encryption) = (SigningKey::rsa(), SigningKey::rsa());
    let keys = KeyServer::start().await;
    let mut for_encryption = encryption.published("encryption");
    for_encryption["use"] = json!("enc");
    for_encryption["alg"] = json!("RSA-OAEP");
    let mut own = key.published("own");
    own["alg"] = issuer.header["alg"].clone();
    keys.publish(&[for_encryption, own]);
    let url = format!("--jwt-jwks-url={}", keys.jwks_url());
    let settings = [&["--auth-mode=jwt", &url], issuer.settings].concat();
    on_sqlite(&settings, async |app: TestApp| test(app, issuer, key).await).await;
}

/// Tokens that are invalid for every issuer.
async fn refuses_forged(app: &TestApp, issuer: &Issuer, key: &SigningKey) {
    let good = key.sign_with_header(&issuer.header, &issuer.claims);
    let (unsigned, _) = good.rsplit_once('.').expect("a signature");
    let other = SigningKey::rsa();
    let mut forged = vec![
        format!("{unsigned}."),
        other.sign_with_header(&issuer.header, &issuer.claims),
        key.sign("unheard of", &issuer.claims),
        key.sign("encryption", &issuer.claims),
        key.sign_with_header(&issuer.header, &issuer.with("exp", json!(now() - 60))),
        key.sign_with_header(&issuer.header, &issuer.with("exp", Value::Null)),
        key.sign_with_header(&issuer.header, &issuer.with("nbf", json!(now() + 60))),
    ];
    for algorithm in ["none", "None", "NONE", "", "HS256", "RS384", "ES256"] {
        let header = json!({ "alg": algorithm, "kid": "own" });
        forged.push(format!("{}.", message(&header, &issuer.claims)));
        forged.push(key.sign_with_header(&header, &issuer.claims));
    }
    for public in key.public_forms() {
        let public = SigningKey::Secret(public);
        for algorithm in ["HS256", "HS384", "HS512"] {
            for header in [
                json!({ "alg": algorithm, "kid": "own" }),
                json!({ "alg": algorithm }),
            ] {
                forged.push(public.sign_with_header(&header, &issuer.claims));
            }
        }
    }
    for token in forged {
        assert_eq!(user_of(app, &token).await, None, "{token}");
    }
}

async fn check(issuer: Issuer, wrong: &[(&str, Value)], service: Option<(&str, Value)>) {
    with_issuer(
        issuer,
        async |app: TestApp, issuer: Issuer, key: SigningKey| {
            let sign = |claims: &Value| key.sign_with_header(&issuer.header, claims);
            let good = sign(&issuer.claims);
            assert_eq!(user_of(&app, &good).await.as_deref(), Some(issuer.user));
            assert!(!is_service(&app, &good).await);
            // No other claim of a user's token makes it a program's token.
            for (claim, value) in [("role", json!("service_role")), ("admin", json!(true))] {
                let token = sign(&issuer.with(claim, value));
                assert_eq!(
                    user_of(&app, &token).await.as_deref(),
                    Some(issuer.user),
                    "{claim}"
                );
                assert!(!is_service(&app, &token).await);
            }
            for (claim, value) in wrong {
                let token = sign(&issuer.with(claim, value.clone()));
                assert_eq!(user_of(&app, &token).await, None, "{claim}: {value}");
            }
            if let Some((claim, value)) = service {
                assert!(
                    is_service(&app, &sign(&issuer.with(claim, value))).await,
                    "{claim}"
                );
            }
            refuses_forged(&app, &issuer, &key).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_auth0() {
    let service = ("scope", json!("read:images gallery:admin"));
    let wrong = [
        ("iss", json!("https://tenant.eu.auth0.com")),
        ("iss", json!("https://other.eu.auth0.com/")),
        ("iss", Value::Null),
        ("iss", json!(["https://tenant.eu.auth0.com/"])),
        ("aud", json!("https://other.example.com/api")),
        ("aud", json!(["https://tenant.eu.auth0.com/userinfo"])),
        ("aud", json!(["https://gallery.example.com/api", 7])),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("sub", Value::Null),
        ("sub", json!(7)),
        ("sub", json!(["alice"])),
        ("sub", json!("")),
        ("sub", json!("system")),
        ("sub", json!("a".repeat(256))),
    ];
    check(auth0(), &wrong, Some(service)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_clerk() {
    let wrong = [
        ("iss", json!("https://clerk.other.com")),
        ("sub", Value::Null),
    ];
    check(clerk(), &wrong, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_firebase() {
    // The same keys sign for all projects.
    let wrong = [
        ("iss", json!("https://securetoken.google.com/other-project")),
        ("aud", json!("other-project")),
        ("aud", Value::Null),
    ];
    check(firebase(), &wrong, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_keycloak() {
    let service = (
        "realm_access",
        json!({ "roles": ["offline_access", "gallery-admin"] }),
    );
    let wrong = [
        ("iss", json!("https://sso.example.com/realms/other")),
        ("aud", json!("other")),
        ("profile", Value::Null),
        ("profile", json!("alice")),
        ("profile", json!({ "user_id": 7 })),
        ("profile", json!([{ "user_id": "alice" }])),
    ];
    check(keycloak(), &wrong, Some(service)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_cognito() {
    let service = ("cognito:groups", json!(["gallery-admins"]));
    let wrong = [
        ("client_id", json!("another")),
        ("client_id", Value::Null),
        ("aud", json!("another")),
        (
            "iss",
            json!("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other"),
        ),
    ];
    check(cognito(), &wrong, Some(service)).await;
    // Identity tokens have an `aud`.
    with_issuer(
        cognito(),
        async |app: TestApp, issuer: Issuer, key: SigningKey| {
            let mut claims = issuer.with("client_id", Value::Null);
            claims["aud"] = json!("7l5s0examplec1ient");
            claims["token_use"] = json!("id");
            let token = key.sign_with_header(&issuer.header, &claims);
            assert_eq!(user_of(&app, &token).await.as_deref(), Some(issuer.user));
        },
    )
    .await;
}

async fn takes_tokens_of_an_own_service(app: TestApp) {
    let (issuer, key) = (own_service(), SigningKey::Secret(SECRET.into()));
    let sign = |claims: &Value| key.sign_with_header(&issuer.header, claims);
    for claims in [
        issuer.claims.clone(),
        issuer.with("iss", json!("anybody")),
        issuer.with("aud", json!("anything")),
        issuer.with("role", json!("service_role")),
        issuer.with("role", json!("anon")),
    ] {
        let token = sign(&claims);
        assert_eq!(
            user_of(&app, &token).await.as_deref(),
            Some("alice"),
            "{claims}"
        );
        assert!(!is_service(&app, &token).await, "{claims}");
    }
    for claims in [
        issuer.with("sub", Value::Null),
        issuer.with("sub", json!(42)),
        issuer.with("exp", json!(now() - 60)),
        issuer.with("exp", Value::Null),
    ] {
        assert_eq!(user_of(&app, &sign(&claims)).await, None, "{claims}");
    }
    let another = SigningKey::Secret(b"another secret".to_vec());
    assert_eq!(
        user_of(
            &app,
            &another.sign_with_header(&issuer.header, &issuer.claims)
        )
        .await,
        None
    );
    for algorithm in ["none", "HS256", "HS384", "RS256"] {
        let header = json!({ "alg": algorithm });
        let token = key.sign_with_header(&header, &issuer.claims);
        assert_eq!(user_of(&app, &token).await, None, "{algorithm}");
        let token = format!("{}.", message(&header, &issuer.claims));
        assert_eq!(user_of(&app, &token).await, None, "{algorithm}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_by_hs512_without_role_and_audience() {
    let secret = format!("--jwt-secret={SECRET}");
    let settings = [&["--auth-mode=jwt", &secret], own_service().settings].concat();
    on_sqlite(&settings, takes_tokens_of_an_own_service).await;
    on_postgres(&settings, takes_tokens_of_an_own_service).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_only_used_with_the_algorithms_of_its_type() {
    const ALL: [&str; 14] = [
        "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
        "ES384", "ES512", "EdDSA", "none",
    ];
    let claims = own_service().claims;
    let kinds: [(SigningKey, &[&str]); 6] = [
        (
            SigningKey::Secret(SECRET.into()),
            &["HS256", "HS384", "HS512"],
        ),
        (
            SigningKey::rsa(),
            &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        ),
        (SigningKey::elliptic_curve(), &["ES256"]),
        (SigningKey::elliptic_curve_384(), &["ES384"]),
        (SigningKey::elliptic_curve_521(), &["ES512"]),
        (SigningKey::edwards(), &["EdDSA"]),
    ];
    for (key, expected) in &kinds {
        let keys = KeyServer::start().await;
        let mut published = key.published("own");
        published.as_object_mut().expect("an object").remove("alg");
        keys.publish(&[published]);
        let by_server = format!("--jwt-jwks-url={}", keys.jwks_url());
        let ways = match key {
            SigningKey::Secret(_) => vec![
                format!("--jwt-secret={SECRET}"),
                format!("--jwt-secret=base64:{}", STANDARD.encode(SECRET)),
            ],
            // Also with literal line separators, as in a settings file.
            _ => vec![
                by_server,
                format!("--jwt-public-key={}", key.pem()),
                format!("--jwt-public-key={}", key.pem().replace('\n', "\\n")),
            ],
        };
        for way in &ways {
            on_sqlite(&["--auth-mode=jwt", way], async |app: TestApp| {
                for algorithm in ALL {
                    let header = json!({ "alg": algorithm, "kid": "own" });
                    let token = key.sign_with_header(&header, &claims);
                    let is_good = user_of(&app, &token).await.is_some();
                    assert_eq!(is_good, expected.contains(&algorithm), "{algorithm} {way}");
                }
                if !matches!(key, SigningKey::Secret(_)) {
                    for public in key.public_forms() {
                        for algorithm in ["HS256", "HS384", "HS512"] {
                            let header = json!({ "alg": algorithm, "kid": "own" });
                            let token = SigningKey::Secret(public.clone())
                                .sign_with_header(&header, &claims);
                            assert_eq!(user_of(&app, &token).await, None, "{algorithm} {way}");
                        }
                    }
                }
            })
            .await;
        }
    }
}

/// Another key of the same kind, a changed message and expired claims are rejected with every algorithm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_keys_own_signature_counts() {
    type NewKey = fn() -> SigningKey;
    let kinds: [(NewKey, &str); 8] = [
        (SigningKey::rsa, "RS256"),
        (SigningKey::rsa, "RS512"),
        (SigningKey::rsa, "PS256"),
        (SigningKey::rsa, "PS512"),
        (SigningKey::elliptic_curve, "ES256"),
        (SigningKey::elliptic_curve_384, "ES384"),
        (SigningKey::elliptic_curve_521, "ES512"),
        (SigningKey::edwards, "EdDSA"),
    ];
    for (new_key, algorithm) in kinds {
        let (key, other) = (new_key(), new_key());
        let setting = format!("--jwt-public-key={}", key.pem());
        on_sqlite(&["--auth-mode=jwt", &setting], async |app: TestApp| {
            let issuer = own_service();
            let header = json!({ "alg": algorithm });
            let good = key.sign_with_header(&header, &issuer.claims);
            assert_eq!(
                user_of(&app, &good).await.as_deref(),
                Some("alice"),
                "{algorithm}"
            );
            let (_, signature) = good.rsplit_once('.').expect("a signature");
            let mallory = message(&header, &issuer.with("sub", json!("mallory")));
            let mut forged = vec![
                other.sign_with_header(&header, &issuer.claims),
                format!("{mallory}.{signature}"),
                format!("{mallory}."),
                format!("{mallory}.{}", "A".repeat(signature.len())),
                format!("{good}.{signature}"),
            ];
            for claims in [
                issuer.with("exp", json!(now() - 60)),
                issuer.with("exp", json!("tomorrow")),
                issuer.with("exp", Value::Null),
                issuer.with("nbf", json!(now() + 60)),
                issuer.with("sub", Value::Null),
            ] {
                forged.push(key.sign_with_header(&header, &claims));
            }
            for token in forged {
                assert_eq!(user_of(&app, &token).await, None, "{algorithm} {token}");
            }
        })
        .await;
    }
}

/// A secret for HS256 next to a public key: each token is verified with its own key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_keys_can_be_combined() {
    let (own, published, unknown) = (SigningKey::rsa(), SigningKey::rsa(), SigningKey::rsa());
    let keys = KeyServer::start().await;
    keys.publish(&[published.published("published")]);
    let settings = [
        "--auth-mode=jwt".to_owned(),
        format!("--jwt-secret={SECRET}"),
        format!("--jwt-public-key={}", own.pem()),
        format!("--jwt-jwks-url={}", keys.jwks_url()),
        "--jwt-algorithms=HS256,RS256".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    on_sqlite(&settings, async |app: TestApp| {
        let claims = own_service().claims;
        let secret = SigningKey::Secret(SECRET.into());
        for (key, id, is_good) in [
            (&secret, "any", true),
            (&own, "any", true),
            (&published, "published", true),
            (&published, "any", false),
            (&unknown, "published", false),
        ] {
            let user = user_of(&app, &key.sign(id, &claims)).await;
            assert_eq!(user.is_some(), is_good, "{id}");
        }
        let header = json!({ "alg": "RS512", "kid": "any" });
        assert_eq!(
            user_of(&app, &own.sign_with_header(&header, &claims)).await,
            None
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_records_a_programs_subject() {
    with_issuer(
        auth0(),
        async |app: TestApp, issuer: Issuer, key: SigningKey| {
            for (subject, actor) in [
                (json!("abc@clients"), "abc@clients"),
                (Value::Null, "service_role"),
                (json!("system"), "service_role"),
            ] {
                let mut claims = issuer.with("sub", subject);
                claims["scope"] = json!("gallery:admin");
                let authorization =
                    format!("Bearer {}", key.sign_with_header(&issuer.header, &claims));
                let variables = json!({ "input": input(Some("alice")) });
                app.graphql_as(Some(&authorization), CREATE, variables)
                    .await
                    .into_data();
                let query = "{ galleryEvents(last: 1) { nodes { actor } } }";
                let data = app
                    .graphql_as(Some(&authorization), query, json!({}))
                    .await
                    .into_data();
                assert_eq!(data["galleryEvents"]["nodes"][0]["actor"], actor);
            }
        },
    )
    .await;
}
