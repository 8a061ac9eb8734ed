// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The registry beyond keys: policies, successors, groups, schemas, offers of a tenant, and the one
//! change that an agent makes itself, the rotation of its signing key.

use crate::{
    AdminReceipt, BlockHash, ChainClient, ClientError, Wait,
    admin::DEFAULT_WAIT,
    tx::{call_prefix, general_extrinsic},
};
use codec::Encode;
use ves_primitives::{
    AgentId, EventType, GroupId, KeyId, StoreId, TenantId,
    registry::{
        Author, AuthorProblem, GroupRecipients, KeyPolicy, KeyRotation, SchemaEntry, SchemaRecord,
    },
};

impl ChainClient {
    /// An author who may write to this store at that block, with key, policy and quotas.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`]; a refusal is in the answer.
    pub async fn author(
        &self,
        tenant: TenantId,
        store: StoreId,
        agent: AgentId,
        key: KeyId,
        at: Option<BlockHash>,
    ) -> Result<Result<Author, AuthorProblem>, ClientError> {
        let arguments = (tenant, store, agent, key);
        self.runtime_call("AgentRegistryApi_author", &arguments, at)
            .await
    }

    /// The policy of a signing key; `None` allows everything.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn key_policy(
        &self,
        tenant: TenantId,
        agent: AgentId,
        key: KeyId,
        at: Option<BlockHash>,
    ) -> Result<Option<KeyPolicy>, ClientError> {
        self.runtime_call("AgentRegistryApi_key_policy", &(tenant, agent, key), at)
            .await
    }

    /// Which key a signing key handed over to.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn successor(
        &self,
        tenant: TenantId,
        agent: AgentId,
        key: KeyId,
        at: Option<BlockHash>,
    ) -> Result<Option<KeyId>, ClientError> {
        self.runtime_call("AgentRegistryApi_successor", &(tenant, agent, key), at)
            .await
    }

    /// A group with the encryption key of each member that senders may use at that block.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn group(
        &self,
        tenant: TenantId,
        group: GroupId,
        at: Option<BlockHash>,
    ) -> Result<Option<GroupRecipients>, ClientError> {
        self.runtime_call("AgentRegistryApi_group", &(tenant, group), at)
            .await
    }

    /// Every group of a tenant in order of id, dissolved ones included.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn groups(
        &self,
        tenant: TenantId,
        at: Option<BlockHash>,
    ) -> Result<Vec<GroupId>, ClientError> {
        self.runtime_call("AgentRegistryApi_groups", &tenant, at)
            .await
    }

    /// One version of the schema of an event type's payloads.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn schema(
        &self,
        tenant: TenantId,
        event_type: &EventType,
        version: u32,
        at: Option<BlockHash>,
    ) -> Result<Option<SchemaRecord>, ClientError> {
        let arguments = (tenant, event_type, version);
        self.runtime_call("AgentRegistryApi_schema", &arguments, at)
            .await
    }

    /// Every schema of a tenant in order of event type and version.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn schemas(
        &self,
        tenant: TenantId,
        at: Option<BlockHash>,
    ) -> Result<Vec<SchemaEntry>, ClientError> {
        self.runtime_call("AgentRegistryApi_schemas", &tenant, at)
            .await
    }

    /// The account that a tenant is offered to.
    ///
    /// # Errors
    /// As [`ChainClient::runtime_call`].
    pub async fn proposed_tenant_admin(
        &self,
        tenant: TenantId,
        at: Option<BlockHash>,
    ) -> Result<Option<[u8; 32]>, ClientError> {
        self.runtime_call("AgentRegistryApi_proposed_tenant_admin", &tenant, at)
            .await
    }

    /// Hands over from a signing key to its successor and waits for it. Needs a WebSocket, and no
    /// account: the two keys have signed the rotation.
    ///
    /// # Errors
    /// [`ClientError::PoolRejected`] with the reasons of
    /// [`RotationRefusal`](ves_primitives::registry::RotationRefusal), and as
    /// [`ChainClient::execute`].
    pub async fn rotate_signing_key(
        &self,
        rotation: &KeyRotation,
        wait: Wait,
    ) -> Result<AdminReceipt, ClientError> {
        self.check_chain().await?;
        let (metadata, _) = self.runtime(None).await?;
        let mut call = call_prefix(
            &metadata,
            "AgentRegistry",
            "rotate_signing_key",
            &["rotation"],
        )?;
        rotation.encode_to(&mut call);
        let extrinsic = general_extrinsic(&metadata, &call)?;
        let mut watch = self.submit_and_watch(&extrinsic).await?;
        let block = match wait {
            Wait::InBlock => watch.in_block(DEFAULT_WAIT).await?,
            Wait::Finalized => watch.finalized(DEFAULT_WAIT).await?,
        };
        self.expect_success(block, &extrinsic).await?;
        Ok(AdminReceipt {
            hash: watch.hash(),
            block,
        })
    }
}
