// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Every test of the store runs on both databases: a file, and a real PostgreSQL server that the tests
//! start for themselves.

use crate::{Store, StoreConfig, testing::GENESIS};
use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Where one test keeps its store.
pub(crate) struct Place {
    pub(crate) config: StoreConfig,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            config: StoreConfig::Sqlite(folder.path().join("events.sqlite")),
            _folder: Some(folder),
        }
    }

    /// A database of its own in the server of this test process.
    pub(crate) fn postgres() -> Self {
        Self {
            config: StoreConfig::Postgres(server().database()),
            _folder: None,
        }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.config, GENESIS).await.unwrap()
    }
}

/// A streaming replica of this test process's server.
pub(crate) struct Standby(Server);

impl Standby {
    pub(crate) fn start() -> Self {
        Self(Server::start(Some(&server().folder)))
    }

    /// The standby's view of a place in the server.
    pub(crate) fn of(&self, place: &Place) -> StoreConfig {
        let StoreConfig::Postgres(url) = &place.config else {
            panic!("only PostgreSQL streams");
        };
        let (_, database) = url.rsplit_once('/').unwrap();
        StoreConfig::Postgres(url_of(&self.0.folder, database))
    }
}

/// Makes two tests of each: `name::on_sqlite` and `name::on_postgres`.
macro_rules! on_both_databases {
    ($($(#[$meta:meta])* async fn $name:ident($place:ident: Place) $body:block)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$meta])*
            async fn on_sqlite() {
                holds($crate::both::Place::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$meta])*
            async fn on_postgres() {
                holds($crate::both::Place::postgres()).await;
            }

            async fn holds($place: $crate::both::Place) $body
        }
    )*};
}
pub(crate) use on_both_databases;

/// Starts a server and holds it: its input ends with this process, in whatever way that does.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/store/postgres.sh");

/// A PostgreSQL server of this test process.
struct Server {
    folder: PathBuf,
    next: AtomicU32,
    script: Mutex<Conversation>,
    _process: Child,
}

/// With the script, which answers each line with one.
struct Conversation {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start(primary: Option<&Path>) -> Self {
        let mut process = Command::new("sh")
            .arg(SCRIPT)
            .args(primary)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut said = String::new();
        let mut last = String::new();
        while output.read_line(&mut last).unwrap() > 0 {
            if let Some(folder) = last.strip_prefix("ready ") {
                return Self {
                    folder: folder.trim_end().into(),
                    next: AtomicU32::new(0),
                    script: Mutex::new(Conversation { input, output }),
                    _process: process,
                };
            }
            said.push_str(&std::mem::take(&mut last));
        }
        process.wait().unwrap();
        panic!("PostgreSQL did not start: {said}");
    }

    /// The URL of a new, empty database.
    fn database(&self) -> String {
        let name = format!("test{}", self.next.fetch_add(1, Ordering::Relaxed));
        let mut script = self.script.lock().unwrap();
        writeln!(script.input, "{name}").unwrap();
        let mut created = String::new();
        script.output.read_line(&mut created).unwrap();
        assert_eq!(created.trim_end(), name, "the database was not created");
        url_of(&self.folder, &name)
    }
}

fn url_of(folder: &Path, database: &str) -> String {
    let host = folder.to_string_lossy().replace('/', "%2F");
    format!("postgres://ves@{host}/{database}")
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(None))
}
