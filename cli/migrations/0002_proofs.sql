-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- Proofs that this agent wants about events of its outbox, and what became of them. A wish is
-- committed before its event is sent. No amount and no salt stands here: both are in the payload.
CREATE TABLE IF NOT EXISTS ves_proof_wishes (
    wish_id      INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id    BLOB NOT NULL CHECK (length(tenant_id) = 16),
    store_id     BLOB NOT NULL CHECK (length(store_id) = 16),
    event_id     BLOB NOT NULL CHECK (length(event_id) = 16),
    -- SCALE-encoded.
    policy       BLOB NOT NULL,
    currency     TEXT NOT NULL,
    amount_field TEXT NOT NULL,
    state        TEXT NOT NULL DEFAULT 'wanted' CHECK (state IN (
                     'wanted', 'proven', 'skipped', 'impossible', 'refused')),
    reason       TEXT,
    proof_hash   BLOB CHECK (length(proof_hash) = 32),
    block_number INTEGER,
    wished_at    TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    CHECK (state <> 'proven' OR proof_hash IS NOT NULL),
    CHECK (state NOT IN ('skipped', 'impossible', 'refused') OR reason IS NOT NULL),
    UNIQUE (tenant_id, store_id, event_id, policy, currency)
);

CREATE INDEX IF NOT EXISTS ves_proof_wishes_wanted ON ves_proof_wishes (wish_id)
    WHERE state = 'wanted';

-- Proofs that the chain has of pulled events, and what this machine found out about each.
CREATE TABLE IF NOT EXISTS ves_proofs (
    tenant_id   BLOB NOT NULL,
    store_id    BLOB NOT NULL,
    event_id    BLOB NOT NULL CHECK (length(event_id) = 16),
    policy_hash BLOB NOT NULL CHECK (length(policy_hash) = 32),
    commitment  BLOB NOT NULL CHECK (length(commitment) = 32),
    -- SCALE-encoded `ProofRecord`.
    record      BLOB NOT NULL,
    -- Name of what is wrong; NULL if the proof holds.
    problem     TEXT,
    detail      TEXT,
    payload     TEXT NOT NULL CHECK (payload IN (
                    'matches', 'differs', 'no_amount', 'unreadable', 'unchecked')),
    checked_at  TEXT NOT NULL,
    CHECK ((problem IS NULL) = (detail IS NULL)),
    PRIMARY KEY (tenant_id, store_id, event_id, policy_hash, commitment)
);

-- A pull asks for the proofs of the newest encrypted events without reading all the others.
CREATE INDEX IF NOT EXISTS ves_events_encrypted ON ves_events (tenant_id, store_id, sequence)
    WHERE json_extract(record, '$.event.payload_kind') = 1;
