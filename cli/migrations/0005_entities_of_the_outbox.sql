-- SPDX-FileCopyrightText: The VES Appchain contributors
-- SPDX-License-Identifier: Apache-2.0

-- What an event was made on top of is looked for by its entity.
CREATE INDEX IF NOT EXISTS ves_outbox_entity
    ON ves_outbox (tenant_id, store_id, entity_type, entity_id) WHERE base_version IS NOT NULL;
