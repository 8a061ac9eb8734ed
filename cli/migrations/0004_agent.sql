-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- What went wrong on an event's way and when to try again. A row goes when its event is settled.
CREATE TABLE IF NOT EXISTS ves_retries (
    local_seq       INTEGER PRIMARY KEY,
    failures        INTEGER NOT NULL CHECK (failures > 0),
    error           TEXT    NOT NULL,
    -- Milliseconds since 1970.
    next_attempt_ms INTEGER NOT NULL,
    failed_at       TEXT    NOT NULL
);

-- Decisions about events that gave way: who replaced them, by which rule.
CREATE TABLE IF NOT EXISTS ves_resolutions (
    local_seq      INTEGER PRIMARY KEY,
    strategy       TEXT NOT NULL CHECK (strategy IN (
                       'remote_wins', 'local_wins', 'merge', 'reapply', 'skip')),
    -- The event that was captured instead; NULL if none was.
    replacement_id BLOB CHECK (length(replacement_id) = 16),
    resolved_at    TEXT NOT NULL
);

-- What the verified events of a stream say about each entity: a projection, made anew at will.
CREATE TABLE IF NOT EXISTS ves_entities (
    tenant_id   BLOB NOT NULL,
    store_id    BLOB NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id   TEXT NOT NULL,
    -- As the chain counts: one for each event.
    version     INTEGER NOT NULL CHECK (version > 0),
    -- Place of the newest event.
    sequence    INTEGER NOT NULL,
    -- Canonical JSON; NULL without a readable payload, or after a deletion.
    state       TEXT,
    deleted     INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    -- Events whose payload could not be read.
    opaque      INTEGER NOT NULL CHECK (opaque >= 0),
    state_hash  BLOB NOT NULL CHECK (length(state_hash) = 32),
    PRIMARY KEY (tenant_id, store_id, entity_type, entity_id)
);

-- Up to where the projection goes.
CREATE TABLE IF NOT EXISTS ves_projections (
    tenant_id BLOB NOT NULL,
    store_id  BLOB NOT NULL,
    sequence  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, store_id)
);

-- Evidence of batches beside `ves_batches`: the path to the header, and why the block is final.
CREATE TABLE IF NOT EXISTS ves_batch_evidence (
    tenant_id   BLOB NOT NULL,
    store_id    BLOB NOT NULL,
    batch_index INTEGER NOT NULL,
    -- JSON of `InclusionProof` and `FinalityProof`.
    block_proof TEXT NOT NULL,
    finality    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, store_id, batch_index)
);

-- Keys of authors as the registry showed them last, JSON of `SigningKeyRecord`.
CREATE TABLE IF NOT EXISTS ves_key_records (
    genesis_hash BLOB NOT NULL,
    tenant_id    BLOB NOT NULL,
    agent_id     BLOB NOT NULL,
    key_id       INTEGER NOT NULL,
    record       TEXT NOT NULL,
    PRIMARY KEY (genesis_hash, tenant_id, agent_id, key_id)
);

-- Bundles that came from elsewhere and verified here.
CREATE TABLE IF NOT EXISTS ves_bundles (
    genesis_hash BLOB NOT NULL CHECK (length(genesis_hash) = 32),
    event_id     BLOB NOT NULL CHECK (length(event_id) = 16),
    -- JSON of `BundleJson`.
    bundle       TEXT NOT NULL,
    imported_at  TEXT NOT NULL,
    PRIMARY KEY (genesis_hash, event_id)
);
