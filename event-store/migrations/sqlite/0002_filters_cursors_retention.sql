-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- What the first version stored lacks columns that SQL alone cannot fill: the node indexes its blocks
-- anew.
DELETE FROM rejections;
DELETE FROM batches;
DROP TABLE events;
DELETE FROM streams;
DELETE FROM blocks;
UPDATE meta SET cursor_number = 0, cursor_hash = genesis;

-- Payloads of blocks below this one are pruned.
ALTER TABLE meta ADD COLUMN pruned_below INTEGER NOT NULL DEFAULT 0;

-- `event` is the SCALE form of the submitted event and the source of truth; its first `envelope_len`
-- bytes are the envelope, and the only ones once the payload is pruned. The columns before it exist to
-- be filtered by. It stays last so that reading them never touches its overflow pages.
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
    command_id       BLOB    CHECK (length(command_id) = 16),
    envelope_len     INTEGER NOT NULL,
    event            BLOB    NOT NULL
) STRICT;

CREATE UNIQUE INDEX events_by_sequence ON events (stream, sequence);
-- Not unique: the chain forgets ids after three days, so an agent can use one again.
CREATE INDEX events_by_id ON events (stream, event_id, sequence);
CREATE INDEX events_by_entity ON events (stream, entity_type, entity_id, sequence);
CREATE INDEX events_by_entity_type ON events (stream, entity_type, sequence);
CREATE INDEX events_by_type ON events (stream, event_type, sequence);
CREATE INDEX events_by_agent ON events (stream, agent_id, sequence);
CREATE INDEX events_by_command ON events (stream, command_id, sequence) WHERE command_id IS NOT NULL;

CREATE INDEX streams_by_tenant ON streams (tenant_id, id);
CREATE INDEX blocks_by_time ON blocks (time_ms);
CREATE UNIQUE INDEX batches_by_stream_and_block ON batches (stream, block_number);

-- Where agents say that they stand. At most eight rows for each agent and stream of the registry.
CREATE TABLE agent_cursors (
    stream_id  BLOB    NOT NULL CHECK (length(stream_id) = 32),
    agent_id   BLOB    NOT NULL CHECK (length(agent_id) = 16),
    slot       INTEGER NOT NULL CHECK (slot >= 0 AND slot < 8),
    sequence   INTEGER NOT NULL,
    revision   INTEGER NOT NULL,
    key_id     INTEGER NOT NULL,
    signature  BLOB    NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (stream_id, agent_id, slot)
) STRICT, WITHOUT ROWID;
