//! `parlor ingest --watch`: again whenever a file changes.

use std::{
    future::Future,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use parlor_search::{IngestOptions, Snapshot};

use crate::server::stop_signal;

/// How often it is looked, where that takes no time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Of the time, how much may be spent on looking: one part of so many.
const SHARE: u32 = 20;
/// How long files must stay as they are before they are read: an editor or a generator may be at work.
const SETTLES_IN: Duration = Duration::from_millis(200);
/// Files that never stay as they are are read after this time.
const IMPATIENCE: Duration = Duration::from_secs(5);

/// Does something whenever the files change, until the process is asked to stop. `seen` is what they
/// looked like when it was last done.
pub(super) async fn watch<W: Future<Output = anyhow::Result<()>>>(
    options: &IngestOptions,
    mut seen: Snapshot,
    mut work: impl FnMut() -> W,
) -> anyhow::Result<()> {
    writeln!(io::stdout(), "Watching for changes; stop with ctrl-c")?;
    let stopped = stop_signal();
    tokio::pin!(stopped);
    let mut trouble = None;
    let mut pause = LOOK_EVERY;
    loop {
        tokio::select! {
            () = &mut stopped => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
        let began = Instant::now();
        let found = options.snapshot().await;
        pause = LOOK_EVERY.max(began.elapsed() * SHARE);
        let found = match found {
            Ok(found) if found == seen => {
                trouble = None;
                continue;
            }
            Ok(found) => settled(options, found).await,
            Err(error) => Err(error),
        };
        let done = match found {
            Ok(found) => {
                seen = found;
                work().await
            }
            // A folder that is away now, as when it is being built anew: it may come back.
            Err(error) => Err(error.into()),
        };
        if let Err(error) = done {
            let said = format!("{error:#}");
            if trouble.as_ref() != Some(&said) {
                writeln!(io::stderr(), "parlor: {said}")?;
            }
            trouble = Some(said);
        }
    }
}

/// What files look like once they stay as they are.
async fn settled(
    options: &IngestOptions,
    mut seen: Snapshot,
) -> Result<Snapshot, parlor_search::SearchError> {
    let began = Instant::now();
    loop {
        tokio::time::sleep(SETTLES_IN).await;
        let again = options.snapshot().await?;
        if again == seen || began.elapsed() > IMPATIENCE {
            return Ok(again);
        }
        seen = again;
    }
}
