// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Events by what they are about: filters, histories of entities, lists of streams.
//!
//! One call does a bounded amount of work. The most selective part of a filter, or a pair of parts, picks
//! an index; what the index gives is looked at in the order of sequences, [`MAX_EXAMINED`] events at most,
//! and the rest of the filter is applied to those until the page is full.

use crate::{
    Store, StoreError, StoredEvent,
    db::{Arg, Connection, args, clamped},
    query::{
        EVENT_COLUMNS, EVENT_TABLES, MAX_PAGE_BYTES, MAX_PAGE_EVENTS, Page, StreamRow, stream_row,
    },
    store::{cursor, tip},
};
use ves_primitives::{
    StoreId, StreamId, TenantId, stream_id,
    wire::{EventFilter, StreamJson},
};

/// Most events that one call looks at.
pub const MAX_EXAMINED: u32 = 10_000;

/// What the indexes of a stream's events begin with, the most selective first. There is none of ids of
/// entities without their kind.
const INDEXES: [&[&str]; 7] = [
    &["command_id"],
    &["entity_type", "entity_id"],
    &["agent_id", "event_type"],
    &["agent_id"],
    &["entity_type", "event_type"],
    &["event_type"],
    &["entity_type"],
];

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

impl Found {
    /// Of a stream without events.
    const NOTHING: Self = Self {
        events: Vec::new(),
        head: 0,
        rest: None,
    };
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
        let asked = |column: &&str| conditions.iter().any(|(known, _)| known == column);
        let keys = INDEXES
            .into_iter()
            .find(|keys| keys.iter().all(asked))
            .unwrap_or_default();
        let mut plan = Self {
            keyed: String::new(),
            keyed_args: Vec::new(),
            residual: String::new(),
            residual_args: Vec::new(),
        };
        for (column, value) in conditions {
            let (sql, args) = if keys.contains(&column) {
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
        match stream_row(&mut snapshot, stream_id).await? {
            Some(stream) => {
                let page = Page::new(stream_id, limit.min(MAX_PAGE_EVENTS), bytes);
                find_in(&mut snapshot, &stream, filter, order, after, page).await
            }
            None => Ok(Found::NOTHING),
        }
    }

    /// The history of an entity beyond sequence `after`, and how many events the entity has altogether.
    ///
    /// # Errors
    /// If the database fails or a row is damaged.
    pub async fn entity_history(
        &self,
        (tenant, store): (TenantId, StoreId),
        (entity_type, entity_id): (&str, &str),
        after: Option<u64>,
        limit: u32,
    ) -> Result<(Found, u64), StoreError> {
        let stream_id = stream_id(tenant, store);
        let mut snapshot = self.snapshot().await?;
        let Some(stream) = stream_row(&mut snapshot, stream_id).await? else {
            return Ok((Found::NOTHING, 0));
        };
        let filter = EventFilter {
            entity_type: Some(entity_type.into()),
            entity_id: Some(entity_id.into()),
            ..EventFilter::default()
        };
        let page = Page::new(stream_id, limit.min(MAX_PAGE_EVENTS), MAX_PAGE_BYTES);
        let order = Order::OldestFirst;
        let found = find_in(&mut snapshot, &stream, &filter, order, after, page).await?;
        let sql = "SELECT versions FROM entities \
             WHERE stream = ? AND entity_type = ? AND entity_id = ?";
        let name = |name: &str| Arg::Name(name.into());
        let args = vec![stream.id.into(), name(entity_type), name(entity_id)];
        let versions = match snapshot.optional(sql, args).await? {
            Some(row) => row.unsigned("versions")?,
            None => 0,
        };
        Ok((found, versions))
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

/// A page of a stream's events that a filter lets through.
async fn find_in(
    connection: &mut Connection,
    stream: &StreamRow,
    filter: &EventFilter,
    order: Order,
    after: Option<u64>,
    mut page: Page,
) -> Result<Found, StoreError> {
    let head = stream.tip.sequence;
    let mut range = Range {
        low: 1,
        high: clamped(head),
    };
    if let Some(after) = after {
        range = range.beyond(clamped(after), order);
    }
    range = in_time(connection, stream.id, filter, range).await?;
    if range.is_empty() {
        return Ok(Found {
            head,
            ..Found::NOTHING
        });
    }
    let plan = Plan::of(filter);
    let bound = plan.bound(connection, stream.id, range, order).await?;
    let mut left = bound.map_or(range, |bound| range.up_to(bound, order));
    let sql = plan.page(order);
    let mut exhausted = false;
    while let Some(wanted) = page.wanted() {
        let mut args = plan.candidate_args(stream.id, left);
        args.extend(plan.residual_args.iter().cloned());
        args.extend(args![wanted]);
        let rows = connection.all(&sql, args).await?;
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
