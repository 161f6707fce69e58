//! The public keys of users' tokens, as published by a key server, <https://www.rfc-editor.org/rfc/rfc7517>.
//!
//! 1. Keys are fetched when the first token needs one, and again when a token names an unknown key, but at most every
//!    30 s, regardless of tokens.
//! 2. A set that is 10 minutes old is fetched again when it is used.
//! 3. A key that was removed from the set stays valid for another 15 minutes, because the key server's caches may serve
//!    an old set for 10. While the key server is unavailable, the keys of its last response stay valid.

mod key_ring;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use super::Denied;
use super::algorithms::Algorithms;
pub(super) use key_ring::Key;
use key_ring::KeyRing;

/// Timeout of a request to the key server.
const TIME_OUT: Duration = Duration::from_secs(5);
/// A set of keys usually has one or two KiB.
const MAX_BYTES: usize = 256 * 1024;

/// A key server and its known keys.
#[derive(Debug)]
pub(super) struct KeyServer {
    url: Url,
    /// Keys without one of these algorithms are skipped.
    allowed: Algorithms,
    client: reqwest::Client,
    ring: RwLock<KeyRing>,
    /// Held during a fetch: others that need an unknown key wait for it instead of fetching again.
    turn: Mutex<()>,
}

impl KeyServer {
    /// A key server whose keys are not fetched yet.
    pub(super) fn new(url: Url, allowed: Algorithms) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(TIME_OUT)
            .connect_timeout(TIME_OUT)
            // Only the operator decides where the keys come from.
            .redirect(Policy::none())
            .user_agent(concat!("image-gallery/", env!("CARGO_PKG_VERSION")));
        // A proxy cannot reach this machine's loopback.
        let client = if url.scheme() == "http" {
            client.no_proxy()
        } else {
            client
        };
        Ok(Self {
            client: client.build()?,
            url,
            allowed,
            ring: RwLock::default(),
            turn: Mutex::default(),
        })
    }

    /// The keys with this id; for a token without one, all keys.
    pub(super) async fn find(self: &Arc<Self>, id: Option<&str>) -> Result<Vec<Key>, Denied> {
        let now = Instant::now();
        let known = self.read(|ring| ring.find(id, now));
        if !known.is_empty() {
            if self.read(|ring| ring.is_old(now)) {
                tokio::spawn(Arc::clone(self).refresh());
            }
            return Ok(known);
        }
        // A separate task, so that a client's disconnect does not cancel the fetch for others.
        let refreshed = tokio::spawn(Arc::clone(self).refresh()).await;
        if let Err(error) = refreshed {
            tracing::error!(%error, "fetching the keys of tokens failed");
        }
        let now = Instant::now();
        self.read(|ring| match ring.find(id, now) {
            keys if !keys.is_empty() => Ok(keys),
            _ if ring.is_unsure() => Err(Denied::KeysUnavailable),
            _ => Err(Denied::UNKNOWN_KEY),
        })
    }

    /// Fetches the keys, unless that was just done.
    async fn refresh(self: Arc<Self>) {
        let _turn = self.turn.lock().await;
        if !self.write(|ring| ring.begin_refresh(Instant::now())) {
            return;
        }
        match self.fetch().await {
            Ok(keys) => self.write(|ring| ring.adopt(keys, Instant::now())),
            Err(reason) => {
                let url = self.url.as_str();
                tracing::warn!(
                    url,
                    "the keys of tokens could not be fetched: {reason}; known keys stay valid"
                );
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let response = self.client.get(self.url.clone()).send().await;
        let mut response = response.map_err(|error| reason(&error))?;
        if !response.status().is_success() {
            return Err(format!("the key server returned {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| reason(&error))? {
            if body.len() + part.len() > MAX_BYTES {
                return Err(format!("the response is longer than {MAX_BYTES} bytes"));
            }
            body.extend_from_slice(&part);
        }
        key_ring::read(&body, &self.allowed)
    }

    fn read<T>(&self, look: impl FnOnce(&KeyRing) -> T) -> T {
        // A panic cannot leave the keys inconsistent.
        look(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut KeyRing) -> T) -> T {
        change(&mut self.ring.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Asks a key server for its number of keys for these algorithms, or returns why there are none.
pub async fn published_keys(url: Url, allowed: Algorithms) -> Result<usize, String> {
    let server = KeyServer::new(url, allowed).map_err(|error| reason(&error))?;
    Ok(server.fetch().await?.len())
}

/// An error with its causes, which reqwest's own text omits.
fn reason(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
