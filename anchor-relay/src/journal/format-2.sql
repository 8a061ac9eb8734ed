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
CREATE INDEX batches_open_from ON batches (stream, sequence_start)
    WHERE anchored = 0;

-- One row per nonce of ours. States: intent, signed, sent, included, final, lost.
CREATE TABLE sends (
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
CREATE INDEX sends_live ON sends (nonce) WHERE state NOT IN ('final', 'lost');
CREATE INDEX sends_failed ON sends (nonce) WHERE ok = 0;
CREATE INDEX sends_paid ON sends (paid_at) WHERE paid_at > 0;

-- What the transaction of a nonce carries: batches, proofs, or a batch with its proof.
CREATE TABLE items (
    nonce INTEGER NOT NULL REFERENCES sends (nonce) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('batch', 'proof')),
    stream BLOB NOT NULL,
    batch_index INTEGER NOT NULL,
    PRIMARY KEY (nonce, kind, stream, batch_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX items_of ON items (stream, batch_index);

-- The verified proof of a batch, at most one.
CREATE TABLE proofs (
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
CREATE INDEX proofs_open ON proofs (taken_at) WHERE anchored = 0;
CREATE INDEX proofs_open_of ON proofs (stream, batch_index)
    WHERE anchored = 0 AND set_aside IS NULL;

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

-- What a relay of format 2 leaves behind, as the test expects it. Stream 1: batch 0 anchored by our
-- transaction, batch 1 counted as anchored although our transaction failed, batch 2 anchored by
-- somebody else, batch 3 open. Batch 0 has a proof, which is anchored with it; batch 2 one that is set
-- aside.
INSERT INTO meta (key, value) VALUES ('format', CAST('2' AS BLOB));
INSERT INTO cursor (id, number, hash) VALUES
    (1, 9, X'0909090909090909090909090909090909090909090909090909090909090909');
INSERT INTO streams (stream, tenant, store, tip) VALUES
    (X'0101010101010101010101010101010101010101010101010101010101010101',
     X'02020202020202020202020202020202', X'03030303030303030303030303030303',
     zeroblob(48));
INSERT INTO batches (stream, batch_index, batch, sequence_start, anchored, taken_at) VALUES
    (X'0101010101010101010101010101010101010101010101010101010101010101', 0, X'00', 1, 1, 50),
    (X'0101010101010101010101010101010101010101010101010101010101010101', 1, X'00', 2, 1, 51),
    (X'0101010101010101010101010101010101010101010101010101010101010101', 2, X'00', 3, 1, 52),
    (X'0101010101010101010101010101010101010101010101010101010101010101', 3, X'00', 4, 0, 53);
INSERT INTO proofs (stream, batch_index, record, anchored, set_aside, taken_at) VALUES
    (X'0101010101010101010101010101010101010101010101010101010101010101', 0, X'00', 1, NULL, 60),
    (X'0101010101010101010101010101010101010101010101010101010101010101', 2, X'00', 0, 'why', 61);
INSERT INTO sends (nonce, gas_limit, state, ok, block_number, block_hash, created_at, paid_at) VALUES
    (0, 1, 'final', 1, 10,
     X'0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A', 70, 0),
    (1, 1, 'final', 0, 11,
     X'0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B', 71, 90),
    (2, 1, 'final', 1, 11,
     X'0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C', 72, 91);
INSERT INTO sends (nonce, gas_limit, state, created_at) VALUES (3, 1, 'sent', 73);
INSERT INTO items (nonce, kind, stream, batch_index) VALUES
    (0, 'batch', X'0101010101010101010101010101010101010101010101010101010101010101', 0),
    (1, 'batch', X'0101010101010101010101010101010101010101010101010101010101010101', 1),
    (2, 'proof', X'0101010101010101010101010101010101010101010101010101010101010101', 0),
    (3, 'batch', X'0101010101010101010101010101010101010101010101010101010101010101', 3);
