#![doc = include_str!("../README.md")]

mod asked;
mod behaviour;
mod encode;
mod image;
mod record;
mod server;
mod usual;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub use behaviour::{Behaviour, ErrorShape, Ids, ImageState, LineEnds, Purpose, Step};
pub use record::RecordedRequest;
pub use server::Options;

use server::Shared;

/// A running fake model server. It stops, and closes its connections, when it is dropped.
pub struct FakeModel {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl FakeModel {
    /// Starts on a free port of the loopback interface.
    ///
    /// # Panics
    ///
    /// When no port is free: nothing that a test could go on from.
    pub async fn start() -> Self {
        match Self::bind("127.0.0.1:0", Options::default()).await {
            Ok(model) => model,
            Err(error) => panic!("the fake model server could not start: {error}"),
        }
    }

    /// Starts on an address, for example `127.0.0.1:9100`.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub async fn bind(address: &str, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Shared::new(options);
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, task })
    }

    /// The server's root, for example `http://127.0.0.1:9100`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What clients take as base URL: the root with `/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Queues a behaviour for the next request that it fits.
    pub fn push(&self, behaviour: Behaviour) {
        self.shared.push(behaviour);
    }

    /// Opens a hold, for streams that stand there and for those still to come.
    pub fn release(&self, name: &str) {
        self.shared.holds.release(name);
    }

    /// Waits until some stream stands at the hold.
    pub async fn hold_reached(&self, name: &str) {
        self.shared.holds.reached(name).await;
    }

    /// Forgets scripts, holds and recorded requests.
    pub fn reset(&self) {
        self.shared.reset();
    }

    /// All requests so far, oldest first, but for those for [titles](Self::titles).
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.records.all()
    }

    /// All requests for titles so far, oldest first. They are not among the others, since they
    /// come beside them.
    pub fn titles(&self) -> Vec<RecordedRequest> {
        self.shared.titles.all()
    }

    /// Waits until the recorded requests for titles satisfy a condition, and gives them.
    pub async fn titles_when(
        &self,
        condition: impl Fn(&[RecordedRequest]) -> bool,
    ) -> Vec<RecordedRequest> {
        let mut changes = self.shared.titles.subscribe();
        loop {
            let titles = self.titles();
            if condition(&titles) || changes.changed().await.is_err() {
                return titles;
            }
        }
    }

    /// Waits until the recorded requests satisfy a condition, and gives them.
    pub async fn requests_when(
        &self,
        condition: impl Fn(&[RecordedRequest]) -> bool,
    ) -> Vec<RecordedRequest> {
        let mut changes = self.shared.records.subscribe();
        loop {
            let requests = self.requests();
            if condition(&requests) || changes.changed().await.is_err() {
                return requests;
            }
        }
    }

    /// Runs until the process ends.
    pub async fn serve(mut self) {
        // An error means that the task was aborted or panicked: over either way.
        let _ = (&mut self.task).await;
    }
}

impl Drop for FakeModel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts connections. Their tasks live in one set, so that they end with this one.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let router = server::router(shared);
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // A connection that broke while it was accepted, or no file handles left.
                Err(error) => {
                    tracing::debug!(%error, "could not accept a connection");
                    tokio::task::yield_now().await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        // Deltas are small; waiting to fill packets would batch them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "could not set TCP_NODELAY");
        }
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}
