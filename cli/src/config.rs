// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Settings and where each of them comes from: flag, then environment, then project file, then user
//! file, then default. A file may hold profiles, named sets of settings of which one can be chosen; it
//! goes before the file's other settings.

use crate::{
    error::{Exit, Failure, Result},
    event_types::Unknown,
    home::{Existing, Home, read_bounded, write_private},
};
use env::{from_env, user_directory};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};
use ves_primitives::{AgentId, AuthoritySetHash, GenesisHash, StoreId, TenantId};

mod env;
mod reader;
mod runtime;

pub use env::{Env, process_env};
pub use reader::ReaderName;
pub use runtime::{Change, RuntimePin};

/// Where the node is expected when nothing says otherwise.
pub const DEFAULT_NODE_URL: &str = "ws://127.0.0.1:9944";
/// Largest configuration file that is read.
const MAX_CONFIG_BYTES: u64 = 64 * 1024;
/// Longest name of a profile.
const MAX_PROFILE_NAME: usize = 64;

/// The settings a file may hold. Unknown names are refused, so that a typing error is not silent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigFile {
    /// `ves.config`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// The profile that is used unless another is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Named sets of settings. None of them holds profiles in turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<BTreeMap<String, Self>>,
    /// WebSocket or HTTP endpoint of a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_url: Option<String>,
    /// Tenant of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<TenantId>,
    /// Store of the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_id: Option<StoreId>,
    /// The agent that signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The chain this project belongs to; another chain is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genesis_hash: Option<GenesisHash>,
    /// The runtime that was signed for last; one with another form of transactions is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimePin>,
    /// The chain's first authority set: who may finalize blocks, and say who comes after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority_set: Option<AuthoritySetHash>,
    /// EVM endpoint for anchor checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1_rpc_url: Option<String>,
    /// `SetRegistry` address for anchor checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1_registry: Option<String>,
    /// File with the passphrase of the keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// Program and arguments whose first line of output is the passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_command: Option<Vec<String>>,
    /// Who reads events of an entity type when `append` does not say: `self`, `agent:UUID` or
    /// `group:UUID`. The type `*` stands for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_recipients: Option<BTreeMap<String, Vec<ReaderName>>>,
    /// Sizes in bytes to which encrypted payloads are lengthened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding: Option<Vec<u32>>,
    /// Folder with `<event type>.json`, the schemas of payloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schemas_dir: Option<PathBuf>,
    /// What to do with events of a type that no schema describes: `accept`, `park` or `refuse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_event_types: Option<Unknown>,
    /// Whether payloads are judged by their type's schema; they are unless this says no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validate_payloads: Option<bool>,
    /// Capture nothing in the clear, and keep no decrypted payload on disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_no_plaintext: Option<bool>,
    /// Most value that a model may push at once, by currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_max_push_value: Option<BTreeMap<String, String>>,
    /// Most value that a model may push in an hour, by currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_max_value_per_hour: Option<BTreeMap<String, String>>,
    /// Members of payloads that hold values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_value_fields: Option<Vec<String>>,
    /// How many minutes old the newest final block of a node may be from whose state recipients are
    /// taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_max_age_minutes: Option<u32>,
    /// For how many hours recipients that were proven before are used while no node answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients_max_age_hours: Option<u32>,
    /// A signing key older than so many hours is due to be rotated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_max_age_hours: Option<u32>,
    /// Warn so many hours before a key expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_warn_hours: Option<u32>,
}

impl ConfigFile {
    /// Value of [`ConfigFile::schema`].
    pub const SCHEMA: &'static str = "ves.config";
    /// Value of [`ConfigFile::version`].
    pub const VERSION: u32 = 1;

    /// Reads a `.json` or `.toml` file.
    ///
    /// # Errors
    /// What is wrong with the file, by name.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_bounded(path, MAX_CONFIG_BYTES)?;
        let invalid = |why: String| {
            Failure::new(
                Exit::NotConfigured,
                "config_invalid",
                format!("{} is not a valid configuration: {why}", path.display()),
            )
            .hint("correct the file, or write it anew with `stateset-sync init --force`")
        };
        let text = String::from_utf8(bytes).map_err(|e| invalid(e.to_string()))?;
        let is_toml = path.extension().is_some_and(|ext| ext == "toml");
        let file: Self = if is_toml {
            toml::from_str(&text).map_err(|e| invalid(e.to_string()))?
        } else {
            serde_json::from_str(&text).map_err(|e| invalid(e.to_string()))?
        };
        if file
            .schema
            .as_deref()
            .is_some_and(|schema| schema != Self::SCHEMA)
        {
            return Err(invalid(format!("its schema is not {}", Self::SCHEMA)));
        }
        if file.version.is_some_and(|version| version != Self::VERSION) {
            return Err(invalid(format!("its version is not {}", Self::VERSION)));
        }
        file.check_profiles().map_err(invalid)?;
        Ok(file)
    }

    /// Names are short words, and no profile holds what belongs to the file.
    fn check_profiles(&self) -> std::result::Result<(), String> {
        for (name, profile) in self.profiles.iter().flatten() {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if name.is_empty() || name.len() > MAX_PROFILE_NAME || !name.bytes().all(allowed) {
                return Err(format!("{name:?} is no name for a profile"));
            }
            if profile.profile.is_some()
                || profile.profiles.is_some()
                || profile.schema.is_some()
                || profile.version.is_some()
            {
                return Err(format!("profile {name} holds what belongs to the file"));
            }
        }
        Ok(())
    }

    /// One of the file's profiles.
    pub fn profile_named(&self, name: &str) -> Option<&Self> {
        self.profiles.as_ref()?.get(name)
    }

    /// The same with a profile replaced or added.
    ///
    /// # Errors
    /// `setting_invalid` for a name that is none, or for a profile that holds profiles.
    pub fn with_profile(&self, name: &str, profile: Self) -> Result<Self> {
        let mut file = self.clone();
        file.profiles
            .get_or_insert_with(BTreeMap::new)
            .insert(name.to_owned(), profile);
        file.check_profiles()
            .map_err(|why| Failure::usage("setting_invalid", why))?;
        Ok(file)
    }

    /// The same with one setting changed; an empty value removes it. Dashes in the name are as good as
    /// underscores, and a value that is no text is JSON.
    ///
    /// # Errors
    /// `setting_unknown` or `setting_invalid`.
    pub fn with(&self, name: &str, text: &str) -> Result<Self> {
        let name = name.replace('-', "_");
        let unknown = || {
            Failure::usage("setting_unknown", format!("there is no setting {name}"))
                .hint("`stateset-sync config show` lists the settings")
        };
        if matches!(name.as_str(), "schema" | "version") {
            return Err(unknown());
        }
        let mut file = serde_json::to_value(self).map_err(Failure::unexpected)?;
        let members = file.as_object_mut().ok_or_else(unknown)?;
        if text.is_empty() {
            // Removing what is no setting is as wrong as setting it.
            members.insert(name.clone(), serde_json::Value::Null);
            return serde_json::from_value(file).map_err(|_| unknown());
        }
        let mut attempt = |value: serde_json::Value| {
            members.insert(name.clone(), value);
            serde_json::from_value::<Self>(serde_json::Value::Object(members.clone()))
        };
        let checked = |file: Self| match file.check_profiles() {
            Ok(()) => Ok(file),
            Err(why) => Err(Failure::usage("setting_invalid", why)),
        };
        let as_text = attempt(serde_json::Value::String(text.to_owned()));
        let error = match (as_text, serde_json::from_str(text)) {
            (Ok(file), _) => return checked(file),
            (Err(error), Err(_)) => error,
            (Err(_), Ok(value)) => match attempt(value) {
                Ok(file) => return checked(file),
                Err(error) => error,
            },
        };
        if error.to_string().starts_with("unknown field") {
            return Err(unknown());
        }
        Err(Failure::usage(
            "setting_invalid",
            format!("{text} is no value of {name}: {error}"),
        ))
    }

    /// Writes the project's `sync.json` for its owner alone.
    ///
    /// # Errors
    /// The file system's refusal.
    pub fn write(&self, home: &Home) -> Result<PathBuf> {
        let stamped = Self {
            schema: Some(Self::SCHEMA.into()),
            version: Some(Self::VERSION),
            ..self.clone()
        };
        let mut text = serde_json::to_string_pretty(&stamped).map_err(Failure::unexpected)?;
        text.push('\n');
        let path = home.path().join("sync.json");
        write_private(&path, text.as_bytes(), Existing::Replace)?;
        Ok(path)
    }
}

/// Where a setting's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A flag of this command.
    Flag,
    /// An environment variable.
    Env,
    /// The chosen profile in the project's file.
    ProjectProfile,
    /// The project's file.
    Project,
    /// The chosen profile in the user's file.
    UserProfile,
    /// The user's file.
    User,
    /// Built in.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Env => "env",
            Self::ProjectProfile => "project, profile",
            Self::Project => "project",
            Self::UserProfile => "user, profile",
            Self::User => "user",
            Self::Default => "default",
        })
    }
}

/// A value and its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub origin: Origin,
}

/// What the flags of a command say about the settings.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--home`.
    pub home: Option<PathBuf>,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// The settings given as flags.
    pub settings: ConfigFile,
}

/// All settings of one run, resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// The state directory.
    pub home: Home,
    /// The project file that was read, if there is one.
    pub project_file: Option<PathBuf>,
    /// The user file that was read, if there is one.
    pub user_file: Option<PathBuf>,
    layers: Vec<(Origin, ConfigFile)>,
}

impl Config {
    /// Reads every layer.
    ///
    /// # Errors
    /// A file or environment variable that does not parse.
    pub fn load(overrides: &Overrides, env: Env<'_>, cwd: &Path) -> Result<Self> {
        let home = match overrides
            .home
            .clone()
            .or_else(|| env("VES_HOME").map(PathBuf::from))
        {
            Some(path) => Home::at(path),
            None => Home::discover(cwd),
        };
        let named = overrides
            .config
            .clone()
            .or_else(|| env("VES_CONFIG").map(PathBuf::from));
        let project_file = match named {
            Some(path) => Some(path),
            None => ["sync.json", "sync.toml"]
                .iter()
                .map(|name| home.path().join(name))
                .find(|path| path.is_file()),
        };
        let user_file = user_directory(env).and_then(|dir| {
            ["config.json", "config.toml"]
                .iter()
                .map(|name| dir.join(name))
                .find(|path| path.is_file())
        });
        let mut layers = vec![
            (Origin::Flag, overrides.settings.clone()),
            (Origin::Env, from_env(env)?),
        ];
        let mut files = Vec::new();
        for (origins, path) in [
            ((Origin::ProjectProfile, Origin::Project), &project_file),
            ((Origin::UserProfile, Origin::User), &user_file),
        ] {
            if let Some(path) = path {
                files.push((origins, ConfigFile::read(path)?));
            }
        }
        let chosen = layers
            .iter()
            .map(|(_, layer)| layer)
            .chain(files.iter().map(|(_, file)| file))
            .find_map(|layer| layer.profile.clone());
        for ((of_profile, of_file), file) in files {
            let profile = chosen.as_ref().and_then(|name| file.profile_named(name));
            if let Some(profile) = profile {
                layers.push((of_profile, profile.clone()));
            }
            layers.push((of_file, file));
        }
        Ok(Self {
            home,
            project_file,
            user_file,
            layers,
        })
    }

    /// The chosen profile, if one is, and who chose it.
    pub fn profile(&self) -> Option<Setting<String>> {
        self.get(|c| &c.profile)
    }

    /// Every profile there is to choose.
    pub fn profile_names(&self) -> BTreeSet<&str> {
        self.layers
            .iter()
            .filter_map(|(_, layer)| layer.profiles.as_ref())
            .flat_map(|profiles| profiles.keys().map(String::as_str))
            .collect()
    }

    /// Refuses a chosen profile that no file holds: its settings would be silently others.
    ///
    /// # Errors
    /// `profile_unknown`.
    pub fn check_profile(&self) -> Result<()> {
        let Some(Setting { value: name, .. }) = self.profile() else {
            return Ok(());
        };
        let names = self.profile_names();
        if names.contains(name.as_str()) {
            return Ok(());
        }
        let known: Vec<&str> = names.into_iter().collect();
        Err(Failure::new(
            Exit::NotConfigured,
            "profile_unknown",
            format!("there is no profile {name}"),
        )
        .hint(if known.is_empty() {
            "make one with `stateset-sync config set --profile NAME SETTING VALUE`".to_owned()
        } else {
            format!("there are: {}", known.join(", "))
        }))
    }

    /// The first layer that has a value.
    pub fn get<T: Clone>(&self, field: impl Fn(&ConfigFile) -> &Option<T>) -> Option<Setting<T>> {
        self.layers.iter().find_map(|(origin, layer)| {
            field(layer).clone().map(|value| Setting {
                value,
                origin: *origin,
            })
        })
    }

    fn require<T: Clone>(
        &self,
        name: &str,
        flag: &str,
        variable: &str,
        field: impl Fn(&ConfigFile) -> &Option<T>,
    ) -> Result<T> {
        self.get(field).map(|setting| setting.value).ok_or_else(|| {
            Failure::new(
                Exit::NotConfigured,
                "not_configured",
                format!("no {name} is configured in {}", self.home.path().display()),
            )
            .hint(format!(
                "run `stateset-sync init`, or give {flag}, or set {variable}"
            ))
        })
    }

    /// The node's endpoint.
    pub fn node_url(&self) -> Setting<String> {
        self.get(|c| &c.node_url).unwrap_or_else(|| Setting {
            value: DEFAULT_NODE_URL.into(),
            origin: Origin::Default,
        })
    }

    /// The configured tenant.
    ///
    /// # Errors
    /// `not_configured`.
    pub fn tenant(&self) -> Result<TenantId> {
        self.require("tenant", "--tenant", "VES_TENANT_ID", |c| &c.tenant_id)
    }

    /// The configured store.
    ///
    /// # Errors
    /// `not_configured`.
    pub fn store(&self) -> Result<StoreId> {
        self.require("store", "--store", "VES_STORE_ID", |c| &c.store_id)
    }

    /// The configured agent.
    ///
    /// # Errors
    /// `not_configured`.
    pub fn agent(&self) -> Result<AgentId> {
        self.require("agent", "--agent", "VES_AGENT_ID", |c| &c.agent_id)
    }

    /// The chain this project is bound to, if it is.
    pub fn genesis(&self) -> Option<GenesisHash> {
        self.get(|c| &c.genesis_hash).map(|setting| setting.value)
    }

    /// The authority set this project is bound to, if it is.
    pub fn authority_set(&self) -> Option<AuthoritySetHash> {
        self.get(|c| &c.authority_set).map(|setting| setting.value)
    }

    /// Refuses to work in a directory that was never initialised.
    ///
    /// # Errors
    /// `not_configured`.
    pub fn require_initialised(&self) -> Result<()> {
        if self.project_file.is_some() || self.home.database().is_file() {
            return Ok(());
        }
        Err(Failure::new(
            Exit::NotConfigured,
            "not_configured",
            format!("{} is not initialised", self.home.path().display()),
        )
        .hint("run `stateset-sync init` in the project directory, or give --home"))
    }

    fn json<T: Clone + Serialize>(
        &self,
        field: impl Fn(&ConfigFile) -> &Option<T>,
    ) -> Option<Setting<String>> {
        self.get(field).map(|setting| Setting {
            value: serde_json::to_string(&setting.value).unwrap_or_default(),
            origin: setting.origin,
        })
    }

    /// Whether nothing may be captured in the clear or kept decrypted.
    pub fn keeps_no_plaintext(&self) -> bool {
        self.get(|c| &c.keep_no_plaintext)
            .is_some_and(|setting| setting.value)
    }

    /// Every setting as `(name, value, origin)`, for `config show`.
    pub fn describe(&self) -> Vec<(&'static str, Option<String>, Option<Origin>)> {
        fn row<T: fmt::Display>(
            name: &'static str,
            setting: Option<Setting<T>>,
        ) -> (&'static str, Option<String>, Option<Origin>) {
            match setting {
                Some(Setting { value, origin }) => (name, Some(value.to_string()), Some(origin)),
                None => (name, None, None),
            }
        }
        vec![
            row("profile", self.profile()),
            row("node_url", Some(self.node_url())),
            row("tenant_id", self.get(|c| &c.tenant_id)),
            row("store_id", self.get(|c| &c.store_id)),
            row("agent_id", self.get(|c| &c.agent_id)),
            row("genesis_hash", self.get(|c| &c.genesis_hash)),
            row("runtime", self.get(|c| &c.runtime)),
            row("authority_set", self.get(|c| &c.authority_set)),
            row("l1_rpc_url", self.get(|c| &c.l1_rpc_url)),
            row("l1_registry", self.get(|c| &c.l1_registry)),
            row(
                "passphrase_file",
                self.get(|c| &c.passphrase_file).map(|setting| Setting {
                    value: setting.value.display().to_string(),
                    origin: setting.origin,
                }),
            ),
            row("passphrase_command", self.json(|c| &c.passphrase_command)),
            row("default_recipients", self.json(|c| &c.default_recipients)),
            row("padding", self.json(|c| &c.padding)),
            row(
                "schemas_dir",
                self.get(|c| &c.schemas_dir).map(|setting| Setting {
                    value: setting.value.display().to_string(),
                    origin: setting.origin,
                }),
            ),
            row("unknown_event_types", self.get(|c| &c.unknown_event_types)),
            row("validate_payloads", self.get(|c| &c.validate_payloads)),
            row("keep_no_plaintext", self.get(|c| &c.keep_no_plaintext)),
            row("mcp_max_push_value", self.json(|c| &c.mcp_max_push_value)),
            row(
                "mcp_max_value_per_hour",
                self.json(|c| &c.mcp_max_value_per_hour),
            ),
            row("mcp_value_fields", self.json(|c| &c.mcp_value_fields)),
            row(
                "state_max_age_minutes",
                self.get(|c| &c.state_max_age_minutes),
            ),
            row(
                "recipients_max_age_hours",
                self.get(|c| &c.recipients_max_age_hours),
            ),
            row("key_max_age_hours", self.get(|c| &c.key_max_age_hours)),
            row("key_warn_hours", self.get(|c| &c.key_warn_hours)),
        ]
    }
}

#[cfg(test)]
mod tests;
