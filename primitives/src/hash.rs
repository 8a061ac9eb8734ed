// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! SHA-256 over concatenated parts, and the preimage helpers of VES v1 §0.

use sha2::{Digest, Sha256};

/// A SHA-256 preimage under construction.
///
/// Integers are big-endian, texts carry a 32-bit length prefix in bytes; both because VES v1 §0
/// defines every preimage so.
#[derive(Clone)]
pub(crate) struct Preimage(Sha256);

impl Preimage {
    /// Starts with the domain separator.
    pub(crate) fn new(domain: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(domain))
    }

    /// Appends raw bytes.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(bytes);
        self
    }

    /// Appends one byte.
    pub(crate) fn u8(self, value: u8) -> Self {
        self.bytes(&[value])
    }

    /// Appends a big-endian 32-bit integer.
    pub(crate) fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends a big-endian 64-bit integer.
    pub(crate) fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    /// Appends `U32(len) || bytes`.
    ///
    /// Every caller passes a bounded value far below 2^32 bytes, so the cast cannot truncate.
    pub(crate) fn prefixed(self, bytes: &[u8]) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.u32(len).bytes(bytes)
    }

    /// The digest.
    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// SHA-256 of plain bytes, without a domain: for artefacts, not for protocol values.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::{Preimage, sha256};

    /// The encoders are not public; what they append shows in the hash.
    #[test]
    fn integers_are_big_endian_and_texts_carry_their_length_in_bytes() {
        let no_domain = || Preimage::new(b"");
        for (value, encoded) in [
            (0, [0, 0, 0, 0]),
            (1, [0, 0, 0, 1]),
            (256, [0, 0, 1, 0]),
            (305_419_896, [0x12, 0x34, 0x56, 0x78]),
            (u32::MAX, [0xff; 4]),
        ] {
            assert_eq!(
                no_domain().u32(value).finish(),
                sha256(&encoded),
                "U32({value})"
            );
        }
        for (value, encoded) in [
            (0, [0; 8]),
            (1, [0, 0, 0, 0, 0, 0, 0, 1]),
            (42, [0, 0, 0, 0, 0, 0, 0, 42]),
            (72_623_859_790_382_856, [1, 2, 3, 4, 5, 6, 7, 8]),
        ] {
            assert_eq!(
                no_domain().u64(value).finish(),
                sha256(&encoded),
                "U64({value})"
            );
        }
        for (text, encoded) in [
            ("", &b"\0\0\0\0"[..]),
            ("hello", b"\0\0\0\x05hello"),
            ("test", b"\0\0\0\x04test"),
            ("order", b"\0\0\0\x05order"),
            ("\u{65e5}", b"\0\0\0\x03\xe6\x97\xa5"),
        ] {
            assert_eq!(
                no_domain().prefixed(text.as_bytes()).finish(),
                sha256(encoded),
                "{text:?}"
            );
        }
        assert_eq!(no_domain().u8(1).finish(), sha256(&[1]));
    }
}
