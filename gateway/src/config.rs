// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Settings: flag, else environment (`VES_GATEWAY_…`), else file, else default.

use crate::extract::Stream;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};
use ves_client::Signer;
use ves_primitives::{GenesisHash, TenantId};

/// Longest settings file, bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most streams of a list whose batches are offered for anchoring.
const STREAMS_MAX: usize = 10_000;

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
    /// A value makes no sense.
    #[error("{name}: {reason}")]
    Invalid {
        /// Its name in the file.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

fn invalid(name: &'static str, reason: impl ToString) -> ConfigError {
    ConfigError::Invalid {
        name,
        reason: reason.to_string(),
    }
}

/// How long an ingest waits before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// Until the events are in a final block: about three seconds, and nothing undoes it.
    Finalized,
    /// Until they are in a block: about a second; a reorganisation may undo it.
    #[value(name = "in_block")]
    InBlock,
    /// Not at all: every event is pending.
    None,
}

impl std::str::FromStr for WaitFor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "finalized" => Ok(Self::Finalized),
            "in_block" => Ok(Self::InBlock),
            "none" => Ok(Self::None),
            _ => Err("expected finalized, in_block or none"),
        }
    }
}

/// Settings as flags, environment and the top level of the file give them.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// WebSocket address of the node.
    #[arg(long, env = "VES_GATEWAY_NODE", value_name = "URL")]
    pub node: Option<String>,
    /// Genesis hash of the chain that the node must run.
    #[arg(long, env = "VES_GATEWAY_GENESIS", value_name = "HASH")]
    pub genesis: Option<GenesisHash>,
    /// Where to listen.
    #[arg(long, env = "VES_GATEWAY_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// A proxy that ends TLS stands in front: allows addresses other than loopback, and takes the client's
    /// address from the last entry of X-Forwarded-For.
    #[arg(long, env = "VES_GATEWAY_BEHIND_TLS_PROXY", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub behind_tls_proxy: Option<bool>,
    /// The file of API keys.
    #[arg(long, env = "VES_GATEWAY_KEYS", value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// Longest body, bytes.
    #[arg(long, env = "VES_GATEWAY_BODY_BYTES", value_name = "N")]
    pub body_bytes: Option<usize>,
    /// Seconds after which a request is given up.
    #[arg(long, env = "VES_GATEWAY_REQUEST_SECONDS", value_name = "N")]
    pub request_seconds: Option<u64>,
    /// How long an ingest waits.
    #[arg(long, env = "VES_GATEWAY_WAIT", value_name = "WHAT", value_enum)]
    pub wait: Option<WaitFor>,
    /// Seconds after which an ingest answers in any case.
    #[arg(long, env = "VES_GATEWAY_WAIT_SECONDS", value_name = "N")]
    pub wait_seconds: Option<u64>,
    /// Seconds that requests in flight get when the gateway is told to end.
    #[arg(long, env = "VES_GATEWAY_DRAIN_SECONDS", value_name = "N")]
    pub drain_seconds: Option<u64>,
    /// Most requests at a time; more are answered with 503.
    #[arg(long, env = "VES_GATEWAY_IN_FLIGHT", value_name = "N")]
    pub in_flight: Option<usize>,
    /// Requests per minute of an API key without a rate of its own.
    #[arg(long, env = "VES_GATEWAY_PER_KEY", value_name = "N")]
    pub per_key_per_minute: Option<NonZeroU32>,
    /// Requests per minute of an address.
    #[arg(long, env = "VES_GATEWAY_PER_ADDRESS", value_name = "N")]
    pub per_address_per_minute: Option<NonZeroU32>,
    /// Origins whose pages may ask, such as https://shop.example; none by default.
    #[arg(
        long,
        env = "VES_GATEWAY_CORS",
        value_name = "ORIGIN",
        value_delimiter = ','
    )]
    pub cors_origins: Vec<String>,
    /// Logs as a JSON object per line.
    #[arg(long, env = "VES_GATEWAY_JSON", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub json: Option<bool>,
    /// What to log: error, warn, info, debug, or a filter.
    #[arg(long, env = "VES_GATEWAY_LOG", value_name = "FILTER")]
    pub log: Option<String>,
}

/// The file: what flags can say too, and tables.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FileSettings {
    #[serde(flatten)]
    given: toml::Table,
    tenants: BTreeMap<TenantId, TenantSettings>,
    anchoring: AnchoringSettings,
}

/// What the gateway may do for a tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    /// File with the secret URI of the tenant's administrator: the gateway registers agents and keys.
    pub admin_key_file: PathBuf,
}

/// `/v1/commitments/…`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnchoringSettings {
    /// `tenant/store` of each stream whose batches are offered, or `"all"`.
    pub streams: StreamsSetting,
    /// Where what an anchor service reports is kept.
    pub ledger: Option<PathBuf>,
    /// File with the secret URI of a relay account: reports go on to the chain.
    pub relay_key_file: Option<PathBuf>,
}

/// `streams` as the file has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "anchoring.streams: expected \"all\" or a list of tenant/store"
)]
pub enum StreamsSetting {
    /// `"all"`.
    Word(String),
    /// A list.
    List(Vec<String>),
}

impl Default for StreamsSetting {
    /// Nothing is offered unless the operator says so.
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// Streams whose batches are offered for anchoring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnchoredStreams {
    /// All that the node knows, new ones too.
    All,
    /// These.
    Listed(Vec<Stream>),
}

impl AnchoredStreams {
    fn read(setting: &StreamsSetting) -> Result<Self, ConfigError> {
        match setting {
            StreamsSetting::Word(word) if word == "all" => Ok(Self::All),
            StreamsSetting::Word(word) => Err(invalid(
                "anchoring.streams",
                format!("expected \"all\" or a list, not {word:?}"),
            )),
            StreamsSetting::List(list) => list
                .iter()
                .map(|text| stream(text))
                .collect::<Result<_, _>>()
                .map(Self::Listed),
        }
    }

    /// Whether batches of this stream are offered.
    pub fn have(&self, stream: Stream) -> bool {
        match self {
            Self::All => true,
            Self::Listed(streams) => streams.contains(&stream),
        }
    }
}

/// Settings that make sense.
#[derive(Clone, Debug)]
pub struct Settings {
    /// WebSocket address of the node.
    pub node: String,
    /// The chain it must run.
    pub genesis: Option<GenesisHash>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// A proxy that ends TLS stands in front.
    pub behind_tls_proxy: bool,
    /// The file of API keys.
    pub keys: PathBuf,
    /// Longest body, bytes.
    pub body_bytes: usize,
    /// After this long a request is given up.
    pub request_time: Duration,
    /// How long an ingest waits.
    pub wait: WaitFor,
    /// After this long an ingest answers in any case.
    pub wait_time: Duration,
    /// What requests in flight get at the end.
    pub drain_time: Duration,
    /// Most requests at a time.
    pub in_flight: usize,
    /// Requests per minute of a key.
    pub per_key: NonZeroU32,
    /// Requests per minute of an address.
    pub per_address: NonZeroU32,
    /// Origins whose pages may ask.
    pub cors_origins: Vec<String>,
    /// Logs as JSON.
    pub json: bool,
    /// What to log.
    pub log: String,
    /// Administrators of tenants.
    pub admins: BTreeMap<TenantId, Signer>,
    /// Streams whose batches are offered for anchoring.
    pub anchored_streams: AnchoredStreams,
    /// Where reports of anchoring are kept.
    pub ledger: Option<PathBuf>,
    /// The account that reports to the chain.
    pub relay: Option<Signer>,
}

const fn rate(per_minute: u32) -> NonZeroU32 {
    match NonZeroU32::new(per_minute) {
        Some(rate) => rate,
        None => NonZeroU32::MIN,
    }
}

impl Given {
    /// These, and where they say nothing, those.
    fn or(self, other: Self) -> Self {
        Self {
            node: self.node.or(other.node),
            genesis: self.genesis.or(other.genesis),
            listen: self.listen.or(other.listen),
            behind_tls_proxy: self.behind_tls_proxy.or(other.behind_tls_proxy),
            keys: self.keys.or(other.keys),
            body_bytes: self.body_bytes.or(other.body_bytes),
            request_seconds: self.request_seconds.or(other.request_seconds),
            wait: self.wait.or(other.wait),
            wait_seconds: self.wait_seconds.or(other.wait_seconds),
            drain_seconds: self.drain_seconds.or(other.drain_seconds),
            in_flight: self.in_flight.or(other.in_flight),
            per_key_per_minute: self.per_key_per_minute.or(other.per_key_per_minute),
            per_address_per_minute: self.per_address_per_minute.or(other.per_address_per_minute),
            cors_origins: if self.cors_origins.is_empty() {
                other.cors_origins
            } else {
                self.cors_origins
            },
            json: self.json.or(other.json),
            log: self.log.or(other.log),
        }
    }
}

fn read(path: &Path) -> Result<(Given, FileSettings), ConfigError> {
    let unreadable = |error: std::io::Error| ConfigError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let malformed = |reason: String| ConfigError::Malformed {
        path: path.to_owned(),
        reason,
    };
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(malformed("too long".into()));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let file: FileSettings = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    let given =
        Given::deserialize(file.given.clone()).map_err(|error| malformed(error.to_string()))?;
    Ok((given, file))
}

fn stream(text: &str) -> Result<Stream, ConfigError> {
    let bad = || invalid("anchoring.streams", format!("{text:?} is not tenant/store"));
    let (tenant, store) = text.split_once('/').ok_or_else(bad)?;
    Ok(Stream {
        tenant: tenant.parse().map_err(|_| bad())?,
        store: store.parse().map_err(|_| bad())?,
    })
}

impl Settings {
    /// Joins what flags and environment give with the file, if there is one.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn load(given: Given, file: Option<&Path>) -> Result<Self, ConfigError> {
        let (given, file) = match file {
            None => (given, FileSettings::default()),
            Some(path) => {
                let (of_file, file) = read(path)?;
                (given.or(of_file), file)
            }
        };
        let settings = Self {
            node: given.node.unwrap_or_else(|| "ws://127.0.0.1:9944".into()),
            genesis: given.genesis,
            listen: given
                .listen
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            behind_tls_proxy: given.behind_tls_proxy.unwrap_or(false),
            keys: given
                .keys
                .unwrap_or_else(|| PathBuf::from("ves-gateway-keys.json")),
            body_bytes: given.body_bytes.unwrap_or(10 * 1024 * 1024),
            request_time: Duration::from_secs(given.request_seconds.unwrap_or(60)),
            wait: given.wait.unwrap_or(WaitFor::Finalized),
            wait_time: Duration::from_secs(given.wait_seconds.unwrap_or(20)),
            drain_time: Duration::from_secs(given.drain_seconds.unwrap_or(30)),
            in_flight: given.in_flight.unwrap_or(256),
            per_key: given.per_key_per_minute.unwrap_or(rate(600)),
            per_address: given.per_address_per_minute.unwrap_or(rate(1_200)),
            cors_origins: given.cors_origins,
            json: given.json.unwrap_or(false),
            log: given.log.unwrap_or_else(|| "info".into()),
            admins: file
                .tenants
                .into_iter()
                .map(|(tenant, settings)| {
                    let admin = Signer::from_file(&settings.admin_key_file)
                        .map_err(|error| invalid("tenants.*.admin_key_file", error))?;
                    Ok((tenant, admin))
                })
                .collect::<Result<_, ConfigError>>()?,
            anchored_streams: AnchoredStreams::read(&file.anchoring.streams)?,
            ledger: file.anchoring.ledger,
            relay: file
                .anchoring
                .relay_key_file
                .map(|path| {
                    Signer::from_file(&path)
                        .map_err(|error| invalid("anchoring.relay_key_file", error))
                })
                .transpose()?,
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !(self.node.starts_with("ws://") || self.node.starts_with("wss://")) {
            return Err(invalid("node", "expected ws:// or wss://"));
        }
        if !self.listen.ip().is_loopback() && !self.behind_tls_proxy {
            return Err(invalid(
                "listen",
                "keys would cross the network in the clear: stay on loopback, or put a proxy that \
                 ends TLS in front and say so with --behind-tls-proxy",
            ));
        }
        if self.wait_time >= self.request_time {
            return Err(invalid("wait_seconds", "must be less than request_seconds"));
        }
        if !(1_024..=64 * 1024 * 1024).contains(&self.body_bytes) {
            return Err(invalid("body_bytes", "from 1 KiB to 64 MiB"));
        }
        if self.in_flight == 0 {
            return Err(invalid("in_flight", "at least 1"));
        }
        let bad_origin = |origin: &&String| {
            !(origin.starts_with("https://") || origin.starts_with("http://"))
                || origin.ends_with('/')
                || !origin.is_ascii()
        };
        if let Some(origin) = self.cors_origins.iter().find(bad_origin) {
            return Err(invalid("cors_origins", format!("{origin:?} is no origin")));
        }
        let offers_any = match &self.anchored_streams {
            AnchoredStreams::All => true,
            AnchoredStreams::Listed(streams) if streams.len() > STREAMS_MAX => {
                return Err(invalid("anchoring.streams", "too many"));
            }
            AnchoredStreams::Listed(streams) => !streams.is_empty(),
        };
        if offers_any && self.ledger.is_none() {
            return Err(invalid("anchoring.ledger", "is needed with streams"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_flag_counts_more_than_the_file_and_the_file_more_than_the_default() {
        let (_folder, path) = file("wait_seconds = 5\nin_flight = 9\n");
        let given = Given {
            in_flight: Some(7),
            ..Given::default()
        };
        let settings = Settings::load(given, Some(&path)).unwrap();
        assert_eq!(settings.in_flight, 7);
        assert_eq!(settings.wait_time, Duration::from_secs(5));
        assert_eq!(settings.request_time, Duration::from_secs(60));
    }

    #[test]
    fn an_address_that_others_reach_needs_a_proxy_that_ends_tls() {
        let open = Given {
            listen: Some("0.0.0.0:80".parse().unwrap()),
            ..Given::default()
        };
        let refused = Settings::load(open.clone(), None).unwrap_err().to_string();
        assert!(refused.contains("--behind-tls-proxy"), "{refused}");
        let behind = Given {
            behind_tls_proxy: Some(true),
            ..open
        };
        assert!(Settings::load(behind, None).is_ok());
    }

    #[test]
    fn administrators_and_streams_come_from_the_file_alone() {
        let (folder, path) = file("");
        let secret = folder.path().join("alice");
        std::fs::write(&secret, "//Alice\n").unwrap();
        let text = format!(
            "[tenants.11111111-1111-4111-8111-111111111111]\nadmin_key_file = {secret:?}\n\
             [anchoring]\nledger = \"l\"\n\
             streams = [\"11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222\"]\n"
        );
        std::fs::write(&path, text).unwrap();
        let settings = Settings::load(Given::default(), Some(&path)).unwrap();
        assert_eq!(settings.admins.len(), 1);
        let AnchoredStreams::Listed(streams) = &settings.anchored_streams else {
            panic!("{:?}", settings.anchored_streams)
        };
        assert_eq!(streams[0].store.0[0], 0x22);
        let other = Stream {
            store: ves_primitives::StoreId([0x33; 16]),
            ..streams[0]
        };
        assert!(settings.anchored_streams.have(streams[0]));
        assert!(!settings.anchored_streams.have(other));
        assert!(!format!("{settings:?}").contains("//Alice"));
    }

    #[test]
    fn batches_of_all_streams_are_offered_if_the_file_says_so_and_of_none_if_it_says_nothing() {
        let anchored = |text: &str| {
            let (_folder, path) = file(text);
            Settings::load(Given::default(), Some(&path))
                .unwrap()
                .anchored_streams
        };
        let any = Stream {
            tenant: TenantId([7; 16]),
            store: ves_primitives::StoreId([8; 16]),
        };
        let all = anchored("[anchoring]\nledger = \"l\"\nstreams = \"all\"\n");
        assert_eq!(all, AnchoredStreams::All);
        assert!(all.have(any));
        for text in ["", "[anchoring]\nledger = \"l\"\n"] {
            let none = anchored(text);
            assert_eq!(none, AnchoredStreams::Listed(Vec::new()), "{text}");
            assert!(!none.have(any));
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, named) in [
            ("unknown = 1", "unknown"),
            ("node = \"http://x\"", "node"),
            ("wait_seconds = 60", "wait_seconds"),
            ("body_bytes = 1", "body_bytes"),
            ("in_flight = 0", "in_flight"),
            ("cors_origins = [\"*\"]", "cors_origins"),
            ("[anchoring]\nstreams = [\"a/b\"]", "anchoring.streams"),
            ("[anchoring]\nstreams = \"some\"", "anchoring.streams"),
            ("[anchoring]\nstreams = 1", "anchoring.streams"),
            ("[anchoring]\nstreams = \"all\"", "anchoring.ledger"),
            ("[tenants.x]\nadmin_key_file = \"a\"", "UUID"),
            (
                "[tenants.11111111-1111-4111-8111-111111111111]\nadmin_key_file = \"/nowhere\"",
                "admin_key_file",
            ),
            ("not toml", "gateway.toml"),
        ] {
            let (_folder, path) = file(text);
            let error = Settings::load(Given::default(), Some(&path))
                .unwrap_err()
                .to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
        assert!(Settings::load(Given::default(), Some(Path::new("/nowhere"))).is_err());
    }
}
