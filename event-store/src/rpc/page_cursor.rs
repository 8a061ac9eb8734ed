// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Where a walk through pages stands, as text that means nothing to the caller.

use super::errors::invalid;
use jsonrpsee::core::RpcResult;
use serde::Serialize;
use ves_primitives::sha256;

const VERSION: u8 = 1;
/// Of the question's hash: a cursor of another question is a mistake to be told of, not an attack.
const TAG_BYTES: usize = 8;

/// A place in the answer to one question, as so many numbers: the last sequence, or row, that the pages so
/// far have covered, and what else the question needs to go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageCursor<const N: usize>(pub(super) [u64; N]);

fn tag(question: &impl Serialize) -> [u8; TAG_BYTES] {
    // Questions are made of texts and numbers: writing them does not fail.
    let hash = sha256(&serde_json::to_vec(question).unwrap_or_default());
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&hash[..TAG_BYTES]);
    tag
}

impl<const N: usize> PageCursor<N> {
    /// The text for this place in the answer to a question.
    pub(super) fn write(self, question: &impl Serialize) -> String {
        let place = self.0.map(u64::to_be_bytes).concat();
        let parts: [&[u8]; 3] = [&[VERSION], &tag(question), &place];
        hex::encode(parts.concat())
    }

    /// Reads what [`Self::write`] wrote for the same question.
    pub(super) fn read(text: &str, question: &impl Serialize) -> RpcResult<Self> {
        let bytes = hex::decode(text).unwrap_or_default();
        let Some((version, (asked, place))) = bytes
            .split_first()
            .and_then(|(version, rest)| Some((version, rest.split_first_chunk::<TAG_BYTES>()?)))
        else {
            return Err(invalid("cursor", "not a cursor of this node"));
        };
        let another_version = || invalid("cursor", "of another version of the node");
        if *version != VERSION {
            return Err(another_version());
        }
        if *asked != tag(question) {
            return Err(invalid("cursor", "of another question"));
        }
        // An older version wrote fewer numbers for some questions.
        let (numbers, rest) = place.as_chunks::<8>();
        let numbers: [[u8; 8]; N] = numbers.try_into().map_err(|_| another_version())?;
        if !rest.is_empty() {
            return Err(another_version());
        }
        Ok(Self(numbers.map(u64::from_be_bytes)))
    }
}
