//! The bytes of files that are gone for their owners.

use parlor_chatkit::{AttachmentStore as _, DoomedAttachment, ErrorChain, FileKey};
use parlor_store::FileStore;

use super::opened::DataStore;

/// Files that are looked up at once.
pub(super) const FILES: u32 = 100;

/// What became of the bytes.
#[derive(Default)]
pub(super) struct Bytes {
    /// Files that are gone.
    pub(super) deleted: u64,
    /// Files that the storage did not let go.
    pub(super) failed: u64,
    /// Why, of the last one.
    pub(super) problem: Option<String>,
}

impl Bytes {
    /// Deletes the bytes of doomed files, and then their records. One that cannot be deleted keeps
    /// no other; the server goes on trying, too.
    pub(super) async fn delete(
        &mut self,
        store: &dyn DataStore,
        files: &FileStore,
        doomed: &[DoomedAttachment],
    ) -> anyhow::Result<()> {
        for file in doomed {
            let place = file.place();
            let gone = async {
                files.delete(&place, &FileKey::preview(&file.id)).await?;
                files.delete(&place, &FileKey::original(&file.id)).await
            };
            match gone.await {
                Ok(()) => {
                    store.forget_attachment(&file.owner, &file.id).await?;
                    self.deleted += 1;
                }
                Err(error) => {
                    self.failed += 1;
                    self.problem = Some(ErrorChain(&error).to_string());
                }
            }
        }
        Ok(())
    }
}
