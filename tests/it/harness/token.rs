//! Tokens as issued by Supabase Auth, and forged ones: built by hand, so that any token is possible.

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// `SUPABASE_JWT_SECRET` of the tests.
pub(crate) const JWT_SECRET: &str = "a secret of the tests, as long as HS256 wants it";
/// The service token of the program `worker`.
pub(crate) const SERVICE_TOKEN: &str = "the token of worker";

/// `SERVICE_TOKENS` of the tests.
pub(crate) fn service_tokens() -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, SERVICE_TOKEN.as_bytes());
    let hash = hash.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string can be written to");
        text
    });
    format!("worker:{hash}")
}

/// The flags that make a server accept [`JWT_SECRET`] and [`SERVICE_TOKEN`].
pub(super) fn settings() -> [String; 2] {
    [
        format!("--supabase-jwt-secret={JWT_SECRET}"),
        format!("--service-tokens={}", service_tokens()),
    ]
}

/// The current time in the format of tokens.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_secs()
}

/// The claims of a user's token.
pub(crate) fn user_claims(id: &str) -> Value {
    json!({ "role": "authenticated", "aud": "authenticated", "sub": id, "exp": now() + 3600 })
}

/// The claims of a token with another role, without `aud` and `sub`.
pub(crate) fn role_claims(role: &str) -> Value {
    json!({ "role": role, "iss": "supabase", "exp": now() + 3600 })
}

/// A key to sign with.
pub(crate) enum SigningKey {
    Secret(Vec<u8>),
    EllipticCurve(Box<EcdsaKeyPair>),
    EllipticCurve384(Box<EcdsaKeyPair>),
    EllipticCurve521(Box<EcdsaKeyPair>),
    Edwards(Box<Ed25519KeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl SigningKey {
    /// The server's own secret.
    pub(crate) fn shared_secret() -> Self {
        Self::Secret(JWT_SECRET.into())
    }

    /// A new key for ES256.
    pub(crate) fn elliptic_curve() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        Self::EllipticCurve(Box::new(key.expect("a key")))
    }

    /// A new key for ES384.
    pub(crate) fn elliptic_curve_384() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING);
        Self::EllipticCurve384(Box::new(key.expect("a key")))
    }

    /// A new key for ES512.
    pub(crate) fn elliptic_curve_521() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING);
        Self::EllipticCurve521(Box::new(key.expect("a key")))
    }

    /// A new key for `EdDSA`.
    pub(crate) fn edwards() -> Self {
        Self::Edwards(Box::new(Ed25519KeyPair::generate().expect("a key")))
    }

    /// A new key for RS256 and the other RSA algorithms.
    pub(crate) fn rsa() -> Self {
        let key = RsaKeyPair::generate(rsa::KeySize::Rsa2048);
        Self::Rsa(Box::new(key.expect("a key")))
    }

    /// A token signed with the key's algorithm.
    pub(crate) fn sign(&self, key_id: &str, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm(), "typ": "JWT", "kid": key_id });
        self.sign_with_header(&header, claims)
    }

    /// A token with any header, signed with its algorithm if the key supports it.
    pub(crate) fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let algorithm = header["alg"].as_str().unwrap_or_default();
        let signature = self.signature(algorithm, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The public key, as a key server publishes it.
    pub(crate) fn published(&self, key_id: &str) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut key = match self {
            Self::Secret(secret) => json!({ "kty": "oct", "k": text(secret) }),
            Self::EllipticCurve(key) => {
                let point = key.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]) })
            }
            Self::EllipticCurve384(key) => {
                let point = key.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-384", "x": text(&point[1..49]), "y": text(&point[49..]) })
            }
            Self::EllipticCurve521(key) => {
                let point = key.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-521", "x": text(&point[1..67]), "y": text(&point[67..]) })
            }
            Self::Edwards(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_ref()) })
            }
            Self::Rsa(key) => {
                let public = key.public_key();
                let n = text(public.modulus().big_endian_without_leading_zero());
                let e = text(public.exponent().big_endian_without_leading_zero());
                json!({ "kty": "RSA", "n": n, "e": e })
            }
        };
        key["kid"] = json!(key_id);
        key["alg"] = json!(self.algorithm());
        key["use"] = json!("sig");
        key
    }

    /// The public key in PEM format.
    pub(crate) fn pem(&self) -> String {
        let [_, pem, ..] = &self.public_forms()[..] else {
            panic!("the second form is PEM");
        };
        String::from_utf8(pem.clone()).expect("PEM is text")
    }

    /// The public key in its common formats, which an attacker might use as a secret.
    pub(crate) fn public_forms(&self) -> Vec<Vec<u8>> {
        let der: PublicKeyX509Der<'_> = match self {
            Self::Secret(_) => panic!("a secret has no public key"),
            Self::EllipticCurve(key)
            | Self::EllipticCurve384(key)
            | Self::EllipticCurve521(key) => key.public_key().as_der().expect("DER"),
            Self::Edwards(key) => key.public_key().as_der().expect("DER"),
            Self::Rsa(key) => key.public_key().as_der().expect("DER"),
        };
        let der = der.as_ref().to_vec();
        let lines: Vec<String> = STANDARD
            .encode(&der)
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
            lines.join("\n")
        );
        let raw = match self {
            Self::Rsa(key) => key.public_key().as_ref().to_vec(),
            Self::EllipticCurve(key)
            | Self::EllipticCurve384(key)
            | Self::EllipticCurve521(key) => key.public_key().as_ref().to_vec(),
            Self::Edwards(key) => key.public_key().as_ref().to_vec(),
            Self::Secret(_) => Vec::new(),
        };
        let published = self.published("x");
        let numbers =
            ["n", "x", "y"].map(|name| published[name].as_str().unwrap_or_default().into());
        [
            vec![
                der,
                pem.clone().into(),
                format!("{pem}\n").into(),
                raw,
                Vec::new(),
            ],
            numbers.into(),
        ]
        .concat()
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Secret(_) => "HS256",
            Self::EllipticCurve(_) => "ES256",
            Self::EllipticCurve384(_) => "ES384",
            Self::EllipticCurve521(_) => "ES512",
            Self::Edwards(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
        }
    }

    fn signature(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Secret(secret) => {
                let hash = match algorithm {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                let key = hmac::Key::new(hash, secret);
                hmac::sign(&key, message).as_ref().to_vec()
            }
            Self::Edwards(key) => key.sign(message).as_ref().to_vec(),
            Self::EllipticCurve(key)
            | Self::EllipticCurve384(key)
            | Self::EllipticCurve521(key) => {
                let signature = key.sign(&SystemRandom::new(), message);
                signature.expect("a signature").as_ref().to_vec()
            }
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let padding: &dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                key.sign(padding, &SystemRandom::new(), message, &mut signature)
                    .expect("a signature");
                signature
            }
        }
    }
}

/// The token without its signature.
pub(crate) fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// The `Authorization` of a user.
pub(crate) fn user_authorization(id: &str) -> String {
    authorization(&user_claims(id))
}

/// The `Authorization` of a token signed with the server's secret.
pub(crate) fn authorization(claims: &Value) -> String {
    static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::shared_secret);
    format!("Bearer {}", KEY.sign("legacy", claims))
}
