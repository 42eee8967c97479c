//! How many files, and so connections, this process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Open files that a busy server can need: a stream takes two, to its client and to the model.
const PLENTY: u64 = 10_000;

/// Raises the limit to what the system allows this process, and warns if that is not much.
///
/// Shells and service managers start programs with a thousand or so, for the sake of old programs
/// that cannot use more.
pub(crate) fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if limit.current != before
        && let Err(error) = setrlimit(Resource::Nofile, limit)
    {
        tracing::debug!(%error, "the limit on open files cannot be raised");
    }
    // `None`: there is no limit.
    match getrlimit(Resource::Nofile).current {
        Some(files) if files < PLENTY => tracing::warn!(
            files,
            "this process may open few files, and each streamed answer takes two; raise the limit \
             (LimitNOFILE in systemd, ulimits.nofile in Docker, `ulimit -n` in a shell)"
        ),
        files => tracing::debug!(?files, "limit on open files"),
    }
}
