// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! SHA-256 over concatenated parts, and the preimage helpers of VES v1 §0.

#[cfg(not(substrate_runtime))]
use software::Sink;

#[cfg(substrate_runtime)]
use host::Sink;

/// Hashes in this very code.
#[cfg(not(substrate_runtime))]
mod software {
    use sha2::{Digest, Sha256};

    #[derive(Clone)]
    pub(super) struct Sink(Sha256);

    impl Sink {
        pub(super) fn new(start: &[u8]) -> Self {
            Self(Sha256::new_with_prefix(start))
        }

        pub(super) fn update(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }

        pub(super) fn finish(self) -> [u8; 32] {
            self.0.finalize().into()
        }
    }

    pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }
}

/// Collects, and lets the node hash: inside the chain's wasm, SHA-256 takes several times as long as
/// outside. Compiled only as part of a Substrate runtime (`docs/adr/0010-host-hashing.md`).
#[cfg(substrate_runtime)]
mod host {
    use alloc::vec::Vec;
    use polkadot_sdk::sp_io::hashing::sha2_256;

    /// Most preimages are shorter, so that they are allocated once.
    const USUAL_LENGTH: usize = 512;

    #[derive(Clone)]
    pub(super) struct Sink(Vec<u8>);

    impl Sink {
        pub(super) fn new(start: &[u8]) -> Self {
            let mut bytes = Vec::with_capacity(USUAL_LENGTH);
            bytes.extend_from_slice(start);
            Self(bytes)
        }

        pub(super) fn update(&mut self, bytes: &[u8]) {
            self.0.extend_from_slice(bytes);
        }

        pub(super) fn finish(self) -> [u8; 32] {
            sha2_256(&self.0)
        }
    }

    pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
        sha2_256(bytes)
    }
}

/// A SHA-256 preimage under construction.
///
/// Integers are big-endian, texts carry a 32-bit length prefix in bytes; both because VES v1 §0
/// defines every preimage so.
#[derive(Clone)]
pub(crate) struct Preimage(Sink);

impl Preimage {
    /// Starts with the domain separator.
    pub(crate) fn new(domain: &[u8]) -> Self {
        Self(Sink::new(domain))
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
        self.0.finish()
    }
}

/// SHA-256 of plain bytes, without a domain: for artefacts, not for protocol values.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    #[cfg(not(substrate_runtime))]
    return software::sha256(bytes);
    #[cfg(substrate_runtime)]
    return host::sha256(bytes);
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
