// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Receipts (VES v1 §3.7).

use crate::{EventId, EventSigningHash, ReceiptHash, StoreId, TenantId, domain, hash::Preimage};

/// `H("VES_RECEIPT_V1" || tenant || store || event || U64(sequence) || signing hash)`.
///
/// The chain signs nothing: a receipt's evidence is the finality of the block that holds the
/// event's batch.
pub fn receipt_hash(
    tenant: TenantId,
    store: StoreId,
    event: EventId,
    sequence: u64,
    signing_hash: &EventSigningHash,
) -> ReceiptHash {
    ReceiptHash(
        Preimage::new(domain::RECEIPT)
            .bytes(&tenant.0)
            .bytes(&store.0)
            .bytes(&event.0)
            .u64(sequence)
            .bytes(&signing_hash.0)
            .finish(),
    )
}
