// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How readers name a batch whose number they do not know.

use std::{fmt, str::FromStr};
use ves_primitives::{BatchId, EventId};

/// A batch by its id: all 32 bytes, or the UUID of version 8 that is made of the first 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchName {
    /// All of it.
    Id(BatchId),
    /// The UUID's bytes.
    Uuid([u8; 16]),
}

impl FromStr for BatchName {
    type Err = BadBatchName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = BatchId::from_str(text) {
            return Ok(Self::Id(id));
        }
        // Any UUID's text reads as the id of an event.
        let uuid = EventId::from_str(text).map_err(|_| BadBatchName)?;
        Ok(Self::Uuid(uuid.0))
    }
}

/// The text names no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBatchName;

impl fmt::Display for BadBatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a UUID or 32 bytes hex")
    }
}

impl std::error::Error for BadBatchName {}

impl BatchName {
    /// Whether the batch with this id is meant.
    pub fn is(&self, id: BatchId) -> bool {
        match self {
            Self::Id(name) => *name == id,
            Self::Uuid(uuid) => *uuid == id.to_uuid_bytes(),
        }
    }

    /// The first and the last id that may have this name. A UUID keeps the first six bytes of an id and
    /// writes its version into the next.
    pub(crate) fn range(&self) -> ([u8; 32], [u8; 32]) {
        match self {
            Self::Id(id) => (id.0, id.0),
            Self::Uuid(uuid) => {
                let (mut first, mut last) = ([0; 32], [0xff; 32]);
                for (byte, ends) in uuid.iter().take(6).zip(first.iter_mut().zip(&mut last)) {
                    (*ends.0, *ends.1) = (*byte, *byte);
                }
                (first, last)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_names_of_a_batch_are_read_and_lead_to_it_and_to_no_other(id: [u8; 32], flip in 0..256usize) {
            let batch = BatchId(id);
            let mut other = id;
            other[flip / 8] ^= 1 << (flip % 8);
            let uuid = EventId(batch.to_uuid_bytes()).to_string();
            for text in [batch.to_string(), hex::encode(id), uuid.clone()] {
                let name: BatchName = text.parse().unwrap();
                prop_assert!(name.is(batch));
                let (first, last) = name.range();
                prop_assert!(first <= id && id <= last);
                let same_uuid = BatchId(other).to_uuid_bytes() == batch.to_uuid_bytes();
                prop_assert_eq!(name.is(BatchId(other)), text == uuid && same_uuid);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = text.parse::<BatchName>();
        }
    }

    #[test]
    fn half_an_id_is_no_name() {
        for text in ["", "x", &"ab".repeat(31), "abababab-abab-8bab-abab"] {
            assert_eq!(text.parse::<BatchName>(), Err(BadBatchName), "{text}");
        }
    }
}
