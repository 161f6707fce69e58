//! A public key in a setting, in PEM format.

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::{Algorithm, DecodingKey};

use super::algorithms::Algorithms;

/// Length of an uncompressed point of P-256.
const P256_BYTES: usize = 65;
/// Length of an uncompressed point of P-384.
const P384_BYTES: usize = 97;

/// A public key to verify tokens with, and its algorithms.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) key: DecodingKey,
    pub(super) algorithms: Algorithms,
}

impl PublicKey {
    /// The key's algorithms.
    pub fn algorithms(&self) -> &Algorithms {
        &self.algorithms
    }
}

impl FromStr for PublicKey {
    type Err = String;

    /// Parses a PEM block. Its lines may also be separated by a literal `\
    /// `, as in a settings file.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "allowed is a block that begins with `-----BEGIN PUBLIC KEY-----`, of RSA, P-256, P-384 or Ed25519";
        if text.contains("PRIVATE KEY") {
            return Err(format!(
                "is a private key, which only the issuer may have; {ALLOWED}"
            ));
        }
        let pem = text.replace("\\n", "\n");
        let pem = pem.trim();
        if !pem.starts_with("-----BEGIN PUBLIC KEY-----")
            && !pem.starts_with("-----BEGIN RSA PUBLIC KEY-----")
        {
            return Err(format!("is not a public key as PEM; {ALLOWED}"));
        }
        read(pem.as_bytes()).ok_or_else(|| {
            format!("is a public key that cannot be read, or of another kind; {ALLOWED}")
        })
    }
}

fn read(pem: &[u8]) -> Option<PublicKey> {
    // Elliptic curves first: for RSA the library only checks that the text is PEM.
    if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        let algorithm = match key.try_get_as_bytes().ok()?.len() {
            P256_BYTES => Algorithm::ES256,
            P384_BYTES => Algorithm::ES384,
            _ => return None,
        };
        return Some(PublicKey {
            key,
            algorithms: Algorithms::only(algorithm),
        });
    }
    if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        return Some(PublicKey {
            key,
            algorithms: Algorithms::only(Algorithm::EdDSA),
        });
    }
    let key = DecodingKey::from_rsa_pem(pem).ok()?;
    Some(PublicKey {
        key,
        algorithms: Algorithms::of_rsa(),
    })
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("PublicKey")
            .field(&self.algorithms)
            .finish()
    }
}
