// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Security and counts, by arithmetic and by the library's own estimator.

use super::{batch, budget, single};
use crate::prove;
use ves_stark_air::{
    Entry, Hash, Kind, Shape, Statement,
    layout::{EXTENSION, RANDOM_ROWS},
};
use winter_air::proof::Proof;

fn shapes() -> Vec<(Kind, Shape)> {
    let (one, _) = single(1, 2);
    let entry = one.entries()[0];
    let mut shapes = vec![(Kind::Single, Shape::of(&one))];
    for count in 1..=128u64 {
        for mixed in [false, true] {
            let entries = (0..count)
                .map(|index| Entry {
                    limit: 2 + u64::from(mixed) * index,
                    ..entry
                })
                .collect();
            let statement = Statement::batch(entries, [0; 32]).unwrap();
            shapes.push((Kind::Batch, Shape::of(&statement)));
        }
        let commitments = vec![entry.commitment; count as usize];
        let c = entry.commitment;
        let statement = Statement::budget(c, &commitments, c, 2, entry.tag, [0; 32]).unwrap();
        shapes.push((Kind::Budget, Shape::of(&statement)));
    }
    shapes
}

/// The estimator takes a proof, of which it reads the context only: any proof with the context of
/// each shape will do.
#[test]
fn every_shape_has_128_bits_proven_by_list_decoding() {
    let mut proof = Proof::new_dummy();
    for (kind, shape) in shapes() {
        proof.context = shape.context();
        let proven = proof.proven_security::<Hash>();
        assert!(
            proven.ldr_bits() >= 128,
            "{kind:?} of {} rows: {}",
            shape.length(),
            proven.ldr_bits()
        );
        assert!(proof.conjectured_security::<Hash>().is_at_least(128));
    }
}

#[test]
fn the_context_of_real_proofs_is_the_one_estimated() {
    for (statement, openings) in [single(1, 2), batch(2), budget(&[1], 1, 5)] {
        let bytes = prove(&statement, &openings, &mut |_| ()).unwrap();
        let proof = Proof::from_bytes(&bytes).unwrap();
        let shape = Shape::of(&statement);
        assert_eq!(proof.context, shape.context());
        assert!(proof.proven_security::<Hash>().ldr_bits() >= 128);
    }
}

/// The counts of `docs/zk.md`: q openings in the base field, and z and zg in the extension.
#[test]
fn every_shape_has_more_randomness_than_openings() {
    for (kind, shape) in shapes() {
        let openings = shape.queries() + 2 * EXTENSION;
        let random_rows = shape.length() - shape.active_rows() - 1;
        assert!(random_rows > openings, "{kind:?}: rows");
        assert!(random_rows >= RANDOM_ROWS);
        assert!(
            2 * shape.queries() + 3 * EXTENSION < shape.length(),
            "{kind:?}: quotient"
        );
        let split = match kind {
            Kind::Single => random_rows.min(shape.length() - random_rows),
            Kind::Batch | Kind::Budget => shape.length() / 4,
        };
        assert!(split >= openings, "{kind:?}: segments");
    }
}
