//! REST: the calls of the application that this server replaces, in both of its envelopes.

mod access;
mod calls;
mod isolation;
mod openapi;
mod paging;
mod surroundings;

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::token::user_authorization;
use crate::harness::{Reply, TestApp, image_url};

/// A caller of the REST API.
#[derive(Clone)]
struct Caller {
    app: TestApp,
    authorization: Option<String>,
}

impl Caller {
    /// Without a token.
    fn anyone(app: &TestApp) -> Self {
        Self {
            app: app.clone(),
            authorization: None,
        }
    }

    fn with_authorization(app: &TestApp, authorization: &str) -> Self {
        Self {
            app: app.clone(),
            authorization: Some(authorization.to_owned()),
        }
    }

    /// Signed in by token.
    fn user(app: &TestApp, id: &str) -> Self {
        Self::with_authorization(app, &user_authorization(id))
    }

    /// Sends a request to a path below `/v1/gallery`.
    async fn send(&self, method: Method, below: &str, body: Option<Value>) -> Reply {
        let url = format!("{}/v1/gallery{below}", self.app.url());
        let mut request = self.app.client().request(method, url);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Reply::read(request.send().await.expect("the server answers")).await
    }

    async fn get(&self, below: &str) -> Reply {
        self.send(Method::GET, below, None).await
    }

    async fn post(&self, below: &str, body: Option<Value>) -> Reply {
        self.send(Method::POST, below, body).await
    }

    async fn delete(&self, below: &str) -> Reply {
        self.send(Method::DELETE, below, None).await
    }

    /// Creates an image with a new URL, and returns its id.
    async fn create(&self, user_id: &str) -> String {
        let body =
            json!({ "user_id": user_id, "image_url": image_url(&Uuid::new_v4().to_string()) });
        let reply = self.post("/", Some(body)).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        let id = &reply.body["data"]["image_id"];
        id.as_str().expect("an id").to_owned()
    }
}

/// The ids of a list in the envelope `success`.
#[track_caller]
fn ids(reply: &Reply) -> Vec<String> {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let images = reply.body["data"].as_array().expect("a list");
    let id = |image: &Value| image["image_id"].as_str().expect("an id").to_owned();
    images.iter().map(id).collect()
}

/// An error in the envelope `success`.
#[track_caller]
fn assert_error(reply: &Reply, status: u16, message: &str) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.body);
    assert_eq!(reply.body["success"], false, "{}", reply.body);
    assert_eq!(reply.body["data"], Value::Null, "{}", reply.body);
    let text = reply.body["message"].as_str().unwrap_or_default();
    assert!(text.contains(message), "{}", reply.body);
}
