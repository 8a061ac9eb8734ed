// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the tools take that change keys and groups.

use super::Uuid;
use crate::keys::Purpose;
use schemars::JsonSchema;
use serde::Deserialize;
use ves_primitives::{AgentId, GroupId, registry::GroupRole};

/// What a key is for.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::mcp) enum KeyPurpose {
    Signing,
    Encryption,
}

impl KeyPurpose {
    pub(in crate::mcp) const fn name(self) -> &'static str {
        match self {
            Self::Signing => Purpose::Signing.name(),
            Self::Encryption => Purpose::Encryption.name(),
        }
    }
}

/// What a member of a group may do.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::mcp) enum Role {
    Reader,
    Manager,
}

impl Role {
    pub(in crate::mcp) const fn name(self) -> &'static str {
        match self {
            Self::Reader => GroupRole::Reader.name(),
            Self::Manager => GroupRole::Manager.name(),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::mcp) struct ChangePrepare {
    /// What to change.
    pub(in crate::mcp) change: Change,
}

/// A change of keys or groups.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::mcp) enum Change {
    /// Make a new signing key and hand over to it; the old one signs on for the grace period.
    RotateSigningKey {
        /// Seconds for which the old key still signs, a week at most; by the agent's policy, or 72
        /// hours, if absent.
        #[schemars(range(max = 604800))]
        grace_seconds: Option<u32>,
    },
    /// Make and register a new encryption key in place of those before, which still open what was
    /// encrypted to them.
    RotateEncryptionKey {},
    /// Make new keys on this machine.
    GenerateKeys {
        /// Only a key for this purpose; else one for each.
        purpose: Option<KeyPurpose>,
    },
    /// Register the newest keys on chain.
    RegisterKeys {
        /// Only the key for this purpose; else both.
        purpose: Option<KeyPurpose>,
    },
    /// Revoke a key for good.
    RevokeKey {
        /// What the key is for.
        purpose: KeyPurpose,
        /// Which key.
        key_id: u32,
    },
    /// Create an encryption group.
    CreateGroup {
        /// Its id.
        #[schemars(with = "Uuid")]
        group_id: GroupId,
    },
    /// Admit an agent to a group, or change its role.
    AddGroupMember {
        /// The group.
        #[schemars(with = "Uuid")]
        group_id: GroupId,
        /// The agent.
        #[schemars(with = "Uuid")]
        agent_id: AgentId,
        /// Its role; reader if absent.
        role: Option<Role>,
    },
    /// Remove an agent from a group: it reads nothing encrypted to the group from then on.
    RemoveGroupMember {
        /// The group.
        #[schemars(with = "Uuid")]
        group_id: GroupId,
        /// The agent.
        #[schemars(with = "Uuid")]
        agent_id: AgentId,
    },
}
