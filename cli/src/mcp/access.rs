// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the operator allows.

use super::McpArgs;
use crate::reading::Readable;
use serde::Serialize;
use std::str::FromStr;
use ves_primitives::registry::TypePattern;

/// How much a server may do; each mode includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mode {
    /// Look and verify.
    #[serde(rename = "read-only")]
    Read,
    /// Capture, push, pull, prove.
    Write,
    /// Change keys and groups, decide about conflicts.
    Admin,
}

impl Mode {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Read => "read-only",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }

    /// The flag that starts a server in this mode.
    pub(super) const fn flag(self) -> &'static str {
        match self {
            Self::Read => "--read-only",
            Self::Write => "--allow-write",
            Self::Admin => "--allow-admin",
        }
    }
}

/// Whether a person confirms what becomes public.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Confirm {
    /// If the client can ask one.
    #[default]
    Auto,
    /// Always: a client that cannot ask is refused.
    Always,
    /// Never: the token of the first step is enough.
    Never,
}

/// Types of entities whose payloads may be decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTypes(Vec<TypePattern>);

impl FromStr for EntityTypes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(|pattern| {
                pattern
                    .parse()
                    .map_err(|error| format!("{pattern:?}: {error}"))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Which encrypted payloads the server may open: none unless the operator says so.
pub(super) fn readable(args: &McpArgs) -> Readable {
    let types = args.allow_decrypt.as_ref().map(|types| types.0.clone());
    Readable::Entities(types.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_a_list_of_patterns() {
        let types: EntityTypes = "order,refund.*".parse().unwrap();
        assert_eq!(types.0.len(), 2);
        for wrong in ["", "order,", "a*b", "order,,refund"] {
            assert!(wrong.parse::<EntityTypes>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_mode_includes_the_ones_before_it() {
        assert!(Mode::Read < Mode::Write && Mode::Write < Mode::Admin);
    }
}
