//! Encryption of what is kept elsewhere and must not be read there: tokens in the database, a login
//! that is under way in the browser.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
    rand,
};
use sha2::{Digest as _, Sha256};

/// AES-256-GCM under one key, with a random nonce each time.
pub(crate) struct Seal(RandomizedNonceKey);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Seal {
    /// With a key made of this secret, however long it is.
    pub(crate) fn new(secret: &[u8]) -> Result<Self, Unspecified> {
        let mut hash = Sha256::new();
        hash.update(b"parlor/seal/1\n");
        hash.update(secret);
        RandomizedNonceKey::new(&AES_256_GCM, &hash.finalize()).map(Self)
    }

    /// `what` it is stands under the seal, too: one thing cannot pass for another.
    pub(crate) fn seal(&self, what: &[u8], plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let mut sealed = plain.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(what), &mut sealed)?;
        sealed.splice(..0, nonce.as_ref().iter().copied());
        Ok(sealed)
    }

    /// `None`: it was changed, sealed with another key, or is something else.
    pub(crate) fn open(&self, what: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(what), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

/// 32 bytes that nobody can guess.
pub(crate) fn random() -> Result<[u8; 32], Unspecified> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_is_opened() {
        let seal = Seal::new(b"a secret").unwrap();
        for plain in [&b""[..], b"tokens", &[0; 5_000]] {
            let sealed = seal.seal(b"login", plain).unwrap();
            assert_eq!(seal.open(b"login", &sealed).unwrap(), plain);
            assert_ne!(seal.seal(b"login", plain).unwrap(), sealed, "never the same twice");
            assert_eq!(seal.open(b"other", &sealed), None);
            assert_eq!(Seal::new(b"another").unwrap().open(b"login", &sealed), None);
            for at in [0, sealed.len() / 2, sealed.len() - 1] {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert_eq!(seal.open(b"login", &changed), None, "byte {at}");
                assert_eq!(seal.open(b"login", &sealed[..at]), None, "cut at {at}");
            }
        }
    }
}
