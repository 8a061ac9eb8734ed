// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Runtime API of the consortium: who validates, and reports of double blocks.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use alloc::vec::Vec;
use codec::{Codec, Decode, Encode};
use polkadot_sdk::{sp_api, sp_core::sr25519, sp_runtime::traits::Block as BlockT};
use scale_info::TypeInfo;

/// What there is to know about one validator.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ValidatorStatus<AccountId> {
    /// Its account.
    pub account: AccountId,
    /// It has registered keys.
    pub has_keys: bool,
    /// It makes blocks and votes in this session.
    pub in_set: bool,
    /// It will in the next one.
    pub in_next_set: bool,
    /// It makes no blocks, because it was expelled while it was in the set.
    pub disabled: bool,
    /// The council has removed it; it goes when the set can do without it.
    pub leaving: bool,
    /// It was proven to have signed twice.
    pub expelled: bool,
    /// Blocks it made in this session.
    pub blocks: u32,
}

sp_api::decl_runtime_apis! {
    /// Questions about validators at a block's state, and reports by nodes.
    pub trait ConsortiumApi<AccountId: Codec> {
        /// Every validator that the council has admitted, in the order of admission.
        fn validators() -> Vec<ValidatorStatus<AccountId>>;
        /// Puts a report of two blocks of one author for one slot into the node's own pool. None if
        /// the chain would refuse it.
        fn submit_block_equivocation(
            offender: sr25519::Public,
            first: <Block as BlockT>::Header,
            second: <Block as BlockT>::Header,
        ) -> Option<()>;
    }
}
