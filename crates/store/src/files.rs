//! The bytes of files that users send along: in a folder, or in an S3-compatible bucket.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::BytesMut;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{
    BackoffConfig, ClientOptions, Error as ObjectError, MultipartUpload, ObjectStore,
    ObjectStoreExt as _, PutPayload, RetryConfig, aws::AmazonS3Builder, local::LocalFileSystem,
    memory::InMemory, path::Path as ObjectPath,
};
use parlor_chatkit::{
    AttachmentStore, AttachmentStoreError, ByteStream, FileKey, OpenFile, Owner, Rendition,
};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;

/// Bytes that are written to a local file at once.
const LOCAL_PART: usize = 256 * 1024;
/// Bytes of one part of an upload to S3, which takes no smaller ones but the last. All parts are
/// of this size, as some compatible services demand.
const S3_PART: usize = 5 * 1024 * 1024;

/// Keeps the bytes of files. Cloning shares it.
///
/// Each owner has a folder named by a hash: what is asked for as somebody else is looked for
/// elsewhere. Files are named by attachment ids, never by what users call them.
#[derive(Clone)]
pub struct FileStore {
    objects: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    part_bytes: usize,
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("objects", &self.objects.to_string()).finish()
    }
}

/// An S3-compatible bucket.
#[derive(Clone, Debug, Default)]
pub struct S3Config {
    /// The bucket.
    pub bucket: String,
    /// Its region, such as `eu-central-1`.
    pub region: Option<String>,
    /// The service's address when it is not Amazon's.
    pub endpoint: Option<Url>,
    /// Id of the access key. Without one, credentials come from the environment or from the
    /// machine's role, as usual with Amazon's tools.
    pub access_key_id: Option<String>,
    /// The access key.
    pub secret_access_key: Option<SecretString>,
    /// What the names of objects begin with; nothing when empty.
    pub prefix: String,
    /// Whether the bucket stands in the path of addresses and not in the host name.
    pub force_path_style: bool,
}

/// Why a file storage could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFilesError {
    /// The folder cannot be made, read or cleaned up.
    #[error("cannot use the folder `{}` for files; make it writable or name another one in files.dir", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The folder cannot be opened.
    #[error("cannot use the folder `{}` for files", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
        /// What the library says.
        #[source]
        source: ObjectError,
    },
    /// The bucket's settings make no sense.
    #[error("the bucket `{bucket}` cannot be used; check the settings in files.s3")]
    Bucket {
        /// The bucket.
        bucket: String,
        /// What the library says.
        #[source]
        source: ObjectError,
    },
    /// The prefix is no beginning of an object's name.
    #[error(
        "files.s3.prefix: `{prefix}` cannot begin the names of objects; use letters, digits and `/`"
    )]
    Prefix {
        /// The prefix.
        prefix: String,
        /// What the library says.
        #[source]
        source: object_store::path::Error,
    },
}

impl FileStore {
    /// Files in a folder, which is made if there is none, readable for nobody else. What an
    /// earlier process was writing when it was killed is deleted.
    ///
    /// One process at a time may use a folder.
    ///
    /// # Errors
    /// An [`OpenFilesError`] names the folder and what to do.
    pub async fn in_folder(folder: impl Into<PathBuf>) -> Result<Self, OpenFilesError> {
        Self::in_prepared(folder.into(), prepare_folder).await
    }

    /// The same for a program that works beside a server: what the server is writing just now is
    /// left alone.
    ///
    /// # Errors
    /// An [`OpenFilesError`] names the folder.
    pub async fn in_folder_beside_a_server(
        folder: impl Into<PathBuf>,
    ) -> Result<Self, OpenFilesError> {
        Self::in_prepared(folder.into(), make_folder).await
    }

    async fn in_prepared(
        path: PathBuf,
        prepare: fn(&Path) -> io::Result<()>,
    ) -> Result<Self, OpenFilesError> {
        let prepared = path.clone();
        let prepared = tokio::task::spawn_blocking(move || prepare(&prepared)).await;
        prepared
            .unwrap_or_else(|lost| Err(io::Error::other(lost)))
            .map_err(|source| OpenFilesError::Folder { path: path.clone(), source })?;
        let files = LocalFileSystem::new_with_prefix(&path)
            .map_err(|source| OpenFilesError::Open { path, source })?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        Ok(Self { objects: Arc::new(files), prefix: ObjectPath::default(), part_bytes: LOCAL_PART })
    }

    /// Files in an S3-compatible bucket. Nothing is asked of the service yet.
    ///
    /// # Errors
    /// An [`OpenFilesError`] when the settings make no sense.
    pub fn in_bucket(config: &S3Config) -> Result<Self, OpenFilesError> {
        // The library's own patience is three minutes, in which a user has long given up.
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 3,
            retry_timeout: Duration::from_secs(10),
        };
        // No limit for a whole answer: a file is read as slowly as its reader takes it.
        let client = ClientOptions::new()
            .with_timeout_disabled()
            .with_connect_timeout(Duration::from_secs(5))
            .with_read_timeout(Duration::from_secs(30));
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&config.bucket)
            .with_virtual_hosted_style_request(!config.force_path_style)
            // Not every compatible service has it, and we delete one at a time.
            .with_disable_bulk_delete(true)
            .with_retry(retry)
            .with_client_options(client);
        if let Some(region) = &config.region {
            builder = builder.with_region(region);
        }
        if let Some(endpoint) = &config.endpoint {
            let mut endpoint = endpoint.clone();
            if !config.force_path_style
                && let Some(host) = endpoint.host_str()
            {
                let host = format!("{}.{host}", config.bucket);
                // A host that takes no name before it keeps its own: an IP address, say.
                let _ = endpoint.set_host(Some(&host));
            }
            builder = builder
                .with_allow_http(endpoint.scheme() == "http")
                .with_endpoint(endpoint.as_str().trim_end_matches('/'));
        }
        if let Some(id) = &config.access_key_id {
            builder = builder.with_access_key_id(id);
        }
        if let Some(key) = &config.secret_access_key {
            builder = builder.with_secret_access_key(key.expose_secret());
        }
        let objects = builder
            .build()
            .map_err(|source| OpenFilesError::Bucket { bucket: config.bucket.clone(), source })?;
        let prefix = ObjectPath::parse(&config.prefix)
            .map_err(|source| OpenFilesError::Prefix { prefix: config.prefix.clone(), source })?;
        Ok(Self { objects: Arc::new(objects), prefix, part_bytes: S3_PART })
    }

    /// Files in memory, for tests: they are gone with the process.
    pub fn in_memory() -> Self {
        Self {
            objects: Arc::new(InMemory::new()),
            prefix: ObjectPath::default(),
            part_bytes: LOCAL_PART,
        }
    }

    /// Whether files can be kept: writes one that is nobody's, and deletes it.
    ///
    /// # Errors
    /// When one of it fails.
    pub async fn check(&self) -> Result<(), AttachmentStoreError> {
        let path = self.prefix.clone().join("check");
        self.objects.put(&path, PutPayload::from_static(b"check")).await.map_err(unavailable)?;
        self.objects.delete(&path).await.map_err(unavailable)
    }

    fn path(&self, owner: &Owner, key: &FileKey) -> Result<ObjectPath, AttachmentStoreError> {
        let id = key.attachment_id.as_str();
        // Ids are ours. One that is not must reach no file system.
        let ours = !id.is_empty()
            && id.len() <= 64
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !ours {
            return Err(AttachmentStoreError::Unavailable(
                format!("`{id}` is no attachment id that names a file").into(),
            ));
        }
        let name = match key.rendition {
            Rendition::Original => id.to_owned(),
            Rendition::Preview => format!("{id}.preview"),
        };
        Ok(self.prefix.clone().join(owner_folder(owner)).join(name))
    }

    /// Writes the stream, under a name that nobody sees before all of it is there.
    async fn write(
        &self,
        path: &ObjectPath,
        mut bytes: ByteStream,
        upload: &mut Option<Box<dyn MultipartUpload>>,
    ) -> Result<(), AttachmentStoreError> {
        let mut part = BytesMut::new();
        while let Some(piece) = bytes.next().await {
            part.extend_from_slice(&piece.map_err(AttachmentStoreError::Source)?);
            while part.len() >= self.part_bytes {
                let upload = match upload {
                    Some(upload) => upload,
                    None => {
                        upload.insert(self.objects.put_multipart(path).await.map_err(unavailable)?)
                    }
                };
                let whole = part.split_to(self.part_bytes).freeze();
                upload.put_part(PutPayload::from(whole)).await.map_err(unavailable)?;
            }
        }
        let rest = PutPayload::from(part.freeze());
        match upload {
            None => drop(self.objects.put(path, rest).await.map_err(unavailable)?),
            Some(upload) => {
                if rest.content_length() > 0 {
                    upload.put_part(rest).await.map_err(unavailable)?;
                }
                upload.complete().await.map_err(unavailable)?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl AttachmentStore for FileStore {
    async fn put(
        &self,
        owner: &Owner,
        key: &FileKey,
        bytes: ByteStream,
    ) -> Result<(), AttachmentStoreError> {
        let path = self.path(owner, key)?;
        let mut upload = None;
        let written = self.write(&path, bytes, &mut upload).await;
        if written.is_err()
            && let Some(mut upload) = upload
            && let Err(error) = upload.abort().await
        {
            // In a folder the next start deletes what is left; in a bucket a rule for incomplete
            // uploads does.
            tracing::debug!(%error, "an upload could not be aborted");
        }
        written
    }

    async fn get(
        &self,
        owner: &Owner,
        key: &FileKey,
    ) -> Result<Option<OpenFile>, AttachmentStoreError> {
        let found = match self.objects.get(&self.path(owner, key)?).await {
            Ok(found) => found,
            Err(ObjectError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        let size = found.meta.size;
        let bytes = found.into_stream().map_err(Into::into).boxed();
        Ok(Some(OpenFile { size, bytes }))
    }

    async fn delete(&self, owner: &Owner, key: &FileKey) -> Result<(), AttachmentStoreError> {
        match self.objects.delete(&self.path(owner, key)?).await {
            Ok(()) | Err(ObjectError::NotFound { .. }) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }
}

fn unavailable(error: ObjectError) -> AttachmentStoreError {
    AttachmentStoreError::Unavailable(Box::new(error))
}

/// The name of an owner's folder. A hash: names of users are anything, and none of them should
/// be read off a disk or a bucket's listing.
fn owner_folder(owner: &Owner) -> String {
    let (tenant, user) = (owner.tenant().as_str(), owner.user().as_str());
    let mut hash = Sha256::new();
    // The length keeps `a`+`bc` and `ab`+`c` apart.
    hash.update((tenant.len() as u64).to_be_bytes());
    hash.update(tenant);
    hash.update(user);
    hash.finalize()[..FOLDER_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
}

const FOLDER_BYTES: usize = 16;

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.recursive(true).create(folder)?;
    // Whether it can be written is better known now than at the first upload.
    let probe = folder.join(".probe");
    std::fs::write(&probe, b"")?;
    remove(&probe)
}

fn prepare_folder(folder: &Path) -> io::Result<()> {
    make_folder(folder)?;
    for owner in std::fs::read_dir(folder)? {
        let owner = owner?;
        let name = owner.file_name();
        let ours = name.len() == FOLDER_BYTES * 2
            && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit);
        if !ours || !owner.file_type()?.is_dir() {
            continue;
        }
        let files = match std::fs::read_dir(owner.path()) {
            // It became empty, and another server took it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            files => files?,
        };
        for file in files {
            let file = file?;
            // What is being written is called `name#1` until it is whole.
            if file.file_name().as_encoded_bytes().contains(&b'#') {
                remove(&file.path())?;
            }
        }
    }
    Ok(())
}

/// Removes a file, unless another server that starts at the same moment was faster.
fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
