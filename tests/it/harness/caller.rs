//! Callers: a test's requests on behalf of a user go through the API.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Reply, TestApp};

/// Every scalar field of an image.
const IMAGE: &str = "id userId imageUrl originalPrompt refinedPrompt intent intentLabel metadata createdAt updatedAt deletedAt";

/// A Cloudinary delivery URL whose public ID is this UUID.
pub(crate) fn image_url(id: &str) -> String {
    format!("https://res.cloudinary.com/demo/image/upload/v1700000000/gallery/{id}.png")
}

/// A user who owns images.
#[derive(Clone)]
pub(crate) struct User {
    app: TestApp,
    /// The user id.
    pub(crate) id: String,
    authorization: Option<String>,
}

impl User {
    pub(super) fn new(app: TestApp, id: &str, authorization: Option<String>) -> Self {
        let id = id.to_owned();
        Self {
            app,
            id,
            authorization,
        }
    }

    /// Creates an image with a new URL, and returns its id.
    pub(crate) async fn create_image(&self) -> String {
        let image = self.create(json!({})).await;
        image["id"].as_str().expect("an id").to_owned()
    }

    /// Creates an image from a `CreateImageInput`, with defaults for `userId` and `imageUrl`, and returns all its
    /// scalar fields.
    pub(crate) async fn create(&self, input: Value) -> Value {
        let url = image_url(&Uuid::new_v4().to_string());
        let mut whole = json!({ "userId": self.id, "imageUrl": url });
        let given = input.as_object().expect("the input is an object").clone();
        whole.as_object_mut().expect("an object").extend(given);
        let mutation = format!(
            "mutation($input: CreateImageInput!) {{
                createImage(input: $input) {{ image {{ {IMAGE} }} userErrors {{ code message path }} }}
            }}"
        );
        let mut data = self.run(&mutation, json!({ "input": whole })).await;
        assert_eq!(data["createImage"]["userErrors"], json!([]));
        data["createImage"]["image"].take()
    }

    /// Runs an operation that succeeds, and returns its `data`.
    pub(crate) async fn run(&self, query: &str, variables: Value) -> Value {
        self.graphql(query, variables).await.into_data()
    }

    /// Sends a GraphQL request, and returns any reply.
    pub(crate) async fn graphql(&self, query: &str, variables: Value) -> Reply {
        let authorization = self.authorization.as_deref();
        self.app.graphql_as(authorization, query, variables).await
    }
}
