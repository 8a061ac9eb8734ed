-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0
--
-- Format 2 kept every row for ever and did not know at which block of the destination something came
-- to count as anchored. Runs before schema.sql, in one transaction, also right behind migrate-2.sql.

-- A file of format 1 has none.
CREATE TABLE IF NOT EXISTS proofs (
    stream BLOB NOT NULL,
    batch_index INTEGER NOT NULL,
    record BLOB NOT NULL,
    anchored INTEGER NOT NULL DEFAULT 0,
    set_aside TEXT,
    taken_at INTEGER NOT NULL,
    PRIMARY KEY (stream, batch_index)
) STRICT, WITHOUT ROWID;

ALTER TABLE cursor ADD COLUMN next_final_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN batches INTEGER NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN anchored INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN final_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN anchored_in INTEGER;
ALTER TABLE batches ADD COLUMN final INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN keep_until INTEGER;
ALTER TABLE proofs ADD COLUMN anchored_in INTEGER;
ALTER TABLE proofs ADD COLUMN final INTEGER NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS items_of ON items (stream, batch_index);

UPDATE batches SET final_at = taken_at;

-- Anchored where our own transaction is; what somebody else anchored counts from the beginning.
UPDATE batches SET anchored_in = COALESCE(
    (SELECT MAX(s.block_number) FROM items i JOIN sends s ON s.nonce = i.nonce
     WHERE i.stream = batches.stream AND i.batch_index = batches.batch_index
     AND i.kind = 'batch' AND s.state = 'final' AND s.ok = 1), 0)
    WHERE anchored = 1;
UPDATE proofs SET anchored_in = COALESCE(
    (SELECT MAX(s.block_number) FROM items i JOIN sends s ON s.nonce = i.nonce
     WHERE i.stream = proofs.stream AND i.batch_index = proofs.batch_index
     AND i.kind = 'proof' AND s.state = 'final' AND s.ok = 1), 0)
    WHERE anchored = 1;
-- Of what we only failed with, the contract is asked once more.
UPDATE batches SET anchored = 0, anchored_in = NULL
    WHERE anchored = 1 AND anchored_in = 0 AND EXISTS
    (SELECT 1 FROM items i JOIN sends s ON s.nonce = i.nonce
     WHERE i.stream = batches.stream AND i.batch_index = batches.batch_index
     AND i.kind = 'batch' AND s.ok = 0);
UPDATE proofs SET anchored = 0, anchored_in = NULL
    WHERE anchored = 1 AND anchored_in = 0 AND EXISTS
    (SELECT 1 FROM items i JOIN sends s ON s.nonce = i.nonce
     WHERE i.stream = proofs.stream AND i.batch_index = proofs.batch_index
     AND i.kind = 'proof' AND s.ok = 0);

-- Two hashes at one height: a reorg took one of them away, so neither is believed.
CREATE TABLE checkpoints (
    number INTEGER PRIMARY KEY,
    hash BLOB NOT NULL
) STRICT;
INSERT INTO checkpoints (number, hash)
    SELECT block_number,
           CASE COUNT(DISTINCT block_hash) WHEN 1 THEN MIN(block_hash) ELSE zeroblob(32) END
    FROM sends WHERE state = 'final' AND block_number IS NOT NULL GROUP BY block_number;

-- From here on a row is kept for a time after this.
UPDATE sends SET paid_at = created_at WHERE state IN ('final', 'lost') AND paid_at = 0;

UPDATE streams SET
    batches = (SELECT COUNT(*) FROM batches b WHERE b.stream = streams.stream),
    anchored = (SELECT COALESCE(SUM(b.anchored), 0) FROM batches b
                WHERE b.stream = streams.stream);
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO counters (name, value) SELECT 'send ' || state, COUNT(*) FROM sends GROUP BY state;
INSERT INTO counters (name, value)
    SELECT 'proofs', COUNT(*) FROM proofs
    UNION ALL SELECT 'proofs anchored', COALESCE(SUM(anchored), 0) FROM proofs
    UNION ALL SELECT 'proofs aside', COUNT(set_aside) FROM proofs;
UPDATE meta SET value = CAST('3' AS BLOB) WHERE key = 'format';
