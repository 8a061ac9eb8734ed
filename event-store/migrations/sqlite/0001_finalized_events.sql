-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- One row: which chain this store belongs to and the newest finalized block it has indexed.
CREATE TABLE meta (
    id             INTEGER PRIMARY KEY CHECK (id = 1),
    genesis        BLOB    NOT NULL CHECK (length(genesis) = 32),
    cursor_number  INTEGER NOT NULL CHECK (cursor_number >= 0),
    cursor_hash    BLOB    NOT NULL CHECK (length(cursor_hash) = 32)
) STRICT;

-- Blocks that hold events or rejections; the others would only take space.
CREATE TABLE blocks (
    number   INTEGER PRIMARY KEY,
    hash     BLOB    NOT NULL CHECK (length(hash) = 32),
    time_ms  INTEGER NOT NULL,
    header   BLOB    NOT NULL
) STRICT;

-- `id` keeps the 32-byte stream id out of every event row and index.
CREATE TABLE streams (
    id           INTEGER PRIMARY KEY,
    stream_id    BLOB    NOT NULL UNIQUE CHECK (length(stream_id) = 32),
    tenant_id    BLOB    NOT NULL CHECK (length(tenant_id) = 16),
    store_id     BLOB    NOT NULL CHECK (length(store_id) = 16),
    sequence     INTEGER NOT NULL,
    state_root   BLOB    NOT NULL CHECK (length(state_root) = 32),
    batch_count  INTEGER NOT NULL
) STRICT;

-- `event` is the SCALE form of the submitted event and the source of truth; the columns before it
-- exist to be filtered by. It stays last so that reading them never touches its overflow pages.
CREATE TABLE events (
    id               INTEGER PRIMARY KEY,
    stream           INTEGER NOT NULL REFERENCES streams (id),
    sequence         INTEGER NOT NULL,
    event_id         BLOB    NOT NULL CHECK (length(event_id) = 16),
    block_number     INTEGER NOT NULL REFERENCES blocks (number),
    extrinsic_index  INTEGER NOT NULL,
    entity_type      TEXT    NOT NULL,
    entity_id        TEXT    NOT NULL,
    event_type       TEXT    NOT NULL,
    agent_id         BLOB    NOT NULL CHECK (length(agent_id) = 16),
    agent_key_id     INTEGER NOT NULL,
    payload_kind     INTEGER NOT NULL,
    event            BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX events_by_sequence ON events (stream, sequence);
CREATE UNIQUE INDEX events_by_id ON events (stream, event_id);

-- `leaves` is the concatenation of the batch's leaf hashes: one read is enough for a proof.
CREATE TABLE batches (
    id              INTEGER PRIMARY KEY,
    stream          INTEGER NOT NULL REFERENCES streams (id),
    batch_index     INTEGER NOT NULL,
    sequence_start  INTEGER NOT NULL,
    sequence_end    INTEGER NOT NULL,
    block_number    INTEGER NOT NULL REFERENCES blocks (number),
    batch           BLOB    NOT NULL,
    leaves          BLOB    NOT NULL CHECK (length(leaves) = 32 * (sequence_end - sequence_start + 1))
) STRICT;

CREATE UNIQUE INDEX batches_by_index ON batches (stream, batch_index);
CREATE UNIQUE INDEX batches_by_sequence ON batches (stream, sequence_end);
CREATE INDEX batches_by_block ON batches (block_number);

-- No foreign key to `streams`: an event can be refused for a stream that has never had one.
CREATE TABLE rejections (
    id               INTEGER PRIMARY KEY,
    stream_id        BLOB    NOT NULL CHECK (length(stream_id) = 32),
    event_id         BLOB    NOT NULL CHECK (length(event_id) = 16),
    block_number     INTEGER NOT NULL REFERENCES blocks (number),
    extrinsic_index  INTEGER NOT NULL,
    reason           BLOB    NOT NULL
) STRICT;

CREATE INDEX rejections_by_event ON rejections (stream_id, event_id);
