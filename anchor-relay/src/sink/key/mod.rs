// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The relay's key: an encrypted keystore, a key in a cloud's key service, or, for development,
//! plain hex. Opened once, never printed.

mod keystore;
mod kms;

pub use keystore::{PASSPHRASE_VARIABLE, write_keystore};

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::Encodable2718,
    primitives::{Address, B256},
    signers::{Signer, local::PrivateKeySigner},
};
use keystore::read_passphrase;
use std::{
    fmt,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use zeroize::Zeroizing;

/// Longest wait for a signature; a key service is a network away.
const SIGN_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of a key file of any kind.
const MAX_FILE: u64 = 16 * 1024;

/// Why the key cannot be used. Never contains key material.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key file {path}: {reason}. Check key.file and key.passphrase_file")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's words.
        reason: String,
    },
    /// Others can read the file.
    #[error("the key file {path} has mode {mode:o}, others can read it. Run: chmod 600 {path}")]
    Exposed {
        /// The file.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a key.
    #[error("{0} does not hold a private key: a JSON keystore or 32 bytes in hex are expected")]
    Malformed(String),
    /// A plain key where only an encrypted one is allowed.
    #[error(
        "the key in {0} is not encrypted. Run: anchor-relay key import NEW --from {0}, and set \
         key.file to NEW; for development, allow it with --plain-key"
    )]
    Plain(String),
    /// A keystore that is not understood.
    #[error("the keystore {path} cannot be used: {reason}")]
    Keystore {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The passphrase does not open the keystore.
    #[error("the passphrase does not open the keystore {0}")]
    WrongPassphrase(String),
    /// Two programs that count the same nonces would take them from each other.
    #[error(
        "another relay uses the key {0}. One key, one relay: stop the other, or give this one a key \
         of its own with: anchor-relay key new"
    )]
    InUse(String),
    /// There is nobody to ask for the passphrase.
    #[error(
        "no passphrase: set key.passphrase_file (--passphrase-file) or the variable \
         VES_RELAY_PASSPHRASE, or start from a terminal"
    )]
    NoPassphrase,
    /// A passphrase that a new keystore may not have.
    #[error("{0}")]
    BadPassphrase(&'static str),
    /// The file cannot be written.
    #[error("cannot write the keystore {path}: {reason}")]
    Unwritable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The key service does not answer, or not as expected.
    #[error("{service}: {reason}")]
    Remote {
        /// The service.
        service: &'static str,
        /// Its words.
        reason: String,
    },
    /// The program was built without this signer.
    #[error("this program was built without {service}. Build it with: --features {feature}")]
    NotBuilt {
        /// The service.
        service: &'static str,
        /// The cargo feature that adds it.
        feature: &'static str,
    },
    /// No key configured.
    #[error(
        "no key: set key.file (--key-file), key.aws_kms or key.gcp_kms; for development \
         --dev-key-from-env"
    )]
    Missing,
}

/// Where the key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file, readable by its owner only: a JSON keystore, or plain hex if that is allowed.
    File {
        /// The file.
        path: PathBuf,
        /// File with the passphrase; otherwise the environment or the terminal is asked.
        passphrase: Option<PathBuf>,
        /// May the file hold a plain key?
        plain: bool,
    },
    /// The environment, on explicit request.
    Environment,
    /// A key of AWS KMS, by id or ARN.
    AwsKms(String),
    /// A key version of Google Cloud KMS, by resource name.
    GcpKms(String),
}

impl KeySource {
    /// Makes sure that no other relay uses the key file, as long as the returned file is open. `None`:
    /// the key is in no file.
    ///
    /// # Errors
    /// [`KeyError::InUse`], [`KeyError::Unreadable`].
    pub fn hold(&self) -> Result<Option<File>, KeyError> {
        let Self::File { path, .. } = self else {
            return Ok(None);
        };
        let name = || path.display().to_string();
        let unreadable = |error: std::io::Error| KeyError::Unreadable {
            path: name(),
            reason: error.to_string(),
        };
        let file = File::open(path).map_err(unreadable)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Err(KeyError::InUse(name())),
            Err(TryLockError::Error(error)) => Err(unreadable(error)),
        }
    }
}

/// Environment variable with the key, read only with `--dev-key-from-env`.
pub const DEV_KEY_VARIABLE: &str = "VES_RELAY_DEV_KEY";

/// Why there is no signature. Asking again later may work.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The signer's words.
    #[error(transparent)]
    Signer(#[from] alloy::signers::Error),
    /// No answer.
    #[error("the signer gave no answer in {} s", SIGN_TIMEOUT.as_secs())]
    Timeout,
    /// The signature is not that of our address.
    #[error("the signer signed with another key than that of {0}")]
    OtherKey(Address),
}

/// Signs the relay's transactions. The remote part of it is alloy's [`Signer`]: whatever implements
/// it can hold the key.
#[derive(Clone)]
pub struct Key {
    signer: Arc<dyn Signer + Send + Sync>,
    origin: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, secret redacted)", self.address())
    }
}

impl Key {
    /// Opens the key where the operator says it is.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn open(source: &KeySource) -> Result<Self, KeyError> {
        match source {
            KeySource::File {
                path,
                passphrase,
                plain,
            } => Self::from_file(path, passphrase.as_deref(), *plain),
            KeySource::Environment => {
                let text = std::env::var(DEV_KEY_VARIABLE).map_err(|_| KeyError::Missing)?;
                let text = Zeroizing::new(text);
                let mut key = Self::from_hex(&text, DEV_KEY_VARIABLE)?;
                key.origin = format!("{DEV_KEY_VARIABLE}, for development only");
                Ok(key)
            }
            KeySource::AwsKms(id) => kms::aws(id).await,
            KeySource::GcpKms(name) => kms::gcp(name).await,
        }
    }

    /// Opens a key file that its owner only can read. `passphrase`: file with that of a keystore,
    /// otherwise the environment or the terminal is asked; `plain`: it may be 32 bytes in hex.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_file(
        path: &Path,
        passphrase: Option<&Path>,
        plain: bool,
    ) -> Result<Self, KeyError> {
        let name = path.display().to_string();
        let text = read_private(path)?;
        if text.trim_start().starts_with('{') {
            keystore::check(&text, &name)?;
            let passphrase = read_passphrase(passphrase, &name)?;
            let signer = keystore::open(path, &passphrase)?;
            return Ok(Self::new(signer, format!("encrypted keystore {name}")));
        }
        let mut key = Self::from_hex(&text, &name)?;
        if !plain {
            return Err(KeyError::Plain(name));
        }
        key.origin = format!("{name}, NOT ENCRYPTED, for development only");
        Ok(key)
    }

    /// Reads a key from hex; `what` names its origin in the error.
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn from_hex(text: &str, what: &str) -> Result<Self, KeyError> {
        let secret = secret_from_hex(text, what)?;
        PrivateKeySigner::from_slice(secret.as_slice())
            .map(|signer| Self::new(signer, what.to_owned()))
            .map_err(|_| KeyError::Malformed(what.to_owned()))
    }

    /// A key that `signer` holds, wherever that is. `origin` is shown to the operator.
    pub fn new(signer: impl Signer + Send + Sync + 'static, origin: String) -> Self {
        Self {
            signer: Arc::new(signer),
            origin,
        }
    }

    /// The sender's address.
    pub fn address(&self) -> Address {
        self.signer.address()
    }

    /// Where the key is, in words.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Signs; gives the encoded transaction and its hash.
    ///
    /// # Errors
    /// [`SignError`].
    pub async fn sign(&self, tx: TxEip1559) -> Result<(Vec<u8>, B256), SignError> {
        let hash = tx.signature_hash();
        let signature = tokio::time::timeout(SIGN_TIMEOUT, self.signer.sign_hash(&hash))
            .await
            .map_err(|_| SignError::Timeout)??;
        // A journalled transaction of another sender would block its nonce for good.
        match signature.recover_address_from_prehash(&hash) {
            Ok(signer) if signer == self.address() => {}
            _ => return Err(SignError::OtherKey(self.address())),
        }
        let envelope = TxEnvelope::from(tx.into_signed(signature));
        Ok((envelope.encoded_2718(), *envelope.tx_hash()))
    }
}

/// A secret in hex, checked to be a private key.
///
/// # Errors
/// [`KeyError::Malformed`].
pub fn secret_from_hex(text: &str, what: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
    let malformed = || KeyError::Malformed(what.to_owned());
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let mut secret = Zeroizing::new([0u8; 32]);
    hex::decode_to_slice(digits, secret.as_mut_slice()).map_err(|_| malformed())?;
    PrivateKeySigner::from_slice(secret.as_slice()).map_err(|_| malformed())?;
    Ok(secret)
}

/// Reads a file with a secret, which others must not be able to read.
///
/// # Errors
/// [`KeyError`].
pub fn read_private(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    use std::io::Read;
    let name = path.display().to_string();
    let unreadable = |reason: String| KeyError::Unreadable {
        path: name.clone(),
        reason,
    };
    let file = File::open(path).map_err(|e| unreadable(e.to_string()))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file
            .metadata()
            .map_err(|e| unreadable(e.to_string()))?
            .permissions()
            .mode()
            & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: name, mode });
        }
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE + 1)
        .read_to_string(&mut text)
        .map_err(|e| unreadable(e.to_string()))?;
    if text.len() as u64 > MAX_FILE {
        return Err(unreadable("it is too large to be a key".into()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
