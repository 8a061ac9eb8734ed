// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The hand-over of a tenant from one administrator to the next.
//!
//! An account of this chain lives as long as something refers to it. Each tenant refers to its
//! administrator and to the account that it is offered to, once each.

use crate::{
    Config, Error, Event, Pallet, Tenants,
    frame_support::{dispatch::DispatchResult, ensure},
    frame_system,
};
use ves_primitives::TenantId;

type System<T> = frame_system::Pallet<T>;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_propose_admin(tenant: TenantId, proposed: T::AccountId) -> DispatchResult {
        let mut entry = Tenants::<T>::get(tenant).ok_or(Error::<T>::TenantNotFound)?;
        ensure!(entry.admin != proposed, Error::<T>::AlreadyTenantAdmin);
        System::<T>::inc_providers(&proposed);
        if let Some(before) = entry.proposed_admin.replace(proposed.clone()) {
            System::<T>::dec_providers(&before)?;
        }
        Tenants::<T>::insert(tenant, entry);
        Self::deposit_event(Event::TenantAdminProposed { tenant, proposed });
        Ok(())
    }

    pub(crate) fn do_accept_admin(tenant: TenantId, signer: T::AccountId) -> DispatchResult {
        let mut entry = Tenants::<T>::get(tenant).ok_or(Error::<T>::TenantNotFound)?;
        ensure!(
            entry.proposed_admin.as_ref() == Some(&signer),
            Error::<T>::NotProposedAdmin
        );
        // The offer's reference to the account becomes the tenant's.
        entry.proposed_admin = None;
        let previous = core::mem::replace(&mut entry.admin, signer.clone());
        System::<T>::dec_providers(&previous)?;
        Tenants::<T>::insert(tenant, entry);
        Self::deposit_event(Event::TenantAdminChanged {
            tenant,
            previous,
            admin: signer,
        });
        Ok(())
    }

    pub(crate) fn do_cancel_admin(tenant: TenantId) -> DispatchResult {
        let mut entry = Tenants::<T>::get(tenant).ok_or(Error::<T>::TenantNotFound)?;
        let proposed = entry.proposed_admin.take().ok_or(Error::<T>::NoProposal)?;
        System::<T>::dec_providers(&proposed)?;
        Tenants::<T>::insert(tenant, entry);
        Self::deposit_event(Event::TenantAdminProposalCancelled { tenant, proposed });
        Ok(())
    }
}
