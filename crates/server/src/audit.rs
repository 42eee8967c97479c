//! The record of acts on the data of users: who did them, and on whose data, without naming them.

use std::{collections::BTreeMap, fs};

use aws_lc_rs::{
    hmac::{HMAC_SHA256, Key, sign},
    rand,
};
use parlor_chatkit::{Clock as _, Owner, Store, StoreError, SystemClock, TenantId};
use parlor_store::{AuditEntry, OperatorStore};

/// Name under which the store keeps the key that subjects are hashed with.
const SUBJECT_KEY: &str = "audit_subjects";

/// Turns users into what stands for them in the audit log: whoever reads that log alone learns
/// nothing of them, and whoever has the database can ask for one that they know.
pub(crate) struct Subjects(Key);

impl Subjects {
    /// With the key that this store keeps.
    ///
    /// # Errors
    /// When the store fails, or the machine gives no randomness for a new key.
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let mut fresh = [0; 32];
        rand::fill(&mut fresh).map_err(|error| StoreError::Failed(Box::new(error)))?;
        let key = store.secret(SUBJECT_KEY, fresh.to_vec()).await?;
        Ok(Self(Key::new(HMAC_SHA256, &key)))
    }

    /// What stands for a user.
    pub(crate) fn of(&self, owner: &Owner) -> [u8; 32] {
        let (tenant, user) = (owner.tenant().as_str(), owner.user().as_str());
        // The length keeps `a`+`bc` and `ab`+`c` apart.
        let mut text = (tenant.len() as u64).to_be_bytes().to_vec();
        text.extend_from_slice(tenant.as_bytes());
        text.extend_from_slice(user.as_bytes());
        let mut subject = [0; 32];
        // An HMAC of SHA-256 is as long as that.
        subject.copy_from_slice(sign(&self.0, &text).as_ref());
        subject
    }
}

/// An act of now.
pub(crate) fn entry<const N: usize>(
    act: &str,
    actor: String,
    counts: [(&str, u64); N],
) -> AuditEntry {
    AuditEntry {
        at: SystemClock.now(),
        act: act.to_owned(),
        actor,
        subject: None,
        tenant: None,
        counts: counts.map(|(what, count)| (what.to_owned(), count)).into(),
    }
}

/// Puts an act on record, and a line without names in the log.
///
/// # Errors
/// When the store fails.
pub(crate) async fn record(
    store: &dyn OperatorStore,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    store.add_audit(entry).await?;
    tracing::info!(act = entry.act, counts = shown(&entry.counts), "an act is on record");
    Ok(())
}

/// An act on the data of one user.
pub(crate) fn on(subject: [u8; 32], entry: AuditEntry) -> AuditEntry {
    AuditEntry { subject: Some(subject), ..entry }
}

/// An act on the data of a tenant's users.
pub(crate) fn on_tenant(tenant: &TenantId, entry: AuditEntry) -> AuditEntry {
    AuditEntry { tenant: Some(tenant.clone()), ..entry }
}

/// `2 files, 3 threads`
pub(crate) fn shown(counts: &BTreeMap<String, u64>) -> String {
    let counts: Vec<_> = counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(what, count)| format!("{count} {}", what.replace('_', " ")))
        .collect();
    if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") }
}

/// The operating system's user who gives a command, and for whom, where `sudo` says so.
pub(crate) fn operator() -> String {
    let uid = rustix::process::getuid().as_raw();
    let name = fs::read_to_string("/etc/passwd")
        .ok()
        .and_then(|users| name_of(&users, uid))
        .unwrap_or_else(|| format!("uid {uid}"));
    // Whoever is root could say anything here; it helps those who mean no harm.
    match std::env::var("SUDO_USER") {
        Ok(by) if uid == 0 && !by.is_empty() => format!("{name} (sudo by {by})"),
        _ => name,
    }
}

/// The name of a user in the form of `/etc/passwd` (`passwd(5)`).
fn name_of(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use parlor_chatkit::UserId;

    use super::*;

    #[test]
    fn a_user_is_found_by_the_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(name_of(users, 1000).as_deref(), Some("ann"));
        assert_eq!(name_of(users, 0).as_deref(), Some("root"));
        assert_eq!(name_of(users, 7), None);
    }

    #[test]
    fn every_user_has_another_stand_in_and_another_under_another_key() {
        let owner = |tenant: &str, user: &str| {
            Owner::authenticated(TenantId::new(tenant), UserId::new(user))
        };
        let subjects = Subjects(Key::new(HMAC_SHA256, &[1; 32]));
        let ada = subjects.of(&owner("t", "ada"));
        assert_eq!(ada, subjects.of(&owner("t", "ada")));
        for other in [owner("t", "bob"), owner("ta", "da"), owner("", "tada"), owner("u", "ada")] {
            assert_ne!(ada, subjects.of(&other), "{other:?}");
        }
        assert_ne!(ada, Subjects(Key::new(HMAC_SHA256, &[2; 32])).of(&owner("t", "ada")));
    }
}
