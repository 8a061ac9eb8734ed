// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The `ves_*` JSON-RPC. Only finalized data is ever served, because the store holds no other.
//!
//! Malformed parameters (a bad UUID, a limit out of range) are answered with JSON-RPC's own
//! `-32602` and the name of the parameter, everything else with one of
//! [`wire::codes`](ves_primitives::wire::codes).

use crate::{
    Grandpa, MAX_PAGE_EVENTS, Store, StoreError,
    finality::{FinalitySource, NodeFinality},
};
use jsonrpsee::{
    RpcModule,
    core::RpcResult,
    types::{ErrorObjectOwned, Params, error::INVALID_PARAMS_CODE},
};
use pallet_agent_registry_runtime_api::AgentRegistryApi;
use polkadot_sdk::{
    sc_client_api::BlockBackend, sp_api::ProvideRuntimeApi, sp_blockchain::HeaderBackend,
    sp_core::H256, sp_runtime::traits::Block as BlockT,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{collections::BTreeMap, marker::PhantomData, sync::Arc};
use ves_primitives::{
    AgentId, EventId, FinalityProof, KeyId, StoreId, TenantId,
    limits::MAX_SET_CHANGES,
    registry::SigningKeyRecord,
    wire::{
        BatchJson, BundleJson, EventsPageJson, HeadJson, InclusionJson, RejectionJson,
        SequencedEventJson,
        codes::{NOT_INDEXED_YET, STATE_UNAVAILABLE, STORE_DAMAGED, STORE_UNAVAILABLE},
    },
};

/// Events of a page when the caller names no limit.
pub const DEFAULT_PAGE_EVENTS: u32 = 100;

/// Longest parameter list of these methods, bytes of JSON; real ones have about 150.
const PARAMS_BYTES_MAX: usize = 4_096;

/// The node's RPC module over this store; `client` answers for the key registry, and with `grandpa`
/// for finality.
pub fn module<Block, Client>(
    store: Store,
    client: Arc<Client>,
    grandpa: Arc<dyn Grandpa>,
) -> RpcModule<()>
where
    Block: BlockT<Hash = H256>,
    Client: ProvideRuntimeApi<Block>
        + HeaderBackend<Block>
        + BlockBackend<Block>
        + Send
        + Sync
        + 'static,
    Client::Api: AgentRegistryApi<Block>,
{
    let keys = RuntimeKeys {
        client: Arc::clone(&client),
        block: PhantomData,
    };
    let finality = NodeFinality {
        client,
        grandpa,
        block: PhantomData,
    };
    register(VesRpc {
        store,
        keys: Arc::new(keys),
        finality: Arc::new(finality),
    })
}

/// Hand-registered: the methods that `#[rpc]` generates need a jsonrpsee-core with debug
/// assertions, which this workspace's profile switches off for dependencies.
fn register<Keys: KeySource>(rpc: VesRpc<Keys>) -> RpcModule<()> {
    let mut module = RpcModule::new(rpc);
    /// `method(names of the parameters) => handler(their values)`.
    macro_rules! methods {
        ($($method:literal ($($name:ident),*) => $handler:ident;)*) => {$(
            let registered = module.register_async_method($method, |params, rpc, _| async move {
                let names = [$(stringify!($name)),*];
                let mut args = Args::parse(&params, &names)?;
                rpc.$handler($(args.take(stringify!($name))?),*).await
            });
            debug_assert!(registered.is_ok(), "{} is registered twice", $method);
        )*};
    }
    methods! {
        "ves_head" (tenant_id, store_id) => head;
        "ves_events" (tenant_id, store_id, from, limit) => events;
        "ves_event" (tenant_id, store_id, event_id) => event;
        "ves_batch" (tenant_id, store_id, batch_index) => batch;
        "ves_batchOfSequence" (tenant_id, store_id, sequence) => batch_of_sequence;
        "ves_inclusionProof" (tenant_id, store_id, sequence) => inclusion_proof;
        "ves_bundle" (tenant_id, store_id, event_id) => bundle;
        "ves_rejections" (tenant_id, store_id, event_id) => rejections;
        "ves_finality" (block_number) => finality;
        "ves_setChanges" (above, limit) => set_changes;
    }
    let registered =
        module.register_method("ves_health", |_, rpc, _| RpcResult::Ok(rpc.store.health()));
    debug_assert!(registered.is_ok(), "ves_health is registered twice");
    module.remove_context()
}

/// The parameters of one call, by position or by name.
struct Args(BTreeMap<&'static str, Value>);

impl Args {
    fn parse(params: &Params<'_>, names: &[&'static str]) -> RpcResult<Self> {
        if params.len_bytes() > PARAMS_BYTES_MAX {
            return Err(invalid(
                "parameters",
                format!("longer than {PARAMS_BYTES_MAX} bytes"),
            ));
        }
        let json = params
            .as_str()
            .filter(|json| !json.is_empty())
            .unwrap_or("[]");
        let value: Value =
            serde_json::from_str(json).map_err(|error| invalid("parameters", error))?;
        let mut args = BTreeMap::new();
        match value {
            Value::Array(values) => {
                if values.len() > names.len() {
                    let text = format!("expected {}, found {}", names.len(), values.len());
                    return Err(invalid("parameters", text));
                }
                args.extend(names.iter().copied().zip(values));
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    let known = names.iter().find(|known| **known == name);
                    let Some(known) = known else {
                        return Err(invalid("parameters", format!("unknown name {name:?}")));
                    };
                    args.insert(*known, value);
                }
            }
            _ => return Err(invalid("parameters", "expected a list or an object")),
        }
        Ok(Self(args))
    }

    /// The value of one parameter; absent ones read as `null`.
    fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> RpcResult<T> {
        let value = self.0.remove(name).unwrap_or(Value::Null);
        serde_json::from_value(value).map_err(|error| invalid(name, error))
    }
}

fn unavailable(reason: String) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(STATE_UNAVAILABLE, reason, None::<()>)
}

/// Asks the node's database or runtime without holding up other calls.
async fn blocking<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> RpcResult<T> {
    match tokio::task::spawn_blocking(ask).await {
        Ok(answer) => answer.map_err(unavailable),
        Err(error) => Err(unavailable(error.to_string())),
    }
}

fn invalid(name: &str, reason: impl ToString) -> ErrorObjectOwned {
    let text = format!("{name}: {}", reason.to_string());
    ErrorObjectOwned::owned(INVALID_PARAMS_CODE, text, None::<()>)
}

/// Where bundles get the signing key's record from.
pub(crate) trait KeySource: Send + Sync + 'static {
    /// The record at the newest finalized block. Blocking.
    fn signing_key(
        &self,
        tenant: TenantId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<Option<SigningKeyRecord>, String>;
}

struct RuntimeKeys<Block, Client> {
    client: Arc<Client>,
    block: PhantomData<fn() -> Block>,
}

impl<Block, Client> KeySource for RuntimeKeys<Block, Client>
where
    Block: BlockT,
    Client: ProvideRuntimeApi<Block> + HeaderBackend<Block> + Send + Sync + 'static,
    Client::Api: AgentRegistryApi<Block>,
{
    fn signing_key(
        &self,
        tenant: TenantId,
        agent: AgentId,
        key: KeyId,
    ) -> Result<Option<SigningKeyRecord>, String> {
        let finalized = self.client.info().finalized_hash;
        self.client
            .runtime_api()
            .signing_key(finalized, tenant, agent, key)
            .map_err(|error| error.to_string())
    }
}

pub(crate) struct VesRpc<Keys> {
    pub(crate) store: Store,
    pub(crate) keys: Arc<Keys>,
    pub(crate) finality: Arc<dyn FinalitySource>,
}

impl<Keys: KeySource> VesRpc<Keys> {
    /// `null` is a statement about the finalized chain, so a store that is behind must not make it.
    fn found<T>(&self, value: Option<T>) -> RpcResult<Option<T>> {
        if value.is_none() && self.store.is_backfilling() {
            let health = self.store.health();
            return Err(ErrorObjectOwned::owned(
                NOT_INDEXED_YET,
                format!(
                    "not indexed yet: the event store is at block {} of {}",
                    health.indexed_block, health.finalized_block
                ),
                None::<()>,
            ));
        }
        Ok(value)
    }

    async fn signing_key(
        &self,
        tenant: TenantId,
        agent: AgentId,
        key: KeyId,
    ) -> RpcResult<SigningKeyRecord> {
        let keys = Arc::clone(&self.keys);
        blocking(move || keys.signing_key(tenant, agent, key))
            .await?
            .ok_or_else(|| {
                unavailable(format!(
                    "the registry has no key {key} of agent {agent} at the newest finalized block"
                ))
            })
    }

    /// That the canonical block at this height is final: headers and a justification.
    async fn finality(&self, block_number: u32) -> RpcResult<Option<FinalityProof>> {
        let finality = Arc::clone(&self.finality);
        blocking(move || finality.prove(block_number)).await
    }

    /// The changes of the authority set above a height, oldest first; `limit` 1 to 64, 64 if absent.
    async fn set_changes(&self, above: u32, limit: Option<u32>) -> RpcResult<Vec<FinalityProof>> {
        let limit = limit.unwrap_or(MAX_SET_CHANGES);
        if limit == 0 || limit > MAX_SET_CHANGES {
            return Err(invalid(
                "limit",
                format!("expected 1 to {MAX_SET_CHANGES}, found {limit}"),
            ));
        }
        let finality = Arc::clone(&self.finality);
        blocking(move || finality.set_changes(above, limit as usize)).await
    }

    /// Where a stream stands at the newest indexed block.
    async fn head(&self, tenant_id: TenantId, store_id: StoreId) -> RpcResult<HeadJson> {
        Ok(self.store.head(tenant_id, store_id).await?)
    }

    /// A page of a stream from sequence `from` on; `limit` 1 to 1000, 100 if absent.
    async fn events(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        from: u64,
        limit: Option<u32>,
    ) -> RpcResult<EventsPageJson> {
        let limit = limit.unwrap_or(DEFAULT_PAGE_EVENTS);
        if limit == 0 || limit > MAX_PAGE_EVENTS {
            return Err(invalid(
                "limit",
                format!("expected 1 to {MAX_PAGE_EVENTS}, found {limit}"),
            ));
        }
        Ok(self.store.events(tenant_id, store_id, from, limit).await?)
    }

    /// One event.
    async fn event(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        event_id: EventId,
    ) -> RpcResult<Option<SequencedEventJson>> {
        let event = self.store.event(tenant_id, store_id, event_id).await?;
        let event = event.map(|event| event.to_json()).transpose()?;
        self.found(event)
    }

    /// A stream's batch by its number, from 0.
    async fn batch(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        batch_index: u64,
    ) -> RpcResult<Option<BatchJson>> {
        self.found(self.store.batch(tenant_id, store_id, batch_index).await?)
    }

    /// The batch that holds a sequence.
    async fn batch_of_sequence(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        sequence: u64,
    ) -> RpcResult<Option<BatchJson>> {
        self.found(
            self.store
                .batch_of_sequence(tenant_id, store_id, sequence)
                .await?,
        )
    }

    /// The way from an event's leaf to the header of its block.
    async fn inclusion_proof(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        sequence: u64,
    ) -> RpcResult<Option<InclusionJson>> {
        self.found(self.store.inclusion(tenant_id, store_id, sequence).await?)
    }

    /// Everything needed to verify one event without any server, except an anchor.
    async fn bundle(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        event_id: EventId,
    ) -> RpcResult<Option<BundleJson>> {
        let event = self.store.event(tenant_id, store_id, event_id).await?;
        let Some(event) = self.found(event)? else {
            return Ok(None);
        };
        let inclusion = self
            .store
            .inclusion(tenant_id, store_id, event.sequence)
            .await?
            .ok_or(StoreError::Corrupt { what: "batches" })?;
        let json = event.to_json()?;
        if json.leaf_hash != inclusion.leaf_hash {
            return Err(StoreError::Corrupt { what: "leaves" }.into());
        }
        let envelope = &event.event.envelope;
        let signing_key = self
            .signing_key(tenant_id, envelope.source_agent_id, envelope.agent_key_id)
            .await?;
        // A bundle without it is still one: anchors and pinned blocks prove finality too.
        let finality = self
            .finality(event.block_number)
            .await
            .unwrap_or_else(|error| {
                log::warn!(target: "ves-store", "a bundle lacks its justification: {error}");
                None
            });
        Ok(Some(BundleJson {
            schema: BundleJson::SCHEMA.into(),
            version: BundleJson::VERSION,
            genesis_hash: self.store.genesis(),
            event: json,
            inclusion,
            signing_key,
            finality: finality.map(Into::into),
            anchor: None,
            proofs: Vec::new(),
        }))
    }

    /// The chain's refusals of an event, oldest first.
    async fn rejections(
        &self,
        tenant_id: TenantId,
        store_id: StoreId,
        event_id: EventId,
    ) -> RpcResult<Vec<RejectionJson>> {
        let rejections = self.store.rejections(tenant_id, store_id, event_id).await?;
        let some = (!rejections.is_empty()).then_some(rejections);
        Ok(self.found(some)?.unwrap_or_default())
    }
}

impl From<StoreError> for ErrorObjectOwned {
    fn from(error: StoreError) -> Self {
        let code = if error.is_retryable() {
            STORE_UNAVAILABLE
        } else {
            STORE_DAMAGED
        };
        // Paths and SQL stay in the node's log.
        log::warn!(target: "ves-store", "rpc: {error}");
        let text = match code {
            STORE_UNAVAILABLE => "the event store cannot be read now; try again",
            _ => "the event store is damaged; the operator must rebuild it",
        };
        Self::owned(code, text, None::<()>)
    }
}

#[cfg(test)]
mod tests;
