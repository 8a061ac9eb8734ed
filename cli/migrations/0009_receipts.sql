-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- Final batches that hold events of the outbox, kept by the push that saw them become final: a pull may
-- be far behind. The columns are those of `ves_batches` and `ves_batch_evidence`.
CREATE TABLE IF NOT EXISTS ves_receipt_batches (
    tenant_id    BLOB NOT NULL,
    store_id     BLOB NOT NULL,
    batch_index  INTEGER NOT NULL,
    genesis_hash BLOB NOT NULL CHECK (length(genesis_hash) = 32),
    commitment   BLOB NOT NULL,
    header       BLOB NOT NULL,
    block_hash   BLOB NOT NULL CHECK (length(block_hash) = 32),
    block_proof  TEXT NOT NULL,
    finality     TEXT NOT NULL,
    -- SCALE-encoded list of all leaves; NULL if each receipt has its path.
    leaves       BLOB,
    kept_at      TEXT NOT NULL,
    PRIMARY KEY (tenant_id, store_id, batch_index)
);

-- Where events of the outbox stand in them.
CREATE TABLE IF NOT EXISTS ves_receipts (
    tenant_id       BLOB NOT NULL,
    store_id        BLOB NOT NULL,
    event_id        BLOB NOT NULL CHECK (length(event_id) = 16),
    batch_index     INTEGER NOT NULL,
    sequence        INTEGER NOT NULL,
    block_time_ms   INTEGER NOT NULL,
    extrinsic_index INTEGER NOT NULL,
    -- SCALE-encoded `InclusionProof`.
    path            BLOB,
    PRIMARY KEY (tenant_id, store_id, event_id)
) WITHOUT ROWID;
