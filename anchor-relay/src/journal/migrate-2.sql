-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0
--
-- Format 1 knew one batch per transaction. Runs before schema.sql, in one transaction.

CREATE TABLE items (
    nonce INTEGER NOT NULL REFERENCES sends (nonce) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('batch', 'proof')),
    stream BLOB NOT NULL,
    batch_index INTEGER NOT NULL,
    PRIMARY KEY (nonce, kind, stream, batch_index)
) STRICT, WITHOUT ROWID;
INSERT INTO items (nonce, kind, stream, batch_index)
    SELECT nonce, 'batch', stream, batch_index FROM sends;
DROP INDEX sends_batch;
ALTER TABLE sends DROP COLUMN stream;
ALTER TABLE sends DROP COLUMN batch_index;
ALTER TABLE sends ADD COLUMN fee_gwei INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sends ADD COLUMN paid_at INTEGER NOT NULL DEFAULT 0;
UPDATE meta SET value = CAST('2' AS BLOB) WHERE key = 'format';
