// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! API keys: `ss_<8 hex of tenant><16 hex of id><64 hex of secret>`.
//!
//! The file holds what a key may do and a one-way hash of it, never the key. A key has 256 random
//! bits, so a fast hash is as good as a slow one. The file is read again when it changed, so that a
//! revocation counts from the next request on.

use hkdf::hmac::{Hmac, Mac};
use rand::{RngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    num::NonZeroU32,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};
use ves_primitives::{AgentId, StoreId, TenantId, wire::hex32};

/// What the hash of a key is keyed over.
const HASH_LABEL: &[u8] = b"VES_GATEWAY_API_KEY_V1";
/// Form of the file.
const VERSION: u32 = 1;
/// Longest file that is read, bytes: some ten thousand keys.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Most stores of one key, as with the peer.
pub const MAX_STORES: usize = 50;
/// Length of a key's text.
const KEY_LENGTH: usize = 3 + 8 + 16 + 64;
/// The tenant of operators' keys, which pass for every tenant.
pub const OPERATOR: TenantId = TenantId([0; 16]);

/// What a key permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// Reading events, commitments and proofs.
    Read,
    /// Submitting events and proofs.
    Write,
    /// Registering agents' keys; with an operator's key, anchoring and metrics.
    Admin,
}

/// A key as the file holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRecord {
    /// 16 hex digits, part of the key's text.
    pub id: String,
    /// HMAC-SHA-256 keyed with the key's text.
    #[serde(with = "hex32")]
    pub hash: [u8; 32],
    /// Free text for people.
    #[serde(default)]
    pub name: String,
    /// The tenant; nil for operators.
    pub tenant: TenantId,
    /// The stores; all if empty.
    #[serde(default)]
    pub stores: Vec<StoreId>,
    /// The agent that the key is bound to, if it is.
    #[serde(default)]
    pub agent: Option<AgentId>,
    /// What it permits.
    pub permissions: Vec<Permission>,
    /// Requests per minute, if not the default.
    #[serde(default)]
    pub per_minute: Option<NonZeroU32>,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it was revoked, RFC 3339.
    #[serde(default)]
    pub revoked_at: Option<String>,
}

/// What a new key shall be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Free text for people.
    pub name: String,
    /// The tenant; nil for operators.
    pub tenant: TenantId,
    /// The stores; all if empty.
    pub stores: Vec<StoreId>,
    /// The agent that the key is bound to, if it is.
    pub agent: Option<AgentId>,
    /// What it permits.
    pub permissions: Vec<Permission>,
    /// Requests per minute, if not the default.
    pub per_minute: Option<NonZeroU32>,
}

/// Why the file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// The file is not what this program wrote.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no key of this id.
    #[error("there is no key {0}")]
    Unknown(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    version: u32,
    keys: Vec<KeyRecord>,
}

fn mac_of(key: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(HASH_LABEL);
    Some(mac)
}

fn random_hex<const N: usize>() -> String {
    let mut bytes = [0u8; N];
    OsRng.fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// The first four bytes of the tenant, which begin a key's text.
fn tenant_tag(tenant: TenantId) -> String {
    hex::encode(tenant.0.first_chunk::<4>().copied().unwrap_or_default())
}

fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn failed(path: &Path, error: io::Error) -> KeysError {
    KeysError::Io {
        path: path.to_owned(),
        error,
    }
}

fn read(path: &Path) -> Result<KeyFile, KeysError> {
    let malformed = |reason: String| KeysError::Malformed {
        path: path.to_owned(),
        reason,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(KeyFile {
                version: VERSION,
                keys: Vec::new(),
            });
        }
        Err(error) => return Err(failed(path, error)),
    };
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed(path, error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(malformed(format!("longer than {FILE_BYTES_MAX} bytes")));
    }
    let file: KeyFile =
        serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    if file.version != VERSION {
        return Err(malformed(format!(
            "version {}, expected {VERSION}",
            file.version
        )));
    }
    Ok(file)
}

/// In place of the old file at once, and on disk before this returns.
fn write(path: &Path, keys: &KeyFile) -> Result<(), KeysError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let text = serde_json::to_vec_pretty(keys).map_err(|error| KeysError::Malformed {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let stored = || -> io::Result<()> {
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        match path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            Some(parent) => File::open(parent)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    };
    stored().map_err(|error| failed(path, error))
}

/// Changes the file while no other process does.
fn change<T>(
    path: &Path,
    how: impl FnOnce(&mut KeyFile) -> Result<T, KeysError>,
) -> Result<T, KeysError> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock)
        .map_err(|error| failed(path, error))?;
    lock.lock().map_err(|error| failed(path, error))?;
    let mut keys = read(path)?;
    let answer = how(&mut keys)?;
    write(path, &keys)?;
    Ok(answer)
}

/// Makes a key, and returns its text, which nobody can show again, with its record.
///
/// # Errors
/// If the file cannot be changed, or the key would have no permission or too many stores.
pub fn create(path: &Path, new: NewKey) -> Result<(String, KeyRecord), KeysError> {
    if new.permissions.is_empty() {
        return Err(KeysError::Invalid("a key without permissions is of no use"));
    }
    if new.stores.len() > MAX_STORES {
        return Err(KeysError::Invalid("a key reaches at most 50 stores"));
    }
    let id = random_hex::<8>();
    let key = format!("ss_{}{id}{}", tenant_tag(new.tenant), random_hex::<32>());
    let hash = mac_of(&key)
        .map(|mac| mac.finalize().into_bytes().into())
        .ok_or(KeysError::Invalid("the key cannot be hashed"))?;
    let record = KeyRecord {
        id,
        hash,
        name: new.name,
        tenant: new.tenant,
        stores: new.stores,
        agent: new.agent,
        permissions: new.permissions,
        per_minute: new.per_minute,
        created_at: now(),
        revoked_at: None,
    };
    change(path, |keys| {
        keys.keys.push(record.clone());
        Ok(())
    })?;
    Ok((key, record))
}

/// Every key of the file, revoked ones included.
///
/// # Errors
/// If the file cannot be read.
pub fn list(path: &Path) -> Result<Vec<KeyRecord>, KeysError> {
    read(path).map(|file| file.keys)
}

/// Revokes a key by its id, or by the beginning of its text; answers the record.
///
/// # Errors
/// If there is no such key, or the file cannot be changed.
pub fn revoke(path: &Path, id: &str) -> Result<KeyRecord, KeysError> {
    change(path, |keys| {
        let record = keys
            .keys
            .iter_mut()
            .find(|record| record.id == id)
            .ok_or_else(|| KeysError::Unknown(id.to_owned()))?;
        record.revoked_at.get_or_insert_with(now);
        Ok(record.clone())
    })
}

/// What tells one state of the file from another.
type Stamp = Option<(u64, u64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let found = fs::metadata(path).ok()?;
    Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
}

#[derive(Default)]
struct Loaded {
    stamp: Stamp,
    by_id: HashMap<String, Arc<KeyRecord>>,
}

/// The keys of a file, as they are now.
pub struct KeyRing {
    path: PathBuf,
    loaded: RwLock<Loaded>,
}

impl KeyRing {
    /// Reads the file; a missing one holds no keys.
    ///
    /// # Errors
    /// If it is there and cannot be used.
    pub fn open(path: &Path) -> Result<Self, KeysError> {
        let ring = Self {
            path: path.to_owned(),
            loaded: RwLock::default(),
        };
        ring.load()?;
        Ok(ring)
    }

    /// How many keys are not revoked.
    pub fn active(&self) -> usize {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let revoked = |record: &&Arc<KeyRecord>| record.revoked_at.is_none();
        loaded.by_id.values().filter(revoked).count()
    }

    fn load(&self) -> Result<(), KeysError> {
        let stamp = stamp(&self.path);
        let records = read(&self.path)?.keys;
        let by_id = records
            .into_iter()
            .map(|record| (record.id.clone(), Arc::new(record)))
            .collect();
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Loaded { stamp, by_id };
        Ok(())
    }

    fn refresh(&self) {
        let known = self
            .loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .stamp;
        if stamp(&self.path) != known
            && let Err(error) = self.load()
        {
            // The keys known so far stay: a slip of the operator must not lock everybody out.
            tracing::error!(%error, "the file of API keys changed and cannot be read");
        }
    }

    /// The record of a key that may be used. What is compared in secret takes the same time for
    /// every wrong key of a known id.
    pub fn find(&self, key: &str) -> Option<Arc<KeyRecord>> {
        self.refresh();
        if key.len() != KEY_LENGTH || !key.is_ascii() || !key.starts_with("ss_") {
            return None;
        }
        let id = key.get(11..27)?;
        let record = self
            .loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .by_id
            .get(id)
            .cloned()?;
        mac_of(key)?.verify_slice(&record.hash).ok()?;
        record.revoked_at.is_none().then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_key() -> NewKey {
        NewKey {
            name: "test".into(),
            tenant: TenantId([0x11; 16]),
            stores: Vec::new(),
            agent: None,
            permissions: vec![Permission::Read],
            per_minute: None,
        }
    }

    #[test]
    fn a_key_is_found_until_it_is_revoked_and_stands_nowhere_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let ring = KeyRing::open(&path).unwrap();
        let (key, record) = create(&path, new_key()).unwrap();
        assert!(key.starts_with("ss_11111111"));
        assert_eq!(ring.find(&key).unwrap().id, record.id);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&key) && !text.contains(&key[27..]));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        revoke(&path, &record.id).unwrap();
        assert!(ring.find(&key).is_none());
        assert_eq!(ring.active(), 0);
    }

    #[test]
    fn no_other_text_passes_for_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (key, _) = create(&path, new_key()).unwrap();
        let ring = KeyRing::open(&path).unwrap();
        for at in 0..key.len() {
            let mut other = key.clone().into_bytes();
            other[at] ^= 1;
            let other = String::from_utf8(other).unwrap();
            assert!(ring.find(&other).is_none(), "{at}");
        }
        for text in ["", "ss_", &key[1..], &format!("{key}0"), &"é".repeat(50)] {
            assert!(ring.find(text).is_none());
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_at_the_start_and_changes_nothing_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let (key, _) = create(&path, new_key()).unwrap();
        let ring = KeyRing::open(&path).unwrap();
        fs::write(&path, "{").unwrap();
        assert!(ring.find(&key).is_some());
        assert!(KeyRing::open(&path).is_err());
        assert!(create(&path, new_key()).is_err());
        fs::write(&path, r#"{"version":2,"keys":[]}"#).unwrap();
        assert!(list(&path).is_err());
    }

    #[test]
    fn a_key_must_permit_something_and_reaches_a_bounded_number_of_stores() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        let mut idle = new_key();
        idle.permissions.clear();
        assert!(create(&path, idle).is_err());
        let mut wide = new_key();
        wide.stores = vec![StoreId([1; 16]); MAX_STORES + 1];
        assert!(create(&path, wide).is_err());
        assert!(revoke(&path, "0000000000000000").is_err());
    }
}
