// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Batches by their id. The chain numbers a stream's batches; the peer names them by UUID alone. So
//! the gateway remembers where the batches are that it has seen, and else looks through the newest.

use crate::{
    error::{Answer, ApiError, Code},
    extract::Stream,
};
use futures::{StreamExt, TryStreamExt, stream};
use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Mutex, PoisonError},
};
use ves_client::{ChainClient, ClientError};
use ves_primitives::{BatchId, EventId, wire::BatchJson};

/// Most batches that are remembered; then all are forgotten.
const REMEMBERED_MAX: usize = 100_000;
/// Most batches that one search looks at.
pub const SEARCHED_MAX: u64 = 4_096;
/// Questions to the node at a time.
pub const AT_A_TIME: usize = 16;
/// Batches looked at before the search asks whether it has found what it looks for.
const CHUNK: u64 = 64;

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

    fn not_found(&self) -> ApiError {
        ApiError::not_found(
            Code::BatchNotFound,
            format!(
                "no such batch among the newest {SEARCHED_MAX} of the streams looked through; \
                 name one of its sequences with ?sequence="
            ),
        )
    }
}

/// Where batches are that were seen.
#[derive(Default)]
pub struct Batches(Mutex<HashMap<[u8; 16], (Stream, u64)>>);

impl Batches {
    fn recall(&self, name: &BatchName) -> Option<(Stream, u64)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&name.uuid).copied()
    }

    /// Remembers where a batch is.
    pub fn remember(&self, batch: &BatchJson) {
        let stream = Stream {
            tenant: batch.batch.tenant_id,
            store: batch.batch.store_id,
        };
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        let place = (stream, batch.batch.batch_index);
        known.insert(batch.batch.batch_id.to_uuid_bytes(), place);
    }

    /// The batch of this name in one of these streams.
    ///
    /// # Errors
    /// 404 if none of those looked at is it.
    pub async fn find(
        &self,
        chain: &ChainClient,
        streams: &[Stream],
        name: &BatchName,
    ) -> Answer<BatchJson> {
        if let Some((stream, index)) = self.recall(name)
            && streams.contains(&stream)
            && let Some(batch) = chain
                .store_batch(stream.tenant, stream.store, index)
                .await?
            && name.is(&batch)
        {
            return Ok(batch);
        }
        let mut left = SEARCHED_MAX;
        for stream in streams {
            let head = chain.store_head(stream.tenant, stream.store).await?;
            let mut end = head.batch_count;
            while end > 0 && left > 0 {
                let count = CHUNK.min(end).min(left);
                let start = end.saturating_sub(count);
                for batch in range(chain, *stream, start, count).await? {
                    self.remember(&batch);
                    if name.is(&batch) {
                        return Ok(batch);
                    }
                }
                end = start;
                left = left.saturating_sub(count);
            }
        }
        Err(name.not_found())
    }

    /// The batch of this name, if it is the one that holds this sequence.
    ///
    /// # Errors
    /// 404 if it is not.
    pub async fn at_sequence(
        &self,
        chain: &ChainClient,
        streams: &[Stream],
        name: &BatchName,
        sequence: u64,
    ) -> Answer<BatchJson> {
        for stream in streams {
            let found = chain
                .store_batch_of_sequence(stream.tenant, stream.store, sequence)
                .await?;
            if let Some(batch) = found.filter(|batch| name.is(batch)) {
                self.remember(&batch);
                return Ok(batch);
            }
        }
        Err(ApiError::not_found(
            Code::BatchNotFound,
            "the batch that holds this sequence is another one",
        ))
    }
}

/// Batches of a stream by their numbers, as many as there are.
///
/// # Errors
/// Any error of the node.
pub async fn range(
    chain: &ChainClient,
    of: Stream,
    start: u64,
    count: u64,
) -> Result<Vec<BatchJson>, ClientError> {
    let numbers = start..start.saturating_add(count);
    let found: Vec<Option<BatchJson>> = stream::iter(numbers)
        .map(|index| chain.store_batch(of.tenant, of.store, index))
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
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
        let uuid = EventId(by_hash.uuid).to_string();
        assert_eq!(uuid, "abababab-abab-8bab-abab-abababababab");
        assert_eq!(uuid.parse::<BatchName>().unwrap().uuid, by_hash.uuid);
        for text in ["", "x", &hash[1..], "abababab-abab-8bab-abab"] {
            assert!(text.parse::<BatchName>().is_err(), "{text}");
        }
    }
}
