// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The code that the registry runs. It may be replaced under the relay or while it stands still: then
//! the operator is told, and what the code can do is asked anew.

use super::anchor::AnchorLoop;
use crate::{
    clock,
    journal::{Deployed, now_ms},
    view::TickError,
};
use alloy::primitives::{Address, B256};
use std::{
    str::FromStr,
    time::{Duration, Instant},
};

/// How long code at an unchanged address is taken as unchanged: it is kilobytes, and can change only
/// where the registry is no proxy.
const CODE_HOLDS: Duration = Duration::from_secs(600);

/// Code that the operator has approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approved {
    /// What the proxy runs when it points at this address.
    At(Address),
    /// Code with this Keccak-256: behind the proxy, or of a registry that is none.
    Code(B256),
}

impl FromStr for Approved {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = text.parse().map(Self::At);
        address
            .or_else(|_| text.parse().map(Self::Code))
            .map_err(|_| "neither an EVM address nor the Keccak-256 of code")
    }
}

impl Approved {
    /// Is this the code?
    pub(super) fn names(self, implementation: Option<Address>, code_hash: Option<B256>) -> bool {
        match self {
            Self::At(address) => implementation == Some(address),
            Self::Code(hash) => code_hash == Some(hash),
        }
    }
}

/// What is known of the registry's code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code {
    implementation: Option<Address>,
    pub(super) hash: B256,
    /// Does it know `commitBatches`?
    pub(super) takes_many: bool,
    /// When other code than before was seen last, Unix milliseconds; 0: never.
    pub(super) upgraded_ms: u64,
    asked: Instant,
}

impl AnchorLoop {
    /// The code behind `implementation`, compared with what was there before, be it before a restart.
    pub(super) async fn look_at_code(
        &mut self,
        implementation: Option<Address>,
    ) -> Result<Code, TickError> {
        if let Some(code) = self.code
            && code.implementation == implementation
            && clock::now().duration_since(code.asked) < CODE_HOLDS
        {
            return Ok(code);
        }
        let hash = self.chain.code_hash(implementation).await?;
        let takes_many = self.chain.takes_many().await?;
        let before = self.journal.deployed().await?;
        let mut now = Deployed {
            implementation: implementation.map(|address| address.0.0),
            code_hash: hash.0,
            upgraded_ms: before.map_or(0, |before| before.upgraded_ms),
        };
        if before != Some(now) {
            if let Some(before) = before {
                now.upgraded_ms = now_ms();
                tracing::error!(
                    before = ?before.implementation.map(Address::from), now = ?implementation,
                    code = %hash, "the registry was upgraded"
                );
                self.shared.upgraded();
            }
            self.journal.note_deployed(&now).await?;
        }
        let code = Code {
            implementation,
            hash,
            takes_many,
            upgraded_ms: now.upgraded_ms,
            asked: clock::now(),
        };
        self.code = Some(code);
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d1_code_is_approved_by_its_address_or_by_its_hash() {
        let (address, hash) = (Address::repeat_byte(1), B256::repeat_byte(2));
        let at: Approved = address.to_string().parse().unwrap();
        let code: Approved = hash.to_string().parse().unwrap();
        assert_eq!((at, code), (Approved::At(address), Approved::Code(hash)));
        assert!(at.names(Some(address), None));
        assert!(!at.names(Some(Address::repeat_byte(3)), Some(hash)));
        assert!(code.names(Some(Address::repeat_byte(3)), Some(hash)));
        assert!(!code.names(Some(address), Some(B256::repeat_byte(4))));
        // A registry that is no proxy has no address to name.
        assert!(code.names(None, Some(hash)) && !at.names(None, Some(hash)));
        // Code that could not be read is not approved by hash.
        assert!(!code.names(Some(address), None));
    }

    #[test]
    fn d1_what_is_neither_is_refused() {
        for text in [
            "",
            "0x",
            "registry",
            "0x0101",
            &"f".repeat(63),
            &"0".repeat(41),
        ] {
            let error = text.parse::<Approved>().unwrap_err();
            assert!(error.contains("Keccak-256"), "{text}: {error}");
        }
    }
}
