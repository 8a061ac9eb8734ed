// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Batches by their id, and of a stream by their numbers. The chain numbers a stream's batches; the peer
//! names them by UUID alone, and the node's event store finds them by it.

use crate::{
    error::{Answer, ApiError, Code},
    extract::Stream,
};
use serde_json::{Value, json};
use std::str::FromStr;
use ves_client::{ChainClient, ClientError};
use ves_primitives::{
    BatchId, EventId,
    wire::{BatchJson, BatchesPageJson, StreamsPageJson},
};

/// Questions to the node at a time.
pub const AT_A_TIME: usize = 16;
/// Most streams or batches that the node puts on a page.
const PAGE: u64 = 1_000;

/// A batch's id as somebody wrote it: 32 bytes, or the UUID made of its first 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchName {
    uuid: [u8; 16],
    whole: Option<BatchId>,
}

impl FromStr for BatchName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = BatchId::from_str(text) {
            return Ok(Self {
                uuid: id.to_uuid_bytes(),
                whole: Some(id),
            });
        }
        EventId::from_str(text)
            .map(|uuid| Self {
                uuid: uuid.0,
                whole: None,
            })
            .map_err(|_| "expected a UUID or 32 bytes hex")
    }
}

impl BatchName {
    /// Whether this batch is meant.
    pub fn is(&self, batch: &BatchJson) -> bool {
        let id = batch.batch.batch_id;
        match self.whole {
            Some(whole) => whole == id,
            None => self.uuid == id.to_uuid_bytes(),
        }
    }

    /// As the node takes it.
    fn text(&self) -> String {
        match self.whole {
            Some(id) => id.to_string(),
            None => EventId(self.uuid).to_string(),
        }
    }
}

/// The batch of this name, if it is in a stream that is reached.
///
/// # Errors
/// 404 if there is none.
pub async fn find(
    chain: &ChainClient,
    reached: impl Fn(Stream) -> bool,
    name: &BatchName,
) -> Answer<BatchJson> {
    let found = chain.store_batch_by_id(&name.text()).await?;
    let is_meant = |batch: &BatchJson| {
        let stream = Stream {
            tenant: batch.batch.tenant_id,
            store: batch.batch.store_id,
        };
        name.is(batch) && reached(stream)
    };
    found.filter(is_meant).ok_or_else(|| {
        ApiError::not_found(
            Code::BatchNotFound,
            "no such batch in the streams that the key reaches",
        )
    })
}

/// Batches of a stream by their numbers, as many as there are. A page of the node may be shorter than
/// what was asked for: it is capped by its bytes too.
///
/// # Errors
/// Any error of the node.
pub async fn range(
    chain: &ChainClient,
    of: Stream,
    start: u64,
    count: u64,
) -> Result<Vec<BatchJson>, ClientError> {
    let mut found = Vec::new();
    let mut from = Some(start);
    while let Some(next) = from {
        let left = count.saturating_sub(found.len() as u64);
        if left == 0 {
            break;
        }
        let params: Vec<Value> = vec![
            json!(of.tenant),
            json!(of.store),
            next.into(),
            left.min(PAGE).into(),
        ];
        let page: BatchesPageJson = chain.rpc().call("ves_batches", params).await?;
        // Whatever the node says of more: without progress there is none.
        from = page.next_index.filter(|_| !page.batches.is_empty());
        found.extend(page.batches);
    }
    found.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    Ok(found)
}

/// Every stream that the node knows, with the number of its batches, in the order in which they began.
///
/// # Errors
/// Any error of the node.
pub async fn streams(chain: &ChainClient) -> Result<Vec<(Stream, u64)>, ClientError> {
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let params: Vec<Value> = vec![Value::Null, json!(cursor), PAGE.into()];
        let page: StreamsPageJson = chain.rpc().call("ves_streams", params).await?;
        cursor = page.cursor.filter(|_| !page.streams.is_empty());
        found.extend(page.streams.into_iter().map(|stream| {
            let of = Stream {
                tenant: stream.tenant_id,
                store: stream.store_id,
            };
            (of, stream.batch_count)
        }));
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

/// When the block of a batch was made: chain time, from the first event of the batch, since a node
/// that keeps no old states cannot be asked for the block's own.
///
/// # Errors
/// Any error of the node.
pub async fn committed_at(chain: &ChainClient, batch: &BatchJson) -> Result<u64, ClientError> {
    let batch = &batch.batch;
    let page = chain
        .store_events(
            batch.tenant_id,
            batch.store_id,
            batch.sequence_start,
            Some(1),
        )
        .await?;
    Ok(page.events.first().map_or(0, |event| event.block_time_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_named_by_its_hash_or_its_uuid() {
        let hash = "ab".repeat(32);
        let by_hash: BatchName = hash.parse().unwrap();
        assert_eq!(format!("0x{hash}").parse::<BatchName>().unwrap(), by_hash);
        assert_eq!(by_hash.text(), format!("0x{hash}"));
        let uuid = EventId(by_hash.uuid).to_string();
        assert_eq!(uuid, "abababab-abab-8bab-abab-abababababab");
        let by_uuid: BatchName = uuid.parse().unwrap();
        assert_eq!(by_uuid.uuid, by_hash.uuid);
        assert_eq!(by_uuid.text(), uuid);
        for text in ["", "x", &hash[1..], "abababab-abab-8bab-abab"] {
            assert!(text.parse::<BatchName>().is_err(), "{text}");
        }
    }
}
