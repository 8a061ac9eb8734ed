// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Chain specifications made from the runtime's genesis presets.

use polkadot_sdk::{
    sc_service::{ChainType, GenericChainSpec, Properties},
    sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET},
};
use ves_runtime::WASM_BINARY;

/// Network identifier under which nodes of this chain find each other.
const PROTOCOL_ID: &str = "ves";

fn properties() -> Properties {
    let mut properties = Properties::new();
    properties.insert("ss58Format".into(), 42.into());
    // There is no currency; explorers that insist on one show nothing.
    properties.insert("tokenDecimals".into(), 0.into());
    properties.insert("tokenSymbol".into(), "".into());
    properties
}

fn from_preset(
    name: &str,
    id: &str,
    chain_type: ChainType,
    preset: &str,
) -> Result<GenericChainSpec, String> {
    let wasm = WASM_BINARY.ok_or(
        "this binary was built without the runtime's wasm (SKIP_WASM_BUILD); build it again",
    )?;
    Ok(GenericChainSpec::builder(wasm, None)
        .with_name(name)
        .with_id(id)
        .with_protocol_id(PROTOCOL_ID)
        .with_chain_type(chain_type)
        .with_genesis_config_preset_name(preset)
        .with_properties(properties())
        .build())
}

/// One validator with a publicly known key.
pub(crate) fn development() -> Result<GenericChainSpec, String> {
    from_preset(
        "VES Development",
        "ves_dev",
        ChainType::Development,
        DEV_RUNTIME_PRESET,
    )
}

/// Four validators with publicly known keys.
pub(crate) fn local() -> Result<GenericChainSpec, String> {
    from_preset(
        "VES Local",
        "ves_local",
        ChainType::Local,
        LOCAL_TESTNET_RUNTIME_PRESET,
    )
}
