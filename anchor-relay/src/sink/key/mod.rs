// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The relay's key: read once, never printed.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::Encodable2718,
    primitives::{Address, B256},
    signers::{SignerSync, local::PrivateKeySigner},
};
use std::{fmt, path::Path};
use zeroize::Zeroizing;

/// Why the key cannot be used. Never contains key material.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key file {path}: {reason}. Check key.file")]
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
    #[error("{0} does not hold a private key: 32 bytes in hex are expected")]
    Malformed(String),
    /// No key configured.
    #[error("no key: set key.file (--key-file), or for development --dev-key-from-env")]
    Missing,
}

/// Signs the relay's transactions.
#[derive(Clone)]
pub struct Key(PrivateKeySigner);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, secret redacted)", self.0.address())
    }
}

impl Key {
    /// Reads a key file: 32 bytes in hex, readable by the owner only.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let name = path.display().to_string();
        let unreadable = |e: std::io::Error| KeyError::Unreadable {
            path: name.clone(),
            reason: e.to_string(),
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(path)
                .map_err(unreadable)?
                .permissions()
                .mode()
                & 0o777;
            if mode & 0o077 != 0 {
                return Err(KeyError::Exposed { path: name, mode });
            }
        }
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
        Self::from_hex(&text, &name)
    }

    /// Reads a key from hex; `what` names its origin in the error.
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn from_hex(text: &str, what: &str) -> Result<Self, KeyError> {
        let malformed = || KeyError::Malformed(what.to_owned());
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let mut secret = Zeroizing::new([0u8; 32]);
        hex::decode_to_slice(digits, secret.as_mut_slice()).map_err(|_| malformed())?;
        PrivateKeySigner::from_slice(secret.as_slice())
            .map(Self)
            .map_err(|_| malformed())
    }

    /// The sender's address.
    pub const fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs; gives the encoded transaction and its hash.
    ///
    /// # Errors
    /// When the signer fails.
    pub fn sign(&self, tx: TxEip1559) -> Result<(Vec<u8>, B256), alloy::signers::Error> {
        let signature = self.0.sign_hash_sync(&tx.signature_hash())?;
        let envelope = TxEnvelope::from(tx.into_signed(signature));
        Ok((envelope.encoded_2718(), *envelope.tx_hash()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";

    #[test]
    fn a_key_never_shows_its_secret() {
        let key = Key::from_hex(SECRET, "test").unwrap();
        let shown = format!("{key:?}");
        assert!(
            shown.contains("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
            "{shown}"
        );
        assert!(!shown.to_lowercase().contains(&SECRET[..16]), "{shown}");
    }

    #[test]
    fn an_error_does_not_repeat_what_it_read() {
        let error = Key::from_hex("not-a-key-but-secret", "key file x").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, format!("0x{SECRET}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            Key::from_file(&path),
            Err(KeyError::Exposed { mode: 0o644, .. })
        ));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Key::from_file(&path).is_ok());
    }
}
