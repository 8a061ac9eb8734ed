// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Settings: flag, else environment (`VES_RELAY_…`), else file, else default.

mod settings;

pub use settings::Overrides;

use crate::{
    http,
    node::NodeSource,
    relay::{Approved, Reporter, ReporterSettings, Settings},
    secret_url::{SecretUrl, Secrets},
    sink::{Chain, Confirmation, FeeLimits, Identity, Key, KeyError, KeySource, SendPolicy},
};
use alloy::primitives::Address;
use settings::{File, KeyFile};
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

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Appchain node.
    pub node_url: SecretUrl,
    /// Is the node's word about its state checked?
    pub prove_reads: bool,
    /// A second node, which must report the same finalized blocks.
    pub witness_url: Option<SecretUrl>,
    /// L2 JSON-RPC.
    pub rpc_url: SecretUrl,
    /// A second endpoint of the L2, which must agree about what is done.
    pub l2_witness_url: Option<SecretUrl>,
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
    toml::from_str(&text).map_err(|error: toml::de::Error| ConfigError::Malformed {
        path: path.to_owned(),
        reason: described(&error, &text),
    })
}

/// The parser's words and the line; not the line itself, as the parser would show it: it may be one
/// with a key.
fn described(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {}", before.split('\n').count(), error.message()),
        None => error.message().to_owned(),
    }
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
            node_url.expose(),
            &["ws://", "wss://", "http://", "https://"],
        )?;
        let rpc_url = destination.rpc_url.ok_or(missing(
            "destination.rpc_url",
            "the L2's JSON-RPC (--l2-url)",
        ))?;
        for url in rpc_url.expose().split(',') {
            scheme("destination.rpc_url", url.trim(), &["http://", "https://"])?;
        }
        if let Some(url) = &destination.l2_witness_url {
            scheme(
                "destination.witness_url",
                url.expose(),
                &["http://", "https://"],
            )?;
        }
        if let Some(url) = &source.witness_url {
            let schemes = ["ws://", "wss://", "http://", "https://"];
            scheme("source.witness_url", url.expose(), &schemes)?;
        }
        let report_every = seconds("source.report_secs", source.report_secs, 30)?;
        if source.report_key_file.is_some() && !node_url.expose().starts_with("ws") {
            return Err(invalid(
                "source.report_key_file",
                "reports need a WebSocket: source.node_url must start with ws:// or wss://",
            ));
        }
        let approved = destination
            .implementations
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(|text| {
                text.parse()
                    .map_err(|reason| invalid("destination.implementations", reason))
            })
            .collect::<Result<Vec<Approved>, _>>()?;
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
            approved,
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
            l2_witness_url: destination.l2_witness_url,
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

    /// What the URLs hold that nobody may see.
    pub fn secrets(&self) -> Secrets {
        let one = [&self.node_url, &self.rpc_url];
        let witnesses = [&self.witness_url, &self.l2_witness_url];
        Secrets::of(one.into_iter().chain(witnesses.into_iter().flatten()))
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

    /// The destination as configured, for the sender's address. Does not connect yet.
    ///
    /// # Errors
    /// When one is not a URL.
    pub fn chain(&self, sender: Address) -> Result<Chain, String> {
        let chain = Chain::new(self.rpc_url.expose(), self.identity(sender), self.timeout)?;
        match &self.l2_witness_url {
            Some(url) => chain.with_witness(url.expose()),
            None => Ok(chain),
        }
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
mod tests;
