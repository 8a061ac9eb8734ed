// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Ethereum's JSON keystore, version 3, and the passphrase that opens it.

use super::{KeyError, read_private};
use alloy::{
    primitives::Address,
    signers::local::{LocalSignerError, PrivateKeySigner},
};
use serde::Deserialize;
use std::{
    io::{IsTerminal, Write},
    path::Path,
};
use zeroize::Zeroizing;

/// Environment variable with the keystore's passphrase.
pub const PASSPHRASE_VARIABLE: &str = "VES_RELAY_PASSPHRASE";
/// Shortest passphrase of a new keystore: the library stretches it by scrypt with n = 8192 only.
const MIN_PASSPHRASE: usize = 12;
/// Most memory that opening may take, bytes; geth's own keystores take 256 MiB.
const MAX_SCRYPT_MEMORY: u64 = 512 * 1024 * 1024;
const MAX_SCRYPT_P: u32 = 16;
const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;
const MAX_SALT_DIGITS: usize = 256;

#[derive(Deserialize)]
struct Envelope {
    version: u8,
    crypto: Crypto,
}

#[derive(Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdf: String,
    kdfparams: KdfParams,
    mac: String,
}

#[derive(Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Deserialize)]
struct KdfParams {
    dklen: u64,
    salt: String,
    n: Option<u64>,
    r: Option<u32>,
    p: Option<u32>,
    c: Option<u32>,
    prf: Option<String>,
}

/// Checks what the library that opens keystores takes for granted: it panics at short fields and
/// spends whatever memory and time the file asks for.
pub(super) fn check(text: &str, name: &str) -> Result<(), KeyError> {
    let fail = |reason: &str| KeyError::Keystore {
        path: name.to_owned(),
        reason: reason.to_owned(),
    };
    // The parser's words may repeat the file; only the place is told.
    let envelope: Envelope = serde_json::from_str(text).map_err(|error| {
        fail(&format!(
            "it is not a JSON keystore of version 3 (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    if envelope.version != 3 {
        return Err(fail("its version is not 3"));
    }
    let crypto = envelope.crypto;
    if crypto.cipher != "aes-128-ctr" {
        return Err(fail("its cipher is not aes-128-ctr"));
    }
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    if !digits(&crypto.cipherparams.iv, 32)
        || !digits(&crypto.ciphertext, 64)
        || !digits(&crypto.mac, 64)
    {
        return Err(fail("iv, ciphertext or mac has not the length of a key's"));
    }
    let kdf = crypto.kdfparams;
    if kdf.dklen != 32 || kdf.salt.len() > MAX_SALT_DIGITS {
        return Err(fail("dklen is not 32, or the salt is too long"));
    }
    let bearable = match (crypto.kdf.as_str(), kdf.n, kdf.r, kdf.p, kdf.c) {
        ("scrypt", Some(n), Some(r), Some(p), None) => {
            let memory = n.saturating_mul(u64::from(r)).saturating_mul(128);
            n.is_power_of_two()
                && n >= 2
                && r >= 1
                && memory <= MAX_SCRYPT_MEMORY
                && (1..=MAX_SCRYPT_P).contains(&p)
        }
        ("pbkdf2", None, None, None, Some(c)) => {
            (1..=MAX_PBKDF2_ROUNDS).contains(&c) && kdf.prf.as_deref() == Some("hmac-sha256")
        }
        _ => false,
    };
    if !bearable {
        return Err(fail(
            "its kdf is neither scrypt (to 512 MiB) nor pbkdf2 with hmac-sha256 (to 10,000,000 \
             rounds)",
        ));
    }
    Ok(())
}

/// Opens a keystore that [`check`] has passed.
pub(super) fn open(path: &Path, passphrase: &str) -> Result<PrivateKeySigner, KeyError> {
    let name = path.display().to_string();
    PrivateKeySigner::decrypt_keystore(path, passphrase).map_err(|error| match error {
        LocalSignerError::EthKeystoreError(error) if error.to_string() == "Mac Mismatch" => {
            KeyError::WrongPassphrase(name)
        }
        // Its words are about the file's form, never about the secret.
        error => KeyError::Keystore {
            path: name,
            reason: error.to_string(),
        },
    })
}

/// The passphrase: from `file` if given, else from the environment, else asked at the terminal.
///
/// # Errors
/// [`KeyError`].
pub(super) fn read_passphrase(
    file: Option<&Path>,
    what: &str,
) -> Result<Zeroizing<String>, KeyError> {
    if let Some(found) = given_passphrase(file)? {
        return Ok(found);
    }
    ask(&format!("passphrase of {what}: "))
}

fn given_passphrase(file: Option<&Path>) -> Result<Option<Zeroizing<String>>, KeyError> {
    if let Some(file) = file {
        let text = read_private(file)?;
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        return Ok(Some(Zeroizing::new(line.to_owned())));
    }
    Ok(std::env::var(PASSPHRASE_VARIABLE).ok().map(Zeroizing::new))
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, KeyError> {
    if !std::io::stdin().is_terminal() {
        return Err(KeyError::NoPassphrase);
    }
    rpassword::prompt_password(prompt)
        .map(Zeroizing::new)
        .map_err(|_| KeyError::NoPassphrase)
}

/// Writes a keystore at `path` with a new key, or with `secret`. `passphrase`: file with the
/// passphrase, otherwise the environment or, twice, the terminal. The file appears whole and with
/// mode 0600, or not at all; one that is there already is never replaced. Gives the key's address.
///
/// # Errors
/// [`KeyError`].
pub fn write_keystore(
    path: &Path,
    secret: Option<&[u8; 32]>,
    passphrase: Option<&Path>,
) -> Result<Address, KeyError> {
    let unwritable = |reason: String| KeyError::Unwritable {
        path: path.display().to_string(),
        reason,
    };
    if path.exists() {
        return Err(unwritable("there is a file already".into()));
    }
    let passphrase = match given_passphrase(passphrase)? {
        Some(given) => given,
        None => {
            let first = ask("passphrase: ")?;
            if *first != *ask("once more: ")? {
                return Err(KeyError::BadPassphrase("the two passphrases differ"));
            }
            first
        }
    };
    if passphrase.chars().count() < MIN_PASSPHRASE {
        return Err(KeyError::BadPassphrase(
            "the passphrase must have 12 characters or more",
        ));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let io = |error: std::io::Error| unwritable(error.to_string());
    // The library writes with the process's umask: nobody else may look into this folder.
    let hidden = tempfile::tempdir_in(folder).map_err(io)?;
    let random = &mut rand::rngs::OsRng;
    let name = Some("keystore");
    let written = match secret {
        Some(secret) => {
            PrivateKeySigner::encrypt_keystore(&hidden, random, secret, &*passphrase, name)
        }
        None => PrivateKeySigner::new_keystore(&hidden, random, &*passphrase, name),
    };
    let (signer, _) = written.map_err(|error| unwritable(error.to_string()))?;
    let text = std::fs::read(hidden.path().join("keystore")).map_err(io)?;
    // Created with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    file.write_all(&text).map_err(io)?;
    file.as_file().sync_all().map_err(io)?;
    file.persist_noclobber(path).map_err(|e| io(e.error))?;
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(io)?;
    Ok(signer.address())
}
