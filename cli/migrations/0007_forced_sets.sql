-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- Sets to which the chain was forced: trusted on the user's word, not on that of the set before.
CREATE TABLE IF NOT EXISTS ves_accepted_sets (
    genesis_hash BLOB    NOT NULL,
    set_id       INTEGER NOT NULL,
    accepted_at  TEXT    NOT NULL,
    PRIMARY KEY (genesis_hash, set_id),
    FOREIGN KEY (genesis_hash, set_id) REFERENCES ves_authority_sets (genesis_hash, set_id)
);
