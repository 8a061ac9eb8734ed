// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Schemas of payloads, by hash.

use crate::{Config, Error, Event, Pallet, Schemas, Tenants, frame_support::ensure};
use ves_primitives::{
    EventType, SchemaHash, TenantId, limits,
    registry::{SchemaRecord, SchemaStatus},
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_register_schema(
        tenant: TenantId,
        event_type: EventType,
        version: u32,
        hash: SchemaHash,
    ) -> Result<(), Error<T>> {
        // The rule that event types of envelopes follow.
        ensure!(
            !event_type.is_empty() && core::str::from_utf8(&event_type).is_ok(),
            Error::<T>::InvalidEventType
        );
        let mut entry = Tenants::<T>::get(tenant).ok_or(Error::<T>::TenantNotFound)?;
        let key = (event_type, version);
        ensure!(
            !Schemas::<T>::contains_key(tenant, &key),
            Error::<T>::SchemaExists
        );
        ensure!(
            entry.schemas < limits::MAX_SCHEMAS_PER_TENANT,
            Error::<T>::MaxSchemasExceeded
        );
        entry.schemas = entry.schemas.saturating_add(1);
        Tenants::<T>::insert(tenant, entry);
        let record = SchemaRecord {
            hash,
            status: SchemaStatus::Active,
            registered_at: Self::recorded_now(),
        };
        Schemas::<T>::insert(tenant, &key, record);
        let (event_type, version) = key;
        Self::deposit_event(Event::SchemaRegistered {
            tenant,
            event_type,
            version,
            hash,
        });
        Ok(())
    }

    pub(crate) fn do_set_schema_status(
        tenant: TenantId,
        event_type: EventType,
        version: u32,
        status: SchemaStatus,
    ) -> Result<(), Error<T>> {
        let key = (event_type, version);
        Schemas::<T>::try_mutate(tenant, &key, |record| {
            let record = record.as_mut().ok_or(Error::<T>::SchemaNotFound)?;
            ensure!(record.status != status, Error::<T>::SchemaStatusUnchanged);
            record.status = status;
            Ok::<_, Error<T>>(())
        })?;
        let (event_type, version) = key;
        Self::deposit_event(Event::SchemaStatusChanged {
            tenant,
            event_type,
            version,
            status,
        });
        Ok(())
    }
}
