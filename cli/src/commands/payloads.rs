// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Payloads of pulled events and of the outbox, read with this machine's keys as far as that is allowed.

use super::Context;
use crate::{
    entities::Content,
    error::{Failure, Result},
    outbox::Entry,
    reading::{Reader, content, without_padding},
    vault::Passphrase,
};
use serde_json::Value;
use std::sync::Mutex;
use ves_primitives::wire::SequencedEventJson;

/// A reader of payloads.
pub(crate) struct Payloads {
    /// None if encrypted payloads are to be left alone.
    reader: Mutex<Option<Reader>>,
}

impl Payloads {
    fn new(reader: Option<Reader>) -> Self {
        Self {
            reader: Mutex::new(reader),
        }
    }

    /// Reads what can be read without asking anybody.
    pub(crate) fn quiet(context: &Context) -> Result<Self> {
        let reader = Reader::new(&context.keys(), context.config.agent()?)?;
        let quietly = !reader.is_locked() || context.can_unlock_quietly();
        Ok(Self::new(quietly.then_some(reader)))
    }

    /// Asks for the passphrase when it is needed.
    pub(crate) fn asking(context: &Context) -> Result<Self> {
        let reader = Reader::new(&context.keys(), context.config.agent()?)?;
        Ok(Self::new(Some(reader)))
    }

    /// Leaves encrypted payloads alone.
    pub(crate) fn none() -> Self {
        Self::new(None)
    }

    /// One function for pulled events, one for those of the outbox.
    pub(crate) fn split<'a>(
        &'a mut self,
        context: &'a Context,
    ) -> (
        impl FnMut(&SequencedEventJson) -> Result<Content> + Send + 'a,
        impl FnMut(&Entry) -> Result<Value> + Send + 'a,
    ) {
        let reader = &self.reader;
        let unlock = move || -> Result<Passphrase> { context.unlock() };
        let pulled = move |record: &SequencedEventJson| {
            let mut reader = reader.lock().map_err(Failure::unexpected)?;
            content(reader.as_mut(), record, &unlock)
        };
        let own = move |entry: &Entry| {
            let mut reader = reader.lock().map_err(Failure::unexpected)?;
            let text = match (&entry.event.payload, reader.as_mut()) {
                (ves_primitives::Payload::Plain(json), _) => {
                    String::from_utf8_lossy(json).into_owned()
                }
                (_, Some(reader)) => reader.read(&entry.event, &unlock)?.to_string(),
                (_, None) => {
                    return Err(Failure::new(
                        crate::error::Exit::Key,
                        "key_locked",
                        "the payload is encrypted, and no passphrase was given",
                    ));
                }
            };
            serde_json::from_str(&text)
                .map(without_padding)
                .map_err(Failure::unexpected)
        };
        (pulled, own)
    }
}
