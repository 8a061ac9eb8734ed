// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The built program: a place with key and settings, runs of its commands, a running relay.

use super::{
    evm::{CHAIN_ID, Evm, OTHER_SECRET, RELAY_SECRET},
    running::patience,
};
use anchor_relay::journal::Journal;
use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub const PASSPHRASE: &str = "a passphrase of a test";
pub const REGISTRY: &str = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512";

pub fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anchor-relay"));
    command.current_dir(dir).env_clear().env("NO_COLOR", "1");
    command
}

pub fn run(dir: &Path, args: &[&str]) -> Output {
    program(dir).args(args).output().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A place with a key and a configuration whose chains are not there.
pub fn place() -> TempDir {
    place_of(RELAY_SECRET)
}

fn place_of(secret: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("relay.key", secret), ("passphrase", PASSPHRASE)] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let done = run(
        dir.path(),
        &[
            "key",
            "import",
            "relay.json",
            "--from",
            "relay.key",
            "--passphrase-file",
            "passphrase",
        ],
    );
    assert!(done.status.success(), "{}", err(&done));
    let config = format!(
        "[source]\nnode_url = \"ws://127.0.0.1:1\"\n\
         [destination]\nrpc_url = \"http://127.0.0.1:1\"\nchain_id = 31337\n\
         registry = \"{REGISTRY}\"\nconfirmations = \"1\"\n\
         [key]\nfile = \"relay.json\"\npassphrase_file = \"passphrase\"\n[http]\nlisten = \"127.0.0.1:0\"\n"
    );
    std::fs::write(dir.path().join("relay.toml"), config).unwrap();
    dir
}

/// A running relay, with the address of its HTTP server.
pub struct Relay {
    child: Child,
    pub address: String,
    log: Arc<Mutex<String>>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Relay {
    pub fn start(dir: &Path, args: &[&str]) -> Self {
        Self::start_as(
            program(dir)
                .args(["--config", "relay.toml", "run"])
                .args(args),
        )
    }

    /// Starts what `command` says.
    pub fn start_as(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let mut seen = String::new();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                writeln!(seen, "{line}").unwrap();
                let (_, rest) = line.split_once("started address=")?;
                rest.split_whitespace().next().map(str::to_owned)
            })
            .unwrap_or_else(|| panic!("the relay does not say where it listens: {seen}"));
        *log.lock().unwrap() = seen;
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .for_each(|line| writeln!(kept.lock().unwrap(), "{line}").unwrap());
        });
        Self {
            child,
            address,
            log,
        }
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address)
            .unwrap_or_else(|error| panic!("{error}: {}", self.log()));
        let request = format!("GET {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        (status, body)
    }

    /// Waits until its metrics say this.
    pub fn until(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(patience());
        while !self.get("/metrics").1.contains(text) {
            assert!(
                Instant::now() < deadline,
                "no {text} in time: {}\n{}",
                self.get("/stats").1,
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A metric without labels.
    pub fn metric(&self, name: &str) -> u64 {
        let text = self.get("/metrics").1;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_else(|| panic!("no {name} in {text}"));
        line.trim().parse().unwrap()
    }

    /// SIGKILL.
    pub fn kill_nine(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "SIGTERM is ignored");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The program between a served appchain and a real EVM chain.
pub struct Site {
    pub dir: TempDir,
}

impl Site {
    /// `rpc`: the way to the chain, perhaps through a proxy; `more`: further settings, in TOML, that
    /// stand in the section `send`.
    pub fn new(node: &str, rpc: &str, evm: &Evm, confirmations: &str, more: &str) -> Self {
        Self::in_place(place(), node, rpc, evm, confirmations, more)
    }

    /// The same, of the other sequencer.
    pub fn of_other(node: &str, rpc: &str, evm: &Evm, confirmations: &str, more: &str) -> Self {
        Self::in_place(place_of(OTHER_SECRET), node, rpc, evm, confirmations, more)
    }

    fn in_place(
        dir: TempDir,
        node: &str,
        rpc: &str,
        evm: &Evm,
        confirmations: &str,
        more: &str,
    ) -> Self {
        let config = format!(
            "[source]\nnode_url = \"{node}\"\n\
             [destination]\nrpc_url = \"{rpc}\"\nchain_id = {CHAIN_ID}\nregistry = \"{}\"\n\
             confirmations = \"{confirmations}\"\n\
             [key]\nfile = \"relay.json\"\npassphrase_file = \"passphrase\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n\
             [send]\npoll_ms = 50\nbump_after_secs = 1\nmin_fee_wei = 1\n{more}\n",
            evm.registry
        );
        std::fs::write(dir.path().join("relay.toml"), config).unwrap();
        Self { dir }
    }

    pub fn journal(&self) -> PathBuf {
        self.dir.path().join("anchor-relay.db")
    }

    /// Anchored batches and proofs, by the journal. The counters of a program begin anew with it.
    pub async fn anchored(&self) -> (u64, u64) {
        let journal = Journal::open_read_only(&self.journal()).await.unwrap();
        let batches = journal.totals().await.unwrap().1;
        let proofs = journal.proof_totals().await.unwrap().1;
        journal.close().await;
        (batches, proofs)
    }

    /// Starts the relay.
    pub async fn start(&self) -> Relay {
        self.start_with(&[]).await
    }

    pub async fn start_with(&self, args: &[&str]) -> Relay {
        let dir = self.dir.path().to_owned();
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let start = move || {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            Relay::start(&dir, &args)
        };
        tokio::task::spawn_blocking(start).await.unwrap()
    }

    /// Runs a command to its end.
    pub async fn command(&self, args: &[&str]) -> Output {
        let mut command = program(self.dir.path());
        command.args(["--config", "relay.toml"]).args(args);
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }
}

/// Waits for something outside of the program, which must go on running.
pub async fn until(what: &str, relay: &Relay, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(patience());
    while !done().await {
        assert!(
            Instant::now() < deadline,
            "no {what} in time: {}\n{}",
            relay.get("/stats").1,
            relay.log()
        );
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Waits until the metrics of the relay say this.
pub async fn until_says(relay: &Relay, text: &str) {
    until(text, relay, async || relay.get("/metrics").1.contains(text)).await;
}
