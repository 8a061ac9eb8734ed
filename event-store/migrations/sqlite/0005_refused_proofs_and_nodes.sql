-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- Compliance proofs that blocks refused. `subject` is what the proof was about: an event's id, or a batch's
-- number as eight bytes. Not tied to `blocks`: most blocks that refuse a proof hold nothing else. Those of
-- blocks that were indexed before this table was there are not in it, until they are indexed anew.
CREATE TABLE refused_proofs (
    id               INTEGER PRIMARY KEY,
    stream_id        BLOB    NOT NULL CHECK (length(stream_id) = 32),
    subject          BLOB    NOT NULL CHECK (length(subject) IN (8, 16)),
    agent_id         BLOB    NOT NULL CHECK (length(agent_id) = 16),
    block_number     INTEGER NOT NULL,
    extrinsic_index  INTEGER NOT NULL,
    reason           BLOB    NOT NULL,
    units            INTEGER NOT NULL
) STRICT;

CREATE INDEX refused_proofs_by_subject ON refused_proofs (stream_id, subject, id);
CREATE INDEX refused_proofs_by_block ON refused_proofs (block_number);

-- Roots of the batch's subtrees of 128 leaves, concatenated, so that a proof reads one subtree and not all
-- leaves. Absent from batches of one subtree, and from those of before this column.
ALTER TABLE batches ADD COLUMN nodes BLOB;
