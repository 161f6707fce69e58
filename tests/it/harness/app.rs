//! The real server in this process, on its own port, and requests to it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use image_gallery::cli::serve::{self, RunningServer};
use image_gallery::config::Settings;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};

use super::caller::User;
use super::{Fixture, TestDatabase, token};

/// Enables authentication with the harness's tokens.
const SIGN_IN: &str = "--auth-mode=supabase";

/// A server with its own database. Clones share it.
#[derive(Clone)]
pub(crate) struct TestApp(Arc<Shared>);

struct Shared {
    database: TestDatabase,
    arguments: Vec<String>,
    client: reqwest::Client,
    /// `None` while it is stopped.
    server: Mutex<Option<RunningServer>>,
    /// Its address, also while it is stopped.
    address: Mutex<SocketAddr>,
}

impl Fixture for TestApp {
    const IS_MIGRATED: bool = true;

    async fn set_up(database: TestDatabase, settings: &[&str]) -> Self {
        let url = format!("--database-url={}", database.url());
        let own = [url.as_str(), "--port=0"];
        let mut arguments: Vec<String> = own
            .iter()
            .chain(settings)
            .map(ToString::to_string)
            .collect();
        if settings.contains(&SIGN_IN) {
            arguments.extend(token::settings());
        }
        let server = start(&arguments).await;
        Self(Arc::new(Shared {
            database,
            arguments,
            client: client(),
            address: Mutex::new(server.address()),
            server: Mutex::new(Some(server)),
        }))
    }
}

impl TestApp {
    /// Base URL of the server, without a trailing slash. Changes with a restart.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The server's address.
    pub(crate) fn address(&self) -> SocketAddr {
        *self.0.address.lock().expect("no test panics holding it")
    }

    /// The server's settings, for a second one.
    pub(crate) fn settings(&self) -> Settings {
        Settings::from_arguments(&self.0.arguments).expect("the settings are right")
    }

    /// The value of a flag that the server was started with.
    pub(crate) fn setting(&self, flag: &str) -> String {
        let values = self.0.arguments.iter().rev();
        let value = values
            .filter_map(|argument| argument.split_once('='))
            .find(|(name, _)| *name == flag);
        value.expect("the flag is set").1.to_owned()
    }

    /// The client for all requests of this test.
    pub(crate) fn client(&self) -> &reqwest::Client {
        &self.0.client
    }

    /// Sends a GraphQL request by POST without a token, and returns any reply.
    pub(crate) async fn graphql(&self, query: &str, variables: Value) -> Reply {
        self.graphql_as(None, query, variables).await
    }

    /// Sends a GraphQL request by POST with this `Authorization`.
    pub(crate) async fn graphql_as(
        &self,
        authorization: Option<&str>,
        query: &str,
        variables: Value,
    ) -> Reply {
        let body = json!({ "query": query, "variables": variables });
        let mut request = self.client().post(format!("{}/graphql", self.url()));
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let response = request.json(&body).send().await;
        Reply::read(response.expect("the server answers")).await
    }

    /// Runs an operation that succeeds, and returns its `data`.
    pub(crate) async fn run(&self, query: &str, variables: Value) -> Value {
        self.graphql(query, variables).await.into_data()
    }

    /// Runs an operation that fails, and returns the code of the first top-level error.
    pub(crate) async fn error_code(&self, query: &str, variables: Value) -> String {
        self.graphql(query, variables).await.error_code()
    }

    /// A caller with this user id, authenticated if the server requires it.
    pub(crate) fn user(&self, id: &str) -> User {
        let authorization = self.signs_in().then(|| token::user_authorization(id));
        User::new(self.clone(), id, authorization)
    }

    /// The program `worker`, which has a service token and owns nothing.
    pub(crate) fn worker(&self) -> User {
        let authorization = format!("Bearer {}", token::SERVICE_TOKEN);
        User::new(self.clone(), "worker", Some(authorization))
    }

    fn signs_in(&self) -> bool {
        self.0.arguments.iter().any(|argument| argument == SIGN_IN)
    }

    /// The server's database.
    pub(crate) fn database(&self) -> &TestDatabase {
        &self.0.database
    }

    /// Runs SQL statements directly.
    pub(crate) async fn db_execute(&self, sql: &str) {
        self.database().db_execute(sql).await;
    }

    /// Queries the database directly: see [`TestDatabase::db_query_text`].
    pub(crate) async fn db_query_text(&self, sql: &str) -> Option<String> {
        self.database().db_query_text(sql).await
    }

    /// Stops the server as SIGTERM would, and waits for its end. Requests fail until a restart.
    pub(crate) async fn stop(&self) {
        let server = self.server().take();
        if let Some(server) = server {
            server.stop().await.expect("the server ends cleanly");
        }
    }

    /// Restarts the server with the same database, on another port.
    pub(crate) async fn restart(&self) {
        self.stop().await;
        let server = start(&self.0.arguments).await;
        *self.0.address.lock().expect("no test panics holding it") = server.address();
        *self.server() = Some(server);
    }

    fn server(&self) -> std::sync::MutexGuard<'_, Option<RunningServer>> {
        self.0.server.lock().expect("no test panics holding it")
    }
}

async fn start(arguments: &[String]) -> RunningServer {
    let settings = Settings::from_arguments(arguments).expect("the settings are right");
    serve::start(settings).await.expect("the server starts")
}

/// Without a proxy: a developer's proxy may not reach loopback.
fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("an HTTP client")
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The HTTP headers.
    pub(crate) headers: HeaderMap,
    /// The body; as a JSON string if it is not JSON.
    pub(crate) body: Value,
}

impl Reply {
    /// Reads a whole response.
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let status = response.status();
        let headers = response.headers().clone();
        let text = response.text().await.expect("the body is whole");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self {
            status,
            headers,
            body,
        }
    }

    /// `data` of a reply without top-level errors.
    #[track_caller]
    pub(crate) fn into_data(mut self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        assert_eq!(self.body.get("errors"), None, "{}", self.body);
        self.body["data"].take()
    }

    /// `extensions.code` of the first top-level error.
    #[track_caller]
    pub(crate) fn error_code(&self) -> String {
        let code = self.body["errors"][0]["extensions"]["code"].as_str();
        let code = code.unwrap_or_else(|| panic!("no error code in {}", self.body));
        code.to_owned()
    }
}
