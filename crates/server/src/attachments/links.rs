//! Links to files that work for a while, without other authentication.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use parlor_chatkit::{
    AttachmentLinks, SignedLink, Store, StoreError,
    protocol::{AttachmentId, AttachmentUploadDescriptor, Timestamp, UploadMethod},
};
use serde::Deserialize;
use sha2::Sha256;
use uuid::Uuid;

use crate::late::Late;

/// Name under which the store keeps the key that signs links.
const LINK_KEY: &str = "file_links";

/// Links to this server's `/files`, signed with HMAC-SHA256 and valid for a while.
///
/// An attachment is fetched by an `<img>` of another site's page, and uploaded by a `fetch` that
/// sends no cookies: neither can authenticate. The signature says that this server gave the link
/// to the attachment's owner. It covers what the link is for, the attachment and the expiry.
#[derive(Clone)]
pub struct FileLinks {
    key: Late<Hmac<Sha256>>,
    lifetime: Duration,
}

impl std::fmt::Debug for FileLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileLinks").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// What a link is for. One for looking does not allow writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Upload,
    Download,
    Preview,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Download => "download",
            Self::Preview => "preview",
        }
    }
}

/// The query of a signed link.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct LinkQuery {
    /// Seconds since 1970.
    pub(crate) expires: Option<String>,
    pub(crate) signature: Option<String>,
}

impl LinkQuery {
    /// Whether it claims to be signed.
    pub(crate) fn is_signed(&self) -> bool {
        self.expires.is_some() || self.signature.is_some()
    }
}

/// Why a link does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkError {
    /// It is not one of ours, or somebody changed it.
    Invalid,
    /// It was one of ours.
    Expired,
    /// The store is needed to tell, and has not been there yet.
    NotReady,
}

impl FileLinks {
    /// Links that are signed with the key that this store keeps, and are valid for at least
    /// `lifetime`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn from_store(store: &dyn Store, lifetime: Duration) -> Result<Self, StoreError> {
        let links = Self::late(lifetime);
        links.load(store).await?;
        Ok(links)
    }

    /// Links whose key is still to be [loaded](Self::load).
    pub(crate) fn late(lifetime: Duration) -> Self {
        Self { key: Late::default(), lifetime }
    }

    /// Takes the key that this store keeps.
    pub(crate) async fn load(&self, store: &dyn Store) -> Result<(), StoreError> {
        let fresh = (0..2).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
        self.set_key(&store.secret(LINK_KEY, fresh).await?)
    }

    fn set_key(&self, key: &[u8]) -> Result<(), StoreError> {
        let key = Hmac::new_from_slice(key).map_err(|error| StoreError::Failed(error.into()))?;
        self.key.set(key);
        Ok(())
    }

    /// `None`: the store has not given the key yet.
    fn mac(
        &self,
        purpose: Purpose,
        attachment_id: &AttachmentId,
        expires: &str,
    ) -> Option<Hmac<Sha256>> {
        let mut mac = self.key.value()?.clone();
        // Lines: neither a purpose nor a number has a line end in it, and the id comes last.
        for part in ["files/1", purpose.as_str(), expires, attachment_id.as_str()] {
            mac.update(part.as_bytes());
            mac.update(b"\n");
        }
        Some(mac)
    }

    fn query(&self, purpose: Purpose, attachment_id: &AttachmentId, now: Timestamp) -> String {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX / 4);
        let mut expires = seconds(now).saturating_add(lifetime);
        if purpose != Purpose::Upload {
            // Rounded up, so that the links of one attachment are the same for a while, and
            // browsers need not load its image again each time they read the thread.
            let step = (lifetime / 4).max(1);
            expires = expires.saturating_add(step - 1) / step * step;
        }
        let expires = expires.to_string();
        // What is linked to has come from the store, and so has the key by then.
        let signature = self
            .mac(purpose, attachment_id, &expires)
            .map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
            .unwrap_or_default();
        format!("expires={expires}&signature={signature}")
    }

    /// Checks a link: the signature first, so that nobody learns anything from one they made up.
    pub(crate) fn verify(
        &self,
        purpose: Purpose,
        attachment_id: AttachmentId,
        query: &LinkQuery,
        now: Timestamp,
    ) -> Result<SignedLink, LinkError> {
        let (Some(expires), Some(signature)) = (&query.expires, &query.signature) else {
            return Err(LinkError::Invalid);
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| LinkError::Invalid)?;
        // Compares in constant time.
        self.mac(purpose, &attachment_id, expires)
            .ok_or(LinkError::NotReady)?
            .verify_slice(&signature)
            .map_err(|_| LinkError::Invalid)?;
        let expires: i64 = expires.parse().map_err(|_| LinkError::Invalid)?;
        if seconds(now) >= expires {
            return Err(LinkError::Expired);
        }
        Ok(SignedLink::verified(attachment_id))
    }
}

fn seconds(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(1_000_000)
}

impl AttachmentLinks for FileLinks {
    fn upload(
        &self,
        base_url: &str,
        attachment_id: &AttachmentId,
        mime_type: &str,
        now: Timestamp,
    ) -> AttachmentUploadDescriptor {
        let query = self.query(Purpose::Upload, attachment_id, now);
        AttachmentUploadDescriptor {
            url: format!("{base_url}/files/{attachment_id}?{query}"),
            method: UploadMethod::Put,
            headers: [("Content-Type".to_owned(), mime_type.to_owned())].into(),
        }
    }

    fn preview(&self, base_url: &str, attachment_id: &AttachmentId, now: Timestamp) -> String {
        let query = self.query(Purpose::Preview, attachment_id, now);
        format!("{base_url}/files/{attachment_id}/preview?{query}")
    }

    fn download(
        &self,
        base_url: &str,
        attachment_id: &AttachmentId,
        now: Timestamp,
    ) -> Option<String> {
        let query = self.query(Purpose::Download, attachment_id, now);
        Some(format!("{base_url}/files/{attachment_id}?{query}"))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn links() -> FileLinks {
        let links = FileLinks::late(HOUR);
        links.set_key(b"a key of the server's own").unwrap();
        links
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    fn query(url: &str) -> LinkQuery {
        let query = url.split_once('?').unwrap().1;
        let mut parts = query.split('&').map(|pair| pair.split_once('=').unwrap().1.to_owned());
        LinkQuery { expires: parts.next(), signature: parts.next() }
    }

    #[test]
    fn a_link_works_until_it_expires() {
        let links = links();
        let url = links.upload("https://x", &"atc_1".into(), "text/plain", at(1_000_007)).url;
        let verify = |now| links.verify(Purpose::Upload, "atc_1".into(), &query(&url), at(now));
        assert_eq!(verify(1_000_007), Ok(SignedLink::verified("atc_1".into())));
        assert!(verify(1_000_007 + 3_599).is_ok());
        assert_eq!(verify(1_000_007 + 3_600), Err(LinkError::Expired));
    }

    #[test]
    fn links_to_look_at_stay_the_same_for_a_while() {
        let links = links();
        let url = |now| links.preview("https://x", &"atc_1".into(), at(now));
        assert_eq!(url(900_001), url(900_800));
        assert_ne!(url(900_001), url(901_000));
        for now in (0..8_000).step_by(7) {
            let verify =
                |then| links.verify(Purpose::Preview, "atc_1".into(), &query(&url(now)), at(then));
            assert!(verify(now + 3_599).is_ok(), "never shorter than promised");
            assert_eq!(verify(now + 3_600 + 900), Err(LinkError::Expired), "nor much longer");
        }
    }

    #[test]
    fn a_link_that_was_changed_does_not_work() {
        let links = links();
        let url = links.download("https://x", &"atc_1".into(), at(1_000)).unwrap();
        let good = || query(&url);
        let verify = |purpose, id: &str, query: &LinkQuery| {
            links.verify(purpose, id.into(), query, at(1_000))
        };
        assert!(verify(Purpose::Download, "atc_1", &good()).is_ok());
        let invalid = Err(LinkError::Invalid);
        assert_eq!(verify(Purpose::Upload, "atc_1", &good()), invalid);
        assert_eq!(verify(Purpose::Preview, "atc_1", &good()), invalid);
        assert_eq!(verify(Purpose::Download, "atc_2", &good()), invalid);
        let expires = good().expires.unwrap();
        let later = (expires.parse::<i64>().unwrap() + 1).to_string();
        for expires in [Some(later), Some(format!("+{expires}")), Some(String::new()), None] {
            assert_eq!(
                verify(Purpose::Download, "atc_1", &LinkQuery { expires, ..good() }),
                invalid
            );
        }
        let signature = good().signature.unwrap();
        for changed in ["", "x", &signature[1..], &format!("{signature}A"), "é"] {
            let signature = Some(changed.to_owned());
            let query = LinkQuery { signature, ..good() };
            assert_eq!(verify(Purpose::Download, "atc_1", &query), invalid, "{changed}");
        }
        assert_eq!(
            verify(Purpose::Download, "atc_1", &LinkQuery { signature: None, ..good() }),
            invalid
        );
        let other = FileLinks::late(HOUR);
        other.set_key(b"another server's key").unwrap();
        let forged = other.verify(Purpose::Download, "atc_1".into(), &good(), at(1_000));
        assert_eq!(forged, invalid);
        // A line end in an id does not move the border between its parts.
        let url = links.download("https://x", &"a\nb".into(), at(1_000)).unwrap();
        assert_eq!(verify(Purpose::Download, "a", &query(&url)), invalid);
    }
}
