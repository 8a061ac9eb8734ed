// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The genesis of a production chain, made from its operators' public keys.
//!
//! What is wrong with such a file is found when it is read, not when the chain stands still.

use crate::{
    AccountId,
    configs::MAX_VALIDATORS,
    genesis_config_presets::{Genesis, Validator},
    opaque::SessionKeys,
};
use polkadot_sdk::{
    sp_core::{
        crypto::{Ss58AddressFormat, Ss58Codec},
        ed25519, sr25519,
    },
    sp_keyring::{Ed25519Keyring, Sr25519Keyring},
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use ves_primitives::{SigningPublicKey, StoreId, TenantId};

/// Fewer validators tolerate no faulty one.
const FEWEST_VALIDATORS: u32 = 4;
/// Of fewer members two thirds are one or all.
const FEWEST_COUNCIL: usize = 3;
/// Ten minutes.
const DEFAULT_SESSION_BLOCKS: u32 = 300;
/// A day.
const MOST_SESSION_BLOCKS: u32 = 43_200;

/// A consortium as its operators write it down.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Consortium {
    name: String,
    id: String,
    validators: Vec<Operator>,
    council: Vec<String>,
    #[serde(default)]
    tenants: Vec<(TenantId, String, Vec<StoreId>)>,
    #[serde(default)]
    boot_nodes: Vec<String>,
    session_blocks: Option<u32>,
    minimum_validators: Option<u32>,
}

/// One validator's public keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operator {
    account: String,
    aura: String,
    grandpa: String,
}

/// What a chain specification is made of.
#[derive(Debug)]
pub struct Spec {
    /// The chain's name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// Nodes that a new one asks first.
    pub boot_nodes: Vec<String>,
    /// Patch of the default genesis.
    pub genesis: Value,
}

/// Reads a consortium from JSON.
///
/// # Errors
/// What is wrong with it, for people.
pub fn read(json: &str) -> Result<Spec, String> {
    let consortium: Consortium =
        serde_json::from_str(json).map_err(|error| format!("not a consortium: {error}"))?;
    consortium.spec()
}

/// A public key in SS58 form for chains with prefix 42.
fn public(text: &str) -> Result<[u8; 32], String> {
    let (key, format) = sr25519::Public::from_ss58check_with_version(text)
        .map_err(|error| format!("\"{text}\" is no public key in SS58 form: {error}"))?;
    if format != Ss58AddressFormat::custom(42) {
        return Err(format!("{text} is for another chain: its prefix is not 42"));
    }
    Ok(key.0)
}

/// Keys whose secrets everybody knows.
fn well_known() -> BTreeSet<[u8; 32]> {
    Sr25519Keyring::iter()
        .map(|key| key.public().0)
        .chain(Ed25519Keyring::iter().map(|key| key.public().0))
        .chain([[0; 32]])
        .collect()
}

/// Keys that were read, each with its only role.
struct Roles {
    well_known: BTreeSet<[u8; 32]>,
    taken: BTreeMap<[u8; 32], &'static str>,
}

impl Roles {
    /// A key that has this role and no other.
    fn alone(&mut self, text: &str, role: &'static str) -> Result<[u8; 32], String> {
        let key = self.shared(text)?;
        match self.taken.insert(key, role) {
            None => Ok(key),
            Some(other) if other == role => Err(format!("{text} is {role} twice")),
            Some(other) => Err(format!("{text} is {other} and {role}: keys are kept apart")),
        }
    }

    /// An account that may have several roles.
    fn shared(&self, text: &str) -> Result<[u8; 32], String> {
        let key = public(text)?;
        if self.well_known.contains(&key) {
            return Err(format!("everybody knows the secret of {text}"));
        }
        Ok(key)
    }
}

impl Consortium {
    fn spec(self) -> Result<Spec, String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.name.trim().is_empty() || self.id.is_empty() || !self.id.chars().all(plain) {
            return Err("a chain has a name and an id of a-z, 0-9 and _".into());
        }
        let count = u32::try_from(self.validators.len()).unwrap_or(u32::MAX);
        let minimum = self.minimum_validators.unwrap_or(FEWEST_VALIDATORS);
        if minimum < FEWEST_VALIDATORS {
            return Err(format!(
                "fewer than {FEWEST_VALIDATORS} validators tolerate no faulty one: minimumValidators is {minimum}"
            ));
        }
        if count < minimum || count > MAX_VALIDATORS {
            return Err(format!(
                "{count} validators; there must be {minimum} to {MAX_VALIDATORS}"
            ));
        }
        let session_blocks = self.session_blocks.unwrap_or(DEFAULT_SESSION_BLOCKS);
        // Shorter, and one could not tell who is absent.
        let fewest = count.saturating_mul(2);
        if !(fewest..=MOST_SESSION_BLOCKS).contains(&session_blocks) {
            return Err(format!(
                "sessionBlocks is {session_blocks}; it must be {fewest} to {MOST_SESSION_BLOCKS}"
            ));
        }
        let mut roles = Roles {
            well_known: well_known(),
            taken: BTreeMap::new(),
        };
        let mut validators = Vec::new();
        for operator in &self.validators {
            let account = roles.alone(&operator.account, "a validator's account")?;
            let aura = roles.alone(&operator.aura, "a key for blocks")?;
            let grandpa = roles.alone(&operator.grandpa, "a key for votes")?;
            SigningPublicKey(grandpa)
                .check()
                .map_err(|weak| format!("{} is no key for votes: {weak:?}", operator.grandpa))?;
            validators.push(Validator {
                account: account.into(),
                keys: SessionKeys {
                    aura: sr25519::Public::from_raw(aura).into(),
                    grandpa: ed25519::Public::from_raw(grandpa).into(),
                },
            });
        }
        let signs = |key: &[u8; 32]| {
            matches!(
                roles.taken.get(key),
                Some(&"a key for blocks" | &"a key for votes")
            )
        };
        let account = |text: &String| -> Result<AccountId, String> {
            let key = roles.shared(text)?;
            if signs(&key) {
                return Err(format!("{text} signs for a validator: keys are kept apart"));
            }
            Ok(key.into())
        };
        let council = self
            .council
            .iter()
            .map(account)
            .collect::<Result<Vec<_>, _>>()?;
        let distinct: BTreeSet<_> = council.iter().collect();
        if distinct.len() != council.len() {
            return Err("the council has an account twice".into());
        }
        if council.len() < FEWEST_COUNCIL {
            return Err(format!("a council has at least {FEWEST_COUNCIL} members"));
        }
        let tenants = self
            .tenants
            .iter()
            .map(|(tenant, admin, stores)| Ok((*tenant, account(admin)?, stores.clone())))
            .collect::<Result<Vec<_>, String>>()?;
        let genesis = Genesis {
            validators,
            session_blocks,
            minimum,
            council,
            tenants,
        };
        Ok(Spec {
            name: self.name,
            id: self.id,
            boot_nodes: self.boot_nodes,
            genesis: genesis.patch(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polkadot_sdk::sp_core::Pair;
    use serde_json::json;

    fn account(path: &str) -> String {
        sr25519::Pair::from_string(path, None)
            .expect("a path")
            .public()
            .to_ss58check()
    }

    fn votes(path: &str) -> String {
        ed25519::Pair::from_string(path, None)
            .expect("a path")
            .public()
            .to_ss58check()
    }

    fn consortium() -> Value {
        let validators: Vec<_> = (0..4)
            .map(|n| {
                json!({
                    "account": account(&format!("//operator/{n}")),
                    "aura": account(&format!("//blocks/{n}")),
                    "grandpa": votes(&format!("//votes//{n}")),
                })
            })
            .collect();
        let council: Vec<_> = (0..3).map(|n| account(&format!("//member/{n}"))).collect();
        json!({
            "name": "Example", "id": "example",
            "validators": validators,
            "council": council,
            "tenants": [[
                "11111111-1111-4111-8111-111111111111",
                account("//admin"),
                ["22222222-2222-4222-8222-222222222222"],
            ]],
        })
    }

    fn with(pointer: &str, value: Value) -> Result<Spec, String> {
        let mut changed = consortium();
        *changed.pointer_mut(pointer).expect("there is such a place") = value;
        read(&changed.to_string())
    }

    fn plus(member: &str, value: Value) -> Result<Spec, String> {
        let mut changed = consortium();
        changed[member] = value;
        read(&changed.to_string())
    }

    #[test]
    fn operators_public_keys_make_a_genesis() {
        let spec = read(&consortium().to_string()).expect("a good one");
        assert_eq!((&*spec.name, &*spec.id), ("Example", "example"));
        let genesis = &spec.genesis;
        assert_eq!(genesis["session"]["keys"].as_array().map(Vec::len), Some(4));
        assert_eq!(genesis["consortium"]["sessionLength"], 300);
        assert_eq!(genesis["consortium"]["minimum"], 4);
        assert_eq!(
            genesis["council"]["members"].as_array().map(Vec::len),
            Some(3)
        );
        assert_eq!(
            genesis["session"]["keys"][0][2]["aura"],
            consortium()["validators"][0]["aura"]
        );
    }

    #[test]
    fn keys_that_everybody_knows_are_refused_in_every_role() {
        for (pointer, key) in [
            ("/validators/0/account", account("//Alice")),
            ("/validators/1/account", account("//Bob//stash")),
            ("/validators/1/aura", account("//Eve")),
            ("/validators/2/grandpa", votes("//Charlie")),
            // By another scheme than the role's.
            ("/validators/2/grandpa", account("//Alice")),
            ("/council/0", account("//Ferdie")),
            ("/tenants/0/1", account("//Dave")),
        ] {
            let refused = with(pointer, json!(key)).unwrap_err();
            assert!(refused.contains("everybody knows"), "{pointer}: {refused}");
        }
    }

    #[test]
    fn a_key_has_one_role_and_one_holder() {
        let place = |pointer: &str| consortium().pointer(pointer).cloned().unwrap_or_default();
        for (pointer, other) in [
            ("/validators/0/account", "/validators/1/account"),
            ("/validators/0/aura", "/validators/1/aura"),
            ("/validators/0/grandpa", "/validators/3/grandpa"),
            ("/validators/0/aura", "/validators/0/account"),
            ("/validators/0/aura", "/validators/1/grandpa"),
            ("/council/0", "/council/1"),
            ("/council/0", "/validators/1/aura"),
            ("/tenants/0/1", "/validators/1/grandpa"),
        ] {
            let refused = with(pointer, place(other)).unwrap_err();
            let named = refused.contains("twice") || refused.contains("kept apart");
            assert!(named, "{pointer}: {refused}");
        }
        // An operator may sit in the council.
        assert!(with("/council/0", place("/validators/1/account")).is_ok());
    }

    #[test]
    fn what_is_no_public_key_of_this_chain_is_refused() {
        let good = consortium()["council"][0]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let mistyped = good.replacen(&good[9..10], if &good[9..10] == "x" { "y" } else { "x" }, 1);
        let elsewhere = sr25519::Public::from_raw([7; 32])
            .to_ss58check_with_version(Ss58AddressFormat::custom(0));
        for text in ["", "//Alice", "0x00", &mistyped, &elsewhere] {
            assert!(with("/council/0", json!(text)).is_err(), "{text}");
        }
        // The neutral element: every signature by it holds for some message.
        let mut weak = [0; 32];
        weak[0] = 1;
        let weak = sr25519::Public::from_raw(weak).to_ss58check();
        let refused = with("/validators/0/grandpa", json!(weak)).unwrap_err();
        assert!(refused.contains("no key for votes"), "{refused}");
    }

    #[test]
    fn too_few_to_tolerate_a_fault_are_refused() {
        let mut three = consortium();
        three["validators"].as_array_mut().expect("a list").pop();
        assert!(
            read(&three.to_string())
                .unwrap_err()
                .contains("3 validators")
        );
        three["minimumValidators"] = json!(3);
        assert!(read(&three.to_string()).unwrap_err().contains("tolerate"));
        assert!(plus("minimumValidators", json!(5)).is_err());
        let mut pair = consortium();
        pair["council"].as_array_mut().expect("a list").pop();
        assert!(read(&pair.to_string()).unwrap_err().contains("council"));
    }

    #[test]
    fn sessions_are_neither_too_short_nor_too_long() {
        for blocks in [0, 7, 43_201] {
            assert!(plus("sessionBlocks", json!(blocks)).is_err(), "{blocks}");
        }
        let spec = plus("sessionBlocks", json!(8)).expect("two turns each");
        assert_eq!(spec.genesis["consortium"]["sessionLength"], 8);
    }

    #[test]
    fn unknown_and_missing_members_are_named() {
        assert!(plus("sudo", json!("5…")).unwrap_err().contains("sudo"));
        let mut nameless = consortium();
        nameless
            .as_object_mut()
            .expect("an object")
            .remove("council");
        assert!(read(&nameless.to_string()).unwrap_err().contains("council"));
        assert!(with("/id", json!("Not so plain")).is_err());
        assert!(read("[").is_err());
    }
}
