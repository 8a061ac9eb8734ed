// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What sessions, decisions and reports cost, at the worst: lists are full, seals really verified,
//! headers as long as they may be.

use crate::{
    Authored, Call, Config, Keys, KeysInUse, MAX_HEADER_BYTES, Member, Members, Minimum, Pallet,
    PendingRecovery, Recovery, SessionLength,
    frame_support::{
        BoundedVec,
        pallet_prelude::TransactionSource,
        traits::{EnsureOrigin, Get},
    },
    frame_system::{self, RawOrigin, pallet_prelude::HeaderFor},
    pallet_authorship::EventHandler,
    pallet_session,
    polkadot_sdk::{
        self,
        frame_benchmarking::v2::*,
        sp_consensus_aura::{AURA_ENGINE_ID, Slot},
        sp_core::{crypto::key_types, sr25519},
    },
    sp_io,
    sp_runtime::{
        Digest, DigestItem,
        traits::{Header as _, One, OpaqueKeys, TrailingZeroInput},
    },
};
use alloc::{boxed::Box, vec, vec::Vec};
use codec::{Decode, Encode};

fn governance<T: Config>() -> Result<T::RuntimeOrigin, BenchmarkError> {
    T::GovernanceOrigin::try_successful_origin().map_err(|()| BenchmarkError::Weightless)
}

fn validator<T: Config>(n: u32) -> T::AccountId {
    account("validator", n, 0)
}

fn keys<T: Config>(n: u32) -> T::Keys {
    let one = sp_io::hashing::blake2_256(&n.encode());
    let other = sp_io::hashing::blake2_256(&one);
    let bytes = [one, other].concat();
    T::Keys::decode(&mut TrailingZeroInput::new(&bytes)).expect("any bytes are keys")
}

/// So many members with keys, of whom the first `active` are in the set.
fn fill<T: Config>(members: u32, active: u32) {
    let mut list = Vec::new();
    for n in 0..members {
        let account = validator::<T>(n);
        let keys = keys::<T>(n);
        frame_system::Pallet::<T>::inc_providers(&account);
        let _ = frame_system::Pallet::<T>::inc_consumers(&account);
        for kind in [key_types::AURA, key_types::GRANDPA] {
            let owner = (kind, keys.get_raw(kind).to_vec());
            pallet_session::KeyOwner::<T>::insert(owner, &account);
        }
        pallet_session::NextKeys::<T>::insert(&account, keys);
        list.push(Member::new(account, 0));
    }
    Members::<T>::put(BoundedVec::truncate_from(list));
    let set: Vec<_> = (0..active).map(validator::<T>).collect();
    let queued: Vec<_> = (0..active)
        .map(|n| (validator::<T>(n), keys::<T>(n)))
        .collect();
    pallet_session::Validators::<T>::put(set);
    pallet_session::QueuedKeys::<T>::put(queued);
    SessionLength::<T>::put(frame_system::pallet_prelude::BlockNumberFor::<T>::from(
        600u32,
    ));
    Minimum::<T>::put(1);
}

/// Two sealed headers of validator 0, as long as they may be, and what they rest on.
fn evidence<T: Config>() -> (sr25519::Public, Box<HeaderFor<T>>, Box<HeaderFor<T>>) {
    let most = T::MaxValidators::get();
    fill::<T>(most, most);
    let key = sp_io::crypto::sr25519_generate(key_types::AURA, None);
    let mut in_use: Vec<_> = (1..most)
        .map(|n| KeysInUse {
            validator: validator::<T>(n),
            blocks: sp_io::hashing::blake2_256(&n.encode()),
            votes: [0; 32],
        })
        .collect();
    // Found last.
    in_use.push(KeysInUse {
        validator: validator::<T>(0),
        blocks: key.0,
        votes: [0; 32],
    });
    Keys::<T>::insert(0, BoundedVec::truncate_from(in_use));
    let parent = T::Hash::default();
    let mut parent_bytes = parent;
    parent_bytes.as_mut().fill(7);
    frame_system::BlockHash::<T>::insert(
        frame_system::pallet_prelude::BlockNumberFor::<T>::from(0u32),
        parent_bytes,
    );
    let [first, second] = [1u8, 2].map(|salt| {
        let mut root = T::Hash::default();
        root.as_mut().fill(salt);
        let digest = Digest {
            logs: vec![
                DigestItem::PreRuntime(AURA_ENGINE_ID, Slot::from(9).encode()),
                DigestItem::Other(vec![0; MAX_HEADER_BYTES.saturating_sub(400)]),
            ],
        };
        let mut header =
            HeaderFor::<T>::new(One::one(), root, Default::default(), parent_bytes, digest);
        let seal = sp_io::crypto::sr25519_sign(key_types::AURA, &key, header.hash().as_ref());
        let seal = seal.expect("the key was generated").0.to_vec();
        header
            .digest_mut()
            .push(DigestItem::Seal(AURA_ENGINE_ID, seal));
        Box::new(header)
    });
    (key, first, second)
}

#[benchmarks]
mod benchmarks {
    use super::*;

    #[benchmark]
    fn note_author() {
        let most = T::MaxValidators::get();
        fill::<T>(most, most);
        let last = validator::<T>(most.saturating_sub(1));
        #[block]
        {
            let _ = SessionLength::<T>::get();
            <Pallet<T> as EventHandler<_, _>>::note_author(last);
        }
        assert_eq!(Authored::<T>::get().len(), most as usize);
    }

    /// Half of them leave or have left, half of them come.
    #[benchmark]
    fn next_session(v: Linear<2, { T::MaxValidators::get() }>) {
        let active = v / 2;
        fill::<T>(v, active);
        Members::<T>::mutate(|members| {
            for (n, member) in (0u32..).zip(members.iter_mut()) {
                member.leaving = n % 2 == 0;
            }
        });
        Authored::<T>::put(BoundedVec::truncate_from(vec![5, 0]));
        PendingRecovery::<T>::put(Recovery {
            delay: One::one(),
            best_finalized: One::one(),
            planned: true,
        });
        #[block]
        {
            Pallet::<T>::next_session();
        }
        assert!(!PendingRecovery::<T>::exists());
    }

    #[benchmark]
    fn add_validator() -> Result<(), BenchmarkError> {
        let most = T::MaxValidators::get();
        fill::<T>(most.saturating_sub(1), 1);
        let origin = governance::<T>()?;
        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, validator::<T>(most));
        assert_eq!(Members::<T>::get().len(), most as usize);
        Ok(())
    }

    #[benchmark]
    fn remove_validator() -> Result<(), BenchmarkError> {
        let most = T::MaxValidators::get();
        fill::<T>(most, most);
        let last = validator::<T>(most.saturating_sub(1));
        let origin = governance::<T>()?;
        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, last);
        assert!(Members::<T>::get().iter().any(|member| member.leaving));
        Ok(())
    }

    #[benchmark]
    fn reinstate_validator() -> Result<(), BenchmarkError> {
        let most = T::MaxValidators::get();
        fill::<T>(most, most);
        let last = validator::<T>(most.saturating_sub(1));
        Pallet::<T>::expel(last.clone(), [0; 16], 0);
        let origin = governance::<T>()?;
        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, last);
        assert!(Members::<T>::get().iter().all(|member| !member.expelled));
        Ok(())
    }

    /// Everybody goes, and as many come.
    #[benchmark]
    fn set_council() -> Result<(), BenchmarkError> {
        let most = T::MaxCouncil::get();
        let council = |from: u32| -> Vec<T::AccountId> {
            (from..from.saturating_add(most))
                .map(|n| account("member", n, 0))
                .collect()
        };
        let origin = governance::<T>()?;
        Pallet::<T>::do_set_council(council(0))?;
        let members = BoundedVec::truncate_from(council(most));
        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, members);
        assert_eq!(T::CouncilMembers::get().len(), most as usize);
        Ok(())
    }

    #[benchmark]
    fn authorize_upgrade() -> Result<(), BenchmarkError> {
        let origin = governance::<T>()?;
        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, T::Hash::default());
        Ok(())
    }

    #[benchmark]
    fn recover_finality() -> Result<(), BenchmarkError> {
        fill::<T>(1, 1);
        let origin = governance::<T>()?;
        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, One::one(), One::one());
        assert!(PendingRecovery::<T>::exists());
        Ok(())
    }

    #[benchmark]
    fn report_double_block() -> Result<(), BenchmarkError> {
        let (offender, first, second) = evidence::<T>();
        #[extrinsic_call]
        _(RawOrigin::Authorized, offender, first, second);
        assert!(Members::<T>::get().iter().any(|member| member.expelled));
        Ok(())
    }

    #[benchmark]
    fn authorize_double_block() -> Result<(), BenchmarkError> {
        let (offender, first, second) = evidence::<T>();
        #[block]
        {
            Pallet::<T>::authorize_double_block(
                TransactionSource::External,
                &offender,
                &first,
                &second,
            )
            .map_err(|_| BenchmarkError::Stop("refused"))?;
        }
        Ok(())
    }
}
