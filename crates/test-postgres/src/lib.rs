#![doc = include_str!("../README.md")]

use std::{
    io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// A PostgreSQL server that is gone when the tests are.
#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    purpose: Purpose,
    /// Stops the server and removes its folder once our end of its input is closed.
    watchdog: Child,
    places: AtomicU32,
}

/// Where a test keeps its tables.
#[derive(Clone, Debug)]
pub struct Place {
    /// Of the database, for the role `parlor`, which owns it and is no superuser.
    pub url: String,
    /// A schema that nobody else uses. It does not exist yet.
    pub schema: String,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, what they had begun is undone.
    Fast,
    /// As if the machine had crashed.
    Crash,
}

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Tests: what is in it survives a crash, but no power cut.
    Tests,
    /// Figures: as durable and as large as PostgreSQL is without any settings.
    Figures,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// PostgreSQL is not installed.
    #[error(
        "PostgreSQL is not installed; run `make setup`, or set PARLOR_TEST_POSTGRES to the folder with initdb and pg_ctl"
    )]
    NotInstalled,
    /// A program cannot be run.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A program has failed.
    #[error("{program} failed: {said}")]
    Failed {
        /// The program.
        program: String,
        /// What it said.
        said: String,
    },
}

/// The role that owns the tests' database, and its name.
const OWNER: &str = "parlor";

impl Purpose {
    fn settings(self) -> &'static str {
        match self {
            Self::Tests => {
                "-c listen_addresses=127.0.0.1 -c max_connections=200 -c fsync=off \
                 -c full_page_writes=off -c shared_buffers=64MB"
            }
            Self::Figures => "-c listen_addresses=127.0.0.1 -c max_connections=200",
        }
    }
}

impl Server {
    /// The server that all tests of this process share.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Starts a server of the test's own.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> Result<Self, ServerError> {
        Self::start_for(Purpose::Tests)
    }

    /// Starts a server for a purpose.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start_for(purpose: Purpose) -> Result<Self, ServerError> {
        let programs = programs()?;
        let run = |program: &str, source| ServerError::Run { program: program.to_owned(), source };
        // Kept short: the path of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("parlor-pg").tempdir();
        let folder = folder.map_err(|source| run("mkdir", source))?.keep();
        let mut server = Self {
            watchdog: watchdog(&programs, &folder).map_err(|source| run("sh", source))?,
            programs,
            folder,
            port: 0,
            purpose,
            places: AtomicU32::new(0),
        };
        if is_root() {
            let owner = ["nobody", &server.folder.display().to_string()].map(ToOwned::to_owned);
            checked("chown", Command::new("chown").args(owner).output())?;
        }
        let data = server.data();
        let mut initdb = server.program("initdb");
        initdb.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "--no-sync"]);
        initdb.args(["--no-instructions", "-E", "UTF8", "--locale=C.UTF-8"]);
        checked("initdb", initdb.output())?;
        // The port may be taken between the look and the start.
        let mut started = Ok(());
        for _ in 0..5 {
            server.port = free_port().map_err(|source| run("a listener", source))?;
            started = server.start_again();
            if started.is_ok() {
                break;
            }
        }
        started?;
        server.sql("postgres", &format!("CREATE ROLE {OWNER} LOGIN"))?;
        server.sql("postgres", &format!("CREATE DATABASE {OWNER} OWNER {OWNER}"))?;
        Ok(server)
    }

    /// A place for one test.
    pub fn place(&self) -> Place {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        Place { url: self.url(OWNER), schema: format!("t{number}") }
    }

    /// The address of the tests' database for a role.
    pub fn url(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{OWNER}", self.port)
    }

    /// Runs statements in the tests' database as superuser; gives what psql prints.
    ///
    /// # Errors
    /// When psql fails.
    pub fn admin(&self, statements: &str) -> Result<String, ServerError> {
        self.sql(OWNER, statements)
    }

    fn sql(&self, database: &str, statements: &str) -> Result<String, ServerError> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"]);
        psql.args(["-d", database, "-c", statements]);
        let output = checked("psql", psql.output())?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Stops the server; its data stays.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(&self, how: Stop) -> Result<(), ServerError> {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Crash => "immediate",
        };
        let mut pg_ctl = self.program("pg_ctl");
        pg_ctl.arg("-D").arg(self.data()).args(["-m", mode, "-w", "-t", "60", "stop"]);
        checked("pg_ctl", pg_ctl.output()).map(drop)
    }

    /// Starts a server that was stopped, on the port that it had.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&self) -> Result<(), ServerError> {
        let mut pg_ctl = self.program("pg_ctl");
        pg_ctl.arg("-D").arg(self.data()).arg("-l").arg(self.folder.join("log"));
        let sockets = self.folder.display();
        let settings = self.purpose.settings();
        let options = format!("-p {} -c unix_socket_directories={sockets} {settings}", self.port);
        pg_ctl.args(["-w", "-t", "60", "-o", &options, "start"]);
        // The server keeps what it inherits open: a pipe would never end.
        pg_ctl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let run = |source| ServerError::Run { program: "pg_ctl".to_owned(), source };
        if pg_ctl.status().map_err(run)?.success() {
            return Ok(());
        }
        let said = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(ServerError::Failed { program: "pg_ctl start".to_owned(), said })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A program of PostgreSQL's, as somebody who may not do anything.
    fn program(&self, name: &str) -> Command {
        let [first, rest @ ..] = &unprivileged(&self.programs.join(name))[..] else {
            unreachable!("there is a program")
        };
        let mut command = Command::new(first);
        // A folder that the other user may enter.
        command.args(rest).current_dir("/").env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is what the watchdog waits for.
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// A process that outlives us by a moment, to tidy up however we ended.
fn watchdog(programs: &Path, folder: &Path) -> io::Result<Child> {
    let stop = unprivileged(&programs.join("pg_ctl")).join("' '");
    let folder = folder.display();
    let script = format!(
        "trap '' INT TERM HUP; cd /; read -r _; '{stop}' -D '{folder}/data' -m immediate -w stop; rm -rf '{folder}'"
    );
    Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// The words of a command that runs a program as somebody who is not root: PostgreSQL refuses to
/// run as root.
fn unprivileged(program: &Path) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    if is_root() {
        let drop = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"];
        words.extend(drop.map(ToOwned::to_owned));
    }
    words.push(program.display().to_string());
    words
}

fn is_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| {
        let id = Command::new("id").arg("-u").output();
        id.is_ok_and(|output| output.stdout.starts_with(b"0\n"))
    })
}

/// The folder of PostgreSQL's programs, the newest if there are several.
fn programs() -> Result<PathBuf, ServerError> {
    if let Some(folder) = std::env::var_os("PARLOR_TEST_POSTGRES") {
        return Ok(folder.into());
    }
    let is_there = |folder: &PathBuf| {
        ["initdb", "pg_ctl", "postgres", "psql"].iter().all(|name| folder.join(name).is_file())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = std::env::split_paths(&path).find(is_there) {
        return Ok(folder);
    }
    // Debian keeps the server's programs out of the path.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| is_there(folder))
        .collect();
    folders.sort();
    folders.pop().map(|(_, folder)| folder).ok_or(ServerError::NotInstalled)
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn checked(program: &str, output: io::Result<Output>) -> Result<Output, ServerError> {
    let output =
        output.map_err(|source| ServerError::Run { program: program.to_owned(), source })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ServerError::Failed { program: program.to_owned(), said })
}
