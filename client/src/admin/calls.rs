// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The calls of administrators: tenants, stores, agents, keys, groups, schemas and relays.
//!
//! Arguments are encoded from the protocol's own types and then checked against the node's
//! metadata before anything is signed, so a runtime whose call has another shape is an error, not
//! another call.

use crate::{ClientError, tx::call_prefix};
use codec::{Compact, Encode};
use subxt::metadata::Metadata;
use ves_primitives::{
    AgentId, EncryptionPublicKey, EventType, GroupId, KeyId, SchemaHash, Signature,
    SigningPublicKey, StoreId, StreamId, TenantId,
    registry::{GroupRole, KeyPolicy, Quota, SchemaStatus, ValidityWindow},
};

/// One administrative call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminCall {
    /// Governance: a new tenant and its administrator's account.
    RegisterTenant {
        /// The tenant.
        tenant: TenantId,
        /// Its administrator.
        admin: [u8; 32],
    },
    /// Governance: stops or resumes a tenant.
    SetTenantSuspended {
        /// The tenant.
        tenant: TenantId,
        /// Whether it is stopped.
        suspended: bool,
    },
    /// Governance: what a tenant may have sequenced in a window.
    SetTenantQuota {
        /// The tenant.
        tenant: TenantId,
        /// The quota; none is the default.
        quota: Option<Quota>,
    },
    /// Governance: the accounts that may report what is anchored.
    SetRelays {
        /// The accounts.
        relays: Vec<[u8; 32]>,
    },
    /// A relay: the first batches of a stream, this many, are anchored.
    NoteAnchored {
        /// The stream.
        stream: StreamId,
        /// How many.
        batch_count: u64,
    },
    /// A new store of the tenant.
    RegisterStore {
        /// The tenant.
        tenant: TenantId,
        /// The store.
        store: StoreId,
    },
    /// A new agent of the tenant.
    RegisterAgent {
        /// The tenant.
        tenant: TenantId,
        /// The agent.
        agent: AgentId,
    },
    /// Stops or resumes an agent.
    SetAgentSuspended {
        /// The tenant.
        tenant: TenantId,
        /// The agent.
        agent: AgentId,
        /// Whether it is stopped.
        suspended: bool,
    },
    /// What an agent may have sequenced in a window.
    SetAgentQuota {
        /// The tenant.
        tenant: TenantId,
        /// The agent.
        agent: AgentId,
        /// The quota; none is the default.
        quota: Option<Quota>,
    },
    /// A new signing key of an agent.
    RegisterSigningKey {
        /// The tenant.
        tenant: TenantId,
        /// The agent.
        agent: AgentId,
        /// Number of the key among the agent's signing keys.
        key_id: KeyId,
        /// The key.
        public_key: SigningPublicKey,
        /// When it may sign.
        window: ValidityWindow,
        /// The key's own signature over its possession statement.
        proof: Signature,
    },
    /// A new encryption key of an agent.
    RegisterEncryptionKey {
        /// The tenant.
        tenant: TenantId,
        /// The agent.
        agent: AgentId,
        /// Number of the key among the agent's encryption keys.
        key_id: KeyId,
        /// The key.
        public_key: EncryptionPublicKey,
        /// When senders may use it.
        window: ValidityWindow,
        /// The signing key that vouches for it.
        signing_key_id: KeyId,
        /// That key's signature over the possession statement.
        proof: Signature,
    },
    /// Revokes a signing key for good.
    RevokeSigningKey {
        /// The tenant.
        tenant: TenantId,
        /// The agent.
        agent: AgentId,
        /// The key.
        key_id: KeyId,
        /// First block whose events it may not sign; the next one if absent.
        effective_from: Option<u32>,
    },
    /// Revokes an encryption key for good.
    RevokeEncryptionKey {
        /// The tenant.
        tenant: TenantId,
        /// The agent.
        agent: AgentId,
        /// The key.
        key_id: KeyId,
    },
    /// What a signing key may be used for.
    SetKeyPolicy {
        /// The tenant.
        tenant: TenantId,
        /// The agent.
        agent: AgentId,
        /// The key.
        key_id: KeyId,
        /// The policy; none allows everything.
        policy: Option<KeyPolicy>,
    },
    /// Offers the tenant to a new administrator.
    ProposeTenantAdmin {
        /// The tenant.
        tenant: TenantId,
        /// Its account.
        proposed: [u8; 32],
    },
    /// Takes over a tenant that was offered to the signer.
    AcceptTenantAdmin {
        /// The tenant.
        tenant: TenantId,
    },
    /// Takes the offer of the tenant back.
    CancelTenantAdmin {
        /// The tenant.
        tenant: TenantId,
    },
    /// A new encryption group without members.
    CreateGroup {
        /// The tenant.
        tenant: TenantId,
        /// The group.
        group: GroupId,
    },
    /// Admits an agent to a group, or changes its role.
    SetGroupMember {
        /// The tenant.
        tenant: TenantId,
        /// The group.
        group: GroupId,
        /// The agent.
        agent: AgentId,
        /// What it is in the group.
        role: GroupRole,
    },
    /// Removes an agent from a group.
    RemoveGroupMember {
        /// The tenant.
        tenant: TenantId,
        /// The group.
        group: GroupId,
        /// The agent.
        agent: AgentId,
    },
    /// Removes every member of a group for good.
    DissolveGroup {
        /// The tenant.
        tenant: TenantId,
        /// The group.
        group: GroupId,
    },
    /// A new version of the schema of an event type's payloads.
    RegisterSchema {
        /// The tenant.
        tenant: TenantId,
        /// The event type.
        event_type: EventType,
        /// Version of the schema.
        version: u32,
        /// SHA-256 of its canonical JSON.
        hash: SchemaHash,
    },
    /// Deprecates a version of a schema, or takes that back.
    SetSchemaStatus {
        /// The tenant.
        tenant: TenantId,
        /// The event type.
        event_type: EventType,
        /// Version of the schema.
        version: u32,
        /// Its status.
        status: SchemaStatus,
    },
}

impl AdminCall {
    /// The pallet the call belongs to.
    const fn pallet(&self) -> &'static str {
        match self {
            Self::SetRelays { .. } | Self::NoteAnchored { .. } => "VesSequencer",
            _ => "AgentRegistry",
        }
    }

    /// The call's name in its pallet.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RegisterTenant { .. } => "register_tenant",
            Self::SetTenantSuspended { .. } => "set_tenant_suspended",
            Self::SetTenantQuota { .. } => "set_tenant_quota",
            Self::SetRelays { .. } => "set_relays",
            Self::NoteAnchored { .. } => "note_anchored",
            Self::RegisterStore { .. } => "register_store",
            Self::RegisterAgent { .. } => "register_agent",
            Self::SetAgentSuspended { .. } => "set_agent_suspended",
            Self::SetAgentQuota { .. } => "set_agent_quota",
            Self::RegisterSigningKey { .. } => "register_signing_key",
            Self::RegisterEncryptionKey { .. } => "register_encryption_key",
            Self::RevokeSigningKey { .. } => "revoke_signing_key",
            Self::RevokeEncryptionKey { .. } => "revoke_encryption_key",
            Self::SetKeyPolicy { .. } => "set_key_policy",
            Self::ProposeTenantAdmin { .. } => "propose_tenant_admin",
            Self::AcceptTenantAdmin { .. } => "accept_tenant_admin",
            Self::CancelTenantAdmin { .. } => "cancel_tenant_admin",
            Self::CreateGroup { .. } => "create_group",
            Self::SetGroupMember { .. } => "set_group_member",
            Self::RemoveGroupMember { .. } => "remove_group_member",
            Self::DissolveGroup { .. } => "dissolve_group",
            Self::RegisterSchema { .. } => "register_schema",
            Self::SetSchemaStatus { .. } => "set_schema_status",
        }
    }

    /// Whether the call is governance's and travels as a council proposal.
    pub const fn is_governance(&self) -> bool {
        matches!(
            self,
            Self::RegisterTenant { .. }
                | Self::SetTenantSuspended { .. }
                | Self::SetTenantQuota { .. }
                | Self::SetRelays { .. }
        )
    }

    /// Names and SCALE bytes of the arguments.
    fn arguments(&self) -> (&'static [&'static str], Vec<u8>) {
        match self {
            Self::RegisterTenant { tenant, admin } => {
                (&["tenant", "admin"], (tenant, admin).encode())
            }
            Self::SetTenantSuspended { tenant, suspended } => {
                (&["tenant", "suspended"], (tenant, suspended).encode())
            }
            Self::SetTenantQuota { tenant, quota } => {
                (&["tenant", "quota"], (tenant, quota).encode())
            }
            Self::SetRelays { relays } => (&["relays"], relays.encode()),
            Self::NoteAnchored {
                stream,
                batch_count,
            } => (
                &["stream_id", "batch_count"],
                (stream, batch_count).encode(),
            ),
            Self::RegisterStore { tenant, store } => {
                (&["tenant", "store"], (tenant, store).encode())
            }
            Self::RegisterAgent { tenant, agent } => {
                (&["tenant", "agent"], (tenant, agent).encode())
            }
            Self::SetAgentSuspended {
                tenant,
                agent,
                suspended,
            } => (
                &["tenant", "agent", "suspended"],
                (tenant, agent, suspended).encode(),
            ),
            Self::SetAgentQuota {
                tenant,
                agent,
                quota,
            } => (
                &["tenant", "agent", "quota"],
                (tenant, agent, quota).encode(),
            ),
            Self::RegisterSigningKey {
                tenant,
                agent,
                key_id,
                public_key,
                window,
                proof,
            } => (
                &["tenant", "agent", "key_id", "public_key", "window", "proof"],
                (tenant, agent, key_id, public_key, window, proof).encode(),
            ),
            Self::RegisterEncryptionKey {
                tenant,
                agent,
                key_id,
                public_key,
                window,
                signing_key_id,
                proof,
            } => (
                &[
                    "tenant",
                    "agent",
                    "key_id",
                    "public_key",
                    "window",
                    "signing_key_id",
                    "proof",
                ],
                (
                    tenant,
                    agent,
                    key_id,
                    public_key,
                    window,
                    signing_key_id,
                    proof,
                )
                    .encode(),
            ),
            Self::RevokeSigningKey {
                tenant,
                agent,
                key_id,
                effective_from,
            } => (
                &["tenant", "agent", "key_id", "effective_from"],
                (tenant, agent, key_id, effective_from).encode(),
            ),
            Self::RevokeEncryptionKey {
                tenant,
                agent,
                key_id,
            } => (
                &["tenant", "agent", "key_id"],
                (tenant, agent, key_id).encode(),
            ),
            Self::SetKeyPolicy {
                tenant,
                agent,
                key_id,
                policy,
            } => (
                &["tenant", "agent", "key_id", "policy"],
                (tenant, agent, key_id, policy).encode(),
            ),
            Self::ProposeTenantAdmin { tenant, proposed } => {
                (&["tenant", "proposed"], (tenant, proposed).encode())
            }
            Self::AcceptTenantAdmin { tenant } => (&["tenant"], (tenant,).encode()),
            Self::CancelTenantAdmin { tenant } => (&["tenant"], (tenant,).encode()),
            Self::CreateGroup { tenant, group } => (&["tenant", "group"], (tenant, group).encode()),
            Self::SetGroupMember {
                tenant,
                group,
                agent,
                role,
            } => (
                &["tenant", "group", "agent", "role"],
                (tenant, group, agent, role).encode(),
            ),
            Self::RemoveGroupMember {
                tenant,
                group,
                agent,
            } => (
                &["tenant", "group", "agent"],
                (tenant, group, agent).encode(),
            ),
            Self::DissolveGroup { tenant, group } => {
                (&["tenant", "group"], (tenant, group).encode())
            }
            Self::RegisterSchema {
                tenant,
                event_type,
                version,
                hash,
            } => (
                &["tenant", "event_type", "version", "hash"],
                (tenant, event_type, version, hash).encode(),
            ),
            Self::SetSchemaStatus {
                tenant,
                event_type,
                version,
                status,
            } => (
                &["tenant", "event_type", "version", "status"],
                (tenant, event_type, version, status).encode(),
            ),
        }
    }

    pub(super) fn encode(&self, metadata: &Metadata) -> Result<Vec<u8>, ClientError> {
        let (names, mut bytes) = self.arguments();
        let mut call = call_prefix(metadata, self.pallet(), self.name(), names)?;
        call.append(&mut bytes);
        if !self.is_governance() {
            return Ok(call);
        }
        // With threshold 1 the council's proposal executes at once, which suffices where one
        // member is two thirds of the council. A larger council's refusal shows in the result.
        let arguments = ["threshold", "proposal", "length_bound"];
        let mut proposal = call_prefix(metadata, "Council", "propose", &arguments)?;
        Compact(1u32).encode_to(&mut proposal);
        proposal.extend_from_slice(&call);
        let length = u32::try_from(call.len()).unwrap_or(u32::MAX);
        Compact(length).encode_to(&mut proposal);
        Ok(proposal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_the_scale_bytes_of_the_protocols_types_in_order() {
        let call = AdminCall::RegisterEncryptionKey {
            tenant: TenantId([1; 16]),
            agent: AgentId([2; 16]),
            key_id: KeyId(3),
            public_key: EncryptionPublicKey([4; 32]),
            window: ValidityWindow {
                valid_from: None,
                valid_to: Some(5),
            },
            signing_key_id: KeyId(6),
            proof: Signature([7; 64]),
        };
        let (names, bytes) = call.arguments();
        assert_eq!(names.len(), 7);
        let mut expected = [vec![1; 16], vec![2; 16], vec![3, 0, 0, 0], vec![4; 32]].concat();
        expected.extend([0, 1, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0]);
        expected.extend([7; 64]);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn only_governance_calls_travel_as_proposals() {
        let tenant = TenantId([1; 16]);
        assert!(
            AdminCall::RegisterTenant {
                tenant,
                admin: [0; 32]
            }
            .is_governance()
        );
        assert!(
            AdminCall::SetTenantSuspended {
                tenant,
                suspended: true
            }
            .is_governance()
        );
        assert!(
            !AdminCall::RegisterStore {
                tenant,
                store: StoreId([2; 16])
            }
            .is_governance()
        );
    }
}
