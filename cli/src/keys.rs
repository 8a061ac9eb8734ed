// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The agent's private keys on disk: one file for each key, never overwritten by another key.

mod external;
mod policy;
mod signer;

pub use policy::{Enforcement, UsePolicy, Wear, check_uses, policy_of, set_policy, uses_of};
pub use signer::Signer;

use crate::{
    crypto::EncryptionSecret,
    error::{Exit, Failure, Result},
    home::{Existing, create_private_dir, lock, read_bounded, write_private},
    reading::Readable,
    vault::{Passphrase, Sealed},
};
use rand::{RngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use ves_primitives::{
    AgentId, EncryptionPublicKey, GenesisHash, KeyId, KeyPurpose, PossessionStatement,
    RecipientKid, SigningPublicKey, TenantId,
};
use zeroize::Zeroizing;

const SCHEMA: &str = "ves.key";
const MAX_KEY_FILE_BYTES: u64 = 16 * 1024;

/// What a key is for, as written in its file.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Ed25519, signs events.
    Signing,
    /// X25519, receives wrapped content keys.
    Encryption,
}

impl Purpose {
    /// Both, signing first.
    pub const ALL: [Self; 2] = [Self::Signing, Self::Encryption];

    /// The name in files and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Encryption => "encryption",
        }
    }
}

impl From<Purpose> for KeyPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Signing => Self::Signing,
            Purpose::Encryption => Self::Encryption,
        }
    }
}

/// What this tool saw of a key's registration. The chain is the authority; this is a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The chain.
    pub genesis_hash: GenesisHash,
    /// The tenant it was registered under.
    pub tenant_id: TenantId,
    /// Block of the registration.
    pub block: u32,
    /// Chain-wide recipient number of an encryption key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<RecipientKid>,
    /// Block of the revocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_block: Option<u32>,
}

/// A key as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    schema: String,
    version: u32,
    /// What the key is for.
    pub purpose: Purpose,
    /// Its owner.
    pub agent_id: AgentId,
    /// Its number.
    pub key_id: KeyId,
    /// Its public half, hex.
    #[serde(with = "ves_primitives::wire::hex32")]
    pub public_key: [u8; 32],
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// What is known of its registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    secret: Sealed,
}

/// How a new key is protected at rest.
#[derive(Clone, Debug)]
pub enum Protection {
    /// By a passphrase.
    Passphrase(Passphrase),
    /// Not at all; development only.
    Plaintext,
}

impl KeyFile {
    /// Whether a passphrase is needed to use the key.
    pub const fn is_locked(&self) -> bool {
        self.secret.is_locked()
    }

    /// Whether another program holds the private half.
    pub const fn is_external(&self) -> bool {
        matches!(self.secret, Sealed::External { .. })
    }

    /// Whether the key was registered and not revoked, as far as this tool knows.
    pub fn is_registered(&self) -> bool {
        self.registration.is_some_and(|r| r.revoked_block.is_none())
    }

    fn context(&self) -> Vec<u8> {
        context(self.purpose, self.agent_id, self.key_id, &self.public_key)
    }

    fn open(&self, unlock: impl FnOnce() -> Result<Passphrase>) -> Result<Zeroizing<[u8; 32]>> {
        self.secret.open(unlock, &self.context())
    }

    fn mismatch(&self) -> Failure {
        Failure::new(
            Exit::Key,
            "key_file_damaged",
            format!(
                "{} key {} does not match its public half",
                self.purpose.name(),
                self.key_id
            ),
        )
        .hint("restore the file from a backup")
    }

    fn wrong_purpose(&self) -> Failure {
        Failure::new(
            Exit::Key,
            "key_purpose",
            format!("key {} is not a {} key", self.key_id, self.purpose.name()),
        )
    }

    /// Opens a signing key.
    ///
    /// # Errors
    /// A locked or damaged key, or one of the other purpose.
    pub fn signer(&self, unlock: impl FnOnce() -> Result<Passphrase>) -> Result<Signer> {
        if self.purpose != Purpose::Signing {
            return Err(self.wrong_purpose());
        }
        if let Sealed::External { command } = &self.secret {
            return Ok(Signer::external(self, command.clone()));
        }
        let secret = self.open(unlock)?;
        let signer = Signer::from_seed(self.key_id, &secret);
        if signer.public_key().0 != self.public_key {
            return Err(self.mismatch());
        }
        Ok(signer)
    }

    /// Opens an encryption key.
    ///
    /// # Errors
    /// A locked or damaged key, or one of the other purpose.
    pub fn decryptor(
        &self,
        unlock: impl FnOnce() -> Result<Passphrase>,
    ) -> Result<EncryptionSecret> {
        if self.purpose != Purpose::Encryption {
            return Err(self.wrong_purpose());
        }
        let secret = EncryptionSecret::from_bytes(&*self.open(unlock)?)
            .filter(|secret| secret.public_key().0 == self.public_key)
            .ok_or_else(|| self.mismatch())?;
        Ok(secret)
    }

    /// The statement that binds this key to a registry entry.
    pub fn possession(&self, genesis: GenesisHash, tenant: TenantId) -> PossessionStatement {
        PossessionStatement {
            genesis,
            tenant,
            agent: self.agent_id,
            key_id: self.key_id,
            purpose: self.purpose.into(),
            public_key: self.public_key,
        }
    }
}

fn context(purpose: Purpose, agent: AgentId, key: KeyId, public_key: &[u8; 32]) -> Vec<u8> {
    format!(
        "{SCHEMA}/1/{}/{agent}/{key}/{}",
        purpose.name(),
        hex::encode(public_key)
    )
    .into_bytes()
}

/// The directory of private keys.
#[derive(Clone, Debug)]
pub struct KeyStore(PathBuf, Readable);

impl KeyStore {
    /// Uses this directory, existing or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into(), Readable::All)
    }

    /// The same keys, with which only these payloads may be opened.
    #[must_use]
    pub fn reading(self, readable: Readable) -> Self {
        Self(self.0, readable)
    }

    /// Which payloads may be opened with these keys.
    pub const fn readable(&self) -> &Readable {
        &self.1
    }

    fn dir(&self, agent: AgentId) -> PathBuf {
        self.0.join(agent.to_string())
    }

    /// The file of one key.
    pub fn path(&self, agent: AgentId, purpose: Purpose, key: KeyId) -> PathBuf {
        self.dir(agent)
            .join(format!("{}-{key}.json", purpose.name()))
    }

    /// All keys of an agent with this purpose, in key order.
    ///
    /// # Errors
    /// An unreadable or damaged key file.
    pub fn list(&self, agent: AgentId, purpose: Purpose) -> Result<Vec<KeyFile>> {
        let dir = self.dir(agent);
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Failure::io("read", &dir, &e)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| Failure::io("read", &dir, &e))?.path();
            let number = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_prefix(purpose.name())?.strip_prefix('-'))
                .and_then(|rest| rest.strip_suffix(".json")?.parse().ok());
            if let Some(number) = number {
                keys.push(self.read(&path, agent, purpose, KeyId(number))?);
            }
        }
        keys.sort_unstable_by_key(|key| key.key_id);
        Ok(keys)
    }

    /// One key.
    ///
    /// # Errors
    /// `key_missing`, or an unreadable file.
    pub fn load(&self, agent: AgentId, purpose: Purpose, key: KeyId) -> Result<KeyFile> {
        let path = self.path(agent, purpose, key);
        if !path.exists() {
            return Err(key_missing(agent, purpose, Some(key)));
        }
        self.read(&path, agent, purpose, key)
    }

    /// The key to use when none is named: the newest registered one, else the newest.
    ///
    /// # Errors
    /// `key_missing`, or an unreadable file.
    pub fn preferred(&self, agent: AgentId, purpose: Purpose) -> Result<KeyFile> {
        let keys = self.list(agent, purpose)?;
        keys.iter()
            .rev()
            .find(|key| key.is_registered())
            .or_else(|| keys.last())
            .cloned()
            .ok_or_else(|| key_missing(agent, purpose, None))
    }

    fn read(&self, path: &Path, agent: AgentId, purpose: Purpose, key: KeyId) -> Result<KeyFile> {
        let bytes = Zeroizing::new(read_bounded(path, MAX_KEY_FILE_BYTES)?);
        let damaged = |why: &str| {
            Failure::new(
                Exit::Key,
                "key_file_damaged",
                format!("{} is not a key file: {why}", path.display()),
            )
            .hint("restore the file from a backup")
        };
        let file: KeyFile = serde_json::from_slice(&bytes).map_err(|e| damaged(&e.to_string()))?;
        if file.schema != SCHEMA || file.version != 1 {
            return Err(damaged("unknown schema or version"));
        }
        if (file.agent_id, file.purpose, file.key_id) != (agent, purpose, key) {
            return Err(damaged("its content names another key than its file name"));
        }
        Ok(file)
    }

    /// Makes a new key with the next free number.
    ///
    /// # Errors
    /// The file system's refusal.
    pub fn generate(
        &self,
        agent: AgentId,
        purpose: Purpose,
        protection: &Protection,
    ) -> Result<KeyFile> {
        let (secret, public_key) = match purpose {
            Purpose::Signing => {
                let mut seed = Zeroizing::new([0u8; 32]);
                OsRng.fill_bytes(seed.as_mut());
                let public = Signer::from_seed(KeyId(0), &seed).public_key();
                (seed, public.0)
            }
            Purpose::Encryption => {
                let secret = EncryptionSecret::generate();
                (secret.to_bytes(), secret.public_key().0)
            }
        };
        self.add(agent, purpose, public_key, |context| match protection {
            Protection::Passphrase(passphrase) => Sealed::seal(&secret, passphrase, context),
            Protection::Plaintext => Ok(Sealed::in_the_clear(&secret)),
        })
    }

    /// Takes a signing key whose private half another program holds, under the next free number.
    ///
    /// # Errors
    /// The file system's refusal.
    pub fn add_external(
        &self,
        agent: AgentId,
        public_key: SigningPublicKey,
        command: &[String],
    ) -> Result<KeyFile> {
        self.add(agent, Purpose::Signing, public_key.0, |_| {
            Ok(Sealed::External {
                command: command.to_vec(),
            })
        })
    }

    /// The agents that have keys here.
    ///
    /// # Errors
    /// The file system's refusal.
    pub fn agents(&self) -> Result<Vec<AgentId>> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Failure::io("read", &self.0, &e)),
        };
        let mut agents = Vec::new();
        for entry in entries {
            let name = entry
                .map_err(|e| Failure::io("read", &self.0, &e))?
                .file_name();
            agents.extend(name.to_str().and_then(|name| name.parse::<AgentId>().ok()));
        }
        agents.sort_unstable();
        Ok(agents)
    }

    fn add(
        &self,
        agent: AgentId,
        purpose: Purpose,
        public_key: [u8; 32],
        seal: impl Fn(&[u8]) -> Result<Sealed>,
    ) -> Result<KeyFile> {
        create_private_dir(&self.dir(agent))?;
        loop {
            let key_id = self.next_id(agent, purpose)?;
            let context = context(purpose, agent, key_id, &public_key);
            let file = KeyFile {
                schema: SCHEMA.into(),
                version: 1,
                purpose,
                agent_id: agent,
                key_id,
                public_key,
                created_at: crate::capture::now_rfc3339(),
                registration: None,
                secret: seal(&context)?,
            };
            match self.write(&file, Existing::Keep) {
                // Another process took the number meanwhile: take the next one.
                Err(failure) if failure.code == "file_exists" => {}
                outcome => return outcome.map(|()| file),
            }
        }
    }

    /// The number that a new key would get.
    ///
    /// # Errors
    /// `key_ids_exhausted`, or an unreadable file.
    pub fn next_id(&self, agent: AgentId, purpose: Purpose) -> Result<KeyId> {
        let last = self
            .list(agent, purpose)?
            .last()
            .map_or(0, |key| key.key_id.0);
        last.checked_add(1).map(KeyId).ok_or_else(|| {
            Failure::new(
                Exit::Key,
                "key_ids_exhausted",
                "this agent has used up its key ids",
            )
        })
    }

    /// Notes what is known of a key's registration. A revocation that another process noted meanwhile
    /// stays: it is never undone.
    ///
    /// # Errors
    /// The file system's refusal, or `home_busy`.
    pub fn note_registration(&self, file: &KeyFile, registration: Registration) -> Result<KeyFile> {
        let _lock = lock(&self.0)?;
        let present = self.load(file.agent_id, file.purpose, file.key_id)?;
        let revoked = present
            .registration
            .filter(|known| {
                (known.genesis_hash, known.tenant_id)
                    == (registration.genesis_hash, registration.tenant_id)
            })
            .and_then(|known| known.revoked_block);
        let noted = KeyFile {
            registration: Some(Registration {
                revoked_block: registration.revoked_block.or(revoked),
                ..registration
            }),
            ..present
        };
        self.write(&noted, Existing::Replace)?;
        Ok(noted)
    }

    fn write(&self, file: &KeyFile, existing: Existing) -> Result<()> {
        let mut text =
            Zeroizing::new(serde_json::to_string_pretty(file).map_err(Failure::unexpected)?);
        text.push('\n');
        let path = self.path(file.agent_id, file.purpose, file.key_id);
        write_private(&path, text.as_bytes(), existing)
    }
}

fn key_missing(agent: AgentId, purpose: Purpose, key: Option<KeyId>) -> Failure {
    let name = purpose.name();
    let message = match key {
        Some(key) => format!("agent {agent} has no {name} key {key} on this machine"),
        None => format!("agent {agent} has no {name} key on this machine"),
    };
    Failure::new(Exit::Key, "key_missing", message)
        .hint("make one with `stateset-sync keys:generate`, then `keys:register` it")
}

/// The public key as its type.
impl From<&KeyFile> for EncryptionPublicKey {
    fn from(file: &KeyFile) -> Self {
        Self(file.public_key)
    }
}

#[cfg(test)]
mod tests;
