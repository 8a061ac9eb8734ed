-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- Checking compares block by block and rewinding removes by block; foreign keys ask by block too.
CREATE INDEX events_by_block ON events (block_number);
CREATE INDEX rejections_by_block ON rejections (block_number);

-- `batch` is the SCALE form of the batch, which begins with its id.
CREATE INDEX batches_by_id ON batches (substr(batch, 1, 32));
