// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What code the registry runs, and which calls it knows.

use super::{
    chain::{Chain, ChainError},
    contract::SetRegistry,
    revert::Refusal,
};
use alloy::{
    primitives::{Address, B256, U256, b256, keccak256},
    providers::Provider,
};

/// Where an ERC-1967 proxy keeps its implementation.
const IMPLEMENTATION_SLOT: B256 =
    b256!("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc");

impl Chain {
    /// The implementation behind the registry's proxy; `None` if it is no ERC-1967 proxy.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn implementation(&self) -> Result<Option<Address>, ChainError> {
        let slot = U256::from_be_bytes(IMPLEMENTATION_SLOT.0);
        let registry = self.identity.registry;
        let word = self
            .rpc("eth_getStorageAt", async {
                self.provider().get_storage_at(registry, slot).await
            })
            .await?;
        let address = Address::from_word(word.into());
        Ok((!address.is_zero()).then_some(address))
    }

    /// Keccak-256 of the code behind the registry's proxy, or of its own if it is no proxy.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn code_hash(&self, implementation: Option<Address>) -> Result<B256, ChainError> {
        let address = implementation.unwrap_or(self.identity.registry);
        let code = self
            .rpc("eth_getCode", async {
                self.provider().get_code_at(address).await
            })
            .await?;
        Ok(keccak256(&code))
    }

    /// Does the registry know `commitBatches`? The peer's does not: it has no function for the call
    /// and reverts without a word. Any other refusal comes from the function itself.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn takes_many(&self) -> Result<bool, ChainError> {
        let registry = SetRegistry::new(self.identity.registry, self.provider());
        // Not from our account: some nodes want it to have the funds even for a question.
        let none = registry.commitBatches(Vec::new());
        match self
            .read("commitBatches", async { none.call().await })
            .await
        {
            Ok(_) => Ok(true),
            Err(ChainError::Refused(refusal)) => Ok(refusal != Refusal::WrongContract),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_of_the_implementation_is_that_of_erc_1967() {
        let hash = keccak256("eip1967.proxy.implementation");
        let slot = U256::from_be_bytes(hash.0) - U256::from(1);
        assert_eq!(slot, U256::from_be_bytes(IMPLEMENTATION_SLOT.0));
    }
}
