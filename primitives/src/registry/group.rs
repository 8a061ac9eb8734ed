// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Encryption groups: named sets of agents a sender can encrypt to.

use super::DirectoryEntry;
use crate::{AgentId, limits};
use alloc::vec::Vec;
use bounded_collections::{BoundedVec, ConstU32};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::{fmt, str::FromStr};
use scale_info::TypeInfo;

/// What a member is in its group. The chain attaches no right to it: the tenant's admin manages
/// every group, and every member receives what is encrypted to it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(
    feature = "wire",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum GroupRole {
    /// Reads.
    Reader,
    /// Answers for the group towards its tenant.
    Manager,
}

impl GroupRole {
    /// The role's wire name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Manager => "manager",
        }
    }
}

impl fmt::Display for GroupRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseRoleError;

impl fmt::Display for ParseRoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a role is `reader` or `manager`")
    }
}

impl core::error::Error for ParseRoleError {}

impl FromStr for GroupRole {
    type Err = ParseRoleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "reader" => Ok(Self::Reader),
            "manager" => Ok(Self::Manager),
            _ => Err(ParseRoleError),
        }
    }
}

/// A member of a group.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct GroupMember {
    /// The agent, of the group's tenant.
    pub agent_id: AgentId,
    /// What it is in the group.
    pub role: GroupRole,
}

/// Members of a group, at most as many as one payload may have recipients.
pub type GroupMembers = BoundedVec<GroupMember, ConstU32<{ limits::MAX_RECIPIENTS }>>;

/// An encryption group of a tenant.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Group {
    /// Changes of membership so far: (group, epoch) names one set of members for ever.
    pub epoch: u32,
    /// Whether it was dissolved. Its id is not used again.
    pub dissolved: bool,
    /// In order of agent id, each agent once.
    pub members: GroupMembers,
}

/// Why a group's membership cannot change as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupProblem {
    /// The group is dissolved.
    Dissolved,
    /// It has [`limits::MAX_RECIPIENTS`] members.
    Full,
    /// The agent is a member with this role already.
    Unchanged,
    /// The agent is no member.
    NotAMember,
}

impl Group {
    fn position(&self, agent: AgentId) -> Result<usize, usize> {
        self.members
            .binary_search_by_key(&agent, |member| member.agent_id)
    }

    /// Whether the agent is a member, and as what.
    pub fn role_of(&self, agent: AgentId) -> Option<GroupRole> {
        let at = self.position(agent).ok()?;
        self.members.get(at).map(|member| member.role)
    }

    fn next_epoch(&mut self) -> u32 {
        self.epoch = self.epoch.saturating_add(1);
        self.epoch
    }

    /// Admits an agent or changes its role; answers the new epoch.
    ///
    /// # Errors
    /// Why not; the group is unchanged then.
    pub fn set_member(&mut self, member: GroupMember) -> Result<u32, GroupProblem> {
        if self.dissolved {
            return Err(GroupProblem::Dissolved);
        }
        match self.position(member.agent_id) {
            Ok(at) => {
                let known = self.members.get_mut(at).ok_or(GroupProblem::NotAMember)?;
                if *known == member {
                    return Err(GroupProblem::Unchanged);
                }
                *known = member;
            }
            Err(at) => self
                .members
                .try_insert(at, member)
                .map_err(|_| GroupProblem::Full)?,
        }
        Ok(self.next_epoch())
    }

    /// Removes a member; answers the new epoch.
    ///
    /// # Errors
    /// [`GroupProblem::NotAMember`].
    pub fn remove_member(&mut self, agent: AgentId) -> Result<u32, GroupProblem> {
        let at = self.position(agent).map_err(|_| GroupProblem::NotAMember)?;
        self.members.remove(at);
        Ok(self.next_epoch())
    }

    /// Removes every member for good; answers the new epoch.
    ///
    /// # Errors
    /// [`GroupProblem::Dissolved`] if that happened before.
    pub fn dissolve(&mut self) -> Result<u32, GroupProblem> {
        if self.dissolved {
            return Err(GroupProblem::Dissolved);
        }
        self.dissolved = true;
        self.members.clear();
        Ok(self.next_epoch())
    }
}

/// A member as a sender needs it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct GroupRecipient {
    /// The member.
    pub member: GroupMember,
    /// Its newest encryption key that is valid now; none if it has none or is suspended.
    pub key: Option<DirectoryEntry>,
}

/// A group as a sender needs it, at one block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "wire", derive(serde::Serialize, serde::Deserialize))]
pub struct GroupRecipients {
    /// Changes of membership so far.
    pub epoch: u32,
    /// Whether it was dissolved.
    pub dissolved: bool,
    /// In order of agent id.
    pub members: Vec<GroupRecipient>,
}
