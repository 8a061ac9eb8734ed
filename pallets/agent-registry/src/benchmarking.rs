// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What registrations cost.

use crate::{
    Agents, Config, Pallet, SigningKeys, Stores, Tenants,
    polkadot_sdk::frame_benchmarking::v2::*,
    types::{Agent, Tenant},
};
use ves_primitives::{
    AgentId, KeyId, SigningPublicKey, StoreId, TenantId,
    registry::{SigningKeyRecord, ValidityWindow},
};

impl<T: Config> Pallet<T> {
    /// A store and an agent with a signing key, for benchmarks of pallets that ask for authors.
    pub fn admit_for_benchmark(
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key_id: KeyId,
        public_key: SigningPublicKey,
    ) {
        Tenants::<T>::insert(tenant, Tenant::new(account("admin", 0, 0)));
        Stores::<T>::insert(tenant, store, ());
        let entry = Agent {
            signing_keys: 1,
            ..Agent::default()
        };
        Agents::<T>::insert(tenant, agent, entry);
        let record = SigningKeyRecord {
            public_key,
            window: ValidityWindow::default(),
            registered_at: Self::recorded_now(),
            revocation: None,
        };
        SigningKeys::<T>::insert((tenant, agent), key_id, record);
    }
}
