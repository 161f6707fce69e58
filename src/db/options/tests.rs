//! Tests which options result from which URL.

use super::*;

fn postgres(url: &str) -> PgConnectOptions {
    match ConnectionUrl::parse(url).map(|url| url.target) {
        Ok(Target::Postgres(options)) => *options,
        other => panic!("{url}: {other:?}"),
    }
}

/// The driver has no getter for the password, but its `Debug` shows it.
fn password(options: &PgConnectOptions) -> String {
    let shown = format!("{options:?}");
    let start = shown
        .find("password: Some(")
        .expect("a password is always set")
        + "password: Some(".len();
    let end = start + shown[start..].find("), database:").expect("the next field");
    unquoted(&shown[start..end])
}

fn unquoted(debug: &str) -> String {
    debug
        .trim_matches('"')
        .replace("\\\"", "\"")
        .replace("\\'", "'")
        .replace("\\\\", "\\")
}

#[test]
fn the_url_may_contain_any_password() {
    for (written, meant) in [
        ("secret", "secret"),
        ("p%40ss", "p@ss"),
        ("p%40%3A%2F%23%25%20w", "p@:/#% w"),
        ("p@ss", "p@ss"),
        ("p@@", "p@@"),
        ("a:b", "a:b"),
        ("a/b", "a/b"),
        ("a@b/c", "a@b/c"),
        ("a#b", "a#b"),
        ("a?b", "a?b"),
        ("a?b=c@d", "a?b=c@d"),
        ("a@b?c", "a@b?c"),
        ("a&b=c", "a&b=c"),
        ("100%", "100%"),
        ("%zz", "%zz"),
        ("%+f", "%+f"),
        ("%ff", "%ff"),
        ("%00", "%00"),
        ("a b", "a b"),
        ("a'b\"c\\d", "a'b\"c\\d"),
        ("pässwörd", "pässwörd"),
        ("p%C3%A4ss", "päss"),
        ("[secret]", "[secret]"),
        ("a+b", "a+b"),
        ("", ""),
    ] {
        for tail in [
            "",
            "?sslmode=require",
            "?application_name=a@b&sslmode=disable",
            "?",
        ] {
            let options = postgres(&format!(
                "postgres://alice:{written}@db.example.com:6543/gallery{tail}"
            ));
            assert_eq!(password(&options), meant, "{written}{tail}");
            assert_eq!(options.get_username(), "alice", "{written}{tail}");
            assert_eq!(options.get_host(), "db.example.com", "{written}{tail}");
            assert_eq!(options.get_port(), 6543, "{written}{tail}");
            assert_eq!(options.get_database(), Some("gallery"), "{written}{tail}");
        }
    }
}

#[test]
fn the_parts_of_a_url() {
    for (url, shown) in [
        ("postgres://u:p@h/d", "postgres://u@h:5432/d"),
        ("postgresql://u:p@h/d", "postgres://u@h:5432/d"),
        (" postgres://u:p@h/d\n", "postgres://u@h:5432/d"),
        ("postgres://u:p@h:1/d", "postgres://u@h:1/d"),
        ("postgres://u:p@h:/d", "postgres://u@h:5432/d"),
        ("postgres://u:p@h", "postgres://u@h:5432/u"),
        ("postgres://u:p@h/", "postgres://u@h:5432/u"),
        ("postgres://u@h/d", "postgres://u@h:5432/d"),
        ("postgres://u%40x:p@h/d%20e", "postgres://u@x@h:5432/d e"),
        (
            "postgres://postgres.abc:p@h/d",
            "postgres://postgres.abc@h:5432/d",
        ),
        ("postgres://u:p@[::1]:7/d", "postgres://u@::1:7/d"),
        ("postgres://u:p@[::1]/d", "postgres://u@::1:5432/d"),
        (
            "postgres://u:p@127.0.0.1/d",
            "postgres://u@127.0.0.1:5432/d",
        ),
        ("postgres://u@%2Frun%2Fpg/d", "postgres://u@/run/pg:5432/d"),
        (
            "postgres://u@/d?host=/run/pg",
            "postgres://u@/run/pg:5432/d",
        ),
        (
            "postgres://u@:7/d?host=%2Frun%2Fpg",
            "postgres://u@/run/pg:7/d",
        ),
    ] {
        let target = ConnectionUrl::parse(url).expect(url).target;
        assert_eq!(target.to_string(), shown, "{url}");
        assert_eq!(format!("{target:?}"), shown, "{url}");
    }
    let options = postgres("postgres://u@h/d");
    assert_eq!(password(&options), "");
    assert_eq!(options.get_application_name(), Some("image-gallery"));
    let options = postgres("postgres://u@h/d?application_name=my%20app");
    assert_eq!(options.get_application_name(), Some("my app"));
    assert_eq!(
        postgres("postgres://h:7/d?application_name=a@b").get_host(),
        "h"
    );
}

#[test]
fn tls_is_as_the_url_says() {
    let certificate = tempfile::NamedTempFile::new().expect("a file");
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(certificate.path(), pem).expect("it can be written");
    let path = certificate.path().display();
    for (url, mode) in [
        ("postgres://u@h/d".to_owned(), "Prefer"),
        ("postgres://u@h/d?sslmode=disable".to_owned(), "Disable"),
        ("postgres://u@h/d?sslmode=prefer".to_owned(), "Prefer"),
        ("postgres://u@h/d?sslmode=REQUIRE".to_owned(), "Require"),
        ("postgres://u@h/d?sslmode=verify-ca".to_owned(), "VerifyCa"),
        (
            "postgres://u@h/d?sslmode=verify-full".to_owned(),
            "VerifyFull",
        ),
        (
            "postgres://u@%2Frun/d?sslmode=require".to_owned(),
            "Disable",
        ),
        (
            format!("postgres://u@h/d?sslmode=require&sslrootcert={path}"),
            "VerifyCa",
        ),
        (
            format!("postgres://u@h/d?sslmode=verify-full&sslrootcert={path}"),
            "VerifyFull",
        ),
    ] {
        let options = postgres(&url);
        assert_eq!(format!("{:?}", options.get_ssl_mode()), mode, "{url}");
        let has_certificate = format!("{options:?}").contains("ssl_root_cert: Some(File(");
        assert_eq!(has_certificate, url.contains("sslrootcert"), "{url}");
    }
}

#[test]
fn a_wrong_url_is_one_line_without_the_password() {
    const PORT: &str = "has no valid port after the host; allowed: 1 to 65535";
    const HOST: &str = "has no valid host; allowed: a host name, an IP address (IPv6 in brackets), or the directory of a Unix socket";
    const SCHEME: &str =
        "is not a database URL; allowed: `postgres://…`, `postgresql://…`, `sqlite://…`";
    const MEMORY: &str = "has no file, and in memory every connection would have its own database; allowed: a file, \
                          as in `sqlite://gallery.db?mode=rwc`";
    const PARAMETERS: &str = "allowed: `sslmode`, `sslrootcert`, `application_name`, `host`, `pgbouncer`, `connection_limit`, `connect_timeout`";
    for (url, shown, reason) in [
        ("mysql://u:secret@h/d", "mysql://u:…@h/d", SCHEME),
        ("postgres:u:secret@h/d", "postgres…", SCHEME),
        ("host=h password=secret", "host…", SCHEME),
        ("u:secret@h/d", "u…", SCHEME),
        ("gallery.db", "gallery.db", SCHEME),
        ("", "", SCHEME),
        (
            "postgres://u:secret@h:abc/d",
            "postgres://u:…@h:abc/d",
            PORT,
        ),
        ("postgres://u:secret@h:0/d", "postgres://u:…@h:0/d", PORT),
        (
            "postgres://u:secret@h:65536/d",
            "postgres://u:…@h:65536/d",
            PORT,
        ),
        ("postgres://u:secret", "postgres://u:…", PORT),
        ("postgres://u:sec/ret", "postgres://u:…", PORT),
        (
            "postgres://u:se#cret",
            "postgres://u:…",
            "has a `#` after the host; write it as %23",
        ),
        (
            "postgres://u:secret@h one/d",
            "postgres://u:…@h one/d",
            HOST,
        ),
        ("postgres://u:secret@h,i/d", "postgres://u:…@h,i/d", HOST),
        ("postgres://u:secret@::1/d", "postgres://u:…@::1/d", HOST),
        (
            "postgres://u:secret@h/d#x",
            "postgres://u:…@h/d?…",
            "has a `#` after the host; write it as %23",
        ),
        (
            "postgres://u:[YOUR-PASSWORD]@h/d",
            "postgres://u:…@h/d",
            "still has [YOUR-PASSWORD] in place of the password",
        ),
        (
            "postgres://u:secret@h/d?sslmode=on",
            "postgres://u:…@h/d?…",
            "has the sslmode `on`, which is not one of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`",
        ),
        (
            "postgres://u:secret@h/d?sslmode=allow",
            "postgres://u:…@h/d?…",
            "has the sslmode `allow`, which is not one of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`",
        ),
        (
            "postgres://u:secret@h/d?sslrootcert=/not/there",
            "postgres://u:…@h/d?…",
            "has the sslrootcert `/not/there`, which is not a file that can be read",
        ),
        (
            "postgres://u:secret@h/d?sslrootcert=Cargo.toml",
            "postgres://u:…@h/d?…",
            "has the sslrootcert `Cargo.toml`, which contains no certificate; allowed: a file in PEM format, with \
             `-----BEGIN \
             CERTIFICATE-----`",
        ),
        (
            "postgres://u:secret@h/d?sslmode=require&poolmode=true",
            "postgres://u:…@h/d?…",
            &format!("has an unknown parameter, `poolmode`; {PARAMETERS}"),
        ),
        (
            "postgres://h/d?password=secret",
            "postgres://h/d?…",
            &format!("has an unknown parameter, `password`; {PARAMETERS}"),
        ),
        (
            "postgres://h/d?sec:ret",
            "postgres://h/d?…",
            &format!("has an unknown parameter, `…`; {PARAMETERS}"),
        ),
        ("sqlite::memory:", "sqlite…", MEMORY),
        ("sqlite://:memory:", "sqlite://:memory:", MEMORY),
        ("sqlite://", "sqlite://", MEMORY),
        (
            "sqlite://a.db?mode=memory",
            "sqlite://a.db?mode=memory",
            MEMORY,
        ),
        (
            "sqlite://a.db?mode=ro",
            "sqlite://a.db?mode=ro",
            "has the mode `ro`; allowed: `rwc` (creates a missing file), `rw`",
        ),
        (
            "sqlite://a.db?cache=shared",
            "sqlite://a.db?cache=shared",
            "has an unknown parameter, `cache`; allowed: `mode`",
        ),
    ] {
        let error = ConnectionUrl::parse(url).expect_err(url).to_string();
        assert_eq!(error, format!("`{shown}` {reason}"), "{url}");
    }
}

#[test]
fn a_file_is_named_as_sqlx_documents() {
    for (url, file, is_created) in [
        ("sqlite://gallery.db?mode=rwc", "gallery.db", true),
        ("sqlite://gallery.db", "gallery.db", false),
        ("sqlite://gallery.db?mode=rw", "gallery.db", false),
        ("sqlite:gallery.db?mode=rwc", "gallery.db", true),
        (
            "sqlite:///var/lib/my%20gallery%3F.db",
            "/var/lib/my gallery?.db",
            false,
        ),
        ("sqlite://./100%.db", "./100%.db", false),
    ] {
        match ConnectionUrl::parse(url).map(|url| url.target) {
            Ok(Target::Sqlite(options)) => {
                assert_eq!(options.get_filename(), Path::new(file), "{url}");
                let shown = format!("create_if_missing: {is_created}");
                assert!(format!("{options:?}").contains(&shown), "{url}");
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[test]
fn a_url_may_be_as_prisma_and_supabase_write_it() {
    let nothing = UrlParameters::default();
    let transaction = UrlParameters {
        pooler: Some(Pooler::Transaction),
        ..nothing
    };
    for (query, expected) in [
        ("", nothing),
        ("schema=public", nothing),
        ("schema=public&pgbouncer=false", nothing),
        ("pgbouncer=true", transaction),
        (
            "sslmode=require&supa=base-pooler.x&pgbouncer=true",
            transaction,
        ),
        (
            "pgbouncer=true&connection_limit=1&schema=public",
            UrlParameters {
                max_connections: Some(NonZeroU32::MIN),
                ..transaction
            },
        ),
        (
            "connect_timeout=15",
            UrlParameters {
                connect_timeout: Some(Duration::from_secs(15)),
                ..nothing
            },
        ),
    ] {
        let url = format!("postgresql://postgres.abc:s?cret@h:6543/postgres?{query}");
        let url = ConnectionUrl::parse(&url).expect(query);
        assert_eq!(
            url.target.to_string(),
            "postgres://postgres.abc@h:6543/postgres",
            "{query}"
        );
        assert_eq!(url.parameters, expected, "{query}");
    }
    for (query, reason) in [
        (
            "pgbouncer=yes",
            "has `pgbouncer=yes`; allowed: `true`, `false`",
        ),
        (
            "connection_limit=0",
            "has the connection_limit `0`; allowed: 1 to 1000",
        ),
        (
            "connection_limit=many",
            "has the connection_limit `many`; allowed: 1 to 1000",
        ),
        (
            "connect_timeout=0",
            "has the connect_timeout `0`; allowed: 1 to 300 seconds",
        ),
        (
            "connect_timeout=1s",
            "has the connect_timeout `1s`; allowed: 1 to 300 seconds",
        ),
        (
            "pgbouncer=true&schema=gallery",
            "has a `schema`, which is not a connection parameter of Postgres; leave it out, and set the schema for the \
             user instead: ALTER ROLE … SET search_path = …",
        ),
        (
            "options=-csearch_path%3Dgallery",
            "has the parameter `options`, which poolers do not pass on; leave it out, and set them for the user instead: ALTER ROLE … SET …",
        ),
        (
            "sslmode=require&channel_binding=require",
            "has the parameter `channel_binding`, which the driver does not support; leave it out, and add \
             `sslmode=verify-full` to verify the server",
        ),
        (
            "pgbouncer=true&pool_timeout=10",
            "has the parameter `pool_timeout`, which only Prisma has; leave it out: a request waits for a connection until \
             REQUEST_TIMEOUT_SECONDS",
        ),
    ] {
        let url = format!("postgres://u:s3cret@h/d?{query}");
        let error = ConnectionUrl::parse(&url).expect_err(query).to_string();
        assert_eq!(error, format!("`postgres://u:…@h/d?…` {reason}"), "{query}");
    }
}

#[test]
fn options_show_no_password() {
    let host = "db.example.com".parse().expect("a host");
    let server = Server::new(host, 5432, "u", "s3cret", "d");
    assert!(!format!("{server:?}").contains("s3cret"));
    let options = Options {
        target: Target::postgres(server.clone()),
        pooler: Pooler::Transaction,
        direct: Some(Target::postgres(server.clone())),
        replica: Some(Target::postgres(server)),
        statement_time: Duration::from_secs(14),
        max_connections: NonZeroU32::MIN,
        connect_timeout: DEFAULT_CONNECT_TIMEOUT,
        slow_query: Duration::from_millis(500),
        prompt_metadata_key: None,
    };
    assert!(!format!("{options:?}").contains("s3cret"));
}
