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
    hash BLOB NOT NULL,
    -- The block after it was not final before this, Unix milliseconds; 0: not known.
    next_final_at INTEGER NOT NULL DEFAULT 0
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
    broken INTEGER NOT NULL DEFAULT 0,
    -- Batches taken over and batches that count as anchored, those included that were forgotten.
    batches INTEGER NOT NULL DEFAULT 0,
    anchored INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE IF NOT EXISTS batches (
    stream BLOB NOT NULL,
    batch_index INTEGER NOT NULL,
    -- SCALE `BatchCommitment`.
    batch BLOB NOT NULL,
    sequence_start INTEGER NOT NULL,
    anchored INTEGER NOT NULL DEFAULT 0,
    taken_at INTEGER NOT NULL,
    -- When its block was final on the appchain, at the earliest, Unix milliseconds.
    final_at INTEGER NOT NULL DEFAULT 0,
    -- The destination's block at which it came to count as anchored, as long as that block is not
    -- final there.
    anchored_in INTEGER,
    -- Set: anchored in a block that is final on the destination.
    final INTEGER NOT NULL DEFAULT 0,
    -- Set: it is forgotten once the cursor is at this height.
    keep_until INTEGER,
    PRIMARY KEY (stream, batch_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batches_open ON batches (stream, batch_index) WHERE anchored = 0;
CREATE INDEX IF NOT EXISTS batches_open_from ON batches (stream, sequence_start)
    WHERE anchored = 0;
CREATE INDEX IF NOT EXISTS batches_loose ON batches (anchored_in) WHERE anchored_in IS NOT NULL;
CREATE INDEX IF NOT EXISTS batches_kept ON batches (keep_until) WHERE keep_until IS NOT NULL;

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
    -- What it cost, rounded up, and when that was learnt. For the daily budget, and for how long the
    -- row is kept.
    fee_gwei INTEGER NOT NULL DEFAULT 0,
    paid_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS sends_live ON sends (nonce) WHERE state NOT IN ('final', 'lost');
CREATE INDEX IF NOT EXISTS sends_failed ON sends (nonce) WHERE ok = 0;
CREATE INDEX IF NOT EXISTS sends_paid ON sends (paid_at) WHERE paid_at > 0;
CREATE INDEX IF NOT EXISTS sends_settled ON sends (block_number) WHERE state = 'final';

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
    -- As of a batch.
    anchored_in INTEGER,
    final INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (stream, batch_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS proofs_open ON proofs (taken_at) WHERE anchored = 0;
CREATE INDEX IF NOT EXISTS proofs_open_of ON proofs (stream, batch_index)
    WHERE anchored = 0 AND set_aside IS NULL;
CREATE INDEX IF NOT EXISTS proofs_loose ON proofs (anchored_in) WHERE anchored_in IS NOT NULL;

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

-- Blocks of the destination at which something came to count as done, as long as they can be taken
-- back there.
CREATE TABLE IF NOT EXISTS checkpoints (
    number INTEGER PRIMARY KEY,
    hash BLOB NOT NULL
) STRICT;

-- Totals, rows that were forgotten included: nothing that happens at every look counts rows.
-- `final_to`: the highest block of the destination known to be final.
CREATE TABLE IF NOT EXISTS counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO counters (name, value) VALUES
    ('final_to', 0), ('proofs', 0), ('proofs anchored', 0), ('proofs aside', 0),
    ('send intent', 0), ('send signed', 0), ('send sent', 0), ('send included', 0),
    ('send final', 0), ('send lost', 0);

-- By triggers, so that no statement can forget it. What is forgotten stays counted: batches and
-- proofs are deleted only when they are final, transactions only when they are settled or given back.
CREATE TRIGGER IF NOT EXISTS batch_taken AFTER INSERT ON batches BEGIN
    UPDATE streams SET batches = batches + 1, anchored = anchored + NEW.anchored
        WHERE stream = NEW.stream;
END;
CREATE TRIGGER IF NOT EXISTS batch_marked AFTER UPDATE OF anchored ON batches
WHEN NEW.anchored <> OLD.anchored BEGIN
    UPDATE streams SET anchored = anchored + NEW.anchored - OLD.anchored
        WHERE stream = NEW.stream;
END;
CREATE TRIGGER IF NOT EXISTS proof_taken AFTER INSERT ON proofs BEGIN
    UPDATE counters SET value = value + 1 WHERE name = 'proofs';
    UPDATE counters SET value = value + NEW.anchored WHERE name = 'proofs anchored';
    UPDATE counters SET value = value + (NEW.set_aside IS NOT NULL) WHERE name = 'proofs aside';
END;
CREATE TRIGGER IF NOT EXISTS proof_marked AFTER UPDATE OF anchored ON proofs
WHEN NEW.anchored <> OLD.anchored BEGIN
    UPDATE counters SET value = value + NEW.anchored - OLD.anchored
        WHERE name = 'proofs anchored';
END;
CREATE TRIGGER IF NOT EXISTS proof_aside AFTER UPDATE OF set_aside ON proofs
WHEN (NEW.set_aside IS NULL) <> (OLD.set_aside IS NULL) BEGIN
    UPDATE counters SET value = value + (NEW.set_aside IS NOT NULL) - (OLD.set_aside IS NOT NULL)
        WHERE name = 'proofs aside';
END;
CREATE TRIGGER IF NOT EXISTS send_reserved AFTER INSERT ON sends BEGIN
    UPDATE counters SET value = value + 1 WHERE name = 'send ' || NEW.state;
END;
CREATE TRIGGER IF NOT EXISTS send_moved AFTER UPDATE OF state ON sends
WHEN NEW.state <> OLD.state BEGIN
    UPDATE counters SET value = value - 1 WHERE name = 'send ' || OLD.state;
    UPDATE counters SET value = value + 1 WHERE name = 'send ' || NEW.state;
END;
CREATE TRIGGER IF NOT EXISTS send_given_back AFTER DELETE ON sends
WHEN OLD.state NOT IN ('final', 'lost') BEGIN
    UPDATE counters SET value = value - 1 WHERE name = 'send ' || OLD.state;
END;
