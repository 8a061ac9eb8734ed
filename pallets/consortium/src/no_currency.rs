// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The currency of a chain without one: the session pallet wants to hold a deposit, which is nothing.

use crate::frame_support::{
    pallet_prelude::{DispatchError, DispatchResult, TypeInfo},
    traits::{
        fungible::{self, Dust, hold},
        tokens::{DepositConsequence, Fortitude, Preservation, Provenance, WithdrawConsequence},
    },
};
use codec::Encode;
use core::marker::PhantomData;

/// Everybody has nothing, for ever.
#[derive(Clone, Copy, Debug)]
pub struct NoCurrency<Reason>(PhantomData<Reason>);

impl<A, R> fungible::Inspect<A> for NoCurrency<R> {
    type Balance = u32;

    fn total_issuance() -> u32 {
        0
    }

    fn minimum_balance() -> u32 {
        0
    }

    fn total_balance(_: &A) -> u32 {
        0
    }

    fn balance(_: &A) -> u32 {
        0
    }

    fn reducible_balance(_: &A, _: Preservation, _: Fortitude) -> u32 {
        0
    }

    fn can_deposit(_: &A, _: u32, _: Provenance) -> DepositConsequence {
        DepositConsequence::Overflow
    }

    fn can_withdraw(_: &A, amount: u32) -> WithdrawConsequence<u32> {
        if amount == 0 {
            WithdrawConsequence::Success
        } else {
            WithdrawConsequence::BalanceLow
        }
    }
}

impl<A, R> fungible::Unbalanced<A> for NoCurrency<R> {
    fn handle_dust(_: Dust<A, Self>) {}

    fn write_balance(_: &A, amount: u32) -> Result<Option<u32>, DispatchError> {
        if amount == 0 {
            Ok(None)
        } else {
            Err(DispatchError::Unavailable)
        }
    }

    fn set_total_issuance(_: u32) {}
}

impl<A: Eq, R> fungible::Mutate<A> for NoCurrency<R> {}

impl<A, R: Encode + TypeInfo + 'static> hold::Inspect<A> for NoCurrency<R> {
    type Reason = R;

    fn total_balance_on_hold(_: &A) -> u32 {
        0
    }

    fn balance_on_hold(_: &R, _: &A) -> u32 {
        0
    }
}

impl<A, R: Encode + TypeInfo + 'static> hold::Unbalanced<A> for NoCurrency<R> {
    fn set_balance_on_hold(_: &R, _: &A, amount: u32) -> DispatchResult {
        if amount == 0 {
            Ok(())
        } else {
            Err(DispatchError::Unavailable)
        }
    }
}

impl<A, R: Encode + TypeInfo + 'static> hold::Mutate<A> for NoCurrency<R> {}
