// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Schemas of payloads, by hash.

use crate::{Error, Event, Schemas, Tenants, mock::*};
use polkadot_sdk::{
    frame_support::{assert_noop, assert_ok},
    sp_runtime::DispatchResult,
};
use ves_primitives::{EventType, SchemaHash, limits, registry::SchemaStatus};

const HASH: SchemaHash = SchemaHash([6; 32]);

fn kind(text: &[u8]) -> EventType {
    text.to_vec().try_into().expect("short")
}

fn register(event_type: &[u8], version: u32, hash: SchemaHash) -> DispatchResult {
    Registry::register_schema(
        RuntimeOrigin::signed(ADMIN),
        TENANT,
        kind(event_type),
        version,
        hash,
    )
}

fn set_status(version: u32, status: SchemaStatus) -> DispatchResult {
    Registry::set_schema_status(
        RuntimeOrigin::signed(ADMIN),
        TENANT,
        kind(b"order.created"),
        version,
        status,
    )
}

#[test]
fn a_version_is_registered_once_and_never_overwritten() {
    chain(|| {
        assert_ok!(register(b"order.created", 1, HASH));
        System::assert_last_event(
            Event::SchemaRegistered {
                tenant: TENANT,
                event_type: kind(b"order.created"),
                version: 1,
                hash: HASH,
            }
            .into(),
        );
        assert_noop!(
            register(b"order.created", 1, SchemaHash([7; 32])),
            Error::<Test>::SchemaExists
        );
        assert_noop!(
            register(b"order.created", 1, HASH),
            Error::<Test>::SchemaExists
        );
        let record = Schemas::<Test>::get(TENANT, (kind(b"order.created"), 1)).expect("kept");
        assert_eq!(
            (record.hash, record.registered_at),
            (HASH, Registry::recorded_now())
        );
        assert_eq!(
            Schemas::<Test>::get(OTHER_TENANT, (kind(b"order.created"), 1)),
            None
        );
    });
}

#[test]
fn a_schema_is_deprecated_and_taken_up_again() {
    chain(|| {
        assert_ok!(register(b"order.created", 1, HASH));
        for status in [SchemaStatus::Deprecated, SchemaStatus::Active] {
            assert_ok!(set_status(1, status));
            assert_noop!(set_status(1, status), Error::<Test>::SchemaStatusUnchanged);
            System::assert_last_event(
                Event::SchemaStatusChanged {
                    tenant: TENANT,
                    event_type: kind(b"order.created"),
                    version: 1,
                    status,
                }
                .into(),
            );
        }
        assert_noop!(
            set_status(2, SchemaStatus::Deprecated),
            Error::<Test>::SchemaNotFound
        );
    });
}

#[test]
fn schemas_are_listed_by_event_type_and_version() {
    chain(|| {
        for (event_type, version) in [(&b"b"[..], 1), (b"a", 10), (b"a", 9)] {
            assert_ok!(register(event_type, version, HASH));
        }
        let listed: Vec<_> = Registry::schemas(TENANT)
            .into_iter()
            .map(|entry| (entry.event_type.into_inner(), entry.version))
            .collect();
        assert_eq!(
            listed,
            [(b"a".to_vec(), 9), (b"a".to_vec(), 10), (b"b".to_vec(), 1)]
        );
        assert!(Registry::schemas(OTHER_TENANT).is_empty());
    });
}

#[test]
fn only_the_admin_registers_and_only_for_event_types_an_event_can_have() {
    chain(|| {
        for bad in [&b""[..], &[0xff, 0xfe]] {
            assert_noop!(register(bad, 1, HASH), Error::<Test>::InvalidEventType);
        }
        assert_noop!(
            Registry::register_schema(
                RuntimeOrigin::signed(OTHER_ADMIN),
                TENANT,
                kind(b"order.created"),
                1,
                HASH
            ),
            Error::<Test>::NotTenantAdmin
        );
        let counted = |n| {
            Tenants::<Test>::mutate(TENANT, |entry| {
                entry.as_mut().expect("registered").schemas = n;
            });
        };
        counted(limits::MAX_SCHEMAS_PER_TENANT);
        assert_noop!(
            register(b"order.created", 1, HASH),
            Error::<Test>::MaxSchemasExceeded
        );
        counted(0);
    });
}
