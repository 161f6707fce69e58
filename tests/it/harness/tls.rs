//! A Postgres server with TLS, with a CA created for the run. Its certificate is only valid for the host `localhost`,
//! not for 127.0.0.1. Every role but the harness's own must use TLS.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

use super::Fixture;
use super::database::TestDatabase;
use super::postgres::Server;

/// The only host of the server's certificate.
const HOST: &str = "localhost";

/// A certificate and its key, in PEM format.
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

struct Authorities {
    server: Arc<Server>,
    directory: TempDir,
}

/// An empty database on a server with TLS, as a fixture of [`on_tls`].
#[derive(Clone, Debug)]
pub(crate) struct TlsDatabase {
    /// The database, through the harness's connection without TLS.
    pub(crate) database: TestDatabase,
    /// The file of the CA that signed the server's certificate.
    pub(crate) authority: PathBuf,
    /// The file of another CA.
    pub(crate) stranger: PathBuf,
}

/// Runs a test's body with its own database on the server with TLS; skipped with a message without Postgres.
pub(crate) async fn on_tls(body: impl AsyncFnOnce(TlsDatabase)) {
    static SHARED: OnceLock<Option<Authorities>> = OnceLock::new();
    let Some(authorities) = SHARED.get_or_init(start) else {
        return super::print_skipped("no PostgreSQL found for a server with TLS");
    };
    let temporary = authorities
        .server
        .create_database(TestDatabase::IS_MIGRATED)
        .await;
    let file = |name| authorities.directory.path().join(name);
    let (authority, stranger) = (file("authority.pem"), file("stranger.pem"));
    super::run(temporary, &[], async |database: TestDatabase| {
        body(TlsDatabase {
            database,
            authority,
            stranger,
        })
        .await;
    })
    .await;
}

fn start() -> Option<Authorities> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let authority = authority("The authority of the tests");
    write(directory.path(), "authority.pem", &authority.0);
    write(
        directory.path(),
        "stranger.pem",
        &self::authority("Another authority").0,
    );
    let server = Server::with_tls(&identity(&authority.1))?;
    Some(Authorities { server, directory })
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).expect("a file can be written");
}

/// A CA's certificate, and its issuer.
fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = params.self_signed(&key).expect("a certificate");
    (certificate.pem(), Issuer::new(params, key))
}

fn identity(issuer: &Issuer<'_, KeyPair>) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new([HOST.to_owned()]).expect("a host's name");
    params.distinguished_name = distinguished("A database");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    Identity {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

fn distinguished(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
