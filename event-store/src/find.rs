// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events by what they are about: filters, histories of entities, lists of streams.
//!
//! One call does a bounded amount of work. The most selective part of a filter picks an index; what the
//! index gives is looked at in the order of sequences, [`MAX_EXAMINED`] events at most, and the rest of
//! the filter is applied to those until the page is full.

use crate::{
    Store, StoreError, StoredEvent,
    db::{Arg, Connection, args, clamped},
    query::{EVENT_COLUMNS, EVENT_TABLES, MAX_PAGE_BYTES, MAX_PAGE_EVENTS, Page, stream_row},
    store::{cursor, tip},
};
use ves_primitives::{
    StoreId, StreamId, TenantId, stream_id,
    wire::{EventFilter, StreamJson},
};

/// Most events that one call looks at.
pub const MAX_EXAMINED: u32 = 10_000;

/// In which order events are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By ascending sequence.
    OldestFirst,
    /// By descending sequence.
    NewestFirst,
}

impl Order {
    const fn sql(self) -> &'static str {
        match self {
            Self::OldestFirst => "ASC",
            Self::NewestFirst => "DESC",
        }
    }
}

/// A page of what a filter lets through.
#[derive(Clone, Debug)]
pub struct Found {
    /// Events in the order asked for.
    pub events: Vec<StoredEvent>,
    /// Last indexed sequence of the stream, 0 if none.
    pub head: u64,
    /// The last sequence that was looked at, if any is left beyond it.
    pub rest: Option<u64>,
}

/// Sequences that are left to look at, inclusive.
#[derive(Clone, Copy)]
struct Range {
    low: i64,
    high: i64,
}

impl Range {
    const fn is_empty(self) -> bool {
        self.low > self.high
    }

    /// What is left beyond a sequence.
    fn beyond(self, sequence: i64, order: Order) -> Self {
        match order {
            Order::OldestFirst => Self {
                low: self.low.max(sequence.saturating_add(1)),
                ..self
            },
            Order::NewestFirst => Self {
                high: self.high.min(sequence.saturating_sub(1)),
                ..self
            },
        }
    }

    /// What there is up to a sequence.
    fn up_to(self, sequence: i64, order: Order) -> Self {
        match order {
            Order::OldestFirst => Self {
                high: self.high.min(sequence),
                ..self
            },
            Order::NewestFirst => Self {
                low: self.low.max(sequence),
                ..self
            },
        }
    }
}

/// A filter as SQL: what an index answers, and what is compared with each event that it gives.
struct Plan {
    keyed: String,
    keyed_args: Vec<Arg>,
    residual: String,
    residual_args: Vec<Arg>,
}

impl Plan {
    fn of(filter: &EventFilter) -> Self {
        let name = |name: &Option<String>| name.clone().map(Arg::Name);
        let conditions = [
            ("command_id", filter.command_id.map(|id| Arg::from(id.0))),
            ("entity_id", name(&filter.entity_id)),
            ("agent_id", filter.agent_id.map(|id| Arg::from(id.0))),
            ("event_type", name(&filter.event_type)),
            ("entity_type", name(&filter.entity_type)),
        ];
        let conditions: Vec<_> = conditions
            .into_iter()
            .filter_map(|(column, value)| Some((column, value?)))
            .collect();
        // There is no index of ids of entities without their kind.
        let first = conditions
            .iter()
            .map(|(column, _)| *column)
            .find(|column| *column != "entity_id" || filter.entity_type.is_some());
        let mut plan = Self {
            keyed: String::new(),
            keyed_args: Vec::new(),
            residual: String::new(),
            residual_args: Vec::new(),
        };
        for (column, value) in conditions {
            // Entities are indexed by kind and id together.
            let pair = first == Some("entity_id") && column == "entity_type";
            let (sql, args) = if Some(column) == first || pair {
                (&mut plan.keyed, &mut plan.keyed_args)
            } else {
                (&mut plan.residual, &mut plan.residual_args)
            };
            sql.push_str(&format!(" AND e.{column} = ?"));
            args.push(value);
        }
        if let Some(conditions) = plan.residual.strip_prefix(" AND ") {
            // No planner looks for an index of this, so that the one meant here is used.
            plan.residual = format!(" AND CASE WHEN {conditions} THEN 1 ELSE 0 END = 1");
        }
        plan
    }

    /// `FROM` and `WHERE` of what the index gives, without order.
    fn candidates(&self, tables: &str) -> String {
        format!(
            "FROM {tables} WHERE e.stream = ?{} AND e.sequence >= ? AND e.sequence <= ?",
            self.keyed
        )
    }

    fn candidate_args(&self, stream: i64, range: Range) -> Vec<Arg> {
        let mut args = args![stream];
        args.extend(self.keyed_args.iter().cloned());
        args.extend(args![range.low, range.high]);
        args
    }

    /// The sequence of the last candidate that one call may look at, if there are so many.
    async fn bound(
        &self,
        connection: &mut Connection,
        stream: i64,
        range: Range,
        order: Order,
    ) -> Result<Option<i64>, StoreError> {
        if self.residual.is_empty() || range.high.saturating_sub(range.low) < MAX_EXAMINED.into() {
            return Ok(None);
        }
        if self.keyed.is_empty() {
            // Every event of the stream is a candidate, and sequences have no gaps.
            let most = i64::from(MAX_EXAMINED).saturating_sub(1);
            return Ok(Some(match order {
                Order::OldestFirst => range.low.saturating_add(most),
                Order::NewestFirst => range.high.saturating_sub(most),
            }));
        }
        let sql = format!(
            "SELECT e.sequence {} ORDER BY e.sequence {} LIMIT 1 OFFSET ?",
            self.candidates("events e"),
            order.sql()
        );
        let mut args = self.candidate_args(stream, range);
        args.extend(args![MAX_EXAMINED - 1]);
        let row = connection.optional(&sql, args).await?;
        row.map(|row| row.int("sequence")).transpose()
    }

    fn page(&self, order: Order) -> String {
        format!(
            "SELECT {EVENT_COLUMNS} {}{} ORDER BY e.sequence {} LIMIT ?",
            self.candidates(EVENT_TABLES),
            self.residual,
            order.sql()
        )
    }
}

impl Store {
    /// The events of a stream that a filter lets through, beyond sequence `after` in the order asked
    /// for, at most `limit` of them and about `bytes` of JSON.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn find(
        &self,
        (tenant, store): (TenantId, StoreId),
        filter: &EventFilter,
        order: Order,
        after: Option<u64>,
        limit: u32,
        bytes: usize,
    ) -> Result<Found, StoreError> {
        let stream_id = stream_id(tenant, store);
        let mut snapshot = self.snapshot().await?;
        let Some(stream) = stream_row(&mut snapshot, stream_id).await? else {
            return Ok(Found {
                events: Vec::new(),
                head: 0,
                rest: None,
            });
        };
        let head = stream.tip.sequence;
        let mut range = Range {
            low: 1,
            high: clamped(head),
        };
        if let Some(after) = after {
            range = range.beyond(clamped(after), order);
        }
        range = in_time(&mut snapshot, stream.id, filter, range).await?;
        if range.is_empty() {
            return Ok(Found {
                events: Vec::new(),
                head,
                rest: None,
            });
        }
        let plan = Plan::of(filter);
        let bound = plan.bound(&mut snapshot, stream.id, range, order).await?;
        let mut left = bound.map_or(range, |bound| range.up_to(bound, order));
        let sql = plan.page(order);
        let mut page = Page::new(stream_id, limit.min(MAX_PAGE_EVENTS), bytes);
        let mut exhausted = false;
        while let Some(wanted) = page.wanted() {
            let mut args = plan.candidate_args(stream.id, left);
            args.extend(plan.residual_args.iter().cloned());
            args.extend(args![wanted]);
            let rows = snapshot.all(&sql, args).await?;
            let room = page.take(&rows, wanted)?;
            left = match page.events.last() {
                Some(event) => left.beyond(clamped(event.sequence), order),
                None => left,
            };
            if !room {
                // Either nothing more came, or what came did not fit.
                let taken = rows.last().map(|row| row.int("sequence")).transpose()?;
                exhausted = taken.is_none_or(|last| last == clamped(page.last()));
                break;
            }
        }
        let looked_at = if exhausted {
            bound
        } else {
            page.events.last().map(|event| clamped(event.sequence))
        };
        let rest = looked_at
            .filter(|sequence| !range.beyond(*sequence, order).is_empty())
            .and_then(|sequence| u64::try_from(sequence).ok());
        Ok(Found {
            events: page.events,
            head,
            rest,
        })
    }

    /// The history of an entity beyond sequence `after`, with the number of its events up to there and
    /// altogether.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn entity_history(
        &self,
        stream: (TenantId, StoreId),
        entity: (&str, &str),
        after: Option<u64>,
        limit: u32,
    ) -> Result<(Found, u64, u64), StoreError> {
        let filter = EventFilter {
            entity_type: Some(entity.0.into()),
            entity_id: Some(entity.1.into()),
            ..EventFilter::default()
        };
        let found = self
            .find(
                stream,
                &filter,
                Order::OldestFirst,
                after,
                limit,
                MAX_PAGE_BYTES,
            )
            .await?;
        let mut snapshot = self.snapshot().await?;
        let Some(row) = stream_row(&mut snapshot, stream_id(stream.0, stream.1)).await? else {
            return Ok((found, 0, 0));
        };
        let plan = Plan::of(&filter);
        let sql = format!(
            "SELECT COUNT(*) AS versions {}",
            plan.candidates("events e")
        );
        let mut counts = [0; 2];
        // As of the page's own head, whatever was appended since.
        for (count, high) in counts.iter_mut().zip([after.unwrap_or(0), found.head]) {
            let range = Range {
                low: 1,
                high: clamped(high),
            };
            if !range.is_empty() {
                let args = plan.candidate_args(row.id, range);
                *count = snapshot.one(&sql, args).await?.unsigned("versions")?;
            }
        }
        Ok((found, counts[0], counts[1]))
    }

    /// Streams in the order in which they began, beyond the one that the database numbers `after`; with
    /// the newest indexed block and the number of the last one if there may be more.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn streams(
        &self,
        tenant: Option<TenantId>,
        after: u64,
        limit: u32,
    ) -> Result<(Vec<StreamJson>, u32, Option<u64>), StoreError> {
        let mut snapshot = self.snapshot().await?;
        let limit = limit.min(MAX_PAGE_EVENTS);
        let columns = "SELECT id, stream_id, tenant_id, store_id, sequence, state_root, \
             batch_count FROM streams WHERE id > ?";
        let rows = match tenant {
            None => {
                let sql = format!("{columns} ORDER BY id LIMIT ?");
                snapshot.all(&sql, args![clamped(after), limit]).await?
            }
            Some(tenant) => {
                let sql = format!("{columns} AND tenant_id = ? ORDER BY id LIMIT ?");
                let args = args![clamped(after), tenant.0, limit];
                snapshot.all(&sql, args).await?
            }
        };
        let mut streams = Vec::with_capacity(rows.len());
        for row in &rows {
            let tip = tip(row)?;
            streams.push(StreamJson {
                stream_id: StreamId(row.bytes("stream_id")?),
                tenant_id: TenantId(row.bytes("tenant_id")?),
                store_id: StoreId(row.bytes("store_id")?),
                sequence: tip.sequence,
                state_root: tip.state_root,
                batch_count: tip.batch_count,
            });
        }
        let full = u32::try_from(rows.len()) == Ok(limit);
        let last = rows.last().filter(|_| full);
        let last = last.map(|row| row.unsigned("id")).transpose()?;
        Ok((streams, cursor(&mut snapshot).await?.number, last))
    }
}

/// The first block with events or refusals of this chain time or later. Times rise with numbers, so one
/// step into the index by times is enough.
pub(crate) async fn first_block_since(
    connection: &mut Connection,
    time_ms: u64,
) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT number FROM blocks WHERE time_ms >= ? ORDER BY time_ms, number LIMIT 1";
    let row = connection.optional(sql, args![clamped(time_ms)]).await?;
    row.map(|row| row.int("number")).transpose()
}

/// The part of a range that lies in the blocks of a filter's time.
async fn in_time(
    connection: &mut Connection,
    stream: i64,
    filter: &EventFilter,
    mut range: Range,
) -> Result<Range, StoreError> {
    const EMPTY: Range = Range { low: 1, high: 0 };
    if let Some(since) = filter.since_ms {
        let Some(first) = first_block_since(connection, since).await? else {
            return Ok(EMPTY);
        };
        let sql = "SELECT sequence_start FROM batches WHERE stream = ? AND block_number >= ? \
             ORDER BY block_number LIMIT 1";
        let Some(row) = connection.optional(sql, args![stream, first]).await? else {
            return Ok(EMPTY);
        };
        range.low = range.low.max(row.int("sequence_start")?);
    }
    if let Some(until) = filter.until_ms {
        let sql = "SELECT number FROM blocks WHERE time_ms < ? \
             ORDER BY time_ms DESC, number DESC LIMIT 1";
        let Some(row) = connection.optional(sql, args![clamped(until)]).await? else {
            return Ok(EMPTY);
        };
        let last = row.int("number")?;
        let sql = "SELECT sequence_end FROM batches WHERE stream = ? AND block_number <= ? \
             ORDER BY block_number DESC LIMIT 1";
        let Some(row) = connection.optional(sql, args![stream, last]).await? else {
            return Ok(EMPTY);
        };
        range.high = range.high.min(row.int("sequence_end")?);
    }
    Ok(range)
}
