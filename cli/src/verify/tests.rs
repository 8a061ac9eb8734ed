// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::testing::{FakeChain, GENESIS, STORE, TENANT, flip, signed_events};
use codec::Encode;
use proptest::prelude::*;
use serde_json::json;
use ves_client::{DigestItem, Header};
use ves_primitives::{
    BLOCK_COMMITMENT_ENGINE, BlockCommitment, EventsRoot, GenesisHash, ReceiptHash,
    SigningPublicKey, StateRoot, StoreId, StreamId,
};
use ves_verify::AnchoredBatch;

fn bundle() -> BundleJson {
    let chain = FakeChain::with_seed();
    let events = signed_events(0..5);
    let id = events[2].envelope.event_id;
    chain.commit(events);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime
        .block_on(chain.bundle(TENANT, STORE, id))
        .unwrap()
        .unwrap()
}

fn verify(bundle: &BundleJson) -> Verification {
    offline(bundle, &TrustAnchors::default())
}

#[test]
fn an_honest_bundle_verifies_after_a_round_trip_and_says_what_it_relies_on() {
    let bundle = bundle();
    let text = serde_json::to_vec_pretty(&bundle).unwrap();
    let read = parse_bundle(&text).unwrap();
    assert_eq!(read, bundle);
    let verification = verify(&read);
    assert!(verification.holds(), "{verification:#?}");
    assert_eq!(caveats(&verification).len(), 3);
}

/// The first failure names what was altered.
fn expect(name: &str, reason: Reason, alter: impl FnOnce(&mut BundleJson)) {
    let mut altered = bundle();
    alter(&mut altered);
    let verification = verify(&altered);
    let first = verification
        .first_failure()
        .unwrap_or_else(|| panic!("{name} went unnoticed"));
    assert_eq!(
        (first.name, first.reason),
        (name, Some(reason)),
        "{verification:#?}"
    );
    let failure = failure(&verification).unwrap();
    assert_eq!(
        (failure.code, failure.exit),
        ("verification_failed", Exit::NotVerified)
    );
}

#[test]
fn each_alteration_has_its_own_failure() {
    use Reason::*;
    expect("payload_hash", PayloadHashInvalid, |b| {
        b.event.event.payload = Some(json!({"total": 13}));
    });
    expect("author_signature", SignatureInvalid, |b| {
        flip(&mut b.event.event.agent_signature)
    });
    expect("stream", StreamMismatch, |b| {
        b.event.event.store_id = StoreId([9; 16])
    });
    expect("stream", StreamMismatch, |b| {
        b.inclusion.batch.batch.store_id = StoreId([9; 16])
    });
    expect("receipt", ReceiptInvalid, |b| {
        b.event.receipt_hash = ReceiptHash([9; 32])
    });
    expect("leaf", LeafMismatch, |b| b.event.leaf_hash.0[0] ^= 1);
    expect("leaf", LeafMismatch, |b| b.inclusion.leaf_hash.0[0] ^= 1);
    expect("signing_hash", SigningHashMismatch, |b| {
        b.event.event_signing_hash.0[0] ^= 1
    });
    expect("inclusion", InclusionInvalid, |b| {
        b.inclusion.proof.path[1][5] ^= 1
    });
    expect("inclusion", InclusionInvalid, |b| {
        b.inclusion.proof.path.truncate(2)
    });
    expect("inclusion", PositionMismatch, |b| {
        b.inclusion.proof.leaf_index = 3
    });
    expect("receipt", ReceiptInvalid, |b| b.event.sequence = 4);
    expect("position", PositionMismatch, |b| b.event.block_number += 1);
    expect("batch", BatchInvalid, |b| {
        b.inclusion.batch.batch.new_state_root = StateRoot([1; 32])
    });
    expect("header", HeaderHashMismatch, |b| {
        b.inclusion.header[70] ^= 1
    });
    expect("header", HeaderHashMismatch, |b| b.inclusion.header.clear());
    expect("block", PositionMismatch, |b| b.event.block_hash[0] ^= 1);
    expect("block_commitment", BlockCommitmentInvalid, |b| {
        b.inclusion.block_proof.path[0][0] ^= 1;
    });
    expect("author_key", KeyUnresolved, |b| {
        b.signing_key.registered_at.block = 999
    });
    expect("event_form", EventMalformed, |b| {
        b.event.event.payload_kind = 7
    });
}

#[test]
fn a_bundle_without_its_payload_verifies_but_for_the_payload_and_says_so() {
    let mut pruned = bundle();
    pruned.event.event.payload = None;
    pruned.event.event.payload_raw_b64u = None;
    pruned.event.event.payload_encrypted = None;
    let v = offline(&pruned, &TrustAnchors::default());
    assert!(v.holds(), "{:?}", v.first_failure());
    for name in ["payload_hash", "payload_canonical"] {
        let check = v.checks.iter().find(|check| check.name == name).unwrap();
        assert_eq!(check.verdict, Verdict::NotJudged);
        assert_eq!(check.reason, Some(Reason::PayloadPruned));
    }
    for name in [
        "author_signature",
        "signing_hash",
        "receipt",
        "leaf",
        "inclusion",
    ] {
        let check = v.checks.iter().find(|check| check.name == name).unwrap();
        assert_eq!(check.verdict, Verdict::Pass, "{name}");
    }
    assert!(
        caveats(&v)
            .iter()
            .any(|caveat| caveat.contains("payload is not there"))
    );
    // The hash that the author signed still binds it.
    pruned.event.event.payload_plain_hash.0[0] ^= 1;
    let v = offline(&pruned, &TrustAnchors::default());
    assert_eq!(v.first_failure().unwrap().name, "author_signature");
    assert_eq!(
        record_event(&pruned.event).unwrap_err().code,
        "payload_pruned"
    );
}

#[test]
fn a_header_without_a_commitment_this_program_can_read_proves_no_batch_and_says_why() {
    let inclusion = bundle().inclusion;
    let header = rules::header(&inclusion).unwrap();
    let batch = &inclusion.batch.batch;
    let commitment = header.block_commitment().unwrap().unwrap();
    let newer = BlockCommitment {
        version: 2,
        ..commitment
    };
    let item = |data| DigestItem::Consensus(BLOCK_COMMITMENT_ENGINE, data);
    for (digest, why) in [
        (vec![], "no batches"),
        (vec![item(vec![1])], "exactly one well-formed"),
        (
            vec![item(commitment.encode()); 2],
            "exactly one well-formed",
        ),
        (vec![item(newer.encode())], "has format 2"),
    ] {
        let altered = Header {
            digest,
            ..header.clone()
        };
        let problem = rules::block_commitment(&altered, batch, &inclusion.block_proof).unwrap_err();
        assert_eq!(problem.reason, Reason::BlockCommitmentInvalid);
        assert!(problem.detail.contains(why), "{}", problem.detail);
    }
}

#[test]
fn a_forged_block_around_a_real_event_passes_offline_only_until_its_block_is_pinned() {
    let honest = bundle();
    let mut forged = honest.clone();
    forged.inclusion.header[0] ^= 1;
    let hash = ves_client::blake2_256(&forged.inclusion.header);
    forged.inclusion.batch.block_hash = hash;
    forged.event.block_hash = hash;
    assert!(verify(&forged).holds());
    let pinned = TrustAnchors {
        block_hash: Some(honest.inclusion.batch.block_hash),
        ..TrustAnchors::default()
    };
    assert!(offline(&honest, &pinned).holds());
    let verification = offline(&forged, &pinned);
    assert_eq!(
        verification.first_failure().unwrap().reason,
        Some(Reason::BlockHashMismatch)
    );
}

#[test]
fn every_trust_anchor_is_compared() {
    let bundle = bundle();
    let reason = |trust: TrustAnchors| {
        offline(&bundle, &trust)
            .first_failure()
            .and_then(|check| check.reason)
    };
    let none = TrustAnchors::default;
    assert_eq!(
        reason(TrustAnchors {
            genesis: Some(GENESIS),
            ..none()
        }),
        None
    );
    let other = Some(GenesisHash([1; 32]));
    assert_eq!(
        reason(TrustAnchors {
            genesis: other,
            ..none()
        }),
        Some(Reason::GenesisMismatch)
    );
    let key = Some(SigningPublicKey([1; 32]));
    assert_eq!(
        reason(TrustAnchors {
            agent_key: key,
            ..none()
        }),
        Some(Reason::AgentKeyMismatch)
    );
    let root = Some(EventsRoot([1; 32]));
    assert_eq!(
        reason(TrustAnchors {
            events_root: root,
            ..none()
        }),
        Some(Reason::EventsRootMismatch)
    );
    let stream = Some(StreamId([1; 32]));
    assert_eq!(
        reason(TrustAnchors { stream, ..none() }),
        Some(Reason::StreamMismatch)
    );
    assert_eq!(
        reason(TrustAnchors {
            contract: Some(None),
            ..none()
        }),
        Some(Reason::AnchorMissing)
    );
}

#[test]
fn every_anchored_field_is_compared() {
    let bundle = bundle();
    let batch = &bundle.inclusion.batch.batch;
    let honest = AnchoredBatch {
        chain_id: 31337,
        registry: "0x0".into(),
        read_at_block: 1,
        events_root: batch.events_root.0,
        new_state_root: batch.new_state_root.0,
        sequence_start: batch.sequence_start,
        sequence_end: batch.sequence_end,
        event_count: batch.leaf_count,
    };
    let judge = |found: AnchoredBatch| {
        let trust = TrustAnchors {
            contract: Some(Some(found)),
            ..TrustAnchors::default()
        };
        offline(&bundle, &trust)
            .first_failure()
            .and_then(|check| check.reason)
    };
    assert_eq!(judge(honest.clone()), None);
    let altered: [fn(&mut AnchoredBatch); 5] = [
        |a| a.events_root[0] ^= 1,
        |a| a.new_state_root[0] ^= 1,
        |a| a.sequence_start += 1,
        |a| a.sequence_end += 1,
        |a| a.event_count += 1,
    ];
    for alter in altered {
        let mut found = honest.clone();
        alter(&mut found);
        assert_eq!(judge(found), Some(Reason::AnchorMismatch));
    }
}

#[tokio::test]
async fn a_node_is_asked_for_finality_and_for_the_key() {
    let chain = FakeChain::with_seed();
    let events = signed_events(0..2);
    let id = events[0].envelope.event_id;
    chain.commit(events);
    let bundle = chain.bundle(TENANT, STORE, id).await.unwrap().unwrap();
    let ask = async |bundle: &BundleJson| {
        let mut v = verify(bundle);
        online(&mut v, bundle, &chain).await.unwrap();
        let reason = v.first_failure().and_then(|check| check.reason);
        (reason, caveats(&v).len())
    };
    assert_eq!(ask(&bundle).await, (None, 0));

    let mut forged = bundle.clone();
    forged.inclusion.header[0] ^= 1;
    let hash = ves_client::blake2_256(&forged.inclusion.header);
    forged.inclusion.batch.block_hash = hash;
    forged.event.block_hash = hash;
    assert_eq!(ask(&forged).await.0, Some(Reason::NotCanonical));

    let mut other = bundle.clone();
    other.genesis_hash = GenesisHash([1; 32]);
    assert_eq!(ask(&other).await.0, Some(Reason::GenesisMismatch));

    chain.edit_key(|key| key.public_key = SigningPublicKey([3; 32]));
    assert_eq!(ask(&bundle).await.0, Some(Reason::AgentKeyMismatch));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes_are_a_named_failure(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert_eq!(parse_bundle(&bytes).unwrap_err().code, "bundle_invalid");
    }

    #[test]
    fn a_flipped_byte_is_never_a_panic_and_never_changes_what_is_proven(
        position in any::<prop::sample::Index>(),
        flip in 1u8..=255,
    ) {
        let honest = bundle();
        let mut text = serde_json::to_vec(&honest).unwrap();
        let at = position.index(text.len());
        text[at] ^= flip;
        if let Ok(altered) = parse_bundle(&text) {
            let pins = TrustAnchors {
                genesis: Some(honest.genesis_hash),
                agent_key: Some(honest.signing_key.public_key),
                block_hash: Some(honest.inclusion.batch.block_hash),
                ..TrustAnchors::default()
            };
            let verification = offline(&altered, &pins);
            if verification.holds() {
                let mut proven = honest.event.event.clone();
                // Under another name the payload is no payload: as if it were pruned, and said to be.
                if altered.event.event.payload.is_none() {
                    let hash = verification.checks.iter().find(|check| check.name == "payload_hash");
                    prop_assert_eq!(hash.unwrap().verdict, Verdict::NotJudged);
                    proven.payload = None;
                }
                prop_assert_eq!(&altered.event.event, &proven);
                prop_assert_eq!(altered.event.sequence, honest.event.sequence);
            }
        }
    }
}

mod finality {
    use super::*;
    use crate::{finality as trust, testing::validators_of};
    use ves_finality::testing::{self, Validator};
    use ves_primitives::{AuthoritySet, AuthoritySetHash};

    /// A bundle as `export` writes it, about a block of set 1.
    async fn exported() -> BundleJson {
        let chain = FakeChain::with_seed();
        chain.lock().set_ends = vec![1];
        let events = signed_events(0..6);
        let id = events[4].envelope.event_id;
        chain.commit(events[..3].to_vec());
        chain.commit(events[3..].to_vec());
        chain.commit(signed_events(6..7));
        let mut bundle = chain.bundle(TENANT, STORE, id).await.unwrap().unwrap();
        let ui = crate::testing::ui();
        let sets = trust::track(None, &chain, None, &ui).await.unwrap();
        let header = rules::header(&bundle.inclusion).unwrap();
        bundle.finality = trust::evidence(&chain, &sets, &header, &ui).await.unwrap();
        bundle
    }

    fn genesis_set() -> AuthoritySet {
        testing::set(0, &validators_of(0))
    }

    fn sets(set: AuthoritySet) -> Option<TrustedAuthorities> {
        let sets = ves_finality::TrackedSets::new(set, 0).unwrap();
        Some(TrustedAuthorities::Sets(sets))
    }

    fn judge(bundle: &BundleJson, authorities: Option<TrustedAuthorities>) -> Verification {
        offline(
            bundle,
            &TrustAnchors {
                authorities,
                ..TrustAnchors::default()
            },
        )
    }

    fn verdict(v: &Verification, name: &str) -> Option<Verdict> {
        let check = v.checks.iter().find(|check| check.name == name);
        check.map(|check| check.verdict)
    }

    #[tokio::test]
    async fn finality_is_proven_from_the_pinned_set_or_its_hash_without_a_node() {
        let bundle = exported().await;
        let text = serde_json::to_vec(&bundle).unwrap();
        let bundle = parse_bundle(&text).unwrap();
        let later = testing::set(1, &validators_of(1));
        let named = |set: &AuthoritySet| Some(TrustedAuthorities::Named(set.hash(GENESIS)));
        for pin in [sets(genesis_set()), named(&genesis_set()), named(&later)] {
            let v = judge(&bundle, pin);
            assert!(v.holds(), "{v:#?}");
            assert_eq!(verdict(&v, "justification"), Some(Verdict::Pass));
            assert_eq!(verdict(&v, "trust_authorities"), Some(Verdict::Pass));
            assert!(!caveats(&v).iter().any(|caveat| caveat.contains("final")));
        }
    }

    #[tokio::test]
    async fn without_a_pinned_set_the_bundles_own_word_is_what_it_rests_on() {
        let v = judge(&exported().await, None);
        assert!(v.holds());
        assert_eq!(verdict(&v, "justification"), Some(Verdict::Pass));
        assert_eq!(verdict(&v, "trust_authorities"), Some(Verdict::Trusted));
        assert!(caveats(&v).iter().any(|c| c.contains("--authorities")));
    }

    #[tokio::test]
    async fn another_set_than_the_pinned_one_is_refused() {
        let bundle = exported().await;
        let hash = Some(TrustedAuthorities::Named(AuthoritySetHash([9; 32])));
        let failed = |v: Verification| v.first_failure().and_then(|check| check.reason);
        let reason = failed(judge(&bundle, hash));
        assert_eq!(reason, Some(Reason::AuthoritiesMismatch));
        let other = testing::set(0, &[Validator(99)]);
        let reason = failed(judge(&bundle, sets(other)));
        assert_eq!(reason, Some(Reason::JustificationInvalid));
        // A set that came after the block vouches for nothing before it.
        let unborn = testing::set(2, &validators_of(2)).hash(GENESIS);
        let reason = failed(judge(&bundle, Some(TrustedAuthorities::Named(unborn))));
        assert_eq!(reason, Some(Reason::AuthoritiesMismatch));
    }

    #[tokio::test]
    async fn a_doctored_justification_is_refused_by_name() {
        let genuine = exported().await;
        let doctored: [fn(&mut ves_primitives::wire::FinalityJson); 6] = [
            |f| *f.proof.justification.last_mut().unwrap() ^= 1,
            |f| f.proof.justification[0] ^= 1,
            |f| f.proof.justification.truncate(100),
            |f| f.set_changes[0].justification[80] ^= 1,
            |f| f.set_changes.clear(),
            |f| f.set_changes = vec![f.set_changes[0].clone(); 100],
        ];
        for (n, doctor) in doctored.into_iter().enumerate() {
            let mut bundle = genuine.clone();
            doctor(bundle.finality.as_mut().unwrap());
            let v = judge(&bundle, sets(genesis_set()));
            let failure = v.first_failure().unwrap();
            assert_eq!(
                (failure.name, failure.reason),
                ("justification", Some(Reason::JustificationInvalid)),
                "{n}"
            );
        }
        let mut moved = genuine.clone();
        moved.finality.as_mut().unwrap().proof.headers.clear();
        let v = judge(&moved, sets(genesis_set()));
        let reason = v.first_failure().unwrap().reason;
        assert_eq!(reason, Some(Reason::NotCanonical));
    }

    #[tokio::test]
    async fn a_forged_block_around_a_real_event_does_not_pass() {
        let mut forged = exported().await;
        forged.inclusion.header[0] ^= 1;
        let hash = ves_client::blake2_256(&forged.inclusion.header);
        forged.inclusion.batch.block_hash = hash;
        forged.event.block_hash = hash;
        let v = judge(&forged, sets(genesis_set()));
        let reason = v.first_failure().unwrap().reason;
        assert_eq!(reason, Some(Reason::NotCanonical));
    }

    #[tokio::test]
    async fn a_bundle_without_justification_verifies_and_says_so_unless_one_is_demanded() {
        let mut old = exported().await;
        old.finality = None;
        let text = serde_json::to_string(&old).unwrap();
        assert!(!text.contains("justification"));
        let v = judge(&old, sets(genesis_set()));
        assert!(v.holds());
        assert_eq!(verdict(&v, "justification"), Some(Verdict::Trusted));
        assert!(caveats(&v)[0].contains("nothing here proves that the block is final"));
        let demanding = TrustAnchors {
            authorities: sets(genesis_set()),
            finality_demanded: true,
            ..TrustAnchors::default()
        };
        let v = offline(&old, &demanding);
        let reason = v.first_failure().unwrap().reason;
        assert_eq!(reason, Some(Reason::FinalityMissing));
    }
}
