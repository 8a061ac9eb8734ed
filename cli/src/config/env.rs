// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Settings of the environment.

use super::ConfigFile;
use crate::error::{Failure, Result};
use std::{fmt, path::PathBuf, str::FromStr};

/// Access to environment variables; a function so that tests need not change the process.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The real environment. Empty variables count as absent.
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub(super) fn user_directory(env: Env<'_>) -> Option<PathBuf> {
    let base = match env("XDG_CONFIG_HOME") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env("HOME")?).join(".config"),
    };
    Some(base.join("stateset-sync"))
}

pub(super) fn from_env(env: Env<'_>) -> Result<ConfigFile> {
    fn parse<T: FromStr>(env: Env<'_>, name: &str) -> Result<Option<T>>
    where
        T::Err: fmt::Display,
    {
        env(name)
            .map(|text| {
                text.parse().map_err(|e: T::Err| {
                    Failure::usage("environment_invalid", format!("{name}={text}: {e}"))
                        .hint(format!("correct or unset {name}"))
                })
            })
            .transpose()
    }
    Ok(ConfigFile {
        profile: env("VES_PROFILE"),
        node_url: env("VES_NODE_URL"),
        tenant_id: parse(env, "VES_TENANT_ID")?,
        store_id: parse(env, "VES_STORE_ID")?,
        agent_id: parse(env, "VES_AGENT_ID")?,
        genesis_hash: parse(env, "VES_GENESIS_HASH")?,
        authority_set: parse(env, "VES_AUTHORITY_SET")?,
        l1_rpc_url: env("VES_L1_RPC_URL"),
        l1_registry: env("VES_L1_REGISTRY"),
        passphrase_file: env("VES_PASSPHRASE_FILE").map(PathBuf::from),
        passphrase_command: env("VES_PASSPHRASE_COMMAND")
            .map(|text| {
                serde_json::from_str(&text).map_err(|e| {
                    Failure::usage(
                        "environment_invalid",
                        format!("VES_PASSPHRASE_COMMAND: {e}"),
                    )
                    .hint(
                        "give a JSON list of program and arguments, as [\"pass\",\"show\",\"ves\"]",
                    )
                })
            })
            .transpose()?,
        schemas_dir: env("VES_SCHEMAS_DIR").map(PathBuf::from),
        unknown_event_types: parse(env, "VES_UNKNOWN_EVENT_TYPES")?,
        keep_no_plaintext: parse(env, "VES_KEEP_NO_PLAINTEXT")?,
        ..ConfigFile::default()
    })
}
