-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- Events that were set aside count for their entities: those without payload in the version, those in
-- quarantine as missing. A projection that was made without them is made anew, once.
DELETE FROM ves_entities
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'ves_quarantine_entity');
DELETE FROM ves_projections
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'ves_quarantine_entity');

CREATE INDEX IF NOT EXISTS ves_quarantine_entity ON ves_quarantine (
    tenant_id, store_id, json_extract(record, '$.event.entity_type'),
    json_extract(record, '$.event.entity_id'), sequence);

-- When the newest pull began that came to the end of the stream: what happened before is here.
CREATE TABLE IF NOT EXISTS ves_whole_pulls (
    tenant_id BLOB NOT NULL,
    store_id  BLOB NOT NULL,
    begun_at  TEXT NOT NULL,
    PRIMARY KEY (tenant_id, store_id)
);
