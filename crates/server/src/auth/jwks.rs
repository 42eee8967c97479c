//! Keys that tokens are checked with: fixed ones, or a provider's published set (JWKS), kept
//! and fetched again in time.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};
use url::Url;

/// A set older than this is fetched again, behind the request that notices.
const FRESH: Duration = Duration::from_secs(10 * 60);
/// A set that could not be fetched again for this long is not believed any more: a key that
/// the provider withdrew must not open the door for ever.
const BELIEVED: Duration = Duration::from_secs(24 * 60 * 60);
/// A key that is not in the set makes it be fetched again. When that was in vain, the next such
/// key does so after this time only: anybody can invent key ids.
const COOL_DOWN: Duration = Duration::from_secs(10);
/// A provider that did not answer is asked again, this often at most.
const RETRY: Duration = Duration::from_secs(1);
/// How long the provider may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest answer that is read from the provider. Bytes.
const MAX_ANSWER: usize = 1024 * 1024;
/// Keys of a set that are looked at.
const MAX_KEYS: usize = 64;

/// A key and what it may have signed.
#[derive(Clone)]
pub(super) struct VerifyingKey {
    id: Option<String>,
    /// Decided by the key, never by the token: a public key must not become an HMAC secret.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

impl VerifyingKey {
    /// A key of the configuration. `None` when no allowed algorithm fits it.
    pub(super) fn fixed(key: DecodingKey, allowed: &[Algorithm]) -> Option<Self> {
        let algorithms = of_family(key.family(), allowed);
        (!algorithms.is_empty()).then_some(Self { id: None, algorithms, key })
    }

    /// A key of a published set. `None` for keys that sign nothing that is allowed here.
    fn published(jwk: &Jwk, allowed: &[Algorithm]) -> Option<Self> {
        let encrypts = matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption));
        // A secret that is published is none.
        let secret = matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_));
        if encrypts || secret {
            return None;
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        let mut algorithms = of_family(key.family(), allowed);
        if let Some(named) = jwk.common.key_algorithm {
            let named = Algorithm::try_from(named).ok()?;
            algorithms.retain(|algorithm| *algorithm == named);
        }
        let id = jwk.common.key_id.clone();
        (!algorithms.is_empty()).then_some(Self { id, algorithms, key })
    }
}

fn of_family(family: AlgorithmFamily, allowed: &[Algorithm]) -> Vec<Algorithm> {
    allowed.iter().copied().filter(|algorithm| algorithm.family() == family).collect()
}

/// The provider's keys could not be had.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum KeysError {
    /// Nobody answers, or not with 200.
    #[error("{url} does not answer: {source}")]
    Unreachable {
        /// What was asked.
        url: Url,
        /// What happened.
        source: Arc<reqwest::Error>,
    },
    /// The answer is not what it should be.
    #[error("the answer of {url} cannot be used: {reason}")]
    Answer {
        /// What was asked.
        url: Url,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where tokens' keys come from.
pub(super) enum Keys {
    /// From the configuration.
    Fixed(Vec<VerifyingKey>),
    /// From the provider.
    Published(Arc<PublishedKeys>),
}

impl Keys {
    /// The keys that may have signed a token that names `id` and `algorithm`.
    ///
    /// # Errors
    /// When the provider's keys could not be had and those at hand don't answer the question.
    pub(super) async fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<VerifyingKey>, KeysError> {
        match self {
            // A configured key has no id: a token may name any.
            Self::Fixed(keys) => Ok(matching(keys, None, algorithm)),
            Self::Published(keys) => keys.find(id, algorithm).await,
        }
    }
}

fn matching(keys: &[VerifyingKey], id: Option<&str>, algorithm: Algorithm) -> Vec<VerifyingKey> {
    keys.iter()
        .filter(|key| id.is_none() || key.id.as_deref() == id)
        .filter(|key| key.algorithms.contains(&algorithm))
        .cloned()
        .collect()
}

/// Where a provider publishes its keys.
pub(super) enum Place {
    /// At this address.
    Jwks(Url),
    /// At the address that the issuer's discovery document names.
    Discovery {
        /// The issuer, as its document must name it.
        issuer: String,
        /// Where the document is.
        url: Url,
    },
}

/// A provider's published keys.
pub(super) struct PublishedKeys {
    client: reqwest::Client,
    place: Place,
    allowed: Vec<Algorithm>,
    set: RwLock<Set>,
    /// Held while fetching: one request at a time, whoever waits uses its answer.
    attempt: Mutex<Option<Attempt>>,
}

#[derive(Default)]
struct Set {
    keys: Arc<[VerifyingKey]>,
    fetched: Option<Instant>,
}

struct Attempt {
    ended: Instant,
    result: Result<(), KeysError>,
    /// The key that was looked for was not among those that came.
    in_vain: bool,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: Url,
}

impl PublishedKeys {
    pub(super) fn new(place: Place, allowed: Vec<Algorithm>) -> Result<Arc<Self>, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let set = RwLock::default();
        Ok(Arc::new(Self { client, place, allowed, set, attempt: Mutex::default() }))
    }

    /// Fetches the keys before anybody needs them. Failing is not fatal: the first token tries
    /// again.
    pub(super) fn warm_up(self: &Arc<Self>) {
        let keys = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = keys.refresh().await {
                tracing::warn!(%error, "the token issuer's keys could not be fetched; the next token tries again");
            }
        });
    }

    async fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<VerifyingKey>, KeysError> {
        let (keys, fetched) = self.at_hand();
        let found = matching(&keys, id, algorithm);
        let age = fetched.map(|at| at.elapsed());
        if !found.is_empty() && age.is_some_and(|age| age < BELIEVED) {
            if age.is_some_and(|age| age >= FRESH) {
                self.warm_up();
            }
            return Ok(found);
        }
        self.refresh().await?;
        let found = matching(&self.at_hand().0, id, algorithm);
        if found.is_empty()
            && let Some(attempt) = &mut *self.attempt.lock().await
        {
            attempt.in_vain = true;
        }
        Ok(found)
    }

    fn at_hand(&self) -> (Arc<[VerifyingKey]>, Option<Instant>) {
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&set.keys), set.fetched)
    }

    /// Fetches the set, unless somebody did while this waited, or just now.
    async fn refresh(&self) -> Result<(), KeysError> {
        let asked = Instant::now();
        let mut attempt = self.attempt.lock().await;
        if let Some(last) = &*attempt {
            let pause = match &last.result {
                Ok(()) if last.in_vain => COOL_DOWN,
                Ok(()) => Duration::ZERO,
                Err(_) => RETRY,
            };
            if last.ended >= asked || last.ended.elapsed() < pause {
                return last.result.clone();
            }
        }
        let result = self.fetch().await.map(|keys| {
            let mut set = self.set.write().unwrap_or_else(PoisonError::into_inner);
            *set = Set { keys, fetched: Some(Instant::now()) };
        });
        let ended = Instant::now();
        *attempt = Some(Attempt { ended, result: result.clone(), in_vain: false });
        result
    }

    async fn fetch(&self) -> Result<Arc<[VerifyingKey]>, KeysError> {
        let url = match &self.place {
            Place::Jwks(url) => url.clone(),
            Place::Discovery { issuer, url } => self.discover(issuer, url).await?,
        };
        let body = self.get(&url).await?;
        let refuse = |reason: String| KeysError::Answer { url: url.clone(), reason };
        let set: LenientSet =
            serde_json::from_slice(&body).map_err(|error| refuse(error.to_string()))?;
        let keys: Arc<[_]> = set
            .keys
            .into_iter()
            .take(MAX_KEYS)
            // Providers publish keys of kinds that nobody here knows; the others count.
            .filter_map(|key| serde_json::from_value::<Jwk>(key).ok())
            .filter_map(|jwk| VerifyingKey::published(&jwk, &self.allowed))
            .collect();
        if keys.is_empty() {
            return Err(refuse("no key in it fits the algorithms that are allowed".to_owned()));
        }
        tracing::debug!(keys = keys.len(), %url, "fetched the token issuer's keys");
        Ok(keys)
    }

    async fn discover(&self, issuer: &str, url: &Url) -> Result<Url, KeysError> {
        let body = self.get(url).await?;
        let refuse = |reason: String| KeysError::Answer { url: url.clone(), reason };
        let document: Discovery =
            serde_json::from_slice(&body).map_err(|error| refuse(error.to_string()))?;
        // OpenID Connect Discovery 1.0, section 4.3: they must be the same.
        if document.issuer != issuer {
            return Err(refuse(format!(
                "it is of the issuer `{}`, not of `{issuer}`",
                document.issuer
            )));
        }
        Ok(document.jwks_uri)
    }

    async fn get(&self, url: &Url) -> Result<Vec<u8>, KeysError> {
        let unreachable =
            |source| KeysError::Unreachable { url: url.clone(), source: Arc::new(source) };
        let mut response = self
            .client
            .get(url.clone())
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                let reason = format!("it is larger than {MAX_ANSWER} bytes");
                return Err(KeysError::Answer { url: url.clone(), reason });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// A set whose keys are read one by one: one of an unknown kind does not spoil the others.
#[derive(Deserialize)]
struct LenientSet {
    keys: Vec<serde_json::Value>,
}
