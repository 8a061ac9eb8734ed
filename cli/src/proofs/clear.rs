// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The amounts of encrypted events that this machine can read.

use crate::{
    amount,
    error::{Failure, Result},
    keys::KeyStore,
    reading::Reader,
    vault::Passphrase,
};
use serde_json::Value;
use ves_primitives::{AgentId, AmountSalt, CurrencyTag, EventId, Payload, SubmittedEvent};
use ves_stark_prover::Opening;
use zeroize::Zeroizing;

/// Asks for the passphrase of locked keys.
pub type Unlock<'a> = &'a (dyn Fn() -> Result<Passphrase> + Sync);

/// Opens payloads with the agent's encryption keys, which are unlocked at most once.
pub struct Opener<'a> {
    reader: Reader,
    unlock: Unlock<'a>,
}

impl<'a> Opener<'a> {
    /// The keys of this agent.
    ///
    /// # Errors
    /// An unreadable key file.
    pub fn new(store: &KeyStore, agent: AgentId, unlock: Unlock<'a>) -> Result<Self> {
        Ok(Self {
            reader: Reader::new(store, agent)?,
            unlock,
        })
    }

    /// Whether a passphrase is needed to open anything.
    pub fn is_locked(&self) -> bool {
        self.reader.is_locked()
    }

    /// The payload of an encrypted event, and its salt.
    ///
    /// # Errors
    /// `payload_public` for one that is not encrypted; else as [`Reader::open_bundle`].
    pub fn clear(&mut self, event: &SubmittedEvent) -> Result<Clear> {
        let Payload::Encrypted(bundle) = &event.payload else {
            return Err(Failure::usage(
                "payload_public",
                "the payload is public, there is nothing to hide",
            )
            .hint(
                "anyone can compare the amount with the limit; proofs are for encrypted events",
            ));
        };
        let opened = self.reader.open_bundle(event, bundle, &self.unlock)?;
        Ok(Clear {
            event: event.envelope.event_id,
            payload: serde_json::from_str(&opened.json).map_err(Failure::unexpected)?,
            salt: opened.salt,
        })
    }
}

/// The payload of an encrypted event. Has no `Debug`, so that no log shows it.
pub struct Clear {
    event: EventId,
    payload: Value,
    salt: Zeroizing<[u8; 16]>,
}

impl Clear {
    /// The amount at a path, and the salt of its commitment.
    ///
    /// # Errors
    /// As [`amount::of_payload`].
    pub fn amount(&self, path: &str, currency: CurrencyTag) -> Result<(u64, AmountSalt)> {
        let amount = amount::of_payload(&self.payload, path, currency)?;
        Ok((amount, AmountSalt::derive(&self.salt, self.event)))
    }

    /// The same for the prover.
    ///
    /// # Errors
    /// As [`Clear::amount`].
    pub fn opening(&self, path: &str, currency: CurrencyTag) -> Result<Opening> {
        let (amount, salt) = self.amount(path, currency)?;
        Ok(Opening::new(amount, salt))
    }
}
