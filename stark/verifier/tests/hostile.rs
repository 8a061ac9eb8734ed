// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Bytes nobody honest made: a verdict for each, no panic, no large allocation.
//!
//! The short form changes every byte once; `VES_LONG_TESTS=1` changes it in five ways
//! (`scripts/long-stark.sh`).

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its input has failed"
)]

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};
use ves_primitives::{AmountSalt, CurrencyTag, limits::MAX_PROOF_BYTES};
use ves_stark_air::{Entry, Shape, Statement, shape::EXT_BYTES};
use ves_stark_prover::{Opening, prove};
use ves_stark_verifier::{Verified, VerifyError, structure::Parts};

/// Remembers the largest single request of the verifier.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static VERIFYING: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: hands every request to the system allocator unchanged.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if VERIFYING.get() {
            LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

fn verify(proof: &[u8], statement: &Statement) -> Result<Verified, VerifyError> {
    VERIFYING.set(true);
    let verdict = ves_stark_verifier::verify(proof, statement);
    VERIFYING.set(false);
    assert!(LARGEST.load(Ordering::Relaxed) <= LARGEST_ALLOWED);
    verdict
}

/// Nothing a verifier allocates comes near this; one bad length prefix would.
const LARGEST_ALLOWED: usize = 1 << 20;

fn case(events: u64) -> (Statement, Vec<u8>) {
    let tag = CurrencyTag::new("USD", 2).unwrap();
    let openings: Vec<Opening> = (0..events)
        .map(|index| Opening::new(5_000, AmountSalt::from_words([index, 2, 3]).unwrap()))
        .collect();
    let entries: Vec<Entry> = openings
        .iter()
        .map(|opening| Entry {
            commitment: opening.commit(tag).unwrap(),
            limit: 9_999,
            tag,
        })
        .collect();
    let statement = if events == 1 {
        Statement::single(entries[0], [1; 32])
    } else {
        Statement::batch(entries, [1; 32])
    }
    .unwrap();
    let proof = prove(&statement, &openings, &mut |_| ()).unwrap();
    (statement, proof)
}

/// Two threads share the positions; returns how many changes each verdict met.
fn mutate(
    statement: &Statement,
    proof: &[u8],
    values: impl Fn(usize, u8) -> Vec<u8> + Sync,
) -> usize {
    std::thread::scope(|scope| {
        let halves: Vec<_> = (0..2)
            .map(|half| {
                let values = &values;
                scope.spawn(move || {
                    let mut changed = proof.to_vec();
                    let mut tried = 0;
                    for position in (half..proof.len()).step_by(2) {
                        let original = proof[position];
                        for value in values(position, original) {
                            if value == original {
                                continue;
                            }
                            changed[position] = value;
                            assert!(
                                verify(&changed, statement).is_err(),
                                "byte {position} changed to {value} was accepted"
                            );
                            tried += 1;
                        }
                        changed[position] = original;
                    }
                    tried
                })
            })
            .collect();
        halves.into_iter().map(|half| half.join().unwrap()).sum()
    })
}

#[test]
fn no_byte_of_a_proof_can_be_changed() {
    let long = std::env::var_os("VES_LONG_TESTS").is_some();
    for events in [1, 13] {
        let (statement, proof) = case(events);
        let tried = mutate(&statement, &proof, |position, original| {
            if position < 96 {
                (0..=255).collect()
            } else if long {
                vec![0, 1, 255, original ^ 1, original.wrapping_add(1)]
            } else {
                vec![original ^ (1 << (position % 8))]
            }
        });
        println!(
            "{events} events: {} bytes, {tried} changes refused",
            proof.len()
        );
        assert!(tried >= proof.len());
    }
}

#[test]
fn proofs_cut_short_or_extended_are_refused() {
    let (statement, proof) = case(1);
    for length in (0..proof.len())
        .step_by(7)
        .chain(proof.len() - 40..proof.len())
    {
        let verdict = verify(&proof[..length], &statement).unwrap_err();
        assert!(matches!(
            verdict,
            VerifyError::Header | VerifyError::Structure
        ));
    }
    for extra in [1, 8, 100] {
        let extended = [proof.as_slice(), &vec![0; extra]].concat();
        assert_eq!(verify(&extended, &statement), Err(VerifyError::Structure));
    }
    let too_long = vec![0; MAX_PROOF_BYTES as usize + 1];
    assert_eq!(verify(&too_long, &statement), Err(VerifyError::TooLong));
}

#[test]
fn each_header_byte_is_pinned() {
    let (statement, proof) = case(1);
    let header = Shape::of(&statement).header();
    for position in 0..header.len() {
        for value in 0..=255 {
            let mut changed = proof.clone();
            changed[position] = value;
            if changed != proof {
                assert_eq!(verify(&changed, &statement), Err(VerifyError::Header));
            }
        }
    }
}

/// Offset of a part within its proof.
fn offset(proof: &[u8], part: &[u8]) -> usize {
    part.as_ptr() as usize - proof.as_ptr() as usize
}

#[test]
fn a_replaced_remainder_is_refused_by_its_commitment() {
    for events in [1, 13] {
        let (statement, proof) = case(events);
        let parts = Parts::split(&proof, &Shape::of(&statement)).unwrap();
        let start = offset(&proof, parts.remainder);
        for coefficient in 0..parts.remainder.len() / EXT_BYTES {
            let mut changed = proof.clone();
            // Lowest byte of a canonical element: stays canonical.
            changed[start + EXT_BYTES * coefficient] ^= 1;
            assert_eq!(verify(&changed, &statement), Err(VerifyError::Remainder));
        }
    }
}

#[test]
fn another_nonce_fails_the_proof_of_work_or_asks_for_other_openings() {
    let (statement, proof) = case(1);
    let mut refused_by_work = 0;
    for nonce in 0..200u64 {
        let mut changed = proof.clone();
        let end = changed.len() - 8;
        changed[end..].copy_from_slice(&(u64::MAX - nonce).to_le_bytes());
        match verify(&changed, &statement).unwrap_err() {
            VerifyError::ProofOfWork => refused_by_work += 1,
            VerifyError::Positions | VerifyError::Structure | VerifyError::Invalid => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(refused_by_work > 190);
}

#[test]
fn random_bytes_behind_a_good_header_are_refused() {
    let (statement, proof) = case(1);
    let header = Shape::of(&statement).header();
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    for _ in 0..2_000 {
        let mut bytes = proof.clone();
        let start = header.len() + (rng.next_u32() as usize) % (bytes.len() - header.len());
        let end = bytes.len().min(start + (rng.next_u32() as usize) % 4_096);
        rng.fill_bytes(&mut bytes[start..end]);
        if bytes != proof {
            assert!(verify(&bytes, &statement).is_err());
        }
    }
    assert!(
        LARGEST.load(Ordering::Relaxed) > 0,
        "the watch itself works"
    );
}
