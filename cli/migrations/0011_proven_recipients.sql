-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- What the registry was proven to have about readers, for capture while no node answers. An entry is as of
-- its block and takes the place of an older one.
CREATE TABLE IF NOT EXISTS ves_proven_recipients (
    genesis_hash BLOB    NOT NULL CHECK (length(genesis_hash) = 32),
    tenant_id    BLOB    NOT NULL CHECK (length(tenant_id) = 16),
    kind         TEXT    NOT NULL CHECK (kind IN ('agent', 'group')),
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    block        INTEGER NOT NULL CHECK (block > 0),
    block_hash   BLOB    NOT NULL CHECK (length(block_hash) = 32),
    -- The block's own time, milliseconds since the Unix epoch.
    time_ms      INTEGER NOT NULL CHECK (time_ms >= 0),
    -- SCALE-encoded `ReaderRecord` or `Group`; NULL if the registry was proven to have none.
    record       BLOB,
    -- When something was last encrypted to it, by this machine's clock: others are not kept up to date.
    used_ms      INTEGER NOT NULL,
    PRIMARY KEY (genesis_hash, tenant_id, kind, id)
) WITHOUT ROWID;
