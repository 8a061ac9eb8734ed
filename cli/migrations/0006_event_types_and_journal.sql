-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- Events of types that nobody has described yet: captured, and on no way to the chain.
CREATE TABLE IF NOT EXISTS ves_parked (
    parked_id   INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   BLOB NOT NULL CHECK (length(tenant_id) = 16),
    store_id    BLOB NOT NULL CHECK (length(store_id) = 16),
    event_id    BLOB NOT NULL CHECK (length(event_id) = 16),
    entity_type TEXT NOT NULL,
    entity_id   TEXT NOT NULL,
    event_type  TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    -- SCALE-encoded `SubmittedEvent`, unsigned; of an encrypted event the ciphertext alone.
    event       BLOB NOT NULL,
    reason      TEXT NOT NULL,
    parked_at   TEXT NOT NULL,
    UNIQUE (tenant_id, store_id, event_id)
);

CREATE TRIGGER IF NOT EXISTS ves_parked_is_immutable BEFORE UPDATE ON ves_parked
BEGIN
    SELECT RAISE(ABORT, 'a parked event does not change');
END;

-- What went wrong, and what was decided about it: appended, and never changed or removed. Each entry
-- carries the hash of the one before.
CREATE TABLE IF NOT EXISTS ves_journal (
    entry     INTEGER PRIMARY KEY CHECK (entry > 0),
    noted_at  TEXT NOT NULL,
    kind      TEXT NOT NULL,
    tenant_id BLOB CHECK (length(tenant_id) = 16),
    store_id  BLOB CHECK (length(store_id) = 16),
    event_id  BLOB CHECK (length(event_id) = 16),
    reason    TEXT NOT NULL,
    -- Canonical JSON.
    detail    TEXT NOT NULL,
    previous  BLOB NOT NULL CHECK (length(previous) = 32),
    hash      BLOB NOT NULL CHECK (length(hash) = 32)
);

CREATE INDEX IF NOT EXISTS ves_journal_event ON ves_journal (event_id);

CREATE TRIGGER IF NOT EXISTS ves_journal_continues BEFORE INSERT ON ves_journal
WHEN NEW.entry IS NOT (SELECT coalesce(max(entry), 0) + 1 FROM ves_journal)
  OR NEW.previous IS NOT coalesce(
         (SELECT hash FROM ves_journal ORDER BY entry DESC LIMIT 1), zeroblob(32))
BEGIN
    SELECT RAISE(ABORT, 'an entry of the journal follows the one before');
END;

CREATE TRIGGER IF NOT EXISTS ves_journal_is_immutable BEFORE UPDATE ON ves_journal
BEGIN
    SELECT RAISE(ABORT, 'entries of the journal do not change');
END;

CREATE TRIGGER IF NOT EXISTS ves_journal_is_kept BEFORE DELETE ON ves_journal
BEGIN
    SELECT RAISE(ABORT, 'entries of the journal are never deleted');
END;

-- Values that servers for models let out, for their limits by the hour. An event counts once, however
-- often it is pushed.
CREATE TABLE IF NOT EXISTS ves_spent (
    tenant_id BLOB NOT NULL,
    store_id  BLOB NOT NULL,
    event_id  BLOB NOT NULL,
    currency  TEXT NOT NULL,
    -- In units of 10^-6.
    value     TEXT NOT NULL,
    -- Milliseconds since 1970.
    spent_ms  INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, store_id, event_id, currency)
);

CREATE INDEX IF NOT EXISTS ves_spent_when ON ves_spent (spent_ms);
