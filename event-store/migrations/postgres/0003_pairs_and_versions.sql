-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- As the SQLite schema. The first statement's lock keeps other nodes that share the database from writing
-- until the triggers are there; from then on those of an older version keep the counts too.
CREATE INDEX events_by_agent_and_type ON events (stream, agent_id, event_type, sequence);
CREATE INDEX events_by_entity_type_and_type ON events (stream, entity_type, event_type, sequence);

CREATE TABLE entities (
    stream       BIGINT NOT NULL,
    entity_type  BYTEA  NOT NULL,
    entity_id    BYTEA  NOT NULL,
    versions     BIGINT NOT NULL,
    PRIMARY KEY (stream, entity_type, entity_id)
    -- Room for the next version of each row: an update on the row's own page leaves the index alone.
) WITH (fillfactor = 70);

CREATE FUNCTION events_count_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO entities AS known (stream, entity_type, entity_id, versions)
        SELECT stream, entity_type, entity_id, COUNT(*) FROM inserted
        GROUP BY stream, entity_type, entity_id
        ON CONFLICT (stream, entity_type, entity_id)
        DO UPDATE SET versions = known.versions + excluded.versions;
    RETURN NULL;
END $$;

CREATE TRIGGER events_count_inserted AFTER INSERT ON events
    REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION events_count_inserted();

CREATE FUNCTION events_count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE entities known SET versions = known.versions - gone.versions
        FROM (
            SELECT stream, entity_type, entity_id, COUNT(*) AS versions FROM deleted
            GROUP BY stream, entity_type, entity_id
        ) gone
        WHERE known.stream = gone.stream AND known.entity_type = gone.entity_type
            AND known.entity_id = gone.entity_id;
    DELETE FROM entities known USING deleted gone
        WHERE known.stream = gone.stream AND known.entity_type = gone.entity_type
            AND known.entity_id = gone.entity_id AND known.versions <= 0;
    RETURN NULL;
END $$;

CREATE TRIGGER events_count_deleted AFTER DELETE ON events
    REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION events_count_deleted();

INSERT INTO entities (stream, entity_type, entity_id, versions)
    SELECT stream, entity_type, entity_id, COUNT(*) FROM events
    GROUP BY stream, entity_type, entity_id;
