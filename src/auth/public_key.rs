//! A public key in a setting, in PEM format.

use std::fmt;
use std::str::FromStr;

use jsonwebtoken::{Algorithm, DecodingKey};

use super::algorithms::{Algorithms, SigningAlgorithm, VerifyingKey};
use super::es512;

/// Length of an uncompressed point of P-256.
const P256_BYTES: usize = 65;
/// Length of an uncompressed point of P-384.
const P384_BYTES: usize = 97;

/// A public key to verify tokens with, and its algorithms.
#[derive(Clone)]
pub struct PublicKey {
    pub(super) key: VerifyingKey,
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

    /// Parses a PEM block. Its lines may also be separated by a literal `\n`, as in a settings
    /// file.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "allowed is a block that begins with `-----BEGIN PUBLIC KEY-----`, of RSA, P-256, P-384, P-521 or Ed25519";
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
    let (key, algorithms) = if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        of_curve(key)?
    } else if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        (
            VerifyingKey::Library(key),
            Algorithms::only(Algorithm::EdDSA),
        )
    } else {
        let key = DecodingKey::from_rsa_pem(pem).ok()?;
        (VerifyingKey::Library(key), Algorithms::of_rsa())
    };
    Some(PublicKey { key, algorithms })
}

fn of_curve(key: DecodingKey) -> Option<(VerifyingKey, Algorithms)> {
    let point = key.try_get_as_bytes().ok()?;
    let algorithm = match point.len() {
        P256_BYTES => Algorithm::ES256,
        P384_BYTES => Algorithm::ES384,
        _ => {
            let point = es512::Point::new(point)?;
            let algorithms = Algorithms::only(SigningAlgorithm::Es512);
            return Some((VerifyingKey::P521(point), algorithms));
        }
    };
    Some((VerifyingKey::Library(key), Algorithms::only(algorithm)))
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("PublicKey")
            .field(&self.algorithms)
            .finish()
    }
}
