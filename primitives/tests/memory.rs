// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What decoding of calls' arguments may allocate: a list's length is checked before its elements are
//! read, and no length that is only stated is believed.

use codec::{Compact, Decode, Encode};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};
use ves_primitives::{
    proof::{BatchProofSubmission, ProofSubmission},
    *,
};

/// Longest extrinsic that a peer can send.
const EXTRINSIC: usize = 16 * 1024 * 1024;

/// What `submit_events` takes.
type Submission = BoundedVec<SubmittedEvent, ConstU32<{ limits::MAX_EVENTS_PER_SUBMISSION }>>;

/// Counts what the measuring thread holds.
struct Counted;

thread_local! {
    static MEASURING: Cell<bool> = const { Cell::new(false) };
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands every request to the system allocator unchanged. Reallocation is the trait's own:
// a new block, and then the old one back, which counts both.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if MEASURING.get() {
            HELD.set(HELD.get() + layout.size());
            PEAK.set(PEAK.get().max(HELD.get()));
        }
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if MEASURING.get() {
            HELD.set(HELD.get().saturating_sub(layout.size()));
        }
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Decodes, and says whether that went well and how many bytes were held at most.
fn decode<T: Decode>(bytes: &[u8]) -> (bool, usize) {
    HELD.set(0);
    PEAK.set(0);
    MEASURING.set(true);
    let decoded = T::decode(&mut &bytes[..]);
    MEASURING.set(false);
    (decoded.is_ok(), PEAK.get())
}

fn event(payload: Payload) -> SubmittedEvent {
    let text = |length| vec![b'x'; length];
    SubmittedEvent {
        envelope: Envelope {
            ves_version: 2,
            event_id: EventId([1; 16]),
            tenant_id: TenantId([2; 16]),
            store_id: StoreId([3; 16]),
            source_agent_id: AgentId([4; 16]),
            agent_key_id: KeyId(1),
            entity_type: text(5).try_into().expect("short"),
            entity_id: text(5).try_into().expect("short"),
            event_type: text(5).try_into().expect("short"),
            created_at: text(20).try_into().expect("short"),
            payload_kind: payload.kind(),
            payload_plain_hash: PayloadPlainHash([0; 32]),
            payload_cipher_hash: PayloadCipherHash([0; 32]),
            command_id: None,
            base_version: None,
            agent_signature: Signature([0; 64]),
        },
        payload,
    }
}

fn plain(length: usize) -> SubmittedEvent {
    event(Payload::Plain(
        vec![b'x'; length].try_into().expect("within the limit"),
    ))
}

/// A list with a stated length before given elements, filled up to the size of an extrinsic.
fn list(stated: u32, elements: &[u8], filling: u8) -> Vec<u8> {
    let mut bytes = Compact(stated).encode();
    bytes.extend_from_slice(elements);
    bytes.resize(EXTRINSIC.max(bytes.len()), filling);
    bytes
}

/// An event of which the first `keep` bytes stand and the rest is something else.
fn cut(keep: usize, rest: &[u8]) -> Vec<u8> {
    let mut bytes = plain(10).encode();
    bytes.truncate(keep);
    bytes.extend_from_slice(rest);
    bytes
}

#[test]
fn sixteen_mebibytes_of_hostile_submissions_need_less_than_three_times_their_length() {
    let largest = usize::try_from(limits::MAX_PAYLOAD_BYTES).expect("small");
    let most = limits::MAX_EVENTS_PER_SUBMISSION;
    let full: Vec<u8> = (0..most).flat_map(|_| plain(largest).encode()).collect();
    let smallest = plain(0).encode();
    let huge = Compact(u32::MAX).encode();
    // Where the first text's length stands: behind version, four ids and the key's number.
    let first_text = 4 + 4 * 16 + 4;
    let hostile = [
        (
            "a length that nothing follows",
            list(u32::MAX, &[], 0),
            false,
        ),
        ("noise", vec![0xff; EXTRINSIC], false),
        ("zeros", vec![0; EXTRINSIC], true),
        (
            "one event too many",
            list(most + 1, &smallest.repeat(257), 0),
            false,
        ),
        (
            "as many small events as fit",
            list(
                u32::MAX >> 2,
                &smallest.repeat(EXTRINSIC / smallest.len()),
                0,
            ),
            false,
        ),
        (
            "a text without end",
            list(most, &cut(first_text, &huge), b'x'),
            false,
        ),
        (
            "a payload without end",
            list(most, &cut(smallest.len() - 1, &huge), b'x'),
            false,
        ),
        ("all that is allowed", list(most, &full, 0), true),
        (
            "all that is allowed, and then a fault",
            list(most, &full[..full.len() - 1], 0)[..full.len() - 1].to_vec(),
            false,
        ),
    ];
    for (what, bytes, legal) in hostile {
        let (decoded, held) = decode::<Submission>(&bytes);
        assert_eq!(decoded, legal, "{what}");
        assert!(held < 3 * bytes.len(), "{what}: {held} bytes held");
        if !legal && !what.starts_with("all") {
            assert!(held < 64 * 1024, "{what}: {held} bytes held for nothing");
        }
    }
}

#[test]
fn a_stated_length_is_worth_nothing_in_any_other_argument() {
    let noise = [vec![0xff; EXTRINSIC], list(u32::MAX, &[], 0xfe)];
    for bytes in noise {
        for (decoded, held) in [
            decode::<ProofSubmission>(&bytes),
            decode::<BatchProofSubmission>(&bytes),
            decode::<Payload>(&bytes[1..]),
            decode::<BoundedVec<u8, ConstU32<{ limits::MAX_PAYLOAD_BYTES }>>>(&bytes),
        ] {
            assert!(!decoded);
            assert!(held < 64 * 1024, "{held} bytes held");
        }
    }
}

#[test]
fn the_measure_sees_what_is_allocated() {
    let bytes = vec![b'x'; 1 << 20].encode();
    let (decoded, held) = decode::<Vec<u8>>(&bytes);
    assert!(decoded);
    assert!(held >= 1 << 20, "{held}");
}
