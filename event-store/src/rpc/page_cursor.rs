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
const BYTES: usize = 1 + TAG_BYTES + 8;

/// A place in the answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageCursor {
    /// The last sequence, or row, that the pages so far have covered.
    pub(super) after: u64,
}

fn tag(question: &impl Serialize) -> [u8; TAG_BYTES] {
    // Questions are made of texts and numbers: writing them does not fail.
    let hash = sha256(&serde_json::to_vec(question).unwrap_or_default());
    let mut tag = [0; TAG_BYTES];
    tag.copy_from_slice(&hash[..TAG_BYTES]);
    tag
}

impl PageCursor {
    /// The text for this place in the answer to a question.
    pub(super) fn write(self, question: &impl Serialize) -> String {
        let parts: [&[u8]; 3] = [&[VERSION], &tag(question), &self.after.to_be_bytes()];
        hex::encode(parts.concat())
    }

    /// Reads what [`Self::write`] wrote for the same question.
    pub(super) fn read(text: &str, question: &impl Serialize) -> RpcResult<Self> {
        let mut bytes = [0u8; BYTES];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| invalid("cursor", "not a cursor of this node"))?;
        let (version, rest) = bytes.split_at(1);
        let (asked, after) = rest.split_at(TAG_BYTES);
        if version != [VERSION] {
            return Err(invalid("cursor", "of another version of the node"));
        }
        if asked != tag(question) {
            return Err(invalid("cursor", "of another question"));
        }
        Ok(Self {
            after: after.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)),
        })
    }
}
