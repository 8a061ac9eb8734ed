// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Settings: flag, else environment (`VES_RELAY_…`), else file, else default.

use crate::{
    http,
    node::NodeSource,
    relay::{Reporter, ReporterSettings, Settings},
    sink::{Confirmation, FeeLimits, Identity, Key, KeyError, KeySource, SendPolicy},
};
use alloy::primitives::Address;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use ves_client::Signer;
use ves_primitives::GenesisHash;

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The file is not what is expected.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        reason: String,
    },
    /// A setting without default is missing.
    #[error("{name} is not set: {help}")]
    Missing {
        /// Its name in the file.
        name: &'static str,
        /// What it is and its flag.
        help: &'static str,
    },
    /// A value makes no sense.
    #[error("{name}: {reason}")]
    Invalid {
        /// Its name in the file.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

macro_rules! settings {
    ($(
        $(#[doc = $doc:literal])*
        $(#[arg($($extra:tt)*)])?
        $section:ident . $field:ident ($flag:literal, $env:literal): $ty:ty;
    )*) => {
        /// Flags and environment. Each overrides the file.
        #[derive(Args, Clone, Debug, Default)]
        pub struct Overrides {
            /// Configuration file (TOML).
            #[arg(long, env = "VES_RELAY_CONFIG", value_name = "FILE", global = true)]
            pub config: Option<PathBuf>,
            /// Read the private key from VES_RELAY_DEV_KEY. For development only.
            #[arg(long, global = true)]
            pub dev_key_from_env: bool,
            $(
                $(#[doc = $doc])*
                #[arg(long = $flag, env = $env, global = true)]
                $(#[arg($($extra)*)])?
                pub $field: Option<$ty>,
            )*
        }

        impl Overrides {
            /// Puts flags and environment over the file's values.
            fn apply(&self, file: &mut File) {
                $(
                    if let Some(value) = &self.$field {
                        file.$section.$field = Some(value.clone());
                    }
                )*
            }
        }
    };
}

settings! {
    /// URL of an appchain node, ws:// or http://.
    source.node_url("node-url", "VES_RELAY_NODE_URL"): String;
    /// Genesis hash the node must have; without it the first one seen is pinned.
    source.genesis("genesis", "VES_RELAY_GENESIS"): String;
    /// File with the secret of the appchain account that reports what is anchored; needs a
    /// WebSocket.
    source.report_key_file("report-key-file", "VES_RELAY_REPORT_KEY_FILE"): PathBuf;
    /// Seconds between such reports.
    source.report_secs("report-secs", "VES_RELAY_REPORT_SECS"): u64;
    /// Check what the node reads from its state against the finalized header.
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    source.prove_reads("prove-reads", "VES_RELAY_PROVE_READS"): bool;
    /// URL of a second appchain node, which must report the same finalized blocks.
    source.witness_url("witness-url", "VES_RELAY_WITNESS_URL"): String;
    /// HTTP URLs of the L2's JSON-RPC, separated by commas: one is used, the others stand by.
    destination.rpc_url("l2-url", "VES_RELAY_L2_URL"): String;
    /// Chain id the L2 must have.
    destination.chain_id("chain-id", "VES_RELAY_CHAIN_ID"): u64;
    /// Address of the SetRegistry proxy.
    destination.registry("registry", "VES_RELAY_REGISTRY"): String;
    /// When an anchor counts as done: finalized, safe, or a number of blocks.
    destination.confirmations("confirmations", "VES_RELAY_CONFIRMATIONS"): String;
    /// Addresses of code that the registry's proxy may run, separated by commas; without it any.
    destination.implementations("implementations", "VES_RELAY_IMPLEMENTATIONS"): String;
    /// Seconds to wait for an answer of the L2.
    destination.timeout_secs("l2-timeout-secs", "VES_RELAY_L2_TIMEOUT_SECS"): u64;
    /// The key: a JSON keystore, mode 0600.
    key.key_file("key-file", "VES_RELAY_KEY_FILE"): PathBuf;
    /// File with the keystore's passphrase, mode 0600; without it VES_RELAY_PASSPHRASE or the
    /// terminal.
    key.passphrase_file("passphrase-file", "VES_RELAY_PASSPHRASE_FILE"): PathBuf;
    /// Accept a key file that is not encrypted, 32 bytes in hex. For development only.
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    key.plain("plain-key", "VES_RELAY_PLAIN_KEY"): bool;
    /// Id or ARN of a key of AWS KMS that signs; needs a build with aws-kms.
    key.aws_kms("aws-kms", "VES_RELAY_AWS_KMS"): String;
    /// Resource name of a key version of Google Cloud KMS that signs; needs a build with gcp-kms.
    key.gcp_kms("gcp-kms", "VES_RELAY_GCP_KMS"): String;
    /// The journal, a SQLite file.
    journal.path("journal", "VES_RELAY_JOURNAL"): PathBuf;
    /// Milliseconds between looks at both chains.
    send.poll_ms("poll-ms", "VES_RELAY_POLL_MS"): u64;
    /// Transactions that may be in flight.
    send.window("window", "VES_RELAY_WINDOW"): usize;
    /// Batches of one stream that may be in flight.
    send.per_stream("per-stream", "VES_RELAY_PER_STREAM"): usize;
    /// Batches that may share a transaction.
    send.max_batches("max-batches", "VES_RELAY_MAX_BATCHES"): usize;
    /// Seconds that a batch waits for its proof, so that both go in one transaction.
    send.proof_wait_secs("proof-wait-secs", "VES_RELAY_PROOF_WAIT_SECS"): u64;
    /// Gwei that may be spent in 24 hours; without it any amount.
    send.daily_budget_gwei("daily-budget-gwei", "VES_RELAY_DAILY_BUDGET_GWEI"): u64;
    /// Seconds without inclusion after which the fees are raised.
    send.bump_after_secs("bump-after-secs", "VES_RELAY_BUMP_AFTER_SECS"): u64;
    /// Gas limit of one batch or proof where it cannot be estimated, and the least ever used.
    send.gas_default("gas-default", "VES_RELAY_GAS_DEFAULT"): u64;
    /// Most gas a transaction may need.
    send.gas_cap("gas-cap", "VES_RELAY_GAS_CAP"): u64;
    /// Least priority fee, wei per gas.
    send.min_tip_wei("min-tip-wei", "VES_RELAY_MIN_TIP_WEI"): u64;
    /// Least fee cap of a transaction, wei per gas.
    send.min_fee_wei("min-fee-wei", "VES_RELAY_MIN_FEE_WEI"): u64;
    /// Most a transaction may ever offer, wei per gas.
    send.max_fee_wei("max-fee-wei", "VES_RELAY_MAX_FEE_WEI"): u64;
    /// Most times the fee that the L2 asks for now that a replacement may offer.
    send.max_multiple("max-multiple", "VES_RELAY_MAX_MULTIPLE"): u64;
    /// Up to this fee cap, wei per gas, max-multiple does not bind.
    send.multiple_from_wei("multiple-from-wei", "VES_RELAY_MULTIPLE_FROM_WEI"): u64;
    /// Balance below which nothing is sent, wei.
    send.min_balance_wei("min-balance-wei", "VES_RELAY_MIN_BALANCE_WEI"): u64;
    /// Address of /health, /ready, /metrics and /stats.
    http.listen("listen", "VES_RELAY_LISTEN"): SocketAddr;
    /// Seconds without a tick after which /health fails.
    http.health_after_secs("health-after-secs", "VES_RELAY_HEALTH_AFTER_SECS"): u64;
    /// Seconds without progress after which /ready fails.
    http.ready_after_secs("ready-after-secs", "VES_RELAY_READY_AFTER_SECS"): u64;
}

macro_rules! section {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[$meta:meta])* $field:ident: $ty:ty),* $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, Deserialize, Serialize)]
        #[serde(deny_unknown_fields, default)]
        struct $name {
            $($(#[$meta])* #[serde(skip_serializing_if = "Option::is_none")] $field: Option<$ty>,)*
        }
    };
}

section!(SourceFile {
    node_url: String,
    genesis: String,
    report_key_file: PathBuf,
    report_secs: u64,
    prove_reads: bool,
    witness_url: String,
});
section!(DestinationFile {
    rpc_url: String,
    chain_id: u64,
    registry: String,
    confirmations: String,
    implementations: String,
    timeout_secs: u64,
});
section!(KeyFile {
    #[serde(rename = "file")]
    key_file: PathBuf,
    passphrase_file: PathBuf,
    plain: bool,
    aws_kms: String,
    gcp_kms: String,
});
section!(JournalFile { path: PathBuf });
section!(SendFile {
    poll_ms: u64,
    window: usize,
    per_stream: usize,
    max_batches: usize,
    proof_wait_secs: u64,
    daily_budget_gwei: u64,
    bump_after_secs: u64,
    gas_default: u64,
    gas_cap: u64,
    min_tip_wei: u64,
    min_fee_wei: u64,
    max_fee_wei: u64,
    max_multiple: u64,
    multiple_from_wei: u64,
    min_balance_wei: u64,
});
section!(HttpFile {
    listen: SocketAddr,
    health_after_secs: u64,
    ready_after_secs: u64,
});

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    source: SourceFile,
    destination: DestinationFile,
    key: KeyFile,
    journal: JournalFile,
    send: SendFile,
    http: HttpFile,
}

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Appchain node.
    pub node_url: String,
    /// Is the node's word about its state checked?
    pub prove_reads: bool,
    /// A second node, which must report the same finalized blocks.
    pub witness_url: Option<String>,
    /// L2 JSON-RPC.
    pub rpc_url: String,
    /// Chain id the L2 must have.
    pub chain_id: u64,
    /// The registry.
    pub registry: Address,
    /// Longest wait for an answer of the L2.
    pub timeout: Duration,
    /// Where the key comes from; `None` is enough for `status` and `plan`.
    pub key: Option<KeySource>,
    /// Secret of the appchain account that reports what is anchored.
    pub report_key: Option<PathBuf>,
    /// Pause between reports.
    pub report_every: Duration,
    /// The journal's file.
    pub journal: PathBuf,
    /// Settings of the loops.
    pub settings: Settings,
    /// Address of the HTTP server.
    pub listen: SocketAddr,
    /// Limits of the probes.
    pub limits: http::Limits,
}

const fn missing(name: &'static str, help: &'static str) -> ConfigError {
    ConfigError::Missing { name, help }
}

fn invalid(name: &'static str, reason: impl ToString) -> ConfigError {
    ConfigError::Invalid {
        name,
        reason: reason.to_string(),
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    toml::from_str(&text).map_err(|error| ConfigError::Malformed {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

impl Config {
    /// Reads the file, puts environment and flags over it, fills in defaults, checks everything.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        let mut file = match &overrides.config {
            Some(path) => read(path)?,
            None => File::default(),
        };
        overrides.apply(&mut file);
        let File {
            source,
            destination,
            key,
            journal,
            send,
            http,
        } = file;
        let node_url = source
            .node_url
            .unwrap_or_else(|| "ws://127.0.0.1:9944".into());
        scheme(
            "source.node_url",
            &node_url,
            &["ws://", "wss://", "http://", "https://"],
        )?;
        let rpc_url = destination.rpc_url.ok_or(missing(
            "destination.rpc_url",
            "the L2's JSON-RPC (--l2-url)",
        ))?;
        for url in rpc_url.split(',') {
            scheme("destination.rpc_url", url.trim(), &["http://", "https://"])?;
        }
        if let Some(url) = &source.witness_url {
            let schemes = ["ws://", "wss://", "http://", "https://"];
            scheme("source.witness_url", url, &schemes)?;
        }
        let report_every = seconds("source.report_secs", source.report_secs, 30)?;
        if source.report_key_file.is_some() && !node_url.starts_with("ws") {
            return Err(invalid(
                "source.report_key_file",
                "reports need a WebSocket: source.node_url must start with ws:// or wss://",
            ));
        }
        let implementations = destination
            .implementations
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| {
                text.parse()
                    .map_err(|_| invalid("destination.implementations", "not an EVM address"))
            })
            .collect::<Result<Vec<Address>, _>>()?;
        let registry = destination.registry.ok_or(missing(
            "destination.registry",
            "the SetRegistry proxy (--registry)",
        ))?;
        let registry: Address = registry
            .parse()
            .map_err(|_| invalid("destination.registry", "not an EVM address"))?;
        if registry.is_zero() {
            return Err(invalid("destination.registry", "the zero address"));
        }
        let confirmation: Confirmation = destination
            .confirmations
            .as_deref()
            .unwrap_or("finalized")
            .parse()
            .map_err(|reason| invalid("destination.confirmations", reason))?;
        let genesis: Option<GenesisHash> = source
            .genesis
            .map(|text| {
                text.parse()
                    .map_err(|reason| invalid("source.genesis", reason))
            })
            .transpose()?;
        let chain_id = destination.chain_id.ok_or(missing(
            "destination.chain_id",
            "the L2's chain id (--chain-id)",
        ))?;
        let gas_default = send.gas_default.unwrap_or(300_000);
        let fees = FeeLimits {
            min_tip: send.min_tip_wei.unwrap_or(1_000_000).into(),
            min_fee: send.min_fee_wei.unwrap_or(10_000_000).into(),
            max_fee: send.max_fee_wei.unwrap_or(200_000_000_000).into(),
            max_multiple: positive("send.max_multiple", send.max_multiple, 5)?.into(),
            multiple_from: send.multiple_from_wei.unwrap_or(1_000_000_000).into(),
        };
        if fees.min_fee > fees.max_fee || fees.min_tip > fees.max_fee {
            return Err(invalid(
                "send.max_fee_wei",
                "below send.min_fee_wei or send.min_tip_wei",
            ));
        }
        let gas_cap = send.gas_cap.unwrap_or(10_000_000);
        if gas_default > gas_cap {
            return Err(invalid("send.gas_cap", "below send.gas_default"));
        }
        let settings = Settings {
            confirmation,
            window: at_least_one("send.window", send.window.unwrap_or(16))?,
            per_stream: at_least_one("send.per_stream", send.per_stream.unwrap_or(64))?,
            max_batches: at_least_one("send.max_batches", send.max_batches.unwrap_or(50))?,
            proof_wait: Duration::from_secs(send.proof_wait_secs.unwrap_or(0)),
            daily_budget_gwei: send.daily_budget_gwei,
            implementations,
            poll: Duration::from_millis(positive("send.poll_ms", send.poll_ms, 1_000)?),
            genesis,
            min_balance: send.min_balance_wei.unwrap_or(0).into(),
            send: SendPolicy {
                fees,
                gas_default,
                gas_cap,
                bump_after: seconds("send.bump_after_secs", send.bump_after_secs, 12)?,
            },
        };
        let key = key_source(key, overrides.dev_key_from_env)?;
        Ok(Self {
            node_url,
            prove_reads: source.prove_reads.unwrap_or(false),
            witness_url: source.witness_url,
            rpc_url,
            chain_id,
            registry,
            timeout: seconds("destination.timeout_secs", destination.timeout_secs, 10)?,
            key,
            report_key: source.report_key_file,
            report_every,
            journal: journal.path.unwrap_or_else(|| "anchor-relay.db".into()),
            settings,
            listen: http
                .listen
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9616))),
            limits: http::Limits {
                health: seconds("http.health_after_secs", http.health_after_secs, 60)?,
                ready: seconds("http.ready_after_secs", http.ready_after_secs, 120)?,
            },
        })
    }

    /// Opens the key. One in a cloud's key service is asked for its address.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn key(&self) -> Result<Key, KeyError> {
        Key::open(self.key.as_ref().ok_or(KeyError::Missing)?).await
    }

    /// The appchain node, as configured.
    pub fn node(&self) -> NodeSource {
        NodeSource::new(
            self.node_url.clone(),
            self.witness_url.clone(),
            self.prove_reads,
        )
    }

    /// The reporter, if configured.
    ///
    /// # Errors
    /// When its secret cannot be used; the secret is not repeated.
    pub fn reporter(&self) -> Result<Option<Reporter>, String> {
        let Some(path) = &self.report_key else {
            return Ok(None);
        };
        let signer = Signer::from_file(path).map_err(|e| format!("source.report_key_file: {e}"))?;
        let settings = ReporterSettings {
            node_url: self.node_url.clone(),
            every: self.report_every,
        };
        Ok(Some(Reporter::new(settings, signer)))
    }

    /// The destination, with the sender's address.
    pub const fn identity(&self, sender: Address) -> Identity {
        Identity {
            chain_id: self.chain_id,
            registry: self.registry,
            sender,
        }
    }
}

/// At most one of the places where a key can be.
fn key_source(key: KeyFile, dev_key_from_env: bool) -> Result<Option<KeySource>, ConfigError> {
    let file = key.key_file.map(|path| KeySource::File {
        path,
        passphrase: key.passphrase_file,
        plain: key.plain.unwrap_or(false),
    });
    let environment = dev_key_from_env.then_some(KeySource::Environment);
    let places = [
        file,
        key.aws_kms.map(KeySource::AwsKms),
        key.gcp_kms.map(KeySource::GcpKms),
        environment,
    ];
    let mut places = places.into_iter().flatten();
    let place = places.next();
    if places.next().is_some() {
        return Err(invalid(
            "key.file",
            "more than one of key.file, key.aws_kms, key.gcp_kms and --dev-key-from-env is set",
        ));
    }
    Ok(place)
}

fn scheme(name: &'static str, url: &str, schemes: &[&str]) -> Result<(), ConfigError> {
    if schemes.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(());
    }
    Err(invalid(
        name,
        format!("must start with {}", schemes.join(" or ")),
    ))
}

fn positive(name: &'static str, value: Option<u64>, default: u64) -> Result<u64, ConfigError> {
    match value.unwrap_or(default) {
        0 => Err(invalid(name, "must not be 0")),
        value => Ok(value),
    }
}

fn seconds(name: &'static str, value: Option<u64>, default: u64) -> Result<Duration, ConfigError> {
    positive(name, value, default).map(Duration::from_secs)
}

fn at_least_one(name: &'static str, value: usize) -> Result<usize, ConfigError> {
    if value == 0 {
        Err(invalid(name, "must not be 0"))
    } else {
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        overrides: Overrides,
    }

    const FILE: &str = r#"
        [source]
        node_url = "ws://node:9944"
        [destination]
        rpc_url = "http://l2:8545"
        chain_id = 10
        registry = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
        confirmations = "safe"
        [key]
        file = "relay.key"
        [send]
        window = 3
    "#;

    fn load(file: &str, flags: &[&str]) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.toml");
        std::fs::write(&path, file).unwrap();
        let path = path.display().to_string();
        let args = ["relay", "--config", &path]
            .into_iter()
            .chain(flags.iter().copied());
        Config::load(&Cli::try_parse_from(args).unwrap().overrides)
    }

    #[test]
    fn the_file_stands_over_the_defaults() {
        let config = load(FILE, &[]).unwrap();
        assert_eq!(config.node_url, "ws://node:9944");
        assert_eq!(config.settings.window, 3);
        assert_eq!(config.settings.per_stream, 64);
        assert_eq!(config.settings.confirmation, Confirmation::Safe);
        assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 9616)));
        let place = KeySource::File {
            path: "relay.key".into(),
            passphrase: None,
            plain: false,
        };
        assert_eq!(config.key, Some(place));
    }

    #[test]
    fn a_flag_stands_over_the_file() {
        let config = load(FILE, &["--window", "5", "--confirmations", "2"]).unwrap();
        assert_eq!(config.settings.window, 5);
        assert_eq!(config.settings.confirmation, Confirmation::Blocks(2));
    }

    #[test]
    fn an_unknown_name_in_the_file_is_an_error() {
        let error = load("[send]\nwindows = 3\n", &[]).unwrap_err().to_string();
        assert!(error.contains("windows"), "{error}");
    }

    #[test]
    fn each_missing_or_senseless_setting_is_named() {
        let cases: [(&str, &[&str], &str); 10] = [
            ("", &[], "destination.rpc_url"),
            (
                "[destination]\nrpc_url = \"http://l2\"\n",
                &[],
                "destination.registry",
            ),
            (FILE, &["--window", "0"], "send.window"),
            (FILE, &["--registry", "0x12"], "destination.registry"),
            (FILE, &["--confirmations", "0"], "destination.confirmations"),
            (FILE, &["--node-url", "ftp://node"], "source.node_url"),
            (FILE, &["--max-fee-wei", "1"], "send.max_fee_wei"),
            (FILE, &["--max-multiple", "0"], "send.max_multiple"),
            (FILE, &["--witness-url", "node:1"], "source.witness_url"),
            (FILE, &["--aws-kms", "id"], "key.file"),
        ];
        for (file, flags, name) in cases {
            let error = load(file, flags).unwrap_err().to_string();
            assert!(error.starts_with(name), "{error} should name {name}");
        }
    }
}
