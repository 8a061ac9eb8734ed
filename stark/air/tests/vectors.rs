// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The commitment against known answers of the permutation, and its diffusion.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its input has failed"
)]

use serde_json::Value;
use std::fs;
use ves_primitives::{AmountCommitment, AmountSalt, CurrencyTag, EventId, amount::FIELD_MODULUS};
use ves_stark_air::{
    Commitment, Entry, Felt, Salt, Shape, Statement, commit, commitment::initial_state,
};
use winter_crypto::hashers::RpJive64_256;
use winter_math::{FieldElement, StarkField};

fn known_answers() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../primitives/vectors/starks/winterfell_rescue_kat.json"
    );
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<u64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_str().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn constants_and_permutations_are_the_known_ones() {
    let file = known_answers();
    let width8 = &file["rpjive64_256"];
    let matrix = |name: &str| -> Vec<Vec<u64>> {
        width8[name]
            .as_array()
            .unwrap()
            .iter()
            .map(numbers)
            .collect()
    };
    let integers = |rows: &[[Felt; 8]]| -> Vec<Vec<u64>> {
        rows.iter()
            .map(|row| row.iter().map(StarkField::as_int).collect())
            .collect()
    };
    assert_eq!(matrix("mds"), integers(&RpJive64_256::MDS));
    assert_eq!(matrix("inv_mds"), integers(&RpJive64_256::INV_MDS));
    assert_eq!(matrix("ark1"), integers(&RpJive64_256::ARK1));
    assert_eq!(matrix("ark2"), integers(&RpJive64_256::ARK2));
    let cases = width8["perm_kat"].as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let input = numbers(&case["in"]);
        let mut state: [Felt; 8] = std::array::from_fn(|lane| Felt::new(input[lane]));
        RpJive64_256::apply_permutation(&mut state);
        assert_eq!(state.map(|x| x.as_int()).to_vec(), numbers(&case["out"]));
    }
}

#[test]
fn commitments_without_currency_are_the_prototypes() {
    let file = known_answers();
    let cases = file["rpjive64_256"]["commitment_kat_prototype"]["cases"]
        .as_array()
        .unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let salt = numbers(&case["salt"]);
        let salt = Salt(std::array::from_fn(|index| Felt::new(salt[index])));
        let amount = case["amount"].as_str().unwrap().parse().unwrap();
        let Commitment(ours) = commit(CurrencyTag::NONE, amount, &salt);
        assert_eq!(ours.map(|x| x.as_int()).to_vec(), numbers(&case["C"]));
    }
}

#[test]
fn every_lane_of_the_commitment_depends_on_every_input() {
    let usd = CurrencyTag::new("USD", 2).unwrap();
    let salt = Salt([Felt::new(1), Felt::new(2), Felt::new(3)]);
    let base = commit(usd, 5_000, &salt);
    let differs = |other: Commitment| {
        assert!(base.0.iter().zip(other.0).all(|(a, b)| *a != b));
    };
    differs(commit(usd, 5_001, &salt));
    differs(commit(CurrencyTag::new("USD", 3).unwrap(), 5_000, &salt));
    differs(commit(CurrencyTag::new("EUR", 2).unwrap(), 5_000, &salt));
    for lane in 0..3 {
        let mut changed = salt;
        changed.0[lane] += Felt::ONE;
        differs(commit(usd, 5_000, &changed));
    }
}

/// Frozen: a change breaks every stored commitment.
#[test]
fn commitments_and_salts_are_frozen() {
    let usd = CurrencyTag::new("USD", 2).unwrap();
    let salt = AmountSalt::derive(&[0x11; 16], EventId([0x22; 16]));
    let commitment: AmountCommitment = commit(usd, 5_998, &Salt::from(&salt)).into();
    assert_eq!((salt.words(), commitment.to_string().as_str()), FROZEN);
    assert_eq!(
        Commitment::try_from(commitment),
        Ok(commit(usd, 5_998, &Salt::from(&salt)))
    );
    let state = initial_state(usd, 5_998, &Salt::from(&salt));
    assert_eq!(state[0].as_int().to_be_bytes(), *b"VES_AMT1");
}

/// The salt was computed independently, with Python's `hmac`.
const FROZEN: ([u64; 3], &str) = (
    [
        15_720_480_996_254_326_058,
        18_040_104_385_433_124_386,
        17_380_588_957_004_442_776,
    ],
    "0x00b768ac3ba350216a4138a0cef25e11c0853dc8332a4628ff3bd090558894b6",
);

#[test]
fn words_at_or_above_the_modulus_are_no_commitment() {
    for word in 0..4 {
        let mut words = [0; 4];
        words[word] = FIELD_MODULUS;
        assert!(Commitment::try_from(AmountCommitment::from_words(words)).is_err());
    }
}

#[test]
fn the_header_of_each_shape_is_frozen() {
    let usd = CurrencyTag::new("USD", 2).unwrap();
    let entry = Entry {
        commitment: commit(usd, 1, &Salt([Felt::ZERO; 3])),
        limit: 5,
        tag: usd,
    };
    let c = entry.commitment;
    let header = |statement: Statement| hex(&Shape::of(&statement).header());
    let headers = [
        header(Statement::single(entry, [0; 32]).unwrap()),
        header(Statement::batch(vec![entry; 8], [0; 32]).unwrap()),
        header(Statement::batch(vec![entry; 14], [0; 32]).unwrap()),
        header(Statement::budget(c, &[c], c, 5, usd, [0; 32]).unwrap()),
    ];
    assert_eq!(headers, HEADERS);
}

const HEADERS: [&str; 4] = [
    "1e00000700000801000000ffffffff2f200c03047f000001014f",
    "2200000800000801000000ffffffff2f200c0304ff000001018b",
    "2200000900000801000000ffffffff30200c0304ff00000101cb",
    "2300000800000801000000ffffffff2f200c0304ff0000010191",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
