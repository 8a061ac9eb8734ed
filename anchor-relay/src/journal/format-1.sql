-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- The last block taken over from the appchain. One row.
CREATE TABLE cursor (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE streams (
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

CREATE TABLE batches (
    stream BLOB NOT NULL,
    batch_index INTEGER NOT NULL,
    -- SCALE `BatchCommitment`.
    batch BLOB NOT NULL,
    sequence_start INTEGER NOT NULL,
    anchored INTEGER NOT NULL DEFAULT 0,
    taken_at INTEGER NOT NULL,
    PRIMARY KEY (stream, batch_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX batches_open ON batches (stream, batch_index) WHERE anchored = 0;

-- One row per nonce of ours. States: intent, signed, sent, included, final, lost.
CREATE TABLE sends (
    nonce INTEGER PRIMARY KEY,
    stream BLOB NOT NULL,
    batch_index INTEGER NOT NULL,
    gas_limit INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('intent', 'signed', 'sent', 'included', 'final', 'lost')),
    ok INTEGER,
    tx_hash BLOB,
    block_number INTEGER,
    block_hash BLOB,
    created_at INTEGER NOT NULL,
    sent_at INTEGER
) STRICT;
CREATE INDEX sends_live ON sends (nonce) WHERE state NOT IN ('final', 'lost');
CREATE INDEX sends_batch ON sends (stream, batch_index);

-- Every transaction ever signed for a nonce; exactly one of them can be mined.
CREATE TABLE attempts (
    tx_hash BLOB PRIMARY KEY,
    nonce INTEGER NOT NULL REFERENCES sends (nonce) ON DELETE CASCADE,
    raw BLOB NOT NULL,
    -- Decimal wei: u128 does not fit SQLite's integers.
    max_fee TEXT NOT NULL,
    tip TEXT NOT NULL,
    signed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX attempts_nonce ON attempts (nonce);

-- A transaction on its way, as the test expects it.
INSERT INTO meta (key, value) VALUES ('format', CAST('1' AS BLOB));
INSERT INTO sends (nonce, stream, batch_index, gas_limit, state, created_at)
    VALUES (3, X'0101010101010101010101010101010101010101010101010101010101010101', 7, 1, 'sent', 1);
INSERT INTO attempts (tx_hash, nonce, raw, max_fee, tip, signed_at)
    VALUES (X'0202020202020202020202020202020202020202020202020202020202020202', 3, X'03', '4', '5', 1);
