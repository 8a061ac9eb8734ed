// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Signed calls of administrators: signing, submitting, following them.

mod calls;

pub use calls::AdminCall;

use crate::{BlockHash, ChainClient, ClientError, RuntimeVersion, TxHash, tx::call_prefix};
use codec::{Compact, Encode};
use jsonrpsee::rpc_params;
use std::{fmt, path::Path, str::FromStr, time::Duration};
use subxt::{
    client::OfflineClient,
    config::substrate::{SpecVersionForRange, SubstrateConfig, SubstrateExtrinsicParamsBuilder},
    error::DispatchError,
    events::Phase,
    metadata::{ArcMetadata, Metadata},
    utils::{AccountId32, H256},
};
use subxt_signer::{SecretUri, sr25519::Keypair};
/// Blocks for which a signed transaction stays valid: about two minutes.
const MORTALITY_BLOCKS: u64 = 64;
/// Longest secret file, bytes.
const SECRET_BYTES_MAX: u64 = 4_096;
/// Time limit of waiting for a signed call.
pub const DEFAULT_WAIT: Duration = Duration::from_secs(120);
/// `twox_128("System") ++ twox_128("Events")`.
const SYSTEM_EVENTS_KEY: &str =
    "0x26aa394eea5630e07c48ae0c9558cef780d41e5e16056765bc8461851072c9d7";

/// An sr25519 account that signs administrative calls. Its secret is never shown.
#[derive(Clone)]
pub struct Signer(Keypair);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.address())
    }
}

impl Signer {
    /// From a secret URI: a phrase or `0x` seed with derivations, or a development account such as
    /// `//Alice`.
    ///
    /// # Errors
    /// [`ClientError::Signer`] if the text is empty or no secret URI.
    pub fn from_uri(uri: &str) -> Result<Self, ClientError> {
        let uri = uri.trim();
        if uri.is_empty() {
            // The library would take the empty phrase for the public development phrase.
            return Err(signer_error("the secret is empty"));
        }
        let parsed = SecretUri::from_str(uri).map_err(signer_error)?;
        Keypair::from_uri(&parsed).map(Self).map_err(signer_error)
    }

    /// From a file that holds a secret URI and nothing else.
    ///
    /// # Errors
    /// [`ClientError::Signer`] if the file cannot be read, is too long or holds no secret URI.
    pub fn from_file(path: &Path) -> Result<Self, ClientError> {
        let failed = |error: std::io::Error| signer_error(format!("{}: {error}", path.display()));
        if std::fs::metadata(path).map_err(failed)?.len() > SECRET_BYTES_MAX {
            return Err(signer_error(format!(
                "{}: too long for a secret",
                path.display()
            )));
        }
        Self::from_uri(&std::fs::read_to_string(path).map_err(failed)?)
    }

    /// The account's 32 bytes.
    pub fn account_id(&self) -> [u8; 32] {
        self.0.public_key().0
    }

    /// The account in SS58 form with the generic prefix 42.
    pub fn address(&self) -> String {
        AccountId32(self.account_id()).to_string()
    }
}

fn signer_error(reason: impl ToString) -> ClientError {
    ClientError::Signer {
        reason: reason.to_string(),
    }
}

/// How long to follow a signed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until it is in a block. Quick, but a reorganisation may undo it.
    InBlock,
    /// Until that block is final.
    Finalized,
}

/// A signed call that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminReceipt {
    /// The transaction.
    pub hash: TxHash,
    /// The block that holds it.
    pub block: BlockHash,
}

impl ChainClient {
    /// Signs the calls, submits them and waits for their success; at most [`DEFAULT_WAIT`].
    ///
    /// Several calls travel as one transaction that succeeds or fails as a whole, in the order
    /// given. Needs a WebSocket.
    ///
    /// # Errors
    /// [`ClientError::Dispatch`] with the pallet's error if a call fails, [`ClientError::Metadata`]
    /// if the runtime lacks a call, pool and transport errors otherwise. After
    /// [`ClientError::Timeout`] or [`ClientError::WatchEnded`] ask the registry what happened
    /// before trying again.
    pub async fn execute(
        &self,
        signer: &Signer,
        calls: &[AdminCall],
        wait: Wait,
    ) -> Result<AdminReceipt, ClientError> {
        let extrinsic = self.signed_extrinsic(signer, calls).await?;
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

    /// The call that [`ChainClient::execute`] would sign, as bytes, checked against the node's metadata.
    ///
    /// # Errors
    /// [`ClientError::Metadata`] if the runtime lacks a call, or a transport error.
    pub async fn encode(&self, calls: &[AdminCall]) -> Result<Vec<u8>, ClientError> {
        let (metadata, _) = self.runtime(None).await?;
        encode_calls(&metadata, calls)
    }

    /// The signed extrinsic for these calls with the account's next nonce.
    async fn signed_extrinsic(
        &self,
        signer: &Signer,
        calls: &[AdminCall],
    ) -> Result<Vec<u8>, ClientError> {
        // Never sign for a chain that took the old one's place at this address.
        self.check_chain().await?;
        let (metadata, version) = self.runtime(None).await?;
        let call = encode_calls(&metadata, calls)?;
        let nonce: u64 = self
            .rpc()
            .call("system_accountNextIndex", rpc_params![signer.address()])
            .await?;
        let start = self.finalized_header().await?;
        let era_start = (u64::from(start.number), H256(start.hash().0));
        let genesis = H256(self.genesis_hash().0);
        sign(signer, &call, nonce, era_start, genesis, metadata, &version)
    }

    /// Fails unless the extrinsic is in the block and succeeded there.
    pub(crate) async fn expect_success(
        &self,
        block: BlockHash,
        extrinsic: &[u8],
    ) -> Result<(), ClientError> {
        let extrinsics = self.block_extrinsics(block).await?;
        let index = extrinsics
            .iter()
            .position(|candidate| candidate.0 == extrinsic)
            .and_then(|index| u32::try_from(index).ok())
            .ok_or_else(|| ClientError::decode("chain_getBlock", "the transaction is missing"))?;
        let events: Option<crate::chain::HexBytes> = self
            .rpc()
            .call("state_getStorage", rpc_params![SYSTEM_EVENTS_KEY, block])
            .await?;
        let events = events.map(|events| events.0).unwrap_or_default();
        let (metadata, version) = self.runtime(Some(block)).await?;
        check_events(
            events,
            index,
            H256(self.genesis_hash().0),
            metadata,
            &version,
        )
    }
}

/// One call as it is, several as one `Utility.batch_all`.
pub(crate) fn encode_calls(
    metadata: &Metadata,
    calls: &[AdminCall],
) -> Result<Vec<u8>, ClientError> {
    match calls {
        [] => Err(ClientError::Invalid {
            what: "calls",
            reason: "there are none".into(),
        }),
        [call] => call.encode(metadata),
        calls => {
            let mut batch = call_prefix(metadata, "Utility", "batch_all", &["calls"])?;
            let count = u32::try_from(calls.len()).unwrap_or(u32::MAX);
            Compact(count).encode_to(&mut batch);
            for call in calls {
                batch.append(&mut call.encode(metadata)?);
            }
            Ok(batch)
        }
    }
}

/// A client that needs no connection, for signing and for decoding events.
fn offline(
    genesis: H256,
    metadata: ArcMetadata,
    version: &RuntimeVersion,
) -> OfflineClient<SubstrateConfig> {
    let range = SpecVersionForRange {
        block_range: 0..u64::MAX,
        spec_version: version.spec_version,
        transaction_version: version.transaction_version,
    };
    let config = SubstrateConfig::builder()
        .set_genesis_hash(genesis)
        .set_spec_version_for_block_ranges([range])
        .set_metadata_for_spec_versions([(version.spec_version, metadata)])
        .build();
    OfflineClient::new_with_config(config)
}

pub(crate) fn sign(
    signer: &Signer,
    call: &[u8],
    nonce: u64,
    (number, hash): (u64, H256),
    genesis: H256,
    metadata: ArcMetadata,
    version: &RuntimeVersion,
) -> Result<Vec<u8>, ClientError> {
    let failed = |error: &dyn fmt::Display| ClientError::metadata(error.to_string());
    let client = offline(genesis, metadata, version);
    let block = client.at_block(number).map_err(|error| failed(&error))?;
    let transactions = block.transactions();
    // Decodes the call by the metadata: all of its bytes must fit the chain's types.
    let payload = transactions
        .from_call_data_bytes(call)
        .map_err(|error| failed(&error))?;
    let params = SubstrateExtrinsicParamsBuilder::new()
        .nonce(nonce)
        .mortal_from_unchecked(MORTALITY_BLOCKS, number, hash)
        .build();
    let mut transaction = transactions
        .create_signable_offline(&payload, params)
        .map_err(|error| failed(&error))?;
    let signed = transaction
        .sign(&signer.0)
        .map_err(|error| failed(&error))?;
    Ok(signed.into_encoded())
}

/// Looks for the failure of one extrinsic among a block's events.
pub(crate) fn check_events(
    events: Vec<u8>,
    extrinsic: u32,
    genesis: H256,
    metadata: ArcMetadata,
    version: &RuntimeVersion,
) -> Result<(), ClientError> {
    let client = offline(genesis, metadata.clone(), version);
    let block = client
        .at_block(0u64)
        .map_err(|error| ClientError::metadata(error.to_string()))?;
    let mut finished = false;
    for event in block.events().from_bytes(events).iter() {
        let event = event.map_err(|error| ClientError::decode("block events", error))?;
        if event.phase() != Phase::ApplyExtrinsic(extrinsic) {
            continue;
        }
        match (event.pallet_name(), event.event_name()) {
            ("System", "ExtrinsicSuccess") => finished = true,
            ("System", "ExtrinsicFailed") => {
                return Err(dispatch_error(event.field_bytes(), metadata));
            }
            // `{ proposal_hash, result }`: the proposal's own outcome does not fail the extrinsic.
            ("Council", "Executed") => {
                if let Some((1, error)) = event
                    .field_bytes()
                    .get(32..)
                    .and_then(<[u8]>::split_first)
                    .map(|(k, v)| (*k, v))
                {
                    return Err(dispatch_error(error, metadata));
                }
            }
            ("Council", "Proposed") => {
                return Err(ClientError::Dispatch {
                    error: "Council::Proposed".into(),
                    docs: "the council must vote on it; it is not executed yet".into(),
                });
            }
            _ => {}
        }
    }
    if !finished {
        return Err(ClientError::decode(
            "block events",
            "the transaction's outcome is missing",
        ));
    }
    Ok(())
}

fn dispatch_error(bytes: &[u8], metadata: ArcMetadata) -> ClientError {
    match DispatchError::decode_from(bytes, metadata) {
        Ok(DispatchError::Module(module)) => {
            let docs = module
                .details()
                .map(|details| details.variant.docs.join(" "));
            ClientError::Dispatch {
                error: module.details_string(),
                docs: docs.unwrap_or_default().trim().to_owned(),
            }
        }
        Ok(other) => ClientError::Dispatch {
            error: other.to_string(),
            docs: String::new(),
        },
        Err(error) => ClientError::decode("dispatch error", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_secret_is_never_taken_for_the_development_account() {
        for text in ["", " ", "\n"] {
            assert!(matches!(
                Signer::from_uri(text),
                Err(ClientError::Signer { .. })
            ));
        }
        let folder = std::env::temp_dir();
        assert!(Signer::from_file(&folder.join("ves-client-no-such-file")).is_err());
    }

    #[test]
    fn the_development_account_is_the_one_everybody_knows() {
        let alice = Signer::from_uri("//Alice").unwrap();
        assert_eq!(
            alice.address(),
            "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
        );
        let shown = format!("{alice:?}");
        assert_eq!(shown, format!("Signer({})", alice.address()));
    }

    #[test]
    fn a_bad_secret_is_not_repeated_in_the_error() {
        let secret = "correct horse battery staple";
        let error = Signer::from_uri(secret).unwrap_err().to_string();
        assert!(!error.contains("horse"), "{error}");
    }
}
