// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! JSON-RPC error codes of the node's `ves_*` methods. Stable: programs decide by them whether to
//! ask again.

/// Not found, but the node's event store is still catching up with finality. Ask again.
pub const NOT_INDEXED_YET: i32 = -32050;
/// The event store cannot be read now. Ask again.
pub const STORE_UNAVAILABLE: i32 = -32051;
/// The event store contradicts itself. The node's operator must act; the node's log says how.
pub const STORE_DAMAGED: i32 = -32052;
/// The node's state could not be read at the newest finalized block. Ask again.
pub const STATE_UNAVAILABLE: i32 = -32053;
/// A subscriber did not read what was sent to it. Subscribe again from the sequence in `data`.
pub const SUBSCRIBER_TOO_SLOW: i32 = -32054;
/// The node serves as many subscriptions of events as it may. Ask again, or another node.
pub const TOO_MANY_SUBSCRIPTIONS: i32 = -32055;
/// The signature under a cursor does not hold, or the registry does not let this key sign. Do not ask
/// again.
pub const CURSOR_UNAUTHORIZED: i32 = -32056;
/// The node knows a later revision of the cursor. Read it and decide.
pub const CURSOR_OUTDATED: i32 = -32057;

/// The name of a code, as errors carry it in `data.name`.
pub const fn name(code: i32) -> Option<&'static str> {
    Some(match code {
        NOT_INDEXED_YET => "not_indexed_yet",
        STORE_UNAVAILABLE => "store_unavailable",
        STORE_DAMAGED => "store_damaged",
        STATE_UNAVAILABLE => "state_unavailable",
        SUBSCRIBER_TOO_SLOW => "subscriber_too_slow",
        TOO_MANY_SUBSCRIPTIONS => "too_many_subscriptions",
        CURSOR_UNAUTHORIZED => "cursor_unauthorized",
        CURSOR_OUTDATED => "cursor_outdated",
        _ => return None,
    })
}
