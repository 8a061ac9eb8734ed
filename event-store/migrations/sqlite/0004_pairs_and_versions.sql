-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- Two common parts of a filter may rarely meet: without these, a call looks at 10,000 events with the one
-- for the few that have the other too.
CREATE INDEX events_by_agent_and_type ON events (stream, agent_id, event_type, sequence);
CREATE INDEX events_by_entity_type_and_type ON events (stream, entity_type, event_type, sequence);

-- How many events each entity has, so that no question counts them. Triggers keep it, so that it is exact
-- whatever writes or removes events.
CREATE TABLE entities (
    stream       INTEGER NOT NULL,
    entity_type  TEXT    NOT NULL,
    entity_id    TEXT    NOT NULL,
    versions     INTEGER NOT NULL,
    PRIMARY KEY (stream, entity_type, entity_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER events_count_inserted AFTER INSERT ON events BEGIN
    INSERT INTO entities (stream, entity_type, entity_id, versions)
        VALUES (NEW.stream, NEW.entity_type, NEW.entity_id, 1)
        ON CONFLICT (stream, entity_type, entity_id) DO UPDATE SET versions = versions + 1;
END;

-- No row stays behind: a stream's number may be given to another one.
CREATE TRIGGER events_count_deleted AFTER DELETE ON events BEGIN
    UPDATE entities SET versions = versions - 1 WHERE stream = OLD.stream
        AND entity_type = OLD.entity_type AND entity_id = OLD.entity_id;
    DELETE FROM entities WHERE stream = OLD.stream
        AND entity_type = OLD.entity_type AND entity_id = OLD.entity_id AND versions <= 0;
END;

INSERT INTO entities (stream, entity_type, entity_id, versions)
    SELECT stream, entity_type, entity_id, COUNT(*) FROM events
    GROUP BY stream, entity_type, entity_id;
