// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What nothing may contain that leaves the server.
//!
//! Commands print no secrets. This is the second line: every answer, error, log line and audit
//! entry is searched for the secrets that the process holds, and for what an endpoint's address
//! hides between scheme and host or behind the path.

use crate::{commands::Context, config::ConfigFile, vault::Answered};
use serde_json::Value;
use zeroize::Zeroizing;

/// What stands in a secret's place.
const HIDDEN: &str = "[hidden]";
/// Shorter texts are no secrets, and would be found everywhere.
const SHORTEST: usize = 6;
/// A segment of an endpoint's path from this length on is taken for a key.
const KEY_LIKE: usize = 20;

/// The texts to hide.
pub(super) struct Secrets {
    texts: Vec<Zeroizing<String>>,
    /// The passphrase that a command may answer during the call.
    answered: Answered,
}

impl Secrets {
    /// What this process holds, and what its endpoints' addresses hold.
    pub(super) fn of(context: &Context, token: Option<&str>) -> Self {
        let mut texts = context.secrets();
        texts.extend(Self::bare(token).texts);
        let endpoint: [fn(&ConfigFile) -> &Option<String>; 2] =
            [|config| &config.node_url, |config| &config.l1_rpc_url];
        for field in endpoint {
            if let Some(setting) = context.config.get(field) {
                texts.extend(of_address(&setting.value));
            }
        }
        Self {
            answered: context.answered(),
            ..Self::new(texts)
        }
    }

    /// What is known without a configuration.
    pub(super) fn bare(token: Option<&str>) -> Self {
        Self::new(
            token
                .map(|token| Zeroizing::new(token.to_owned()))
                .into_iter()
                .collect(),
        )
    }

    /// Nothing to hide.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self::new(Vec::new())
    }

    fn new(mut texts: Vec<Zeroizing<String>>) -> Self {
        texts.retain(|text| text.chars().count() >= SHORTEST);
        // The longest first: a secret may be part of another.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        Self {
            texts,
            answered: Answered::default(),
        }
    }

    /// The text without any secret.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        let late = self.answered.text().filter(|text| text.len() >= SHORTEST);
        for secret in late.iter().chain(&self.texts) {
            if clean.contains(secret.as_str()) {
                clean = clean.replace(secret.as_str(), HIDDEN);
            }
        }
        clean
    }

    /// The value without any secret, in names of members too.
    pub(super) fn hide_in(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.hide(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.hide_in(item)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| (self.hide(&name), self.hide_in(value)))
                .collect(),
            other => other,
        }
    }
}

/// User, password, query and key-like segments of an address.
fn of_address(address: &str) -> Vec<Zeroizing<String>> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    let password = user.and_then(|user| user.split_once(':').map(|(_, password)| password));
    let segments = path.split('/').filter(|segment| segment.len() >= KEY_LIKE);
    user.into_iter()
        .chain(password)
        .chain(query)
        .chain(segments)
        .map(|text| Zeroizing::new(text.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(address: &str) -> Vec<String> {
        of_address(address).iter().map(|t| t.to_string()).collect()
    }

    #[test]
    fn an_address_hides_its_user_its_query_and_its_keys() {
        assert_eq!(
            texts("wss://agent:hunter22@node.example/path?key=abcdef"),
            ["agent:hunter22", "hunter22", "key=abcdef"]
        );
        assert_eq!(
            texts("https://mainnet.example/v2/0123456789abcdef0123"),
            ["0123456789abcdef0123"]
        );
        assert!(texts("ws://127.0.0.1:9944").is_empty());
    }

    #[test]
    fn secrets_vanish_from_values_and_names() {
        let secret = |text: &str| Zeroizing::new(text.to_owned());
        let secrets = Secrets::new(vec![
            secret("hunter22"),
            secret("agent:hunter22"),
            secret("a"),
        ]);
        let value = json!({"url": ["wss://agent:hunter22@host"], "hunter22": {"n": 1}, "a": "a"});
        let expected = json!({"url": ["wss://[hidden]@host"], "[hidden]": {"n": 1}, "a": "a"});
        assert_eq!(secrets.hide_in(value), expected);
    }
}
