-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

CREATE TABLE IF NOT EXISTS meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- The last block taken over from the appchain. One row.
CREATE TABLE IF NOT EXISTS cursor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS streams (
    stream BLOB PRIMARY KEY,
    tenant BLOB NOT NULL,
    store BLOB NOT NULL,
    -- SCALE `StreamTip` after the last finalized batch.
    tip BLOB NOT NULL,
    -- Set: nothing more is submitted until an operator releases the stream.
    quarantine TEXT,
    -- Set: the appchain's own data was broken; a release does not lift it.
    broken INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS batches (
    stream BLOB NOT NULL,
    batch_index INTEGER NOT NULL,
    -- SCALE `BatchCommitment`.
    batch BLOB NOT NULL,
    sequence_start INTEGER NOT NULL,
    anchored INTEGER NOT NULL DEFAULT 0,
    taken_at INTEGER NOT NULL,
    PRIMARY KEY (stream, batch_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batches_open ON batches (stream, batch_index) WHERE anchored = 0;
CREATE INDEX IF NOT EXISTS batches_open_from ON batches (stream, sequence_start)
    WHERE anchored = 0;

-- One row per nonce of ours. States: intent, signed, sent, included, final, lost.
CREATE TABLE IF NOT EXISTS sends (
    nonce INTEGER PRIMARY KEY,
    gas_limit INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('intent', 'signed', 'sent', 'included', 'final', 'lost')),
    ok INTEGER,
    tx_hash BLOB,
    block_number INTEGER,
    block_hash BLOB,
    created_at INTEGER NOT NULL,
    sent_at INTEGER,
    -- What it cost, rounded up, and when that was learnt. For the daily budget.
    fee_gwei INTEGER NOT NULL DEFAULT 0,
    paid_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS sends_live ON sends (nonce) WHERE state NOT IN ('final', 'lost');
CREATE INDEX IF NOT EXISTS sends_failed ON sends (nonce) WHERE ok = 0;
CREATE INDEX IF NOT EXISTS sends_paid ON sends (paid_at) WHERE paid_at > 0;

-- What the transaction of a nonce carries: batches, proofs, or a batch with its proof.
CREATE TABLE IF NOT EXISTS items (
    nonce INTEGER NOT NULL REFERENCES sends (nonce) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('batch', 'proof')),
    stream BLOB NOT NULL,
    batch_index INTEGER NOT NULL,
    PRIMARY KEY (nonce, kind, stream, batch_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_of ON items (stream, batch_index);

-- The verified proof of a batch, at most one.
CREATE TABLE IF NOT EXISTS proofs (
    stream BLOB NOT NULL,
    batch_index INTEGER NOT NULL,
    -- SCALE `BatchProofRecord`.
    record BLOB NOT NULL,
    anchored INTEGER NOT NULL DEFAULT 0,
    -- Set: not sent until an operator releases the stream.
    set_aside TEXT,
    taken_at INTEGER NOT NULL,
    PRIMARY KEY (stream, batch_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS proofs_open ON proofs (taken_at) WHERE anchored = 0;
CREATE INDEX IF NOT EXISTS proofs_open_of ON proofs (stream, batch_index)
    WHERE anchored = 0 AND set_aside IS NULL;

-- Every transaction ever signed for a nonce; exactly one of them can be mined.
CREATE TABLE IF NOT EXISTS attempts (
    tx_hash BLOB PRIMARY KEY,
    nonce INTEGER NOT NULL REFERENCES sends (nonce) ON DELETE CASCADE,
    raw BLOB NOT NULL,
    -- Decimal wei: u128 does not fit SQLite's integers.
    max_fee TEXT NOT NULL,
    tip TEXT NOT NULL,
    signed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS attempts_nonce ON attempts (nonce);
