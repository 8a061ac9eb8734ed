// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! URLs of nodes, which may hold a key: in the path, in the query, before the host.
//!
//! Two things keep such a key inside. A [`SecretUrl`] shows scheme, host and port and nothing else.
//! And whatever leaves the program, that is logs, answers over HTTP and what it prints, goes through
//! [`Secrets::hide`]: libraries put whole URLs into their errors, and some servers send them back.

use alloy::transports::http::reqwest::Url;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, Serializer};
use std::{
    borrow::Cow,
    convert::Infallible,
    fmt,
    io::{self, Write},
    str::FromStr,
};

/// Parts of a path or query shorter than this are words, no keys; hidden together with the rest only.
const SHORTEST_KEY: usize = 8;
/// Stands for a part that is hidden.
const HIDDEN: &str = "***";

/// One URL, or several separated by commas. Shown without what may be secret.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretUrl(String);

impl SecretUrl {
    /// All of it, to connect. Never to be shown.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The URLs in it. A comma inside a URL is none between two.
    fn each(&self) -> Vec<&str> {
        let parts: Vec<&str> = self.0.split(',').map(str::trim).collect();
        if parts.iter().all(|part| part.contains("://")) {
            parts
        } else {
            vec![self.0.trim()]
        }
    }
}

impl From<&str> for SecretUrl {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for SecretUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for SecretUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, url) in self.each().into_iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{}", shown(url))?;
        }
        Ok(())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Scheme, host and port. Of what is no URL nothing: it may be the key alone.
fn shown(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return HIDDEN.into();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

/// What must not be shown, each with what is shown in its place.
#[derive(Clone, Default)]
pub struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// What these URLs hold beside scheme, host and port.
    pub fn of<'a>(urls: impl IntoIterator<Item = &'a SecretUrl>) -> Self {
        let mut found = Vec::new();
        for url in urls {
            for text in url.each() {
                collect(text, &mut found);
                // As a library writes it that has parsed it.
                if let Ok(parsed) = text.parse::<Url>() {
                    collect(parsed.as_str(), &mut found);
                }
            }
        }
        // The longest first: one may be a part of another.
        found.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        found.dedup_by(|(a, _), (b, _)| a == b);
        Self(found)
    }

    /// The text without the secrets.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut out = Cow::Borrowed(text);
        for (secret, instead) in &self.0 {
            if out.contains(secret.as_str()) {
                out = Cow::Owned(out.replace(secret.as_str(), instead));
            }
        }
        out
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

fn collect(url: &str, found: &mut Vec<(String, String)>) {
    let Some((_, rest)) = url.split_once("://") else {
        return;
    };
    let split = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(split);
    let mut hide = |part: &str, least: usize| {
        if part.len() >= least {
            found.push((part.to_owned(), HIDDEN.to_owned()));
        }
    };
    if let Some((user, _)) = authority.rsplit_once('@') {
        hide(&format!("{user}@"), 2);
        // Written as it is, without escapes, and as the header `Authorization` has it.
        for user in [user, &unescaped(user)] {
            user.split(':').for_each(|part| hide(part, SHORTEST_KEY));
            hide(&STANDARD.encode(user), SHORTEST_KEY);
        }
    }
    // A lone slash hides nothing. Path and query apart, too: not everybody keeps them together.
    hide(tail, 2);
    tail.split(['?', '#']).for_each(|part| hide(part, 2));
    tail.split(['/', '?', '#', '&', '=', ';'])
        .for_each(|part| hide(part, SHORTEST_KEY));
    // With what stands before the host and without it, as libraries take it away.
    if tail.len() > 1 || authority.contains('@') {
        found.push((url.to_owned(), shown(url)));
    }
    if tail.len() > 1 {
        found.push((format!("{}{tail}", shown(url)), shown(url)));
    }
}

/// Without `%xx`.
fn unescaped(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = (*first == b'%').then(|| tail.get(..2)).flatten();
        let mut byte = [0];
        if escaped.is_some_and(|digits| hex::decode_to_slice(digits, &mut byte).is_ok()) {
            out.push(byte[0]);
            rest = &tail[2..];
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Writes on without the secrets. A line must come in one piece, as those of the log do.
#[derive(Debug)]
pub struct Hiding<'a, W> {
    inner: W,
    secrets: Option<&'a Secrets>,
}

impl<'a, W> Hiding<'a, W> {
    /// Before the settings are read there are no secrets.
    pub const fn new(inner: W, secrets: Option<&'a Secrets>) -> Self {
        Self { inner, secrets }
    }
}

impl<W: Write> Write for Hiding<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = match self.secrets {
            Some(secrets) => secrets.hide(&text),
            None => text.as_ref().into(),
        };
        self.inner.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d15_a_url_is_shown_without_what_may_be_a_key() {
        let show = |text: &str| SecretUrl::from(text).to_string();
        assert_eq!(show("http://127.0.0.1:8545"), "http://127.0.0.1:8545");
        assert_eq!(
            show("https://me:pass@l2.example/v2/key?a=b#c"),
            "https://l2.example"
        );
        assert_eq!(show("http://a/1, https://b:2?x"), "http://a, https://b:2");
        assert_eq!(show("wss://node/?list=1,2"), "wss://node");
        assert_eq!(show("nothing-but-a-key"), HIDDEN);
        let url = SecretUrl::from("http://h/0123456789");
        assert_eq!(format!("{url:?}"), "http://h");
        assert_eq!(serde_json::to_string(&url).unwrap(), "\"http://h\"");
        assert_eq!(url.expose(), "http://h/0123456789");
    }

    #[test]
    fn d15_what_a_library_or_a_server_repeats_of_a_url_is_hidden() {
        let urls = [
            SecretUrl::from(
                "https://user:long-password@l2.example/v3/0123456789abcdef?token=fedcba9876543210",
            ),
            SecretUrl::from("http://a:1/short,http://b:2/"),
        ];
        let secrets = Secrets::of(&urls);
        let cases = [
            (
                "error for url (https://user:long-password@l2.example/v3/0123456789abcdef?token=fedcba9876543210)",
                "error for url (https://l2.example)",
            ),
            (
                "(https://l2.example/v3/0123456789abcdef?token=fedcba9876543210)",
                "(https://l2.example)",
            ),
            ("no project 0123456789abcdef", "no project ***"),
            ("bad token fedcba9876543210!", "bad token ***!"),
            ("who is long-password?", "who is ***?"),
            (
                "GET /short failed at http://a:1/short",
                "GET *** failed at http://a:1",
            ),
            (
                "http://b:2/ is short of destination.rpc_url",
                "http://b:2/ is short of destination.rpc_url",
            ),
        ];
        for (text, clean) in cases {
            assert_eq!(secrets.hide(text), clean);
        }
    }

    #[test]
    fn d15_a_key_is_hidden_as_a_library_writes_it_too() {
        let secrets = Secrets::of(&[SecretUrl::from("http://H:80/a key with spaces")]);
        let written = "http://h/a%20key%20with%20spaces";
        assert_eq!(secrets.hide(written), "http://h");
        assert_eq!(secrets.hide("a%20key%20with%20spaces"), "***");
    }

    #[test]
    fn d15_a_password_is_hidden_as_a_header_has_it() {
        let secrets = Secrets::of(&[SecretUrl::from("http://me:p%40ss%zzword@h/")]);
        for text in ["me:p@ss%zzword", "me:p%40ss%zzword"] {
            let header = format!("Basic {}", STANDARD.encode(text));
            assert_eq!(secrets.hide(&header), "Basic ***");
        }
        assert_eq!(secrets.hide("p@ss%zzword"), "***");
        assert_eq!(secrets.hide("http://me:p%40ss%zzword@h/"), "http://h");
    }

    #[test]
    fn d15_lines_of_the_log_go_out_without_secrets() {
        let secrets = Secrets::of(&[SecretUrl::from("http://h/0123456789")]);
        let mut out = Vec::new();
        Hiding::new(&mut out, Some(&secrets))
            .write_all(b"asked http://h/0123456789 twice\n")
            .unwrap();
        Hiding::new(&mut out, None)
            .write_all(b"no settings yet\n")
            .unwrap();
        assert_eq!(out, b"asked http://h twice\nno settings yet\n");
    }
}
