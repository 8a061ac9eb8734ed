// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Registration of keys: admission of the point, proof of possession, numbering.

use crate::{
    Agents, Config, EncryptionKeys, Error, LastRecipientKid, Pallet, Recipients, SigningKeys,
    frame_support::ensure, frame_system, sp_io, sp_runtime::traits::Zero, types::Agent,
};
use ves_primitives::{
    AgentId, EncryptionPublicKey, GenesisHash, KeyId, KeyPurpose, PossessionStatement,
    RecipientKid, Signature, SigningPublicKey, TenantId, limits,
    registry::{EncryptionKeyRecord, SigningKeyRecord, ValidityWindow},
};

/// The chain's signature rule: ZIP-215, one host call.
pub(crate) fn verify(key: &SigningPublicKey, message: &[u8; 32], signature: &Signature) -> bool {
    sp_io::crypto::ed25519_verify(&signature.0.into(), message, &key.0.into())
}

impl<T: Config> Pallet<T> {
    /// Hash of block 0, which proofs of possession are bound to.
    pub fn genesis_hash() -> GenesisHash {
        let hash = frame_system::Pallet::<T>::block_hash(
            frame_system::pallet_prelude::BlockNumberFor::<T>::zero(),
        );
        let mut bytes = [0u8; 32];
        let encoded: &[u8] = hash.as_ref();
        // Every hash of this chain has 32 bytes; another width would leave the zero hash, for
        // which no proof verifies.
        if encoded.len() == bytes.len() {
            bytes.copy_from_slice(encoded);
        }
        GenesisHash(bytes)
    }

    fn active_agent(tenant: TenantId, agent: AgentId) -> Result<Agent, Error<T>> {
        let entry = Agents::<T>::get(tenant, agent).ok_or(Error::<T>::AgentNotFound)?;
        ensure!(!entry.suspended, Error::<T>::AgentSuspended);
        Ok(entry)
    }

    pub(crate) fn do_register_signing_key(
        tenant: TenantId,
        agent: AgentId,
        key_id: KeyId,
        public_key: SigningPublicKey,
        window: ValidityWindow,
        proof: &Signature,
    ) -> Result<(), Error<T>> {
        let mut entry = Self::active_agent(tenant, agent)?;
        ensure!(window.is_well_formed(), Error::<T>::InvalidValidityWindow);
        ensure!(
            !SigningKeys::<T>::contains_key((tenant, agent), key_id),
            Error::<T>::KeyExists
        );
        ensure!(
            entry.signing_keys < limits::MAX_KEYS_PER_AGENT,
            Error::<T>::MaxKeysExceeded
        );
        public_key.check()?;
        let statement = PossessionStatement {
            genesis: Self::genesis_hash(),
            tenant,
            agent,
            key_id,
            purpose: KeyPurpose::Signing,
            public_key: public_key.0,
        };
        ensure!(
            verify(&public_key, &statement.hash(), proof),
            Error::<T>::InvalidProofOfPossession
        );
        entry.signing_keys = entry.signing_keys.saturating_add(1);
        Agents::<T>::insert(tenant, agent, entry);
        SigningKeys::<T>::insert(
            (tenant, agent),
            key_id,
            SigningKeyRecord {
                public_key,
                window,
                registered_at: Self::recorded_now(),
                revocation: None,
            },
        );
        Ok(())
    }

    pub(crate) fn do_register_encryption_key(
        tenant: TenantId,
        agent: AgentId,
        key_id: KeyId,
        public_key: EncryptionPublicKey,
        window: ValidityWindow,
        signing_key_id: KeyId,
        proof: &Signature,
    ) -> Result<RecipientKid, Error<T>> {
        let mut entry = Self::active_agent(tenant, agent)?;
        ensure!(window.is_well_formed(), Error::<T>::InvalidValidityWindow);
        ensure!(
            !EncryptionKeys::<T>::contains_key((tenant, agent), key_id),
            Error::<T>::KeyExists
        );
        ensure!(
            entry.encryption_keys < limits::MAX_KEYS_PER_AGENT,
            Error::<T>::MaxKeysExceeded
        );
        let now = Self::recorded_now();
        let voucher = SigningKeys::<T>::get((tenant, agent), signing_key_id)
            // A key under notice of revocation vouches for nothing new.
            .filter(|key| key.revocation.is_none() && key.check_at(&now).is_ok())
            .ok_or(Error::<T>::VouchingKeyInvalid)?;
        public_key.check()?;
        let statement = PossessionStatement {
            genesis: Self::genesis_hash(),
            tenant,
            agent,
            key_id,
            purpose: KeyPurpose::Encryption,
            public_key: public_key.0,
        };
        ensure!(
            verify(&voucher.public_key, &statement.hash(), proof),
            Error::<T>::InvalidProofOfPossession
        );
        let kid = LastRecipientKid::<T>::get()
            .checked_add(1)
            .ok_or(Error::<T>::RecipientNumbersExhausted)?;
        LastRecipientKid::<T>::put(kid);
        let kid = RecipientKid(kid);
        entry.encryption_keys = entry.encryption_keys.saturating_add(1);
        Agents::<T>::insert(tenant, agent, entry);
        Recipients::<T>::insert(kid, (tenant, agent, key_id));
        EncryptionKeys::<T>::insert(
            (tenant, agent),
            key_id,
            EncryptionKeyRecord {
                public_key,
                kid,
                window,
                registered_at: now,
                revoked_at: None,
            },
        );
        Ok(kid)
    }
}
