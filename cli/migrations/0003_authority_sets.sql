-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- GRANDPA authority sets of a chain: the first was trusted on first sight or pinned, each later one is
-- vouched for by the one before.
CREATE TABLE IF NOT EXISTS ves_authority_sets (
    genesis_hash BLOB    NOT NULL CHECK (length(genesis_hash) = 32),
    set_id       INTEGER NOT NULL CHECK (set_id >= 0),
    -- The set finalizes the blocks above this one.
    after_block  INTEGER NOT NULL CHECK (after_block >= 0),
    -- SCALE-encoded `AuthoritySet`.
    members      BLOB    NOT NULL,
    trusted_at   TEXT    NOT NULL,
    PRIMARY KEY (genesis_hash, set_id)
);

CREATE TRIGGER IF NOT EXISTS ves_authority_sets_stay BEFORE UPDATE ON ves_authority_sets
BEGIN
    SELECT RAISE(ABORT, 'a trusted authority set does not change');
END;
