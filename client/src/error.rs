// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a node can answer instead of what was asked, and whether asking again helps.

use crate::HeaderError;
use jsonrpsee::{core::client::Error as RpcError, types::ErrorObjectOwned};
use std::time::Duration;
use ves_primitives::{GenesisHash, sequencer::pool_code_name, wire::codes};

/// Codes of the node's `author_*` methods (sc-rpc-api, `author/error.rs`).
mod pool {
    pub(super) const INVALID: i32 = 1010;
    pub(super) const UNKNOWN_VALIDITY: i32 = 1011;
    pub(super) const TEMPORARILY_BANNED: i32 = 1012;
    pub(super) const ALREADY_IMPORTED: i32 = 1013;
    pub(super) const TOO_LOW_PRIORITY: i32 = 1014;
    pub(super) const IMMEDIATELY_DROPPED: i32 = 1016;
    /// What the node adds to `INVALID` for `InvalidTransaction::Custom`.
    pub(super) const CUSTOM: &str = "Custom error: ";
    /// What the node adds to `INVALID` for `InvalidTransaction::Stale`.
    pub(super) const STALE: &str = "Transaction is outdated";
    /// What the node adds to `INVALID` for `InvalidTransaction::ExhaustsResources`.
    pub(super) const EXHAUSTS: &str = "Transaction would exhaust the block limits";
}

/// Code of JSON-RPC servers that are at their limit of concurrent work.
const SERVER_IS_BUSY: i32 = -32009;

/// Why a call did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No connection, or it broke. Check that the node runs and that the address is right.
    #[error("node {url} cannot be reached: {reason}")]
    Unreachable {
        /// The node's address without credentials, path and query.
        url: String,
        /// What the transport said.
        reason: String,
    },
    /// The node did not answer in time.
    #[error("node did not answer {method} within {} s", limit.as_secs())]
    Timeout {
        /// The JSON-RPC method, or what was waited for.
        method: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The node runs another chain. Nothing was sent to it.
    #[error("wrong chain: expected genesis {expected}, the node has {found}")]
    WrongChain {
        /// The genesis hash asked for.
        expected: GenesisHash,
        /// The node's.
        found: GenesisHash,
    },
    /// The address or a parameter is not usable. Nothing was sent.
    #[error("{what}: {reason}")]
    Invalid {
        /// Which parameter.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The node answered with an error.
    #[error("node answered with error {code}: {message}")]
    Rpc {
        /// JSON-RPC error code.
        code: i32,
        /// The node's text, with its data if it sent any.
        message: String,
    },
    /// The node's answer is not what the method promises: another version, or a faulty node.
    #[error("answer of {what} cannot be decoded: {reason}")]
    Decode {
        /// Method or value.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header's bytes are not a header, or have another hash than asked for.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The chain would reject the submission's first new event for this reason.
    #[error("rejected by the chain: {name}")]
    PoolRejected {
        /// Number of the reason (`Rejection::pool_code`).
        code: u8,
        /// The protocol's name of the reason.
        name: String,
    },
    /// Every event of the submission was sequenced before, unchanged; or, for a signed call, its
    /// nonce was used.
    #[error("already on chain")]
    Stale,
    /// The pool refuses the transaction for good for another reason.
    #[error("refused by the transaction pool: {reason}")]
    PoolInvalid {
        /// The node's text.
        reason: String,
    },
    /// The pool has seen these very bytes and does not look at them again for a while: they wait in it
    /// and were handed over more than once, were in a block, or were refused. Ask the chain which.
    #[error("the transaction pool has seen these bytes already")]
    TemporarilyBanned,
    /// The pool does not take the transaction now: full, or its priority is too low.
    #[error("transaction pool does not take it now: {reason}")]
    PoolBusy {
        /// The node's text.
        reason: String,
    },
    /// The very same transaction waits in the pool already.
    #[error("already in the transaction pool")]
    AlreadyInPool,
    /// The transaction left the pool without entering a block.
    #[error("transaction left the pool: {status}")]
    LeftPool {
        /// The last status.
        status: String,
    },
    /// The node closed the status stream. The transaction's fate is unknown; ask the chain.
    #[error("the node ended the status stream; the transaction's fate is unknown")]
    WatchEnded,
    /// The call is in a block and failed there.
    #[error("{error}{}{docs}", if docs.is_empty() { "" } else { ": " })]
    Dispatch {
        /// `Pallet::Name` of the error, or the runtime's own name.
        error: String,
        /// The error's documentation in the runtime.
        docs: String,
    },
    /// The runtime lacks a pallet, call, extension or event that this client needs.
    #[error("this client does not fit the chain's runtime: {reason}")]
    Metadata {
        /// What is missing.
        reason: String,
    },
    /// The secret is not usable. The text never contains it.
    #[error("signer: {reason}")]
    Signer {
        /// What is wrong with it.
        reason: String,
    },
}

impl ClientError {
    /// Whether the same request may succeed later without anyone's doing.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::PoolBusy { .. }
            | Self::TemporarilyBanned
            | Self::LeftPool { .. }
            | Self::WatchEnded => true,
            Self::Rpc { code, .. } => matches!(
                *code,
                codes::NOT_INDEXED_YET
                    | codes::STORE_UNAVAILABLE
                    | codes::STATE_UNAVAILABLE
                    | codes::SUBSCRIBER_TOO_SLOW
                    | codes::TOO_MANY_SUBSCRIPTIONS
                    | SERVER_IS_BUSY
            ),
            _ => false,
        }
    }

    pub(crate) fn decode(what: impl Into<String>, reason: impl ToString) -> Self {
        Self::Decode {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn metadata(reason: impl Into<String>) -> Self {
        Self::Metadata {
            reason: reason.into(),
        }
    }

    /// What a failed JSON-RPC call means.
    pub(crate) fn from_rpc(error: RpcError, url: &str, method: &str, limit: Duration) -> Self {
        match error {
            RpcError::Call(object) => Self::from_object(&object),
            RpcError::RequestTimeout => Self::Timeout {
                method: method.into(),
                limit,
            },
            RpcError::ParseError(error) => Self::decode(method, error),
            RpcError::InvalidSubscriptionId => Self::decode(method, "invalid subscription id"),
            RpcError::HttpNotImplemented => Self::Invalid {
                what: "url",
                reason: "this needs a WebSocket address (ws:// or wss://)".into(),
            },
            other => Self::Unreachable {
                url: url.into(),
                reason: other.to_string(),
            },
        }
    }

    fn from_object(object: &ErrorObjectOwned) -> Self {
        let data = object.data().map(|data| {
            serde_json::from_str::<String>(data.get()).unwrap_or_else(|_| data.get().to_owned())
        });
        let text = || match &data {
            Some(data) => format!("{}: {data}", object.message()),
            None => object.message().to_owned(),
        };
        match object.code() {
            pool::INVALID => match data.as_deref() {
                Some(pool::STALE) => Self::Stale,
                Some(pool::EXHAUSTS) => Self::PoolBusy { reason: text() },
                Some(data) => match data.strip_prefix(pool::CUSTOM).map(str::parse::<u8>) {
                    Some(Ok(code)) => Self::pool_rejected(code),
                    _ => Self::PoolInvalid {
                        reason: data.to_owned(),
                    },
                },
                None => Self::PoolInvalid { reason: text() },
            },
            pool::ALREADY_IMPORTED => Self::AlreadyInPool,
            pool::TEMPORARILY_BANNED => Self::TemporarilyBanned,
            pool::UNKNOWN_VALIDITY | pool::TOO_LOW_PRIORITY | pool::IMMEDIATELY_DROPPED => {
                Self::PoolBusy { reason: text() }
            }
            code => Self::Rpc {
                code,
                message: text(),
            },
        }
    }

    /// The pool's answer with its protocol name.
    fn pool_rejected(code: u8) -> Self {
        let name = pool_code_name(code).map_or_else(
            || format!("reason {code}, unknown to this client"),
            str::to_owned,
        );
        Self::PoolRejected { code, name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: i32, data: Option<&str>) -> ClientError {
        ClientError::from_object(&ErrorObjectOwned::owned(code, "text", data))
    }

    #[test]
    fn a_custom_pool_code_becomes_the_protocols_name() {
        assert_eq!(
            answer(1010, Some("Custom error: 5")),
            ClientError::PoolRejected {
                code: 5,
                name: "invalid_signature".into()
            }
        );
        assert!(matches!(
            answer(1010, Some("Custom error: 63")),
            ClientError::PoolRejected { code: 63, .. }
        ));
    }

    #[test]
    fn an_outdated_transaction_is_stale() {
        assert_eq!(
            answer(1010, Some("Transaction is outdated")),
            ClientError::Stale
        );
    }

    #[test]
    fn other_pool_answers_are_told_apart_by_whether_waiting_helps() {
        assert!(!answer(1010, Some("Custom error: 999")).is_retryable());
        assert!(!answer(1010, Some("Transaction has a bad signature")).is_retryable());
        assert!(answer(1010, Some("Transaction would exhaust the block limits")).is_retryable());
        assert_eq!(answer(1012, None), ClientError::TemporarilyBanned);
        assert!(answer(1012, None).is_retryable());
        assert!(answer(1016, Some("limit")).is_retryable());
        assert_eq!(answer(1013, Some("0x01")), ClientError::AlreadyInPool);
    }

    #[test]
    fn an_answer_of_the_store_keeps_its_code() {
        let error = answer(codes::NOT_INDEXED_YET, None);
        assert!(matches!(
            error,
            ClientError::Rpc {
                code: codes::NOT_INDEXED_YET,
                ..
            }
        ));
        assert!(error.is_retryable());
        assert!(!answer(-32602, None).is_retryable());
    }
}
