// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Named errors: a code of [`codes`], a text for people, and the name in `data.name` for programs that
//! log it.

use super::VesRpc;
use crate::StoreError;
use jsonrpsee::types::{ErrorObjectOwned, error::INVALID_PARAMS_CODE};
use serde_json::{Value, json};
use ves_primitives::wire::codes;

/// An error with its name, and more for whoever can use it.
pub(super) fn named(code: i32, text: impl Into<String>, mut more: Value) -> ErrorObjectOwned {
    if let Some(fields) = more.as_object_mut() {
        fields.insert("name".into(), codes::name(code).unwrap_or_default().into());
    }
    ErrorObjectOwned::owned(code, text, Some(more))
}

pub(super) fn unavailable(reason: String) -> ErrorObjectOwned {
    named(codes::STATE_UNAVAILABLE, reason, json!({}))
}

pub(super) fn invalid(name: &str, reason: impl ToString) -> ErrorObjectOwned {
    let text = format!("{name}: {}", reason.to_string());
    ErrorObjectOwned::owned(INVALID_PARAMS_CODE, text, None::<()>)
}

impl VesRpc {
    pub(super) fn not_indexed_yet(&self) -> ErrorObjectOwned {
        let health = self.store.health();
        named(
            codes::NOT_INDEXED_YET,
            format!(
                "not indexed yet: the event store is at block {} of {}",
                health.indexed_block, health.finalized_block
            ),
            json!({
                "indexed_block": health.indexed_block,
                "finalized_block": health.finalized_block,
            }),
        )
    }
}

impl From<StoreError> for ErrorObjectOwned {
    fn from(error: StoreError) -> Self {
        // Paths and SQL stay in the node's log.
        log::warn!(target: "ves-store", "rpc: {error}");
        if matches!(error, StoreError::ReadOnly) {
            let text = "this node reads a replica of an event store; ask a node that writes one";
            named(codes::STORE_UNAVAILABLE, text, json!({ "replica": true }))
        } else if error.is_retryable() {
            let text = "the event store cannot be read now; try again";
            named(codes::STORE_UNAVAILABLE, text, json!({}))
        } else {
            let text = "the event store is damaged; the operator must rebuild it";
            named(codes::STORE_DAMAGED, text, json!({}))
        }
    }
}
