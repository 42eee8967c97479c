//! The configuration file, read again when it changes.
//!
//! What answers are made of is taken over without a restart: models, prompts, agents, tools and how
//! much they may be used. A turn goes on to its end with what it began with. What needs a restart is
//! named in the log, and a file that is broken changes nothing.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parlor_chatkit::ErrorChain;
use tokio::signal::unix::{SignalKind, signal};
use toml::{Table, Value};

use crate::{
    config::{Config, ConfigError, Overrides},
    tenants::Responders,
};

/// How often it is looked whether the file has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a file must stay as it is before it is read: it may still be being written.
const SETTLES_IN: Duration = Duration::from_millis(100);

/// What is taken over without a restart, as it begins in the file. Of a tenant the same, behind its id.
const TAKEN_OVER: [&str; 13] = [
    "model",
    "fallback_model",
    "dictation",
    "image_generation",
    "assistant",
    "agent",
    "agents",
    "tools",
    "guardrails",
    "titles",
    "context",
    "search.tags",
    "search.language",
];

/// Where the configuration came from, and comes from again.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    /// What the command line says.
    pub overrides: Overrides,
    /// What the environment said at the start.
    pub environment: BTreeMap<String, String>,
    /// Done with each configuration that was read.
    pub complete: fn(&mut Config),
}

impl ConfigSource {
    fn load(&self) -> Result<Config, ConfigError> {
        let mut config = Config::load(&self.overrides, &self.environment)?;
        (self.complete)(&mut config);
        Ok(config)
    }
}

/// What is known of the files that were read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen(Vec<Option<(Option<SystemTime>, u64, u64)>>);

impl Seen {
    fn of(files: &[PathBuf]) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let seen = files.iter().map(|file| {
            let known = fs::metadata(file).ok()?;
            Some((known.modified().ok(), known.len(), known.ino()))
        });
        Self(seen.collect())
    }

    /// As it is on the disk now, once it stays as it is.
    async fn settled(files: &[PathBuf]) -> Self {
        let mut seen = Self::now(files).await;
        loop {
            tokio::time::sleep(SETTLES_IN).await;
            let again = Self::now(files).await;
            if again == seen {
                return seen;
            }
            seen = again;
        }
    }

    async fn now(files: &[PathBuf]) -> Self {
        let files = files.to_vec();
        tokio::task::spawn_blocking(move || Self::of(&files)).await.unwrap_or_default()
    }
}

/// Looks after the configuration file of a running server.
pub(crate) struct Reloading {
    source: ConfigSource,
    responders: Arc<Responders>,
    file: PathBuf,
    /// The file, and those that it names.
    files: Vec<PathBuf>,
    seen: Seen,
    text: Table,
}

impl Reloading {
    /// Of this source, whose configuration is in force.
    pub(crate) fn new(source: ConfigSource, config: &Config, responders: Arc<Responders>) -> Self {
        let file = Config::file(&source.overrides, &source.environment);
        let files = files(&file, config);
        let seen = Seen::of(&files);
        let text = read(&file).unwrap_or_default();
        Self { source, responders, file, files, seen, text }
    }

    /// Reads the file again whenever it changes or SIGHUP asks for it, for ever.
    pub(crate) async fn run(mut self) {
        let mut asked = signal(SignalKind::hangup()).ok();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let hangup = async {
                match &mut asked {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            let forced = tokio::select! {
                _ = looks.tick() => false,
                _ = hangup => true,
            };
            if !forced && Seen::now(&self.files).await == self.seen {
                continue;
            }
            self.seen = Seen::settled(&self.files).await;
            self.reload().await;
        }
    }

    async fn reload(&mut self) {
        let (source, responders, file) =
            (self.source.clone(), Arc::clone(&self.responders), self.file.clone());
        let loaded = tokio::task::spawn_blocking(move || {
            let config = source.load().map_err(|error| error.to_string())?;
            responders.replace(&config).map_err(|error| ErrorChain(&error).to_string())?;
            Ok::<_, String>((config, read(&file).unwrap_or_default()))
        });
        let (config, text) = match loaded.await.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(
                    "the configuration was not taken over, and the one before stays in force: {error}"
                );
                return;
            }
        };
        let (taken_over, restart): (Vec<_>, Vec<_>) =
            changed(&self.text, &text).into_iter().partition(|key| is_taken_over(key));
        let (taken_over, restart) = (taken_over.join(", "), restart.join(", "));
        if restart.is_empty() {
            tracing::info!(changed = taken_over, "took over the configuration");
        } else {
            tracing::warn!(
                changed = taken_over,
                needs_a_restart = restart,
                "took over a part of the configuration; restart the server for the rest"
            );
        }
        let files = files(&self.file, &config);
        if files != self.files {
            self.seen = Seen::now(&files).await;
            self.files = files;
        }
        self.text = text;
    }
}

/// The file of the configuration and those that it names.
fn files(file: &Path, config: &Config) -> Vec<PathBuf> {
    let mut files = vec![file.to_owned()];
    files.extend(config.documents_of_tools().map(Path::to_owned));
    files
}

fn read(file: &Path) -> io::Result<Table> {
    fs::read_to_string(file)?.parse().map_err(io::Error::other)
}

/// The settings that differ, by section and key: `auth.mode`, `tools`, `tenants.acme.limits`.
fn changed(before: &Table, after: &Table) -> Vec<String> {
    fn compare(at: &str, depth: usize, before: &Table, after: &Table, out: &mut Vec<String>) {
        let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
        for name in names {
            let place = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            let nothing = Value::Table(Table::new());
            let (one, other) = (before.get(name), after.get(name));
            if one == other {
                continue;
            }
            let deep = if place.starts_with("tenants") { 4 } else { 2 };
            match (one.unwrap_or(&nothing), other.unwrap_or(&nothing)) {
                (Value::Table(one), Value::Table(other)) if depth + 1 < deep => {
                    compare(&place, depth + 1, one, other, out);
                }
                _ => out.push(place),
            }
        }
    }
    let mut out = Vec::new();
    compare("", 0, before, after, &mut out);
    out
}

fn is_taken_over(key: &str) -> bool {
    let key = match key.strip_prefix("tenants.") {
        // An id may have dots in it, and no section's name is the end of one: the last that fits.
        Some(rest) => {
            return rest.match_indices('.').any(|(at, _)| is_taken_over(&rest[at + 1..]));
        }
        None => key,
    };
    TAKEN_OVER.iter().any(|known| {
        key.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_restart_is_named_by_its_place() {
        let before: Table = "listen = \"127.0.0.1:1\"\n[model]\nname = \"a\"\n[auth]\nmode = \"jwt\"\n\
            [auth.jwt]\nsecret = \"1\"\n[search]\ntags = []\nenabled = true\n[[tools]]\nname = \"x\"\n\
            [tenants.acme.limits]\na = 1\n[tenants.acme.model]\nname = \"m\"\n"
            .parse()
            .unwrap();
        let after: Table = "[model]\nname = \"b\"\n[auth]\nmode = \"jwt\"\n\
            [auth.jwt]\nsecret = \"2\"\n[search]\ntags = [\"t\"]\nenabled = false\n\
            [tenants.acme.limits]\na = 2\n[tenants.acme.model]\nname = \"n\"\n[agent]\nhand_offs = 1\n"
            .parse()
            .unwrap();
        let (taken_over, restart): (Vec<_>, Vec<_>) =
            changed(&before, &after).into_iter().partition(|key| is_taken_over(key));
        let taken_over: std::collections::BTreeSet<_> = taken_over.into_iter().collect();
        let restart: std::collections::BTreeSet<_> = restart.into_iter().collect();
        assert_eq!(
            Vec::from_iter(taken_over),
            ["agent.hand_offs", "model.name", "search.tags", "tenants.acme.model.name", "tools"]
        );
        assert_eq!(
            Vec::from_iter(restart),
            ["auth.jwt", "listen", "search.enabled", "tenants.acme.limits.a"]
        );
    }
}
