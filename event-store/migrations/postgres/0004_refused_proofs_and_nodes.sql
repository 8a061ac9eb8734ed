-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- As the SQLite schema. Nodes of the version before leave both out.
CREATE TABLE refused_proofs (
    id               BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id        BYTEA  NOT NULL CHECK (octet_length(stream_id) = 32),
    subject          BYTEA  NOT NULL CHECK (octet_length(subject) IN (8, 16)),
    agent_id         BYTEA  NOT NULL CHECK (octet_length(agent_id) = 16),
    block_number     BIGINT NOT NULL,
    extrinsic_index  BIGINT NOT NULL,
    reason           BYTEA  NOT NULL,
    units            BIGINT NOT NULL
);

CREATE INDEX refused_proofs_by_subject ON refused_proofs (stream_id, subject, id);
CREATE INDEX refused_proofs_by_block ON refused_proofs (block_number);

ALTER TABLE batches ADD COLUMN nodes BYTEA;
-- Hashes do not compress; uncompressed, a part is read without the rest.
ALTER TABLE batches ALTER COLUMN leaves SET STORAGE EXTERNAL;
