// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Chain specifications made from the runtime's genesis presets, or from operators' public keys.

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

fn wasm() -> Result<&'static [u8], String> {
    WASM_BINARY.ok_or_else(|| {
        "this binary was built without the runtime's wasm (SKIP_WASM_BUILD); build it again".into()
    })
}

/// A production chain from its operators' public keys, with this node's runtime or the given one.
pub(crate) fn consortium(json: &str, code: Option<&[u8]>) -> Result<GenericChainSpec, String> {
    let spec = ves_runtime::consortium_spec::read(json)?;
    let boot_nodes = spec
        .boot_nodes
        .iter()
        .map(|address| {
            address
                .parse()
                .map_err(|error| format!("boot node {address}: {error}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let code = match code {
        Some(code) => code,
        None => wasm()?,
    };
    Ok(GenericChainSpec::builder(code, None)
        .with_name(&spec.name)
        .with_id(&spec.id)
        .with_protocol_id(PROTOCOL_ID)
        .with_chain_type(ChainType::Live)
        .with_boot_nodes(boot_nodes)
        .with_genesis_config_patch(spec.genesis)
        .with_properties(properties())
        .build())
}

fn from_preset(
    name: &str,
    id: &str,
    chain_type: ChainType,
    preset: &str,
) -> Result<GenericChainSpec, String> {
    Ok(GenericChainSpec::builder(wasm()?, None)
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
