-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- Events of this agent on their way to the chain. Ids and hashes are raw bytes.
CREATE TABLE IF NOT EXISTS ves_outbox (
    local_seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id           BLOB NOT NULL CHECK (length(tenant_id) = 16),
    store_id            BLOB NOT NULL CHECK (length(store_id) = 16),
    event_id            BLOB NOT NULL CHECK (length(event_id) = 16),
    agent_id            BLOB NOT NULL CHECK (length(agent_id) = 16),
    entity_type         TEXT NOT NULL,
    entity_id           TEXT NOT NULL,
    event_type          TEXT NOT NULL,
    created_at          TEXT NOT NULL,
    command_id          BLOB CHECK (length(command_id) = 16),
    base_version        INTEGER CHECK (base_version >= 0),
    payload_kind        INTEGER NOT NULL CHECK (payload_kind IN (0, 1)),
    -- Canonical JSON, or the SCALE-encoded bundle: never the plaintext of an encrypted event.
    payload             BLOB NOT NULL,
    payload_plain_hash  BLOB NOT NULL CHECK (length(payload_plain_hash) = 32),
    payload_cipher_hash BLOB NOT NULL CHECK (length(payload_cipher_hash) = 32),
    -- Fixed at capture when encrypted (it is bound into the ciphertext), else at first signing.
    key_id              INTEGER,
    signature           BLOB CHECK (length(signature) = 64),
    state               TEXT NOT NULL DEFAULT 'queued' CHECK (state IN (
                            'queued', 'signed', 'submitted', 'in_block', 'finalized',
                            'rejected', 'dead', 'superseded')),
    attempts            INTEGER NOT NULL DEFAULT 0,
    extrinsic_hash      BLOB CHECK (length(extrinsic_hash) = 32),
    -- Best block when it was last handed to a node.
    submitted_block     INTEGER,
    block_number        INTEGER,
    block_hash          BLOB CHECK (length(block_hash) = 32),
    sequence            INTEGER,
    reason              TEXT,
    last_error          TEXT,
    captured_at         TEXT NOT NULL,
    updated_at          TEXT NOT NULL,
    CHECK (signature IS NULL OR key_id IS NOT NULL),
    CHECK (state = 'queued' OR state IN ('rejected', 'dead', 'superseded') OR signature IS NOT NULL),
    CHECK (state <> 'finalized' OR sequence IS NOT NULL),
    CHECK (state <> 'rejected' OR reason IS NOT NULL),
    UNIQUE (tenant_id, store_id, event_id)
);

CREATE INDEX IF NOT EXISTS ves_outbox_open ON ves_outbox (local_seq)
    WHERE state IN ('queued', 'signed', 'submitted', 'in_block');

-- A command is fulfilled by at most one event; one that failed frees its command.
CREATE UNIQUE INDEX IF NOT EXISTS ves_outbox_command ON ves_outbox (tenant_id, store_id, command_id)
    WHERE command_id IS NOT NULL AND state NOT IN ('rejected', 'dead', 'superseded');

-- What an agent signs must stay what the row says, whoever writes to the database.
CREATE TRIGGER IF NOT EXISTS ves_outbox_content_is_immutable
BEFORE UPDATE OF tenant_id, store_id, event_id, agent_id, entity_type, entity_id, event_type,
    created_at, command_id, base_version, payload_kind, payload, payload_plain_hash,
    payload_cipher_hash ON ves_outbox
BEGIN
    SELECT RAISE(ABORT, 'the content of an outbox event is immutable');
END;

CREATE TRIGGER IF NOT EXISTS ves_outbox_key_is_fixed
BEFORE UPDATE OF key_id, signature ON ves_outbox
WHEN (OLD.key_id IS NOT NULL AND NEW.key_id IS NOT OLD.key_id)
  OR (OLD.signature IS NOT NULL AND NEW.signature IS NOT OLD.signature)
BEGIN
    SELECT RAISE(ABORT, 'key and signature of an outbox event are fixed at first signing');
END;

-- Where the pulled copy of each stream stands: the tip of the verified chain of batches.
CREATE TABLE IF NOT EXISTS ves_streams (
    tenant_id    BLOB NOT NULL,
    store_id     BLOB NOT NULL,
    genesis_hash BLOB NOT NULL CHECK (length(genesis_hash) = 32),
    sequence     INTEGER NOT NULL,
    state_root   BLOB NOT NULL CHECK (length(state_root) = 32),
    batch_count  INTEGER NOT NULL,
    pulled_at    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, store_id)
);

CREATE TABLE IF NOT EXISTS ves_batches (
    tenant_id   BLOB NOT NULL,
    store_id    BLOB NOT NULL,
    batch_index INTEGER NOT NULL,
    -- SCALE-encoded commitment and header, the evidence.
    commitment  BLOB NOT NULL,
    header      BLOB NOT NULL,
    block_hash  BLOB NOT NULL CHECK (length(block_hash) = 32),
    pulled_at   TEXT NOT NULL,
    PRIMARY KEY (tenant_id, store_id, batch_index)
);

-- Verified events. Immutable.
CREATE TABLE IF NOT EXISTS ves_events (
    tenant_id     BLOB NOT NULL,
    store_id      BLOB NOT NULL,
    sequence      INTEGER NOT NULL,
    event_id      BLOB NOT NULL CHECK (length(event_id) = 16),
    agent_id      BLOB NOT NULL CHECK (length(agent_id) = 16),
    entity_type   TEXT NOT NULL,
    entity_id     TEXT NOT NULL,
    event_type    TEXT NOT NULL,
    batch_index   INTEGER NOT NULL,
    block_number  INTEGER NOT NULL,
    block_time_ms INTEGER NOT NULL,
    -- The record as verified, JSON of `SequencedEventJson`.
    record        TEXT NOT NULL,
    pulled_at     TEXT NOT NULL,
    PRIMARY KEY (tenant_id, store_id, sequence),
    UNIQUE (tenant_id, store_id, event_id)
);

CREATE INDEX IF NOT EXISTS ves_events_entity
    ON ves_events (tenant_id, store_id, entity_type, entity_id, sequence);

CREATE TRIGGER IF NOT EXISTS ves_events_are_immutable BEFORE UPDATE ON ves_events
BEGIN
    SELECT RAISE(ABORT, 'pulled events are immutable');
END;

CREATE TRIGGER IF NOT EXISTS ves_events_are_kept BEFORE DELETE ON ves_events
BEGIN
    SELECT RAISE(ABORT, 'pulled events are never deleted');
END;

-- Records that did not verify, with the reason.
CREATE TABLE IF NOT EXISTS ves_quarantine (
    tenant_id      BLOB NOT NULL,
    store_id       BLOB NOT NULL,
    sequence       INTEGER NOT NULL,
    event_id       BLOB NOT NULL,
    reason         TEXT NOT NULL,
    detail         TEXT NOT NULL,
    record         TEXT NOT NULL,
    quarantined_at TEXT NOT NULL,
    PRIMARY KEY (tenant_id, store_id, sequence)
);

-- First public key seen for each (agent, key id): the chain never changes it, so nothing else may.
CREATE TABLE IF NOT EXISTS ves_key_pins (
    genesis_hash BLOB NOT NULL,
    tenant_id    BLOB NOT NULL,
    agent_id     BLOB NOT NULL,
    key_id       INTEGER NOT NULL,
    public_key   BLOB NOT NULL CHECK (length(public_key) = 32),
    pinned_at    TEXT NOT NULL,
    PRIMARY KEY (genesis_hash, tenant_id, agent_id, key_id)
);
