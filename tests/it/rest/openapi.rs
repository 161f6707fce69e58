//! The OpenAPI document describes the server's responses.

use reqwest::Method;
use serde_json::{Value, json};

use super::Caller;
use crate::harness::{TestApp, image_url, on_sqlite};

/// Follows a reference within the document.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').expect("within the document");
            let target = document.pointer(pointer);
            target.unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => schema,
    }
}

/// Whether a value fits a schema, as far as the document's own schemas go.
fn assert_fits(document: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolved(document, schema);
    for key in ["allOf", "oneOf"] {
        if let Some(parts) = schema[key].as_array() {
            let is_null = |part: &&Value| part["type"] == "null";
            for part in parts.iter().filter(|part| !is_null(part)) {
                assert_fits(document, part, value, place);
            }
            return;
        }
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => panic!("{place} has no type: {schema}"),
    };
    assert!(
        allowed.contains(&kind),
        "{place} is {kind}, {allowed:?} expected"
    );
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().expect("a name");
        assert!(
            value.get(name).is_some(),
            "{place}.{name} is missing: {value}"
        );
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            assert_fits(document, property, value, &format!("{place}.{name}"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        assert_fits(document, &schema["items"], item, &format!("{place}[]"));
    }
}

/// All names of an object are described.
fn assert_described(document: &Value, schema: &Value, value: &Value, place: &str) {
    let mut names = Vec::new();
    collect_names(document, schema, &mut names);
    for name in value.as_object().expect("an object").keys() {
        assert!(names.contains(name), "{place}.{name} is not described");
    }
}

fn collect_names(document: &Value, schema: &Value, names: &mut Vec<String>) {
    let schema = resolved(document, schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        collect_names(document, part, names);
    }
    names.extend(
        schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone()),
    );
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                match value.as_str() {
                    Some(reference) if name == "$ref" => found.push(reference.to_owned()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

async fn describes_what_is_answered(app: TestApp) {
    let caller = Caller::anyone(&app);
    let reply = caller.get("/openapi.json").await;
    assert_eq!(reply.status, 200);
    let document = reply.body;
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(
            document.pointer(pointer).is_some(),
            "{reference} leads nowhere"
        );
    }

    let id = "3f2b8c1e-5d4a-4e6f-9a7b-0c1d2e3f4a5b";
    let body = json!({ "user_id": "alice", "image_url": image_url(id) });
    for (method, below, path, body, status) in [
        (Method::POST, "/".to_owned(), "/", Some(body.clone()), "201"),
        (Method::POST, "/".to_owned(), "/", Some(body), "200"),
        (Method::POST, "/".to_owned(), "/", Some(json!({})), "400"),
        (Method::GET, "/?user_id=alice".to_owned(), "/", None, "200"),
        (
            Method::GET,
            "/count/?user_id=alice".to_owned(),
            "/count/",
            None,
            "200",
        ),
        (Method::GET, format!("/{id}/"), "/{image_id}/", None, "200"),
        (
            Method::DELETE,
            format!("/{id}/"),
            "/{image_id}/",
            None,
            "200",
        ),
        (
            Method::GET,
            "/deleted/?user_id=alice".to_owned(),
            "/deleted/",
            None,
            "200",
        ),
        (Method::GET, "/?limit=0".to_owned(), "/", None, "400"),
        (
            Method::POST,
            format!("/{id}/restore/"),
            "/{image_id}/restore/",
            None,
            "200",
        ),
        (
            Method::POST,
            format!("/{id}/restore/"),
            "/{image_id}/restore/",
            None,
            "400",
        ),
        (
            Method::DELETE,
            format!("/{id}/permanent/"),
            "/{image_id}/permanent/",
            None,
            "200",
        ),
        (
            Method::DELETE,
            format!("/{id}/permanent/"),
            "/{image_id}/permanent/",
            None,
            "404",
        ),
    ] {
        let reply = caller.send(method.clone(), &below, body).await;
        assert_eq!(
            reply.status.as_str(),
            status,
            "{method} {below}: {}",
            reply.body
        );
        let method = method.as_str().to_lowercase();
        let operation = &document["paths"][format!("/v1/gallery{path}")][&method];
        let schema = &operation["responses"][status]["content"]["application/json"]["schema"];
        assert_fits(&document, schema, &reply.body, &below);
        assert_described(&document, schema, &reply.body, &below);
    }
    for (path, method, status, header) in [
        ("/", "get", "200", "Link"),
        ("/deleted/", "get", "200", "Link"),
        ("/", "post", "429", "Retry-After"),
        ("/{image_id}/", "get", "503", "Retry-After"),
        ("/count/", "get", "401", "WWW-Authenticate"),
    ] {
        let responses = &document["paths"][format!("/v1/gallery{path}")][method]["responses"];
        let described = &responses[status]["headers"][header];
        assert!(
            described["schema"]["type"].is_string(),
            "{path} {status}: {responses}"
        );
        assert!(responses["500"].is_object(), "{path}");
    }
    assert!(document["paths"]["/v1/gallery/"]["post"]["responses"]["408"].is_object());
    let image = &document["components"]["schemas"]["NewImage"];
    assert_eq!(image["required"], json!(["image_url"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_describes_what_is_answered() {
    on_sqlite(&[], describes_what_is_answered).await;
    on_sqlite(&["--rest-api=code"], describes_what_is_answered).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_needs_no_token() {
    on_sqlite(&["--auth-mode=supabase"], async |app: TestApp| {
        let reply = Caller::anyone(&app).get("/openapi.json/").await;
        assert_eq!(reply.status, 200);
    })
    .await;
}
