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
