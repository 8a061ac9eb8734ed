// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Reading encrypted events with the keys of this machine.

use crate::{
    capture::PADDING,
    crypto::{self, DecryptProblem, EncryptionSecret, Opened},
    entities::Content,
    error::{Exit, Failure, Result},
    keys::{KeyFile, KeyStore, Purpose},
    vault::Passphrase,
};
use serde_json::Value;
use ves_primitives::{
    AgentId, EncryptedPayload, Payload, RecipientKid, SubmittedEvent, registry::TypePattern,
    wire::SequencedEventJson,
};
use zeroize::Zeroizing;

/// Code of the failure when a key is there, but this run may not use it.
pub const NOT_ALLOWED: &str = "decryption_not_allowed";

/// Which encrypted payloads a run may open. People may open what is theirs; a server that a model
/// calls opens what its operator allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Readable {
    /// Everything that is encrypted to this agent.
    #[default]
    All,
    /// Events of entities of these types; none without a type.
    Entities(Vec<TypePattern>),
}

impl Readable {
    fn check(&self, entity_type: &[u8]) -> Result<()> {
        let allowed = match self {
            Self::All => true,
            Self::Entities(types) => types.iter().any(|pattern| pattern.matches(entity_type)),
        };
        if allowed {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Refused,
            NOT_ALLOWED,
            format!(
                "payloads of {} entities may not be decrypted here",
                String::from_utf8_lossy(entity_type)
            ),
        )
        .hint("the operator allows it with `stateset-sync mcp --allow-decrypt[=TYPE,…]`"))
    }
}

/// The agent's encryption keys; opened only when an event is addressed to one of them.
pub struct Reader {
    readable: Readable,
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
            readable: store.readable().clone(),
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
        self.readable.check(&event.envelope.entity_type)?;
        self.open(unlock)?;
        crypto::decrypt(&event.envelope, bundle, &self.opened).map_err(failure)
    }
}

/// What a pulled record says, for projections: opaque if it is encrypted to others, or if there is no
/// reader. A bundle addressed to us that does not open counts as opaque too: its author made it wrongly.
///
/// # Errors
/// A key that stays locked.
pub fn content(
    reader: Option<&mut Reader>,
    record: &SequencedEventJson,
    unlock: &dyn Fn() -> Result<Passphrase>,
) -> Result<Content> {
    if let Some(payload) = &record.event.payload {
        return Ok(Content::Clear(without_padding(payload.clone())));
    }
    let event = crate::verify::record_event(record)?;
    let (Some(reader), Payload::Encrypted(bundle)) = (reader, &event.payload) else {
        return Ok(Content::Opaque);
    };
    if !reader.may_read(bundle) {
        return Ok(Content::Opaque);
    }
    match reader.read(&event, unlock) {
        Ok(text) => serde_json::from_str(&text)
            .map(|value| Content::Clear(without_padding(value)))
            .map_err(Failure::unexpected),
        Err(failure) if failure.exit == Exit::Key && failure.code != "not_a_recipient" => {
            Err(failure)
        }
        Err(_) => Ok(Content::Opaque),
    }
}

/// The payload without what [`capture::pad`](crate::capture::pad) put into it.
pub fn without_padding(mut payload: Value) -> Value {
    if let Some(members) = payload.as_object_mut() {
        members.remove(PADDING);
    }
    payload
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_read_is_named_by_entity_type() {
        let of = |types: &[&str]| {
            Readable::Entities(types.iter().map(|text| text.parse().unwrap()).collect())
        };
        assert!(Readable::All.check(b"order").is_ok());
        assert!(of(&["order", "refund.*"]).check(b"refund.partial").is_ok());
        for nothing in [of(&[]), of(&["orders"]), of(&["refund.*"])] {
            assert_eq!(nothing.check(b"order").unwrap_err().code, NOT_ALLOWED);
        }
    }
}
