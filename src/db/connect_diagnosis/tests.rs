//! Tests the message for each cause.

use super::*;

fn target(url: &str) -> PgConnectOptions {
    match crate::db::options::ConnectionUrl::parse(url).map(|url| url.target) {
        Ok(crate::db::options::Target::Postgres(options)) => *options,
        other => panic!("{url}: {other:?}"),
    }
}

#[test]
fn an_unreachable_address_is_reported_by_its_kind() {
    let direct = target("postgres://postgres:s3cret@db.abc.supabase.co/postgres");
    let own = target("postgres://u:s3cret@db.example.com/d");
    let v6: SocketAddr = "[2001:db8::1]:5432".parse().expect("an address");
    let v4: SocketAddr = "192.0.2.1:5432".parse().expect("an address");
    let unreachable = io::Error::from(ErrorKind::NetworkUnreachable);
    let refused = io::Error::from(ErrorKind::ConnectionRefused);
    for (said, expected) in [
        (
            route_error(&unreachable, &direct, &[v6]),
            "session pooler's host",
        ),
        (
            route_error(&unreachable, &own, &[v6]),
            "has an IPv6 address only",
        ),
        (
            route_error(&unreachable, &own, &[v6, v4]),
            "there is no route to db.example.com:5432",
        ),
        (
            route_error(&refused, &own, &[v6]),
            "nothing listens at db.example.com:5432",
        ),
        (silent(&direct, &[v6]), "session pooler's host"),
        (silent(&own, &[v4]), "firewalls"),
        (
            unknown_host("db.abc.supabase.co", &refused),
            "session pooler's host",
        ),
        (unknown_host("db.example.com", &refused), "SUPABASE_DB_HOST"),
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(
            !said.contains("s3cret") && said.lines().count() == 1,
            "{said}"
        );
    }
    let other = route_error(&unreachable, &own, &[v4]);
    assert!(!other.contains("pooler"), "{other}");
}

#[test]
fn errors_of_servers_and_poolers_include_a_fix() {
    let direct = "postgres://postgres:s3cret@db.abc.supabase.co/postgres";
    let pooler = "postgres://postgres.abc:s3cret@aws-0-eu-central-1.pooler.supabase.com/postgres";
    let plain = "postgres://postgres:s3cret@aws-0-eu-central-1.pooler.supabase.com/postgres";
    for (url, code, message, expected) in [
        (
            direct,
            "28P01",
            "password authentication failed for user \"postgres\"",
            Some("check user and password"),
        ),
        (
            pooler,
            "08P01",
            "SASL authentication failed",
            Some("check user and password"),
        ),
        (
            plain,
            "28P01",
            "password authentication failed for user \"postgres\"",
            Some("postgres.<project>"),
        ),
        (pooler, "XX000", "Tenant or user not found", Some("region")),
        (
            pooler,
            "XX000",
            "(ENOTFOUND) tenant/user postgres.abc not found",
            Some("region"),
        ),
        (
            pooler,
            "XX000",
            "MaxClientsInSessionMode: max clients reached",
            Some("DATABASE_MAX_CONNECTIONS"),
        ),
        (
            direct,
            "53300",
            "sorry, too many clients already",
            Some("DATABASE_MAX_CONNECTIONS"),
        ),
        (
            direct,
            "3D000",
            "database \"x\" does not exist",
            Some("CREATE DATABASE"),
        ),
        (
            direct,
            "08P01",
            "no such database: x",
            Some("CREATE DATABASE"),
        ),
        (
            direct,
            "42501",
            "permission denied for database \"x\"",
            Some("GRANT CONNECT"),
        ),
        (
            direct,
            "28000",
            "no pg_hba.conf entry for host \"1.2.3.4\", user \"u\", database \"d\", SSL off",
            Some("sslmode=require"),
        ),
        (
            direct,
            "28000",
            "no pg_hba.conf entry for host \"1.2.3.4\", user \"u\", database \"d\", SSL encryption",
            Some("allow this user"),
        ),
        (
            direct,
            "28000",
            "role \"u\" is not permitted to log in",
            Some("may log in"),
        ),
        (direct, "XX000", "something else", None),
    ] {
        let said = remedy(code, message, &target(url));
        match (&said, expected) {
            (Some(said), Some(expected)) => {
                assert!(said.contains(expected), "{message}: {said}");
            }
            (said, expected) => assert_eq!(said.as_deref(), expected, "{message}"),
        }
    }
}

#[test]
fn certificate_errors_are_reported() {
    use rustls::Error::InvalidCertificate;

    let target = target("postgres://u:s3cret@db.example.com/d?sslmode=verify-full");
    for (error, expected) in [
        (InvalidCertificate(CertificateError::Expired), "has expired"),
        (
            InvalidCertificate(CertificateError::NotValidYet),
            "not valid yet",
        ),
        (
            InvalidCertificate(CertificateError::UnknownIssuer),
            "SUPABASE_DB_SSLROOTCERT",
        ),
        (
            InvalidCertificate(CertificateError::NotValidForName),
            "db.example.com",
        ),
        (
            InvalidCertificate(CertificateError::BadEncoding),
            "cannot be read",
        ),
        (rustls::Error::DecryptError, "handshake fails"),
    ] {
        let said = broken_tls(&error, &target);
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
