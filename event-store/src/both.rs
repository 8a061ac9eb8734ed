// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Every test of the store runs on both databases: a file, and a real PostgreSQL server that the tests
//! start for themselves.

use crate::{Store, StoreConfig, testing::GENESIS};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
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
        Self(Server::start(FOLLOW, &[&server().folder]))
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

/// A PostgreSQL server on a socket in a temporary folder. A shell holds it: when this process ends, in
/// whatever way, the shell's standard input does too, and it stops the server and removes the folder.
struct Server {
    folder: PathBuf,
    next: AtomicU32,
    _shell: Child,
    _input: ChildStdin,
}

const RUN: &str = r#"
set -eu
bin=$1 folder=$2
cd "$folder"
stop() { "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true; cd /; rm -rf "$folder"; }
trap stop EXIT
"$bin/initdb" -D data -U ves -A trust -E UTF8 --locale=C --no-sync >initdb.log 2>&1 || { cat initdb.log; exit 1; }
# As durable as tests need: they kill programs, not the power.
"$bin/pg_ctl" -D data -l server.log -w -t 60 \
    -o "-c listen_addresses='' -k $folder -c fsync=off -c max_connections=400 -c shared_buffers=64MB" \
    start >start.log 2>&1 || { cat start.log server.log; exit 1; }
echo ready
cat >/dev/null
"#;

/// A standby that follows a server by its write-ahead log, as an operator would set it up.
const FOLLOW: &str = r#"
set -eu
bin=$1 folder=$2 primary=$3
cd "$folder"
stop() { "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true; cd /; rm -rf "$folder"; }
trap stop EXIT
"$bin/pg_basebackup" -h "$primary" -U ves -D data -R -X stream -c fast --no-sync >backup.log 2>&1 || { cat backup.log; exit 1; }
"$bin/pg_ctl" -D data -l server.log -w -t 60 \
    -o "-c listen_addresses='' -k $folder -c fsync=off -c max_connections=400 -c shared_buffers=16MB" \
    start >start.log 2>&1 || { cat start.log server.log; exit 1; }
echo ready
cat >/dev/null
"#;

/// Debian's folder of the newest version, or wherever `PATH` leads.
fn binaries() -> PathBuf {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    versions.sort();
    let debian = versions.pop().map(|version| version.join("bin"));
    debian
        .filter(|bin| bin.join("initdb").exists())
        .unwrap_or_else(|| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path)
                .find(|bin| bin.join("initdb").exists())
                .expect("PostgreSQL is not installed: run scripts/setup.sh")
        })
}

impl Server {
    fn start(script: &str, arguments: &[&Path]) -> Self {
        let folder = tempfile::Builder::new().prefix("ves-pg").tempdir().unwrap();
        let folder = folder.keep();
        // The server refuses to run as root; Debian's package brings an account for it.
        let root = std::process::Command::new("id")
            .arg("-u")
            .output()
            .unwrap()
            .stdout
            == b"0\n";
        let mut command = if root {
            assert!(
                Command::new("chown")
                    .arg("postgres")
                    .arg(&folder)
                    .status()
                    .unwrap()
                    .success(),
                "no account `postgres`: run scripts/setup.sh"
            );
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                "sh",
            ]);
            command
        } else {
            Command::new("sh")
        };
        let mut shell = command
            .args(["-c", script, "sh"])
            .arg(binaries())
            .arg(&folder)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = shell.stdin.take().unwrap();
        let mut output = BufReader::new(shell.stdout.take().unwrap());
        let mut said = String::new();
        while output.read_line(&mut said).unwrap() > 0 && !said.ends_with("ready\n") {}
        assert!(
            said.ends_with("ready\n"),
            "PostgreSQL did not start: {said}"
        );
        Self {
            folder,
            next: AtomicU32::new(0),
            _shell: shell,
            _input: input,
        }
    }

    /// The URL of a new, empty database.
    fn database(&self) -> String {
        let name = format!("test{}", self.next.fetch_add(1, Ordering::Relaxed));
        let made = Command::new(binaries().join("createdb"))
            .args(["-U", "ves", "-h"])
            .arg(&self.folder)
            .arg(&name)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        url_of(&self.folder, &name)
    }
}

fn url_of(folder: &Path, database: &str) -> String {
    let host = folder.to_string_lossy().replace('/', "%2F");
    format!("postgres://ves@{host}/{database}")
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(RUN, &[]))
}
