// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events for other programs: as lines of JSON, or as a Parquet file for analysts.

use crate::{MAX_PAGE_EVENTS, Store, StoreError, StoredEvent};
use parquet::{
    basic::{Compression, ZstdLevel},
    data_type::{ByteArray, ByteArrayType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use std::{io::Write, sync::Arc};
use ves_primitives::{StoreId, TenantId};

/// Most bytes of events that are in memory at a time, as JSON.
const PAGE_BYTES: usize = 16 * 1024 * 1024;

/// Why an export ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output could not be written.
    #[error("writing: {0}")]
    Write(#[from] std::io::Error),
    /// An event has no form in JSON.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The Parquet file could not be written.
    #[error("Parquet: {0}")]
    Parquet(#[from] ParquetError),
}

/// Which part of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Owner of the stream.
    pub tenant: TenantId,
    /// Store of the stream.
    pub store: StoreId,
    /// First sequence.
    pub from: u64,
    /// Last sequence, if it is there already.
    pub to: u64,
}

/// Where events go.
trait Sink {
    fn take(&mut self, events: &[StoredEvent]) -> Result<(), ExportError>;
}

/// Every stream of the store, or of a tenant, whole.
///
/// # Errors
/// If the database fails.
pub async fn whole(store: &Store, tenant: Option<TenantId>) -> Result<Vec<Part>, StoreError> {
    let mut parts = Vec::new();
    let mut after = 0;
    loop {
        let (streams, _, rest) = store.streams(tenant, after, MAX_PAGE_EVENTS).await?;
        parts.extend(streams.iter().map(|stream| Part {
            tenant: stream.tenant_id,
            store: stream.store_id,
            from: 1,
            to: stream.sequence,
        }));
        match rest {
            Some(rest) => after = rest,
            None => return Ok(parts),
        }
    }
}

/// One line of JSON for each event, in the shape of `ves_event`. Answers how many.
///
/// # Errors
/// If reading or writing fails.
pub async fn ndjson(store: &Store, parts: &[Part], output: impl Write) -> Result<u64, ExportError> {
    let mut lines = Lines(output);
    let count = walk(store, parts, &mut lines).await?;
    lines.0.flush()?;
    Ok(count)
}

/// A Parquet file, zstd, a row for each event. Answers how many.
///
/// # Errors
/// If reading or writing fails.
pub async fn parquet(
    store: &Store,
    parts: &[Part],
    output: impl Write + Send,
) -> Result<u64, ExportError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut table = Table(SerializedFileWriter::new(
        output,
        schema,
        Arc::new(properties),
    )?);
    let count = walk(store, parts, &mut table).await?;
    table.0.close()?;
    Ok(count)
}

async fn walk(store: &Store, parts: &[Part], sink: &mut impl Sink) -> Result<u64, ExportError> {
    let mut count = 0u64;
    for part in parts {
        let mut next = part.from;
        while next <= part.to {
            let (mut events, _) = store
                .stored_events(part.tenant, part.store, next, MAX_PAGE_EVENTS, PAGE_BYTES)
                .await?;
            events.retain(|event| event.sequence <= part.to);
            let Some(last) = events.last() else { break };
            next = last.sequence.saturating_add(1);
            count = count.saturating_add(u64::try_from(events.len()).unwrap_or(u64::MAX));
            sink.take(&events)?;
        }
    }
    Ok(count)
}

struct Lines<W>(W);

impl<W: Write> Sink for Lines<W> {
    fn take(&mut self, events: &[StoredEvent]) -> Result<(), ExportError> {
        for event in events {
            serde_json::to_writer(&mut self.0, &event.to_json()?)?;
            self.0.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// What is asked for often has a column; the whole event, as `ves_event` gives it, is in the last one.
const SCHEMA: &str = "message event {
    REQUIRED BYTE_ARRAY tenant_id (UTF8);
    REQUIRED BYTE_ARRAY store_id (UTF8);
    REQUIRED INT64 sequence;
    REQUIRED BYTE_ARRAY event_id (UTF8);
    REQUIRED INT64 block_number;
    REQUIRED INT64 block_time (TIMESTAMP_MILLIS);
    REQUIRED BYTE_ARRAY entity_type (UTF8);
    REQUIRED BYTE_ARRAY entity_id (UTF8);
    REQUIRED BYTE_ARRAY event_type (UTF8);
    REQUIRED BYTE_ARRAY agent_id (UTF8);
    REQUIRED BYTE_ARRAY created_at (UTF8);
    REQUIRED BYTE_ARRAY leaf_hash (UTF8);
    REQUIRED BYTE_ARRAY event (JSON);
}";

struct Table<W: Write + Send>(SerializedFileWriter<W>);

impl<W: Write + Send> Sink for Table<W> {
    fn take(&mut self, events: &[StoredEvent]) -> Result<(), ExportError> {
        let json: Vec<_> = events
            .iter()
            .map(StoredEvent::to_json)
            .collect::<Result<_, _>>()?;
        let text = |of: &dyn Fn(usize) -> String| -> Vec<ByteArray> {
            (0..events.len())
                .map(|n| ByteArray::from(of(n).into_bytes()))
                .collect()
        };
        let number = |of: &dyn Fn(&StoredEvent) -> u64| -> Vec<i64> {
            let signed = |event: &StoredEvent| i64::try_from(of(event)).unwrap_or(i64::MAX);
            events.iter().map(signed).collect()
        };
        let whole = json
            .iter()
            .map(serde_json::to_string)
            .collect::<Result<Vec<_>, _>>()?;
        let event = |n: usize| &json[n].event;
        let columns = [
            Column::Text(text(&|n| event(n).tenant_id.to_string())),
            Column::Text(text(&|n| event(n).store_id.to_string())),
            Column::Number(number(&|event| event.sequence)),
            Column::Text(text(&|n| event(n).event_id.to_string())),
            Column::Number(number(&|event| event.block_number.into())),
            Column::Number(number(&|event| event.block_time_ms)),
            Column::Text(text(&|n| event(n).entity_type.clone())),
            Column::Text(text(&|n| event(n).entity_id.clone())),
            Column::Text(text(&|n| event(n).event_type.clone())),
            Column::Text(text(&|n| event(n).source_agent_id.to_string())),
            Column::Text(text(&|n| event(n).created_at.clone())),
            Column::Text(text(&|n| json[n].leaf_hash.to_string())),
            Column::Text(text(&|n| whole[n].clone())),
        ];
        let mut group = self.0.next_row_group()?;
        for column in columns {
            let Some(mut writer) = group.next_column()? else {
                let text = "the schema has fewer columns".to_owned();
                return Err(ParquetError::General(text).into());
            };
            match column {
                Column::Text(values) => writer
                    .typed::<ByteArrayType>()
                    .write_batch(&values, None, None)?,
                Column::Number(values) => writer
                    .typed::<Int64Type>()
                    .write_batch(&values, None, None)?,
            };
            writer.close()?;
        }
        group.close()?;
        Ok(())
    }
}

enum Column {
    Text(Vec<ByteArray>),
    Number(Vec<i64>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{both::on_both_databases, testing::*};
    use parquet::{
        file::{reader::FileReader, serialized_reader::SerializedFileReader},
        record::RowAccessor,
    };
    use ves_primitives::wire::SequencedEventJson;

    on_both_databases! {
        async fn both_formats_hold_every_event_of_what_was_asked_for(place: Place) {
            let store = place.open().await;
            let mut chain = Chain::default();
            let payload = format!(r#"{{"a":"{}"}}"#, "\u{65e5}".repeat(50));
            let blocks = [
                chain.block(&[(STORE, 1_200), (OTHER_STORE, 3)], &payload),
                chain.block(&[(STORE, 300)], "not JSON"),
            ];
            store.append(&blocks.map(prepared)).await.unwrap();
            let mut parts = whole(&store, None).await.unwrap();
            assert_eq!(parts.iter().map(|part| part.to).sum::<u64>(), 1_503);
            assert!(whole(&store, Some(TenantId([9; 16]))).await.unwrap().is_empty());

            let mut text = Vec::new();
            assert_eq!(ndjson(&store, &parts, &mut text).await.unwrap(), 1_503);
            let lines: Vec<SequencedEventJson> = text
                .split_inclusive(|byte| *byte == b'\n')
                .map(|line| serde_json::from_slice(line).unwrap())
                .collect();
            for id in [STORE, OTHER_STORE] {
                let of_it = lines.iter().filter(|line| line.event.store_id == id);
                let mut expected = store.events(TENANT, id, 1, 1_000).await.unwrap().events;
                expected.extend(store.events(TENANT, id, 1_001, 1_000).await.unwrap().events);
                assert!(of_it.eq(&expected));
            }

            parts.retain(|part| part.store == STORE);
            parts[0].from = 1_100;
            parts[0].to = 1_250;
            let mut file = tempfile::tempfile().unwrap();
            assert_eq!(parquet(&store, &parts, &mut file).await.unwrap(), 151);
            let reader = SerializedFileReader::new(file).unwrap();
            let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
            assert_eq!(rows.len(), 151);
            for (row, sequence) in rows.iter().zip(1_100u64..) {
                assert_eq!(row.get_long(2).unwrap() as u64, sequence);
                let whole: SequencedEventJson = serde_json::from_str(row.get_string(12).unwrap()).unwrap();
                assert!(lines.contains(&whole));
                assert_eq!(row.get_string(3).unwrap(), &whole.event.event_id.to_string());
                assert_eq!(row.get_timestamp_millis(5).unwrap() as u64, whole.block_time_ms);
            }
        }
    }
}
