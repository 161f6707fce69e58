//! The errors of invalid settings: one line with the variable, the value, and what is allowed.

use super::line;

#[test]
fn a_wrong_number_is_one_line() {
    for (arguments, expected) in [
        (
            &["--slow-query-milliseconds", "1.5"][..],
            "SLOW_QUERY_MILLISECONDS: `1.5` is not a whole number, 0 to 86400000",
        ),
        (
            &["--request-timeout-seconds", "0"],
            "REQUEST_TIMEOUT_SECONDS: `0` is not a whole number, 1 to 3600",
        ),
        (
            &["--event-retention-days", "0"],
            "EVENT_RETENTION_DAYS: `0` is not a whole number, 1 to 36500",
        ),
        (
            &["--graphql-max-answer-bytes", "64M"],
            "GRAPHQL_MAX_ANSWER_BYTES: `64M` is not a whole number, 1024 to 1000000000",
        ),
        (
            &["--max-subscribers=-1"],
            "MAX_SUBSCRIBERS: `-1` is not a whole number, 0 to 1000000",
        ),
        (
            &["--graphql-max-complexity", "0"],
            "GRAPHQL_MAX_COMPLEXITY: `0` is not a whole number, 1 to 1000000000",
        ),
    ] {
        assert_eq!(line(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn a_wrong_setting_is_one_line() {
    for (arguments, expected) in [
        (
            &["--port", "abc"][..],
            "PORT: `abc` is not a port, 0 to 65535",
        ),
        (
            &["--port", "65536"],
            "PORT: `65536` is not a port, 0 to 65535",
        ),
        (&["--port=-1"], "PORT: `-1` is not a port, 0 to 65535"),
        (&["--port", "1\n2"], "PORT: `1 2` is not a port, 0 to 65535"),
        (
            &["--host", "example.com"],
            "HOST: `example.com` is not an IP address or `localhost`",
        ),
        (
            &["--host", "0.0.0.0"],
            "HOST: `0.0.0.0` can be reached by other machines, and without authentication each could change and purge \
             every image; allowed: a loopback address like `127.0.0.1`, any with AUTH_MODE=supabase or \
             AUTH_MODE=jwt, or any with ALLOW_OPEN_ACCESS=true",
        ),
        (
            &["--allow-open-access", "maybe"],
            "ALLOW_OPEN_ACCESS: `maybe` is not `true` or `false`",
        ),
        (
            &["--rust-log", "image_gallery=loud"],
            "RUST_LOG: `image_gallery=loud` is not a log filter: `error`, `warn`, `info`, `debug`, `trace`, \
             `off`, or a list like `info,image_gallery=debug`",
        ),
        (
            &["--intent-aliases", "upscale"],
            "INTENT_ALIASES: `upscale` has `upscale`, which is not a pair; allowed are pairs like upscale=enhance, separated by \
             commas, with generate, edit or enhance behind the =",
        ),
        (
            &["--prompt-metadata-key", "a'b"],
            "PROMPT_METADATA_KEY: `a'b` is not a key of the metadata; allowed are up to 100 characters, without quotes, \
             backslashes and control characters",
        ),
        (
            &["--trusted-documents", "/not/there"],
            "TRUSTED_DOCUMENTS: `/not/there` is not a file that can be read",
        ),
        (
            &["--trusted-documents-mode", "warn"],
            "TRUSTED_DOCUMENTS_MODE: `warn` is not `enforce` or `report`",
        ),
        (
            &["--graphql-introspection", "off"],
            "GRAPHQL_INTROSPECTION: `off` is not `true` or `false`",
        ),
        (
            &["--log-format", "xml"],
            "LOG_FORMAT: `xml` is not `pretty` or `json`",
        ),
        (&["--prot", "1"], "unexpected argument '--prot' found"),
    ] {
        assert_eq!(line(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn a_wrong_setting_of_the_database_is_one_line() {
    for (arguments, expected) in [
        (
            &["--supabase-db-port", "0"][..],
            "SUPABASE_DB_PORT: `0` is not a port, 1 to 65535",
        ),
        (
            &["--auto-migrate", "on"],
            "AUTO_MIGRATE: `on` is not `true` or `false`",
        ),
        (
            &["--database-max-connections", "0"],
            "DATABASE_MAX_CONNECTIONS: `0` is not a whole number, 1 to 1000",
        ),
    ] {
        assert_eq!(line(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn an_invalid_database_setting_is_one_line() {
    for (arguments, expected) in [
        (
            &["--database-pooler", "pgbouncer"][..],
            "DATABASE_POOLER: `pgbouncer` is not `session` or `transaction`",
        ),
        (
            &["--database-pooler", "transaction"],
            "DATABASE_POOLER: `transaction` is for Postgres, but the database is sqlite://gallery.db; allowed with it: \
             `session`",
        ),
        (
            &[
                "--database-url=postgres://u:s3cret@h/d",
                "--database-direct-url=mysql://u:s3cret@h/d",
            ],
            "DATABASE_DIRECT_URL: `mysql://u:…@h/d` is not a database URL; allowed: `postgres://…`, `postgresql://…`, \
             `sqlite://…`",
        ),
        (
            &[
                "--database-url=postgres://u:s3cret@h/d",
                "--database-direct-url=postgres://u:s3cret@h/d?pgbouncer=true",
            ],
            "DATABASE_DIRECT_URL: `postgres://u@h:5432/d` has `pgbouncer=true`, but it must bypass the pooler: use \
             the address of the server itself, or of a pooler in session mode",
        ),
        (
            &[
                "--database-url=postgres://u:s3cret@h/d",
                "--database-read-url=postgres://u:s3cret@h/d?pgbouncer=true",
            ],
            "DATABASE_READ_URL: `postgres://u@h:5432/d` has `pgbouncer=true`, but the database itself is not reached through \
             such a pooler: set DATABASE_POOLER=transaction, or leave it out",
        ),
        (
            &[
                "--database-url=postgres://u:s3cret@h/d?connection_limit=5",
                "--database-read-url=postgres://u:s3cret@h/d?connection_limit=5",
            ],
            "DATABASE_READ_URL: `postgres://u@h:5432/d` has `connection_limit`, which is only allowed in \
             DATABASE_URL; leave it out",
        ),
        (
            &["--database-url=postgres://u:s3cret@h/d?pgbouncer=true&schema=gallery"],
            "DATABASE_URL: `postgres://u:…@h/d?…` has a `schema`, which is not a connection parameter of Postgres; \
             leave it out, and set the schema for the user instead: ALTER ROLE … SET search_path = …",
        ),
        (
            &["--database-direct-url=postgres://u:s3cret@h/d"],
            "DATABASE_DIRECT_URL: `postgres://u@h:5432/d` does not go with sqlite://gallery.db; allowed: the URL of a \
             Postgres server, where the database itself is on one",
        ),
        (
            &[
                "--database-url=postgres://u:s3cret@h/d",
                "--database-read-url=sqlite://gallery.db",
            ],
            "DATABASE_READ_URL: `sqlite://gallery.db` does not go with postgres://u@h:5432/d; allowed: the URL of a \
             Postgres server, where the database itself is on one",
        ),
        (
            &["--database-url", "mysql://u:s3cret@h/d"],
            "DATABASE_URL: `mysql://u:…@h/d` is not a database URL; allowed: `postgres://…`, `postgresql://…`, \
             `sqlite://…`",
        ),
        (
            &["--supabase-db-host", "https://db.example.com"],
            "SUPABASE_DB_HOST: `https://db.example.com` is not a host name, an IP address or the directory of a \
             Unix socket (no scheme, no port)",
        ),
        (
            &[
                "--supabase-db-host",
                "db.example.com",
                "--supabase-db-user",
                "u",
            ],
            "SUPABASE_DB_HOST: `db.example.com` also needs SUPABASE_DB_NAME, SUPABASE_DB_USER and \
             SUPABASE_DB_PASSWORD; not set: SUPABASE_DB_NAME, SUPABASE_DB_PASSWORD",
        ),
        (
            &["--supabase-db-sslmode", "on"],
            "SUPABASE_DB_SSLMODE: `on` is not one of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`",
        ),
        (
            &["--supabase-db-sslrootcert", "/not/there"],
            "SUPABASE_DB_SSLROOTCERT: `/not/there` is not a file that can be read",
        ),
        (
            &["--supabase-db-sslrootcert", "Cargo.toml"],
            "SUPABASE_DB_SSLROOTCERT: `Cargo.toml` contains no certificate; allowed: a file in PEM format, with \
             `-----BEGIN \
             CERTIFICATE-----`",
        ),
        (
            &[
                "--supabase-db-host=db.example.com",
                "--supabase-db-name=n",
                "--supabase-db-user=u",
                "--supabase-db-password=[YOUR-PASSWORD]",
            ],
            "SUPABASE_DB_PASSWORD: `[YOUR-PASSWORD]` is still the placeholder for the password; allowed: the \
             database's password (Project Settings → Database)",
        ),
    ] {
        assert_eq!(line(arguments), expected, "{arguments:?}");
    }
}

#[test]
fn a_wrong_setting_of_access_is_one_line() {
    for (arguments, expected) in [
        (
            &["--auth-mode", "auth0"][..],
            "AUTH_MODE: `auth0` is not `open`, `supabase` or `jwt`",
        ),
        (
            &["--auth-mode", "jwt", "--supabase-jwt-secret", "s3cret"],
            "AUTH_MODE: `jwt` needs a way to verify tokens; set JWT_JWKS_URL, JWT_SECRET, JWT_PUBLIC_KEY or \
             SERVICE_TOKENS",
        ),
        (
            &["--jwt-audience=,"],
            "JWT_AUDIENCE: `` is not an audience; allowed are audiences, separated by commas",
        ),
        (
            &["--jwt-algorithms", "RS256,none"],
            "JWT_ALGORITHMS: `RS256,none` is not a list of algorithms, separated by commas; allowed are HS256, HS384, \
             HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
        ),
        (
            &[
                "--auth-mode=jwt",
                "--jwt-secret=s3cret",
                "--jwt-algorithms=RS256,ES256",
            ],
            "JWT_ALGORITHMS: none of them is for JWT_SECRET, which supports HS256, HS384 or HS512; add one, or unset \
             JWT_SECRET",
        ),
        (
            &[
                "--auth-mode=jwt",
                "--jwt-jwks-url=https://a.example/keys",
                "--jwt-algorithms=HS512",
            ],
            "JWT_ALGORITHMS: none of them is for JWT_JWKS_URL, which supports RS256, RS384, RS512, PS256, PS384, PS512, \
             ES256, ES384, ES512 or EdDSA; add one, or unset JWT_JWKS_URL",
        ),
        (
            &["--jwt-secret=-----BEGIN PUBLIC KEY-----\ns3cret"],
            "JWT_SECRET: `…` is a key as PEM, not a secret; a public key belongs in JWT_PUBLIC_KEY",
        ),
        (
            &["--jwt-secret=base64:s3cret!"],
            "JWT_SECRET: `…` is not base64 after `base64:`",
        ),
        (
            &["--jwt-public-key=-----BEGIN PRIVATE KEY-----\ns3cret"],
            "JWT_PUBLIC_KEY: `…` is a private key, which only the issuer may have; allowed is a block that begins with \
             `-----BEGIN PUBLIC KEY-----`, of RSA, P-256, P-384, P-521 or Ed25519",
        ),
        (
            &["--jwt-public-key=-----BEGIN PUBLIC KEY-----\ns3cret\n-----END PUBLIC KEY-----"],
            "JWT_PUBLIC_KEY: `…` is a public key that cannot be read, or of another kind; allowed is a block that begins \
             with `-----BEGIN PUBLIC KEY-----`, of RSA, P-256, P-384, P-521 or Ed25519",
        ),
        (
            &["--jwt-user-claim", "a..b"],
            "JWT_USER_CLAIM: `a..b` is not a claim; allowed is its name, as in `sub`, or a path with dots through \
             objects, as in `app_metadata.user_id`",
        ),
        (
            &["--jwt-service-claim", "service_role"],
            "JWT_SERVICE_CLAIM: `service_role` is not `claim=value` (the claim is this) or `claim~value` (it has this \
             word, or list item)",
        ),
        (
            &["--jwt-jwks-url", "http://issuer.example/keys"],
            "JWT_JWKS_URL: `http://issuer.example/keys` is not an https URL without user name and password (http only \
             on this machine)",
        ),
        (
            &["--auth-mode", "supabase"],
            "AUTH_MODE: `supabase` needs a way to verify tokens; set SUPABASE_URL (or SUPABASE_JWKS_URL), \
             SUPABASE_JWT_SECRET or SERVICE_TOKENS",
        ),
        (
            &["--supabase-url", "http://abc.supabase.co"],
            "SUPABASE_URL: `http://abc.supabase.co` is not an https URL without user name and password (http only on \
             this machine)",
        ),
        (
            &["--supabase-jwks-url", "abc.supabase.co"],
            "SUPABASE_JWKS_URL: `abc.supabase.co` is not an https URL without user name and password (http only on \
             this machine)",
        ),
        (
            &["--supabase-jwt-secret", "sb_secret_s3cret"],
            "SUPABASE_JWT_SECRET: `…` is an API key, not the secret that tokens are signed with; with API keys of the \
             new kind set SUPABASE_URL instead, and SERVICE_TOKENS for programs",
        ),
        (
            &["--service-tokens", "my-s3cret-token"],
            "SERVICE_TOKENS: `…` has a wrong pair: number 1 is not `name:sha256-of-token`; make the hash with \
             `sha256sum`",
        ),
        (
            &["--rate-limit-per-minute", "0"],
            "RATE_LIMIT_PER_MINUTE: `0` is not a whole number, 1 to 1000000",
        ),
        (
            &["--trusted-proxies", "proxy"],
            "TRUSTED_PROXIES: `proxy` is not a list of addresses and networks, separated by commas, like \
             `10.0.0.0/8,::1`",
        ),
    ] {
        assert_eq!(line(arguments), expected, "{arguments:?}");
    }
}
