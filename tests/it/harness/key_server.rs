//! A fake key server of Supabase Auth, which counts requests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};

use super::{Fixture, TestApp, TestDatabase};

/// A server that authenticates with the keys of its own key server.
pub(crate) struct SignedApp {
    /// The server.
    pub(crate) app: TestApp,
    /// Its key server.
    pub(crate) keys: KeyServer,
}

impl Fixture for SignedApp {
    const IS_MIGRATED: bool = true;

    async fn set_up(database: TestDatabase, settings: &[&str]) -> Self {
        let keys = KeyServer::start().await;
        let url = format!("--supabase-url={}", keys.url());
        let settings = [settings, &["--auth-mode=supabase", &url]].concat();
        let app = TestApp::set_up(database, &settings).await;
        Self { app, keys }
    }
}

/// The fake key server. Publishes nothing at first.
pub(crate) struct KeyServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    status: StatusCode,
    body: String,
    fetches: usize,
}

impl KeyServer {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Self {
        let state = Arc::new(Mutex::new(State {
            status: StatusCode::OK,
            body: json!({ "keys": [] }).to_string(),
            fetches: 0,
        }));
        let shared = Arc::clone(&state);
        let answer = async move || {
            let mut state = shared.lock().expect("no test panics holding it");
            state.fetches += 1;
            (state.status, state.body.clone())
        };
        let router = Router::new().route("/auth/v1/.well-known/jwks.json", get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        // Ends with the test's runtime.
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, state }
    }

    /// The value for `SUPABASE_URL`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The value for `JWT_JWKS_URL`.
    pub(crate) fn jwks_url(&self) -> String {
        format!("{}/auth/v1/.well-known/jwks.json", self.url())
    }

    /// Publishes exactly these keys from now on.
    pub(crate) fn publish(&self, keys: &[Value]) {
        self.answer(StatusCode::OK, &json!({ "keys": keys }).to_string());
    }

    /// Fails from now on.
    pub(crate) fn go_away(&self) {
        self.answer(StatusCode::SERVICE_UNAVAILABLE, "");
    }

    /// Sends this response from now on.
    pub(crate) fn answer(&self, status: StatusCode, body: &str) {
        let mut state = self.state.lock().expect("no test panics holding it");
        state.status = status;
        body.clone_into(&mut state.body);
    }

    /// The number of requests.
    pub(crate) fn fetches(&self) -> usize {
        self.state
            .lock()
            .expect("no test panics holding it")
            .fetches
    }
}
