//! The crate as an embedding server uses it.

use async_graphql::{EmptySubscription, Object, PathSegment, Schema, ServerError};
use graphql_front::limits::{FieldPrice, LimitNames, Limits, Prices};
use graphql_front::trusted::{Mode, TrustedDocuments};
use graphql_front::{
    DocumentHash, DocumentPolicy, Front, Options, Parameters, PolicyNames, PreparedOperation,
    SchemaError, SkipValidation, ValidateOnly, code_of,
};
use serde_json::{Value, json};

struct Root;

#[Object(name = "Library")]
impl Root {
    async fn book(&self, title: Option<String>) -> Book {
        Book(title.unwrap_or_default())
    }
}

struct Changes;

#[Object]
impl Changes {
    async fn lend(&self) -> Book {
        Book("lent".to_owned())
    }
}

struct Book(String);

#[Object]
impl Book {
    async fn title(&self) -> &str {
        &self.0
    }

    async fn sequel(&self) -> Self {
        Self(format!("{} II", self.0))
    }
}

type Library = Schema<Root, Changes, EmptySubscription>;

static PRICES: Prices = Prices {
    fields: &[FieldPrice {
        parent: "Library",
        field: "book",
        cost: 10,
    }],
    ..Prices::PLAIN
};

/// A server without a transport.
struct Server {
    front: Front,
    validating: Library,
    executing: Library,
}

impl Server {
    fn new(policy: DocumentPolicy) -> Self {
        let schema = || Schema::build(Root, Changes, EmptySubscription);
        let executing = schema().extension(SkipValidation).finish();
        let options = Options {
            policy,
            limits: Limits {
                max_complexity: 12,
                max_depth: 3,
                names: LimitNames {
                    max_depth: Some("MAX_DEPTH"),
                    ..LimitNames::default()
                },
                ..Limits::default()
            },
            prices: &PRICES,
            scalars: &[],
        };
        Self {
            front: Front::new(&executing.sdl(), options).expect("the schema parses"),
            validating: schema().extension(ValidateOnly).finish(),
            executing,
        }
    }

    fn prepare(&self, body: &Value) -> Result<PreparedOperation, ServerError> {
        let parameters = Parameters::from_json(body.to_string().as_bytes())?;
        let prepared = self.front.prepare(parameters.into_operation()?);
        prepared.map_err(|rejection| rejection.error)
    }

    async fn run(&self, body: Value) -> Result<Value, ServerError> {
        let prepared = self.prepare(&body)?;
        if !prepared.is_valid() {
            let request = self.front.validation_request(&prepared)?;
            let errors = self.validating.execute(request).await.errors;
            errors.into_iter().next().map_or(Ok(()), Err)?;
        }
        self.front.keep_valid(&prepared);
        let response = self.executing.execute(prepared.into_request()).await;
        Ok(response.data.into_json().expect("JSON"))
    }

    async fn refusal(&self, body: Value) -> (String, String) {
        let error = self.run(body).await.expect_err("it is refused");
        let code = code_of(&error).expect("each has a code");
        (code.to_owned(), error.message)
    }
}

#[tokio::test]
async fn an_operation_runs_and_its_document_is_known_from_then_on() {
    let server = Server::new(DocumentPolicy::default());
    // One field, though it is selected twice.
    let query = "query($t: String) { book(title: $t) { title } ...F } fragment F on Library { book(title: $t) { title } }";
    let body = json!({ "query": query, "variables": { "t": "Rust" } });
    let prepared = server.prepare(&body).expect("it is allowed");
    assert!(!prepared.is_valid());
    assert_eq!(prepared.cost().complexity(), Some(10 + 1));
    let data = server.run(body.clone()).await.expect("it is valid");
    assert_eq!(data, json!({ "book": { "title": "Rust" } }));
    assert!(server.prepare(&body).expect("it is allowed").is_valid());
}

#[tokio::test]
async fn what_is_refused_says_why_and_where() {
    let server = Server::new(DocumentPolicy::default());
    for (query, code, message, path) in [
        (
            "{ book {",
            "GRAPHQL_PARSE_FAILED",
            "the document does not parse: expected selection",
            "",
        ),
        (
            "{ nothing }",
            "GRAPHQL_VALIDATION_FAILED",
            "Unknown field \"nothing\" on type \"Library\".",
            "",
        ),
        (
            "{ b: book { sequel { sequel { title } } } }",
            "QUERY_TOO_COMPLEX",
            "the operation is 4 fields deep; at most 3 are allowed (MAX_DEPTH)",
            "b.sequel.sequel.title",
        ),
        (
            "mutation M { lend { title } } query Q { book { title sequel { title } } }",
            "BAD_USER_INPUT",
            "the document has several operations: operationName must say which of them is meant",
            "",
        ),
        (
            "{ book { title sequel { title } } }",
            "QUERY_TOO_COMPLEX",
            "the operation's complexity is 13; at most 12 is allowed: ask for fewer fields or shorter pages",
            "book.sequel.title",
        ),
    ] {
        let refused = server.run(json!({ "query": query })).await;
        let error = refused.expect_err("it is refused");
        assert_eq!(code_of(&error), Some(code), "{query}: {}", error.message);
        assert!(
            error.message.starts_with(message),
            "{query}: {}",
            error.message
        );
        let fields = error.path.iter().map(|segment| match segment {
            PathSegment::Field(name) => name.as_str(),
            PathSegment::Index(_) => "an index",
        });
        assert_eq!(fields.collect::<Vec<_>>().join("."), path, "{query}");
    }
}

#[tokio::test]
async fn a_document_is_called_by_its_hash_once_it_was_sent_and_valid() {
    let server = Server::new(DocumentPolicy::default());
    let query = "{ book { title } }";
    let hash = DocumentHash::of(query).to_string();
    let persisted = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    let by_hash = json!({ "extensions": persisted });
    let (code, _) = server.refusal(by_hash.clone()).await;
    assert_eq!(code, "PERSISTED_QUERY_NOT_FOUND");
    let with_text = json!({ "query": query, "extensions": persisted });
    server.run(with_text).await.expect("it is valid");
    let data = server.run(by_hash).await.expect("it is known");
    assert_eq!(data, json!({ "book": { "title": "" } }));
}

#[tokio::test]
async fn only_trusted_documents_run_where_there_are_some() {
    let manifest =
        json!({ "good": "{ book { title } }", "deep": "{ book { sequel { sequel { title } } } }" });
    let manifest = manifest.to_string();
    let trusted =
        TrustedDocuments::from_manifest(manifest.as_bytes(), Mode::Enforce, &Limits::default());
    let server = Server::new(DocumentPolicy {
        trusted: Some(trusted.expect("a manifest")),
        has_introspection: false,
        names: PolicyNames {
            trusted: Some("DOCUMENTS"),
            introspection: None,
        },
    });
    let data = server.run(json!({ "id": "good" })).await;
    assert_eq!(
        data.expect("it is trusted"),
        json!({ "book": { "title": "" } })
    );
    let (code, message) = server
        .refusal(json!({ "query": "{ book { sequel { title } } }" }))
        .await;
    assert_eq!(code, "FORBIDDEN");
    assert!(
        message.ends_with("its operator may add it (DOCUMENTS)"),
        "{message}"
    );
    // Operations that no request can execute are found at startup.
    let trusted = server.front.policy().trusted.as_ref().expect("documents");
    let refused = trusted.iter().filter(|document| {
        let prepared = server.front.prepare_trusted(document, None);
        prepared.is_err()
    });
    let refused: Vec<_> = refused.map(|document| document.id.as_str()).collect();
    assert_eq!(refused, ["deep"]);
}

#[test]
fn a_schema_has_to_parse_and_to_have_what_is_priced() {
    let options = Options {
        prices: &PRICES,
        ..Options::default()
    };
    let error = Front::new("type Query { a: Int }", options).expect_err("no field");
    assert!(matches!(
        error,
        SchemaError::UnknownField {
            parent: "Library",
            field: "book"
        }
    ));
    let error = Front::new("type Query {", Options::default()).expect_err("no SDL");
    assert!(matches!(error, SchemaError::Malformed(_)));
}
