//! Figures for Prometheus.

use std::{
    net::SocketAddr,
    sync::OnceLock,
    time::{Duration, Instant},
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    extract::{ConnectInfo, MatchedPath, Request},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::Response,
};
use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config;

const REQUESTS: &str = "parlor_http_requests_total";
const REQUEST_DURATION: &str = "parlor_http_request_duration_seconds";
const STREAMS: &str = "parlor_streams_open";
const LIMITED: &str = "parlor_limited_total";

/// Upper bounds of the histograms, in seconds: from what a database takes to what a patient user
/// waits for.
const BUCKETS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// Samples wait until they are put into their buckets; nobody may ever ask for the figures.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The figures, and who may have them.
#[derive(Clone)]
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    token: Option<SecretString>,
}

impl Metrics {
    /// Begins to keep figures. There is one set of them in a process, however many servers it has.
    pub(crate) fn new(config: &config::Metrics) -> Option<Self> {
        static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
        if !config.enabled {
            return None;
        }
        let handle = match HANDLE.get() {
            Some(handle) => handle.clone(),
            None => {
                let recorder = PrometheusBuilder::new()
                    .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), BUCKETS)
                    .unwrap_or_else(|_| unreachable!("there are buckets"))
                    .build_recorder();
                let handle = HANDLE.get_or_init(|| recorder.handle()).clone();
                // A program that embeds the server may have a recorder of its own, and keeps it.
                if metrics::set_global_recorder(recorder).is_ok() {
                    describe();
                }
                handle
            }
        };
        Some(Self { handle, token: config.token.clone() })
    }

    /// The figures in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        self.handle.render()
    }

    /// Whether who asks may have the figures: with the token, or without one from this machine and
    /// not through a proxy.
    pub(crate) fn may_have(
        &self,
        peer: Option<ConnectInfo<SocketAddr>>,
        headers: &HeaderMap,
    ) -> bool {
        match &self.token {
            Some(token) => headers
                .get(header::AUTHORIZATION)
                .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
                // In constant time: how much of a guess is right must not show.
                .is_some_and(|given| {
                    verify_slices_are_equal(given, token.expose_secret().as_bytes()).is_ok()
                }),
            None => {
                let here =
                    peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
                let forwarded = ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"];
                here && !forwarded.iter().any(|name| headers.contains_key(*name))
            }
        }
    }

    /// Keeps the memory of the figures bounded, for as long as it is polled.
    pub(crate) async fn upkeep(self) {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            self.handle.run_upkeep();
        }
    }
}

fn describe() {
    parlor_chatkit::describe_metrics();
    parlor_agent::describe_metrics();
    parlor_search::describe_metrics();
    crate::sources::describe_metrics();
    parlor_store::describe_metrics();
    describe_counter!(REQUESTS, "Requests by route, method and status.");
    describe_histogram!(
        REQUEST_DURATION,
        Unit::Seconds,
        "From a request to the head of its answer, by route."
    );
    describe_gauge!(STREAMS, "Event streams that are open.");
    describe_counter!(
        LIMITED,
        "Requests that were refused because a limit was reached, by limit and whose it was."
    );
}

/// A method that there is: what clients make up would be a figure each.
pub(crate) fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Counts and times requests.
pub(crate) async fn measured(request: Request, next: Next) -> Response {
    // As it is written in the routes, for the same reason.
    let route = match request.extensions().get::<MatchedPath>() {
        Some(path) => path.as_str().to_owned(),
        None => "other".to_owned(),
    };
    let method = method(request.method());
    let began = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_str().to_owned();
    histogram!(REQUEST_DURATION, "route" => route.clone()).record(began.elapsed());
    counter!(REQUESTS, "route" => route, "method" => method, "status" => status).increment(1);
    response
}

/// A request was refused because a limit was reached.
pub(crate) fn limited(limit: &'static str, scope: &'static str) {
    counter!(LIMITED, "limit" => limit, "scope" => scope).increment(1);
}

/// An event stream that is open.
pub(crate) struct OpenStream(());

impl OpenStream {
    pub(crate) fn begin() -> Self {
        gauge!(STREAMS).increment(1);
        Self(())
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        gauge!(STREAMS).decrement(1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The names of figures in a text. Those of a histogram's parts count as its own.
    fn figures(text: &str) -> BTreeSet<String> {
        text.split(|c: char| !c.is_ascii_lowercase() && c != '_')
            .filter(|word| word.starts_with("parlor_"))
            .filter(|word| {
                ["_total", "_seconds", "_bucket", "_open", "_running", "_in_use"]
                    .iter()
                    .any(|end| word.ends_with(end))
            })
            .map(|word| word.trim_end_matches("_bucket").to_owned())
            .collect()
    }

    #[test]
    fn the_guide_and_the_dashboard_know_the_figures_that_there_are() {
        let kept: BTreeSet<_> = [
            include_str!("sources.rs"),
            include_str!("metrics.rs").split("#[cfg(test)]").next().unwrap_or_default(),
            include_str!("../../chatkit/src/measure.rs"),
            include_str!("../../agent/src/measure.rs"),
            include_str!("../../search/src/retrieval.rs"),
            include_str!("../../store/src/postgres/pool.rs"),
        ]
        .into_iter()
        .flat_map(figures)
        .collect();
        assert!(kept.len() > 12, "{kept:?}");
        assert_eq!(figures(include_str!("../../../docs/operating.md")), kept);
        let shown = figures(include_str!("../../../deploy/grafana-dashboard.json"));
        assert!(shown.is_subset(&kept), "{:?}", shown.difference(&kept));
        assert!(shown.len() > 10, "{shown:?}");
    }
}
