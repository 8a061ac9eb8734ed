-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- As the SQLite schema, column by column. Names that agents chose are bytes here, because PostgreSQL's
-- text cannot hold a NUL, which UTF-8 can.

-- One row: which chain this store belongs to, the newest finalized block it has indexed, and below
-- which block payloads are pruned. Whoever writes locks it first.
CREATE TABLE meta (
    id             BIGINT PRIMARY KEY CHECK (id = 1),
    genesis        BYTEA  NOT NULL CHECK (octet_length(genesis) = 32),
    cursor_number  BIGINT NOT NULL CHECK (cursor_number >= 0),
    cursor_hash    BYTEA  NOT NULL CHECK (octet_length(cursor_hash) = 32),
    pruned_below   BIGINT NOT NULL DEFAULT 0
);

-- Blocks that hold events or rejections; the others would only take space.
CREATE TABLE blocks (
    number   BIGINT PRIMARY KEY,
    hash     BYTEA  NOT NULL CHECK (octet_length(hash) = 32),
    time_ms  BIGINT NOT NULL,
    header   BYTEA  NOT NULL
);

CREATE INDEX blocks_by_time ON blocks (time_ms);

-- `id` keeps the 32-byte stream id out of every event row and index.
CREATE TABLE streams (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id    BYTEA  NOT NULL UNIQUE CHECK (octet_length(stream_id) = 32),
    tenant_id    BYTEA  NOT NULL CHECK (octet_length(tenant_id) = 16),
    store_id     BYTEA  NOT NULL CHECK (octet_length(store_id) = 16),
    sequence     BIGINT NOT NULL,
    state_root   BYTEA  NOT NULL CHECK (octet_length(state_root) = 32),
    batch_count  BIGINT NOT NULL
);

CREATE INDEX streams_by_tenant ON streams (tenant_id, id);

-- `event` is the SCALE form of the submitted event and the source of truth; its first `envelope_len`
-- bytes are the envelope, and the only ones once the payload is pruned.
CREATE TABLE events (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream           BIGINT NOT NULL REFERENCES streams (id),
    sequence         BIGINT NOT NULL,
    event_id         BYTEA  NOT NULL CHECK (octet_length(event_id) = 16),
    block_number     BIGINT NOT NULL REFERENCES blocks (number),
    extrinsic_index  BIGINT NOT NULL,
    entity_type      BYTEA  NOT NULL,
    entity_id        BYTEA  NOT NULL,
    event_type       BYTEA  NOT NULL,
    agent_id         BYTEA  NOT NULL CHECK (octet_length(agent_id) = 16),
    command_id       BYTEA  CHECK (octet_length(command_id) = 16),
    envelope_len     BIGINT NOT NULL,
    event            BYTEA  NOT NULL
);

CREATE UNIQUE INDEX events_by_sequence ON events (stream, sequence);
-- Not unique: the chain forgets ids after three days, so an agent can use one again.
CREATE INDEX events_by_id ON events (stream, event_id, sequence);
CREATE INDEX events_by_entity ON events (stream, entity_type, entity_id, sequence);
CREATE INDEX events_by_entity_type ON events (stream, entity_type, sequence);
CREATE INDEX events_by_type ON events (stream, event_type, sequence);
CREATE INDEX events_by_agent ON events (stream, agent_id, sequence);
CREATE INDEX events_by_command ON events (stream, command_id, sequence) WHERE command_id IS NOT NULL;

-- `leaves` is the concatenation of the batch's leaf hashes: one read is enough for a proof.
CREATE TABLE batches (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream          BIGINT NOT NULL REFERENCES streams (id),
    batch_index     BIGINT NOT NULL,
    sequence_start  BIGINT NOT NULL,
    sequence_end    BIGINT NOT NULL,
    block_number    BIGINT NOT NULL REFERENCES blocks (number),
    batch           BYTEA  NOT NULL,
    leaves          BYTEA  NOT NULL
        CHECK (octet_length(leaves) = 32 * (sequence_end - sequence_start + 1))
);

CREATE UNIQUE INDEX batches_by_index ON batches (stream, batch_index);
CREATE UNIQUE INDEX batches_by_sequence ON batches (stream, sequence_end);
CREATE UNIQUE INDEX batches_by_stream_and_block ON batches (stream, block_number);
CREATE INDEX batches_by_block ON batches (block_number);

-- No foreign key to `streams`: an event can be refused for a stream that has never had one.
CREATE TABLE rejections (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id        BYTEA  NOT NULL CHECK (octet_length(stream_id) = 32),
    event_id         BYTEA  NOT NULL CHECK (octet_length(event_id) = 16),
    block_number     BIGINT NOT NULL REFERENCES blocks (number),
    extrinsic_index  BIGINT NOT NULL,
    reason           BYTEA  NOT NULL
);

CREATE INDEX rejections_by_event ON rejections (stream_id, event_id);

-- Where agents say that they stand. At most eight rows for each agent and stream of the registry.
CREATE TABLE agent_cursors (
    stream_id  BYTEA  NOT NULL CHECK (octet_length(stream_id) = 32),
    agent_id   BYTEA  NOT NULL CHECK (octet_length(agent_id) = 16),
    slot       BIGINT NOT NULL CHECK (slot >= 0 AND slot < 8),
    sequence   BIGINT NOT NULL,
    revision   BIGINT NOT NULL,
    key_id     BIGINT NOT NULL,
    signature  BYTEA  NOT NULL CHECK (octet_length(signature) = 64),
    PRIMARY KEY (stream_id, agent_id, slot)
);
