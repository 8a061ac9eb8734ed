// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Reading encrypted events with the keys of this machine.

use crate::{
    crypto::{self, DecryptProblem, EncryptionSecret, Opened},
    error::{Exit, Failure, Result},
    keys::{KeyFile, KeyStore, Purpose},
    vault::Passphrase,
};
use ves_primitives::{AgentId, EncryptedPayload, Payload, RecipientKid, SubmittedEvent};
use zeroize::Zeroizing;

/// The agent's encryption keys; opened only when an event is addressed to one of them.
pub struct Reader {
    files: Vec<KeyFile>,
    opened: Vec<(Option<RecipientKid>, EncryptionSecret)>,
    is_open: bool,
}

impl Reader {
    /// The encryption keys of an agent on this machine.
    ///
    /// # Errors
    /// An unreadable key file.
    pub fn new(store: &KeyStore, agent: AgentId) -> Result<Self> {
        let files = store.list(agent, Purpose::Encryption)?;
        Ok(Self {
            files,
            opened: Vec::new(),
            is_open: false,
        })
    }

    /// Whether a passphrase is needed to read anything.
    pub fn is_locked(&self) -> bool {
        !self.is_open && self.files.iter().any(KeyFile::is_locked)
    }

    fn kids(&self) -> impl Iterator<Item = Option<RecipientKid>> + '_ {
        self.files
            .iter()
            .map(|file| file.registration.and_then(|r| r.kid))
    }

    /// Whether the event names one of our keys as recipient. A key whose number is not known could
    /// be any recipient's.
    pub fn may_read(&self, bundle: &EncryptedPayload) -> bool {
        self.kids().any(|kid| {
            kid.is_none_or(|kid| bundle.recipients.iter().any(|r| r.recipient_kid == kid))
        })
    }

    fn open(&mut self, unlock: &dyn Fn() -> Result<Passphrase>) -> Result<()> {
        if self.is_open {
            return Ok(());
        }
        for file in &self.files {
            let kid = file.registration.and_then(|r| r.kid);
            self.opened.push((kid, file.decryptor(unlock)?));
        }
        self.is_open = true;
        Ok(())
    }

    /// The clear payload of an event.
    ///
    /// # Errors
    /// `not_a_recipient`, a locked key, or what is wrong with the bundle.
    pub fn read(
        &mut self,
        event: &SubmittedEvent,
        unlock: &dyn Fn() -> Result<Passphrase>,
    ) -> Result<Zeroizing<String>> {
        match &event.payload {
            Payload::Plain(json) => String::from_utf8(json.to_vec())
                .map(Zeroizing::new)
                .map_err(|_| Failure::new(Exit::NotVerified, "payload_not_canonical", "not UTF-8")),
            Payload::Encrypted(bundle) => Ok(self.open_bundle(event, bundle, unlock)?.json),
        }
    }

    /// The clear payload of an encrypted event with its salt.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn open_bundle(
        &mut self,
        event: &SubmittedEvent,
        bundle: &EncryptedPayload,
        unlock: &dyn Fn() -> Result<Passphrase>,
    ) -> Result<Opened> {
        if !self.may_read(bundle) {
            return Err(failure(DecryptProblem::NotARecipient));
        }
        self.open(unlock)?;
        crypto::decrypt(&event.envelope, bundle, &self.opened).map_err(failure)
    }
}

fn failure(problem: DecryptProblem) -> Failure {
    let (exit, hint) = match problem {
        DecryptProblem::NotARecipient => (
            Exit::Key,
            "only the recipients named by the author can read it",
        ),
        _ => (
            Exit::NotVerified,
            "the event was altered, or its author made it wrongly",
        ),
    };
    Failure::new(exit, problem.code(), problem.to_string()).hint(hint)
}
