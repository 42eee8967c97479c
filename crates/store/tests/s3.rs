//! Files in a bucket, against a service that speaks S3.
//!
//! `tests/conformance/s3.py` starts one, makes the bucket and runs these; `PARLOR_TEST_S3` is
//! its address.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use parlor_chatkit::{
    AttachmentStore as _, AttachmentStoreError, ByteStream, FileKey, Owner, UserId,
};
use parlor_store::{FileStore, S3Config};

fn config() -> S3Config {
    let endpoint = std::env::var("PARLOR_TEST_S3").unwrap();
    S3Config {
        bucket: "parlor".to_owned(),
        region: Some("us-east-1".to_owned()),
        endpoint: Some(endpoint.parse().unwrap()),
        access_key_id: Some("id".to_owned()),
        secret_access_key: Some("key".to_owned().into()),
        prefix: "some/prefix".to_owned(),
        force_path_style: true,
    }
}

fn owner(user: &str) -> Owner {
    Owner::single_tenant(UserId::new(user))
}

fn pieces(bytes: &[u8]) -> ByteStream {
    let pieces: Vec<_> = bytes.chunks(100_000).map(|piece| Ok(piece.to_vec().into())).collect();
    stream::iter(pieces).boxed()
}

async fn read(files: &FileStore, user: &str, key: &FileKey) -> Option<Vec<u8>> {
    let file = files.get(&owner(user), key).await.unwrap()?;
    let bytes: Vec<_> = file.bytes.try_collect().await.unwrap();
    let bytes = bytes.concat();
    assert_eq!(bytes.len() as u64, file.size);
    Some(bytes)
}

#[tokio::test]
#[ignore = "needs an S3 service; tests/conformance/s3.py starts one"]
async fn files_of_every_size_come_back_as_they_were() {
    let files = FileStore::in_bucket(&config()).unwrap();
    files.check().await.unwrap();
    // In one piece, at the border between one part and two, and in several parts.
    for size in [1, 5 * 1024 * 1024 - 1, 5 * 1024 * 1024, 11_000_000] {
        let bytes: Vec<u8> = (0..size).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let key = FileKey::original(&format!("atc_{size}").into());
        files.put(&owner("ada"), &key, pieces(&bytes)).await.unwrap();
        assert!(read(&files, "ada", &key).await.as_deref() == Some(&bytes[..]), "{size}");
        assert_eq!(read(&files, "bob", &key).await, None);
        files.delete(&owner("bob"), &key).await.unwrap();
        assert!(read(&files, "ada", &key).await.is_some());
        files.delete(&owner("ada"), &key).await.unwrap();
        assert_eq!(read(&files, "ada", &key).await, None);
        // Once more, as after a crash.
        files.delete(&owner("ada"), &key).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs an S3 service; tests/conformance/s3.py starts one"]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let files = FileStore::in_bucket(&config()).unwrap();
    for size in [10, 6_000_000] {
        let key = FileKey::original(&format!("atc_cut_{size}").into());
        let broken = stream::iter([Err("cut".into())]);
        let bytes = pieces(&vec![b'x'; size]).chain(broken).boxed();
        let error = files.put(&owner("ada"), &key, bytes).await.unwrap_err();
        assert!(matches!(error, AttachmentStoreError::Source(_)), "{error:?}");
        assert_eq!(read(&files, "ada", &key).await, None);
    }
}

#[tokio::test]
#[ignore = "needs an S3 service; tests/conformance/s3.py starts one"]
async fn a_bucket_that_is_not_there_is_an_error_and_no_empty_one() {
    let files = FileStore::in_bucket(&S3Config { bucket: "nobodys".to_owned(), ..config() });
    assert!(files.unwrap().check().await.is_err());
}

#[tokio::test]
async fn a_service_that_is_not_there_is_given_up_soon() {
    // Bound and given free again: nobody listens.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let files = FileStore::in_bucket(&S3Config {
        bucket: "parlor".to_owned(),
        region: Some("us-east-1".to_owned()),
        endpoint: Some(endpoint.parse().unwrap()),
        access_key_id: Some("id".to_owned()),
        secret_access_key: Some("key".to_owned().into()),
        prefix: String::new(),
        force_path_style: true,
    });
    let files = files.unwrap();
    let started = Instant::now();
    let put = files.put(&owner("ada"), &FileKey::original(&"atc_1".into()), pieces(b"x")).await;
    assert!(matches!(put, Err(AttachmentStoreError::Unavailable(_))), "{put:?}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
