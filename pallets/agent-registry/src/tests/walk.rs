// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Random histories of keys: registrations, rotations, revocations now and ahead, and blocks in any
//! order. What the chain said of a key in a block is what every later reader says of it.

use crate::{Error, mock::*};
use polkadot_sdk::{frame_support::assert_noop, frame_system::Origin};
use ves_primitives::{
    KeyId, Signature,
    registry::{
        AuthorDirectory, AuthorProblem, KeyProblem, KeyRotation, RecordedAt, ValidityWindow,
    },
};

/// Keys that a history is about.
const KEYS: u32 = 8;
/// Steps of one history.
const STEPS: u32 = 300;

/// A small generator, so that a failure can be repeated by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        // Knuth's MMIX constants; the high bits are the good ones.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).expect("31 bits") % bound
    }

    fn key(&mut self) -> KeyId {
        KeyId(1 + self.below(KEYS))
    }
}

/// What the registry says of a key now.
fn verdict(key: KeyId) -> Result<(), KeyProblem> {
    match Registry::author(TENANT, STORE, AGENT, key) {
        Ok(_) => Ok(()),
        Err(AuthorProblem::Key(problem)) => Err(problem),
        Err(other) => unreachable!("{other}"),
    }
}

fn seed_of(key: KeyId) -> u8 {
    u8::try_from(key.0).expect("few keys")
}

/// Whether the rotation succeeded.
fn try_rotate(random: &mut Random) -> bool {
    let (outgoing, successor) = (random.key(), random.key());
    let mut rotation = KeyRotation {
        tenant_id: TENANT,
        agent_id: AGENT,
        outgoing,
        successor,
        public_key: public(&signer(seed_of(successor))),
        grace_seconds: random.below(20),
        possession: Signature([0; 64]),
        handover: Signature([0; 64]),
    };
    let statement = rotation.statement(Registry::genesis_hash());
    rotation.possession = sign(&signer(seed_of(successor)), &statement.successor.hash());
    rotation.handover = sign(&signer(seed_of(outgoing)), &statement.hash());
    let before = Registry::signing_key(TENANT, AGENT, outgoing);
    let done = Registry::rotate_signing_key(Origin::<Test>::Authorized.into(), rotation);
    if done.is_ok() {
        let before = before.expect("it handed over");
        let end = |key| {
            let record = Registry::signing_key(TENANT, AGENT, key).expect("registered");
            record.window.valid_to.unwrap_or(u64::MAX)
        };
        let granted = before.window.valid_to.unwrap_or(u64::MAX);
        assert!(end(outgoing) <= granted, "a rotation widened a window");
        assert_eq!(end(successor), granted, "a successor has another end");
        assert_noop!(
            Registry::rotate_signing_key(Origin::<Test>::Authorized.into(), rotation),
            Error::<Test>::KeyHandedOver
        );
    }
    done.is_ok()
}

/// One change; answers whether it was a rotation, and a revocation, that succeeded.
fn step(random: &mut Random, now: RecordedAt) -> (bool, bool) {
    let key = random.key();
    match random.below(8) {
        0 if Registry::signing_key(TENANT, AGENT, key).is_none() => {
            let window = ValidityWindow {
                valid_from: (random.below(3) == 0).then(|| now.time_ms + 4_000),
                valid_to: (random.below(3) == 0).then(|| now.time_ms + 40_000),
            };
            register(key, &signer(seed_of(key)), window);
            (false, false)
        }
        1 => {
            let ahead = (random.below(2) == 0).then(|| now.block + random.below(12));
            let admin = RuntimeOrigin::signed(ADMIN);
            let done = Registry::revoke_signing_key(admin, TENANT, AGENT, key, ahead);
            (false, done.is_ok())
        }
        2 | 3 => (try_rotate(random), false),
        _ => (false, false),
    }
}

#[test]
fn what_the_chain_said_of_a_key_stands_for_every_later_reader() {
    let (mut rotations, mut revocations) = (0u32, 0u32);
    for seed in 0..24 {
        chain(|| {
            let mut random = Random(seed);
            let mut said = Vec::new();
            let mut now = Registry::recorded_now();
            for _ in 0..STEPS {
                let (rotated, revoked) = step(&mut random, now);
                rotations += u32::from(rotated);
                revocations += u32::from(revoked);
                for key in (1..=KEYS).map(KeyId) {
                    if let Some(record) = Registry::signing_key(TENANT, AGENT, key) {
                        said.push((now, key, verdict(key)));
                        assert_eq!(record.check_at(&now), verdict(key));
                    }
                }
                if random.below(3) == 0 {
                    now.block += 1;
                    now.time_ms += 2_000;
                    go_to(now.block.into(), now.time_ms);
                }
            }
            for (at, key, verdict) in said {
                let record = Registry::signing_key(TENANT, AGENT, key).expect("never removed");
                let judged = record.check_at(&at);
                // A rotation ends its key at its own moment at the earliest: what was valid stays
                // so. Which of two reasons is named may change when both hold.
                assert_eq!(
                    judged.is_ok(),
                    verdict.is_ok(),
                    "seed {seed}, {key} at {at:?}: {judged:?}, once {verdict:?}"
                );
            }
        });
    }
    assert!(
        rotations > 20 && revocations > 100,
        "the histories are too dull: {rotations} rotations, {revocations} revocations"
    );
}
