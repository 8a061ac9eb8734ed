// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Every size and count limit of the protocol, once.

/// Longest `entity_type`, bytes.
pub const MAX_ENTITY_TYPE_BYTES: u32 = 128;
/// Longest `entity_id`, bytes.
pub const MAX_ENTITY_ID_BYTES: u32 = 512;
/// Longest `event_type`, bytes.
pub const MAX_EVENT_TYPE_BYTES: u32 = 256;
/// Longest `created_at` text, bytes. RFC 3339 with nanoseconds and an offset needs 35.
pub const MAX_CREATED_AT_BYTES: u32 = 64;
/// Longest plaintext payload (canonical JSON) or ciphertext, bytes.
pub const MAX_PAYLOAD_BYTES: u32 = 64 * 1024;
/// Most recipients of one encrypted payload.
pub const MAX_RECIPIENTS: u32 = 64;
/// Most events in one submission.
pub const MAX_EVENTS_PER_SUBMISSION: u32 = 256;
/// Most events sequenced in one block. Also the most leaves of one batch, since a stream has one
/// batch per block: depth 14.
pub const MAX_EVENTS_PER_BLOCK: u32 = 16_384;
/// Most streams that may receive events in one block.
pub const MAX_STREAMS_PER_BLOCK: u32 = 1_024;
/// Largest sequence number and base version, 2^63 - 1: the peer stores both in signed columns.
pub const MAX_SEQUENCE: u64 = i64::MAX as u64;
/// Largest integer that canonical JSON carries without loss, 2^53 - 1.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
/// Most events one compliance proof speaks about.
pub const MAX_PROOF_EVENTS: u32 = 128;
/// Longest compliance proof of one event, bytes.
pub const MAX_PROOF_BYTES: u32 = 48 * 1024;
/// Longest compliance proof of many events, bytes.
pub const MAX_BATCH_PROOF_BYTES: u32 = 112 * 1024;
/// Most submissions of proofs in one block, whatever becomes of them.
pub const MAX_PROOFS_PER_BLOCK: u32 = 64;
/// Most proofs kept of one event.
pub const MAX_PROOFS_PER_EVENT: u32 = 8;
/// Blocks after which an agent's proof quota is whole again: ten minutes.
pub const PROOF_QUOTA_WINDOW_BLOCKS: u32 = 300;
/// Units an agent may spend on proofs in one window.
pub const PROOF_QUOTA_UNITS: u32 = 256;
/// What a proof that holds costs its submitter.
pub const PROOF_VERIFIED_UNITS: u32 = 1;
/// What a proof that does not hold costs its submitter.
pub const PROOF_REJECTED_UNITS: u32 = 8;
/// Most events whose proofs one question may ask for.
pub const MAX_LISTED_PROOF_EVENTS: u32 = 1_000;
/// Most batch proofs of one listing.
pub const MAX_LISTED_BATCH_PROOFS: u32 = 256;
/// How long after its `created_at` an event may still be sequenced: three days, a long weekend.
pub const EVENT_WINDOW_MS: u64 = 3 * 24 * 60 * 60 * 1_000;
/// How far an agent's clock may be ahead of the chain's.
pub const EVENT_SKEW_MS: u64 = 5 * 60 * 1_000;
/// Least time between two blocks.
pub const SLOT_MS: u64 = 2_000;
/// Blocks for which an event's and a command's id are remembered. By then the event is older than
/// `EVENT_WINDOW_MS`, however far its agent's clock was ahead, and refused for its age.
pub const DEDUPE_BLOCKS: u32 = ((EVENT_WINDOW_MS + EVENT_SKEW_MS) / SLOT_MS + 2) as u32;
/// Blocks for which a batch stays in state once it is anchored, and a block's list of batches: a
/// day, in which a relay that was cut off finds its place again.
pub const ANCHORED_RETENTION_BLOCKS: u32 = (24 * 60 * 60 * 1_000 / SLOT_MS) as u32;
/// Blocks for which a batch that nobody reports as anchored stays in state: 30 days, far longer
/// than an EVM chain or all relays are ever out of order.
pub const UNANCHORED_RETENTION_BLOCKS: u32 = 30 * ANCHORED_RETENTION_BLOCKS;
/// Most batches of a stream that leave state when it commits one: more than come.
pub const MAX_PRUNED_PER_COMMIT: u32 = 2;
/// Most batches of a stream that leave state with one report of anchoring.
pub const MAX_PRUNED_PER_REPORT: u32 = 32;
/// Most accounts that may report what is anchored.
pub const MAX_RELAYS: u32 = 16;
/// Blocks after which a quota of events is whole again: one minute.
pub const EVENT_QUOTA_WINDOW_BLOCKS: u32 = 30;
/// Events of a window for whom no quota was set: as many as the chain itself can take.
pub const DEFAULT_QUOTA_EVENTS: u32 = EVENT_QUOTA_WINDOW_BLOCKS * MAX_EVENTS_PER_BLOCK;
/// Payload bytes of a window for whom no quota was set: 300 MiB, as much as the chain can take.
pub const DEFAULT_QUOTA_PAYLOAD_BYTES: u64 = 300 * 1024 * 1024;
/// Longest time that a key may still sign after handing over to its successor, seconds: a week.
pub const MAX_ROTATION_GRACE_SECONDS: u32 = 7 * 24 * 60 * 60;
/// Furthest block ahead for which a signing key may be revoked: 30 days.
pub const MAX_REVOCATION_NOTICE_BLOCKS: u32 = 30 * 24 * 60 * 30;
/// Most keys of one purpose that one agent may ever register: bounds listings and growth.
pub const MAX_KEYS_PER_AGENT: u32 = 1_024;
/// Keys of those that only the tenant's admin may register, so that an agent who hands over from
/// key to key cannot use up the numbers.
pub const ADMIN_RESERVED_KEYS: u32 = 64;
/// Most patterns of one rule of a key policy.
pub const MAX_TYPE_PATTERNS: u32 = 16;
/// Longest pattern of a key policy, bytes.
pub const MAX_TYPE_PATTERN_BYTES: u32 = 64;
/// Most encryption groups that one tenant may ever create.
pub const MAX_GROUPS_PER_TENANT: u32 = 1_024;
/// Most schema versions that one tenant may ever register.
pub const MAX_SCHEMAS_PER_TENANT: u32 = 4_096;
/// Blocks of which one at least keeps its justification for ever (`docs/adr/0015-finality.md`).
pub const JUSTIFICATION_PERIOD_BLOCKS: u32 = 64;
/// Most authorities of a set whose justifications are verified.
pub const MAX_AUTHORITIES: u32 = 1_024;
/// Longest justification, bytes: every authority voting twice, with as much again of headers.
pub const MAX_JUSTIFICATION_BYTES: u32 = 512 * 1024;
/// Most headers between a block and the justified one. Above `JUSTIFICATION_PERIOD_BLOCKS` because
/// finality that was held up catches up in one step.
pub const MAX_FINALITY_HEADERS: u32 = 1_024;
/// Most blocks that a node searches, above the last block of an authority set, for the header that
/// forced the chain to the next set: a day and a half of blocks without finality at full pace.
pub const MAX_BLOCKS_WITHOUT_FINALITY: u32 = 65_536;
/// Longest header, bytes. Real ones have a few hundred.
pub const MAX_HEADER_BYTES: u32 = 1024 * 1024;
/// Most changes of the authority set in one piece of evidence, and in one answer of a node.
pub const MAX_SET_CHANGES: u32 = 64;
/// Most leaves of one proof of many leaves.
pub const MAX_MULTI_PROOF_LEAVES: u32 = 128;
/// Durable cursors that a node keeps for each agent and stream, numbered from 0.
pub const MAX_AGENT_CURSORS: u32 = 8;
