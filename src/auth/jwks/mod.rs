//! The public keys that users' tokens are signed with, as a key server publishes them,
//! <https://www.rfc-editor.org/rfc/rfc7517>.
//!
//! 1. They are fetched when the first token needs one, and again when a token names a key that is not known, but not more
//!    often than every 30 s, whatever tokens come.
//! 2. A set that is 10 minutes old is fetched anew while it goes on being used.
//! 3. A key that is gone from the set is good for another 15 minutes: the key server's own caches may give out an old set
//!    for 10. While the key server is away, the keys of its last answer stay good.

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

/// How long the key server has for its answer.
const TIME_OUT: Duration = Duration::from_secs(5);
/// A set of keys takes one or two KiB.
const MAX_BYTES: usize = 256 * 1024;

/// A key server, and the keys that it is known to have.
#[derive(Debug)]
pub(super) struct KeyServer {
    url: Url,
    /// Keys for no algorithm of these are passed over.
    allowed: Algorithms,
    client: reqwest::Client,
    ring: RwLock<KeyRing>,
    /// Held while the keys are fetched: whoever needs an unknown key meanwhile waits for it, and does not ask again.
    turn: Mutex<()>,
}

impl KeyServer {
    /// A key server whose keys are not fetched yet.
    pub(super) fn new(url: Url, allowed: Algorithms) -> reqwest::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(TIME_OUT)
            .connect_timeout(TIME_OUT)
            // Where the keys come from is the operator's word alone.
            .redirect(Policy::none())
            .user_agent(concat!("image-gallery/", env!("CARGO_PKG_VERSION")));
        // A proxy does not know this machine's loopback.
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

    /// The keys of this id; of a token without one, every key.
    pub(super) async fn find(self: &Arc<Self>, id: Option<&str>) -> Result<Vec<Key>, Denied> {
        let now = Instant::now();
        let known = self.read(|ring| ring.find(id, now));
        if !known.is_empty() {
            if self.read(|ring| ring.is_old(now)) {
                tokio::spawn(Arc::clone(self).refresh());
            }
            return Ok(known);
        }
        // A task of its own: a client that hangs up does not take the answer from those who wait with it.
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

    /// Fetches the keys, unless somebody has just done so.
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
                    "the keys of tokens could not be fetched: {reason}; those that are known stay good"
                );
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let response = self.client.get(self.url.clone()).send().await;
        let mut response = response.map_err(|error| reason(&error))?;
        if !response.status().is_success() {
            return Err(format!("the key server answered {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| reason(&error))? {
            if body.len() + part.len() > MAX_BYTES {
                return Err(format!("the answer is longer than {MAX_BYTES} bytes"));
            }
            body.extend_from_slice(&part);
        }
        key_ring::read(&body, &self.allowed)
    }

    fn read<T>(&self, look: impl FnOnce(&KeyRing) -> T) -> T {
        // No look or change can panic half-way, so what a panic left is whole.
        look(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut KeyRing) -> T) -> T {
        change(&mut self.ring.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Asks a key server how many keys it has that tokens of these algorithms can be checked with, or says why it gives none.
pub async fn published_keys(url: Url, allowed: Algorithms) -> Result<usize, String> {
    let server = KeyServer::new(url, allowed).map_err(|error| reason(&error))?;
    Ok(server.fetch().await?.len())
}

/// An error with its causes, which the client library's own text leaves out.
fn reason(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
