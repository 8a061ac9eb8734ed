-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- What an agent's owner set for its keys of one purpose: how much and how long each may be used.
CREATE TABLE IF NOT EXISTS ves_key_policies (
    agent_id      BLOB NOT NULL CHECK (length(agent_id) = 16),
    purpose       TEXT NOT NULL CHECK (purpose IN ('signing', 'encryption')),
    max_uses      INTEGER CHECK (max_uses > 0),
    max_age_hours INTEGER CHECK (max_age_hours >= 0),
    warn_hours    INTEGER CHECK (warn_hours >= 0),
    grace_hours   INTEGER CHECK (grace_hours >= 0),
    enforcement   TEXT NOT NULL CHECK (enforcement IN ('warn', 'refuse')),
    set_at        TEXT NOT NULL,
    PRIMARY KEY (agent_id, purpose)
);

-- How many events each signing key has signed here. Counted by the transaction that stores the signature,
-- whoever writes it, so that no crash and no second process loses one.
CREATE TABLE IF NOT EXISTS ves_key_uses (
    agent_id BLOB NOT NULL CHECK (length(agent_id) = 16),
    key_id   INTEGER NOT NULL,
    uses     INTEGER NOT NULL CHECK (uses > 0),
    PRIMARY KEY (agent_id, key_id)
);

INSERT OR IGNORE INTO ves_key_uses (agent_id, key_id, uses)
    SELECT agent_id, key_id, count(*) FROM ves_outbox WHERE signature IS NOT NULL
    GROUP BY agent_id, key_id;

CREATE TRIGGER IF NOT EXISTS ves_outbox_counts_key_uses AFTER UPDATE OF signature ON ves_outbox
WHEN OLD.signature IS NULL AND NEW.signature IS NOT NULL
BEGIN
    INSERT INTO ves_key_uses (agent_id, key_id, uses) VALUES (NEW.agent_id, NEW.key_id, 1)
        ON CONFLICT (agent_id, key_id) DO UPDATE SET uses = uses + 1;
END;
