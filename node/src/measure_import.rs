// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How long this machine takes to import the blocks of a chain, against the time they declare.
//!
//! Blocks come from `export-blocks`; they are executed and written one by one into the database of
//! the base path, which is to be an empty one.

use crate::service::FullClient;
use clap::Parser;
use codec::{Compact, Decode, IoReader};
use polkadot_sdk::{
    sc_cli::{self, CliConfiguration, ImportParams, SharedParams},
    sc_client_api::{Finalizer, StorageProvider},
    sc_consensus::{BlockImport, BlockImportParams, ForkChoiceStrategy},
    sp_consensus::BlockOrigin,
    sp_core::storage::StorageKey,
    sp_io::hashing::twox_128,
    sp_runtime::{
        generic::SignedBlock,
        traits::{Block as _, Header as _},
    },
};
use std::{fs::File, io::BufReader, path::PathBuf, sync::Arc, time::Instant};
use ves_runtime::{configs::RuntimeBlockWeights, opaque::Block};

/// Picoseconds, the unit of weights, in a millisecond.
const PER_MILLISECOND: f64 = 1e9;

/// Import exported blocks and compare the time of each with the weight it declares.
///
/// Prints one JSON line for each block, and one for all: how long import took at the worst, as a share
/// of what the block declared. Take an empty database: `ves-node measure-import --dev --base-path EMPTY
/// --blocks blocks.bin`, with blocks from `ves-node export-blocks --binary --from 1 blocks.bin`.
#[derive(Clone, Debug, Parser)]
pub(crate) struct MeasureImportCmd {
    /// Blocks as `export-blocks --binary` writes them, from block 1 on.
    #[arg(long, value_name = "FILE")]
    blocks: PathBuf,

    /// Count only blocks that declare at least this share of what a block may weigh, percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 50.0)]
    fuller_than: f64,

    #[command(flatten)]
    shared_params: SharedParams,

    #[command(flatten)]
    import_params: ImportParams,
}

impl CliConfiguration for MeasureImportCmd {
    fn shared_params(&self) -> &SharedParams {
        &self.shared_params
    }

    fn import_params(&self) -> Option<&ImportParams> {
        Some(&self.import_params)
    }
}

fn failed(what: &str, error: impl std::fmt::Display) -> sc_cli::Error {
    sc_cli::Error::Input(format!("{what}: {error}"))
}

/// What a block says that its execution weighs, milliseconds.
fn declared_ms(client: &FullClient, block: &SignedBlock<Block>) -> sc_cli::Result<f64> {
    let key = [twox_128(b"System"), twox_128(b"BlockWeight")].concat();
    let value = client
        .storage(block.block.hash(), &StorageKey(key))?
        .ok_or_else(|| failed("weight of the block", "not in state"))?;
    // Time and proof size of normal, operational and mandatory work.
    let weights = <[(Compact<u64>, Compact<u64>); 3]>::decode(&mut &value.0[..])
        .map_err(|error| failed("weight of the block", error))?;
    let total: u64 = weights.iter().map(|(time, _)| time.0).sum();
    Ok(total as f64 / PER_MILLISECOND)
}

/// Executes and stores the block; answers the milliseconds that took.
async fn import(client: &FullClient, block: &SignedBlock<Block>) -> sc_cli::Result<f64> {
    let (mut header, body) = block.block.clone().deconstruct();
    let seal = header
        .digest_mut()
        .pop()
        .ok_or_else(|| failed("block", "it has no seal"))?;
    let mut params = BlockImportParams::new(BlockOrigin::NetworkInitialSync, header);
    params.post_digests.push(seal);
    params.body = Some(body);
    params.fork_choice = Some(ForkChoiceStrategy::LongestChain);
    let begun = Instant::now();
    BlockImport::import_block(&client, params)
        .await
        .map_err(|error| failed("import", error))?;
    Ok(begun.elapsed().as_secs_f64() * 1_000.0)
}

impl MeasureImportCmd {
    pub(crate) async fn run(self, client: Arc<FullClient>) -> sc_cli::Result<()> {
        let file = File::open(&self.blocks)?;
        let mut input = IoReader(BufReader::new(file));
        let count = u64::decode(&mut input).map_err(|error| failed("number of blocks", error))?;
        let limit = RuntimeBlockWeights::get().max_block.ref_time() as f64 / PER_MILLISECOND;
        let (mut counted, mut worst) = (0u32, 0f64);
        for _ in 0..count {
            let block =
                SignedBlock::<Block>::decode(&mut input).map_err(|error| failed("block", error))?;
            let number = *block.block.header().number();
            let took = import(&client, &block).await?;
            let declared = declared_ms(&client, &block)?;
            // As on a node that follows the chain, so that state does not pile up unfinalized.
            client.finalize_block(block.block.hash(), None, false)?;
            let share = took / declared;
            let full = declared * 100.0 / limit;
            if full >= self.fuller_than {
                counted += 1;
                worst = worst.max(share);
            }
            println!(
                "{}",
                serde_json::json!({
                    "block": number,
                    "extrinsics": block.block.extrinsics().len(),
                    "full_percent": full,
                    "declared_ms": declared,
                    "import_ms": took,
                })
            );
        }
        println!(
            "{}",
            serde_json::json!({ "blocks_counted": counted, "worst_import_to_declared": worst })
        );
        Ok(())
    }
}
