// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Secrets at rest: Argon2id turns the passphrase into a key, XChaCha20-Poly1305 seals the secret.

use crate::{
    error::{Exit, Failure, Result},
    program,
};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use rand::{RngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};
use std::{
    io::{IsTerminal, Read},
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};
use zeroize::Zeroizing;

/// Shortest passphrase that is accepted for a new key, in characters.
pub const MIN_PASSPHRASE_CHARS: usize = 8;
/// Longest passphrase file that is read.
const MAX_PASSPHRASE_BYTES: u64 = 4096;

/// Memory in KiB, passes and lanes of Argon2id for new secrets.
const NEW_COST: Cost = Cost {
    memory_kib: 64 * 1024,
    passes: 3,
    lanes: 1,
};
/// Most memory a file may ask for: a forged header must not exhaust the machine.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
const MAX_PASSES: u32 = 64;
const MAX_LANES: u32 = 16;

/// A passphrase, erased when dropped.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// Takes a passphrase that the caller already holds.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Refuses what a guesser would find at once.
    ///
    /// # Errors
    /// `passphrase_too_short`.
    pub fn check_strength(&self) -> Result<()> {
        if self.0.chars().count() < MIN_PASSPHRASE_CHARS {
            return Err(Failure::new(
                Exit::Refused,
                "passphrase_too_short",
                format!("a passphrase needs at least {MIN_PASSPHRASE_CHARS} characters"),
            )
            .hint("choose a longer one; for throw-away keys use --insecure-plaintext-keys"));
        }
        Ok(())
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Where passphrases come from in this run.
#[derive(Clone, Debug, Default)]
pub struct PassphraseSource {
    file: Option<std::path::PathBuf>,
    variable: Option<Passphrase>,
    command: Option<Vec<String>>,
    answered: Answered,
    unattended: bool,
}

/// What the command answered, once it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answered(Arc<OnceLock<Passphrase>>);

impl Answered {
    /// The text, for making sure that it is printed nowhere.
    pub(crate) fn text(&self) -> Option<Zeroizing<String>> {
        self.0.get().map(|passphrase| passphrase.0.clone())
    }
}

impl PassphraseSource {
    /// A file named by flag or configuration goes before the variable `VES_PASSPHRASE`.
    pub fn new(file: Option<std::path::PathBuf>, variable: Option<String>) -> Self {
        Self {
            file,
            variable: variable.map(Passphrase::new),
            command: None,
            answered: Answered::default(),
            unattended: false,
        }
    }

    /// Behind file and variable stands a program whose first line of output is the passphrase: an OS
    /// keychain's or a password manager's. It is asked when the passphrase is needed, once.
    #[must_use]
    pub fn or_command(self, command: Option<Vec<String>>) -> Self {
        Self { command, ..self }
    }

    /// Where the program's answer will be.
    pub(crate) fn answered(&self) -> Answered {
        self.answered.clone()
    }

    /// Asks nobody: what is not given is missing.
    #[must_use]
    pub fn unattended(self) -> Self {
        Self {
            unattended: true,
            ..self
        }
    }

    /// The text of the passphrase, if it is given, for making sure that it is printed nowhere.
    pub(crate) fn text(&self) -> Option<Zeroizing<String>> {
        self.written().ok().flatten().map(|passphrase| passphrase.0)
    }

    /// The passphrase of existing keys.
    ///
    /// # Errors
    /// `key_locked` when there is none and no terminal to ask at.
    pub fn unlock(&self) -> Result<Passphrase> {
        match self.given()? {
            Some(passphrase) => Ok(passphrase),
            None if self.unattended => Err(locked()),
            None => prompt("Passphrase: "),
        }
    }

    /// The passphrase for new keys, asked twice at a terminal.
    ///
    /// # Errors
    /// `key_locked`, `passphrase_mismatch` or `passphrase_too_short`.
    pub fn choose(&self) -> Result<Passphrase> {
        let passphrase = match self.given()? {
            Some(passphrase) => passphrase,
            None if self.unattended => return Err(locked()),
            None => {
                let first = prompt("New passphrase: ")?;
                let second = prompt("Again: ")?;
                if *first.0 != *second.0 {
                    return Err(Failure::new(
                        Exit::Refused,
                        "passphrase_mismatch",
                        "the two passphrases differ",
                    ));
                }
                first
            }
        };
        passphrase.check_strength()?;
        Ok(passphrase)
    }

    /// Whether nobody has to be asked for the passphrase. Whom a command asks is not known here.
    pub const fn is_given(&self) -> bool {
        self.file.is_some() || self.variable.is_some()
    }

    fn written(&self) -> Result<Option<Passphrase>> {
        match &self.file {
            Some(path) => read_passphrase(path).map(Some),
            None => Ok(self.variable.clone()),
        }
    }

    fn given(&self) -> Result<Option<Passphrase>> {
        if let Some(written) = self.written()? {
            return Ok(Some(written));
        }
        let Some(command) = &self.command else {
            return Ok(None);
        };
        if let Some(known) = self.answered.0.get() {
            return Ok(Some(known.clone()));
        }
        let passphrase = passphrase_of(command)?;
        Ok(Some(self.answered.0.get_or_init(|| passphrase).clone()))
    }
}

/// How long the command may take: it may have to ask somebody.
const COMMAND_PATIENCE: Duration = Duration::from_secs(60);

fn passphrase_of(command: &[String]) -> Result<Passphrase> {
    let failed = |why: &str| {
        let program = command.first().map_or("", String::as_str);
        Failure::new(
            Exit::Key,
            "passphrase_command_failed",
            format!("the passphrase command {program} failed: {why}"),
        )
        .hint(
            "run it by hand: the first line of what it prints is the passphrase; \
             `stateset-sync config show` names it",
        )
    };
    let bytes = program::ask(command, None, COMMAND_PATIENCE, MAX_PASSPHRASE_BYTES)
        .map_err(|why| failed(&why))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| failed("its answer is not UTF-8"))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Passphrase::new(line)),
        _ => Err(failed("the first line of its answer is empty")),
    }
}

fn locked() -> Failure {
    Failure::new(
        Exit::Key,
        "key_locked",
        "the keys are locked, and nobody can be asked for the passphrase",
    )
    .hint("start the program with VES_PASSPHRASE or --passphrase-file")
}

fn read_passphrase(path: &Path) -> Result<Passphrase> {
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_PASSPHRASE_BYTES).read_to_string(&mut text))
        .map_err(|e| Failure::io("read the passphrase file", path, &e))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::new(
            Exit::Key,
            "passphrase_empty",
            format!("the first line of {} is empty", path.display()),
        ));
    }
    Ok(Passphrase::new(line))
}

fn prompt(question: &str) -> Result<Passphrase> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Key,
            "key_locked",
            "the keys are encrypted and no passphrase was given",
        )
        .hint("set VES_PASSPHRASE, or give --passphrase-file, or run at a terminal"));
    }
    rpassword::prompt_password(question)
        .map(Passphrase::new)
        .map_err(|e| {
            Failure::new(
                Exit::Key,
                "key_locked",
                format!("cannot read passphrase: {e}"),
            )
        })
}

/// A sealed 32-byte secret as it lies in a key file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protection", rename_all = "kebab-case")]
pub enum Sealed {
    /// Argon2id and XChaCha20-Poly1305.
    Passphrase {
        /// `argon2id`.
        kdf: String,
        /// Cost of the derivation.
        #[serde(flatten)]
        cost: Cost,
        /// 16 bytes hex.
        salt: String,
        /// `xchacha20poly1305`.
        cipher: String,
        /// 24 bytes hex.
        nonce: String,
        /// 48 bytes hex.
        ciphertext: String,
    },
    /// Another program holds it.
    External {
        /// The program and its arguments.
        command: Vec<String>,
    },
    /// In the clear, for development only.
    None {
        /// 32 bytes hex.
        secret: String,
    },
}

/// Cost of Argon2id as stored beside the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// KiB of memory.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

const KDF: &str = "argon2id";
const CIPHER: &str = "xchacha20poly1305";

fn derive(passphrase: &Passphrase, salt: &[u8; 16], cost: Cost) -> Result<Zeroizing<[u8; 32]>> {
    if cost.memory_kib > MAX_MEMORY_KIB || cost.passes > MAX_PASSES || cost.lanes > MAX_LANES {
        return Err(damaged("it asks for an unreasonable key derivation"));
    }
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32))
        .map_err(|e| damaged(&format!("key derivation parameters: {e}")))?;
    let mut key = Zeroizing::new([0u8; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.0.as_bytes(), salt, key.as_mut())
        .map_err(|e| damaged(&format!("key derivation: {e}")))?;
    Ok(key)
}

fn damaged(why: &str) -> Failure {
    Failure::new(
        Exit::Key,
        "key_file_damaged",
        format!("the key file is damaged: {why}"),
    )
    .hint("restore the file from a backup")
}

fn wrong_passphrase() -> Failure {
    Failure::new(
        Exit::Key,
        "passphrase_wrong",
        "the passphrase does not open the key, or the key file was altered",
    )
    .hint("check VES_PASSPHRASE or the passphrase file")
}

fn fixed<const N: usize>(text: &str) -> Result<[u8; N]> {
    let mut out = [0u8; N];
    hex::decode_to_slice(text, &mut out).map_err(|e| damaged(&e.to_string()))?;
    Ok(out)
}

impl Sealed {
    /// Seals a secret. `context` is authenticated too, so that a sealed secret moved to another key
    /// file does not open.
    ///
    /// # Errors
    /// Only if the machine cannot spare the memory.
    pub fn seal(secret: &[u8; 32], passphrase: &Passphrase, context: &[u8]) -> Result<Self> {
        let (mut salt, mut nonce) = ([0u8; 16], [0u8; 24]);
        OsRng.fill_bytes(&mut salt);
        OsRng.fill_bytes(&mut nonce);
        let key = derive(passphrase, &salt, NEW_COST)?;
        let ciphertext = XChaCha20Poly1305::new(key.as_slice().into())
            .encrypt(
                XNonce::from_slice(&nonce),
                Payload {
                    msg: secret,
                    aad: context,
                },
            )
            .map_err(|_| Failure::unexpected("sealing the key failed"))?;
        Ok(Self::Passphrase {
            kdf: KDF.into(),
            cost: NEW_COST,
            salt: hex::encode(salt),
            cipher: CIPHER.into(),
            nonce: hex::encode(nonce),
            ciphertext: hex::encode(ciphertext),
        })
    }

    /// Stores a secret in the clear.
    pub fn in_the_clear(secret: &[u8; 32]) -> Self {
        Self::None {
            secret: hex::encode(secret),
        }
    }

    /// Whether a passphrase is needed.
    pub const fn is_locked(&self) -> bool {
        matches!(self, Self::Passphrase { .. })
    }

    /// Opens the secret, asking `unlock` for a passphrase only if one is needed.
    ///
    /// # Errors
    /// `passphrase_wrong`, `key_file_damaged`, or what `unlock` says.
    pub fn open(
        &self,
        unlock: impl FnOnce() -> Result<Passphrase>,
        context: &[u8],
    ) -> Result<Zeroizing<[u8; 32]>> {
        match self {
            Self::External { .. } => Err(Failure::new(
                Exit::Key,
                "key_external",
                "another program holds this key's private half",
            )),
            Self::None { secret } => Ok(Zeroizing::new(fixed(secret)?)),
            Self::Passphrase {
                kdf,
                cost,
                salt,
                cipher,
                nonce,
                ciphertext,
            } => {
                if kdf != KDF || cipher != CIPHER {
                    return Err(damaged("unknown protection algorithms"));
                }
                let (salt, nonce) = (fixed::<16>(salt)?, fixed::<24>(nonce)?);
                let ciphertext = hex::decode(ciphertext).map_err(|e| damaged(&e.to_string()))?;
                let key = derive(&unlock()?, &salt, *cost)?;
                let plain = XChaCha20Poly1305::new(key.as_slice().into())
                    .decrypt(
                        XNonce::from_slice(&nonce),
                        Payload {
                            msg: &ciphertext,
                            aad: context,
                        },
                    )
                    .map(Zeroizing::new)
                    .map_err(|_| wrong_passphrase())?;
                let secret: [u8; 32] = plain
                    .as_slice()
                    .try_into()
                    .map_err(|_| damaged("wrong length"))?;
                Ok(Zeroizing::new(secret))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: &[u8] = b"agent 1";

    #[test]
    fn a_sealed_secret_opens_only_with_its_passphrase_and_its_context() {
        let sealed = Sealed::seal(&[7; 32], &Passphrase::new("correct horse"), CONTEXT).unwrap();
        let open = |passphrase: &str, context: &[u8]| {
            sealed
                .open(|| Ok(Passphrase::new(passphrase)), context)
                .map(|s| *s)
        };
        assert_eq!(open("correct horse", CONTEXT).unwrap(), [7; 32]);
        assert_eq!(
            open("wrong horse!", CONTEXT).unwrap_err().code,
            "passphrase_wrong"
        );
        assert_eq!(
            open("correct horse", b"agent 2").unwrap_err().code,
            "passphrase_wrong"
        );
        let text = serde_json::to_string(&sealed).unwrap();
        assert!(!text.contains(&hex::encode([7u8; 32])));
    }

    #[test]
    fn a_header_that_asks_for_too_much_memory_is_refused_before_any_work() {
        let Sealed::Passphrase {
            kdf,
            salt,
            cipher,
            nonce,
            ciphertext,
            ..
        } = Sealed::seal(&[7; 32], &Passphrase::new("correct horse"), CONTEXT).unwrap()
        else {
            panic!("sealed")
        };
        let cost = Cost {
            memory_kib: u32::MAX,
            passes: 1,
            lanes: 1,
        };
        let forged = Sealed::Passphrase {
            kdf,
            cost,
            salt,
            cipher,
            nonce,
            ciphertext,
        };
        let failure = forged
            .open(|| Ok(Passphrase::new("correct horse")), CONTEXT)
            .unwrap_err();
        assert_eq!(failure.code, "key_file_damaged");
    }

    #[test]
    fn short_passphrases_are_refused_for_new_keys() {
        let source = PassphraseSource::new(None, Some("short".into()));
        assert_eq!(source.choose().unwrap_err().code, "passphrase_too_short");
        assert!(source.unlock().is_ok());
    }

    fn command(script: &str) -> PassphraseSource {
        let words = ["/bin/sh", "-c", script].map(str::to_owned);
        PassphraseSource::new(None, None).or_command(Some(words.to_vec()))
    }

    #[test]
    fn a_command_is_asked_once_and_only_when_the_passphrase_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let calls = dir.path().join("calls");
        let script = format!(
            "echo x >> {}; echo 'a long passphrase'; echo more",
            calls.display()
        );
        let source = command(&script).unattended();
        assert!(!source.is_given() && source.text().is_none() && !calls.exists());
        let answered = source.answered();
        assert!(answered.text().is_none());
        for _ in 0..2 {
            assert_eq!(*source.unlock().unwrap().0, "a long passphrase");
        }
        assert_eq!(std::fs::read_to_string(calls).unwrap(), "x\n");
        assert_eq!(*answered.text().unwrap(), "a long passphrase");
        assert_eq!(*source.choose().unwrap().0, "a long passphrase");
    }

    #[test]
    fn a_command_that_gives_no_passphrase_is_named_and_what_it_printed_is_not() {
        for script in [
            "exit 1",
            "true",
            "echo; echo secret",
            "printf '\\377\\376'",
            "echo secret; exit 2",
        ] {
            let failure = command(script).unlock().unwrap_err();
            assert_eq!(failure.code, "passphrase_command_failed", "{script}");
            assert!(!failure.to_string().contains("secret"), "{failure}");
        }
        assert_eq!(
            command("echo short").choose().unwrap_err().code,
            "passphrase_too_short"
        );
    }

    #[test]
    fn a_file_or_the_variable_goes_before_the_command() {
        let words = Some(vec!["/nonexistent/program".to_owned()]);
        let variable = PassphraseSource::new(None, Some("from the variable".into()));
        let source = variable.or_command(words);
        assert_eq!(*source.unlock().unwrap().0, "from the variable");
    }
}
