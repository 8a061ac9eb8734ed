-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- Few fail among thousands; each pull asks whether one of them was sequenced all the same.
CREATE INDEX IF NOT EXISTS ves_outbox_failed ON ves_outbox (local_seq)
    WHERE state IN ('rejected', 'dead');
