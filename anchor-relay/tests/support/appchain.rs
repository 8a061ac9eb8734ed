// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A real node of the appchain, and an agent that submits events to it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const STORE: &str = "22222222-2222-4222-8222-222222222222";

/// A program of the workspace: beside the relay, or where `VES_BIN_DIR` says.
fn program(name: &str) -> PathBuf {
    let dir = std::env::var_os("VES_BIN_DIR").map_or_else(
        || {
            Path::new(env!("CARGO_BIN_EXE_anchor-relay"))
                .parent()
                .unwrap()
                .to_owned()
        },
        PathBuf::from,
    );
    let path = dir.join(name);
    assert!(
        path.exists(),
        "{} is missing. Build the workspace, or name the folder in VES_BIN_DIR",
        path.display()
    );
    path
}

/// A development chain of one node.
pub struct Appchain {
    child: Child,
    pub address: String,
    dir: TempDir,
}

impl Drop for Appchain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Appchain {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(program("ves-node"))
            .args(["--dev", "--rpc-port", "0", "--base-path"])
            .arg(dir.path().join("node"))
            .args(["--listen-addr", "/ip4/127.0.0.1/tcp/0", "--no-mdns"])
            .args(["--no-prometheus", "--no-telemetry"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map(|line| line.expect("the node ended"))
            .find_map(|line| {
                let (_, rest) = line.split_once("Running JSON-RPC server: addr=")?;
                rest.split([',', ' ']).next().map(str::to_owned)
            })
            .expect("the node says where it listens");
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address,
            dir,
        }
    }

    /// Enrols an agent and has one event of it sequenced and finalized.
    pub fn submit_an_event(&self) {
        let passphrase = self.dir.path().join("passphrase");
        std::fs::write(&passphrase, "a passphrase of a test").unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&passphrase, std::fs::Permissions::from_mode(0o600)).unwrap();
        let passphrase = passphrase.display().to_string();
        let url = format!("ws://{}", self.address);
        let init = [
            "init",
            "--node",
            &url,
            "--tenant",
            TENANT,
            "--store",
            STORE,
            "--passphrase-file",
            &passphrase,
        ];
        let order = [
            "append",
            "--entity-type",
            "order",
            "--entity-id",
            "1",
            "--event-type",
            "order.created",
            "--payload",
            r#"{"total":"42.00"}"#,
        ];
        for args in [
            &init[..],
            &["keys:generate"],
            &["admin:register-agent", "--dev-admin"],
            &["keys:register", "--dev-admin"],
            &order,
            &["push"],
        ] {
            let agent = self.dir.path().join("agent");
            std::fs::create_dir_all(&agent).unwrap();
            let done = Command::new(program("stateset-sync"))
                .current_dir(&agent)
                .env("HOME", &agent)
                .args(args)
                .arg("--json")
                .output()
                .unwrap();
            let shown = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success(), "{args:?}: {shown}");
        }
    }
}
