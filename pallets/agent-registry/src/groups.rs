// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Encryption groups.

use crate::{Agents, Config, Error, Event, Groups, Pallet, Tenants, frame_support::ensure};
use ves_primitives::{
    AgentId, GroupId, TenantId, limits,
    registry::{Group, GroupMember, GroupProblem, GroupRole},
};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_create_group(tenant: TenantId, group: GroupId) -> Result<(), Error<T>> {
        let mut entry = Tenants::<T>::get(tenant).ok_or(Error::<T>::TenantNotFound)?;
        ensure!(
            !Groups::<T>::contains_key(tenant, group),
            Error::<T>::GroupExists
        );
        ensure!(
            entry.groups < limits::MAX_GROUPS_PER_TENANT,
            Error::<T>::MaxGroupsExceeded
        );
        entry.groups = entry.groups.saturating_add(1);
        Tenants::<T>::insert(tenant, entry);
        Groups::<T>::insert(tenant, group, Group::default());
        Self::deposit_event(Event::GroupCreated { tenant, group });
        Ok(())
    }

    /// Changes a group's membership; answers its new epoch.
    fn change_group(
        tenant: TenantId,
        group: GroupId,
        change: impl FnOnce(&mut Group) -> Result<u32, GroupProblem>,
    ) -> Result<u32, Error<T>> {
        Groups::<T>::try_mutate(tenant, group, |entry| {
            let entry = entry.as_mut().ok_or(Error::<T>::GroupNotFound)?;
            change(entry).map_err(Error::<T>::from)
        })
    }

    pub(crate) fn do_set_group_member(
        tenant: TenantId,
        group: GroupId,
        agent: AgentId,
        role: GroupRole,
    ) -> Result<(), Error<T>> {
        ensure!(
            Agents::<T>::contains_key(tenant, agent),
            Error::<T>::AgentNotFound
        );
        let member = GroupMember {
            agent_id: agent,
            role,
        };
        let epoch = Self::change_group(tenant, group, |entry| entry.set_member(member))?;
        Self::deposit_event(Event::GroupMemberSet {
            tenant,
            group,
            agent,
            role,
            epoch,
        });
        Ok(())
    }

    pub(crate) fn do_remove_group_member(
        tenant: TenantId,
        group: GroupId,
        agent: AgentId,
    ) -> Result<(), Error<T>> {
        let epoch = Self::change_group(tenant, group, |entry| entry.remove_member(agent))?;
        Self::deposit_event(Event::GroupMemberRemoved {
            tenant,
            group,
            agent,
            epoch,
        });
        Ok(())
    }

    pub(crate) fn do_dissolve_group(tenant: TenantId, group: GroupId) -> Result<(), Error<T>> {
        let epoch = Self::change_group(tenant, group, Group::dissolve)?;
        Self::deposit_event(Event::GroupDissolved {
            tenant,
            group,
            epoch,
        });
        Ok(())
    }
}
