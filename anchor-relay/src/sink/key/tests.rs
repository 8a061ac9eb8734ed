// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use alloy::{
    primitives::{ChainId, Signature, TxKind, U256},
    signers::{Error, Result},
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const SECRET: &str = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const ADDRESS: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const PASSPHRASE: &str = "a passphrase of a test";

/// A file of this content that its owner only can read.
fn private(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// The pbkdf2 example of the Web3 Secret Storage Definition; its passphrase is "testpassword".
fn example() -> Value {
    json!({
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": "6087dab2f9fdbbfaddc31a909735c1e6" },
            "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
            "kdf": "pbkdf2",
            "kdfparams": {
                "c": 262144, "dklen": 32, "prf": "hmac-sha256",
                "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
            },
            "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3,
    })
}

#[test]
fn d15_a_key_never_shows_its_secret() {
    let key = Key::from_hex(SECRET, "test").unwrap();
    let shown = format!("{key:?}");
    assert!(shown.contains(ADDRESS), "{shown}");
    assert!(!shown.to_lowercase().contains(&SECRET[..16]), "{shown}");
}

#[test]
fn d15_an_error_does_not_repeat_what_it_read() {
    let error = Key::from_hex("not-a-key-but-secret", "key file x").unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let path = private(&dir, "key", "{\"version\": \"secret\"}");
    let error = Key::from_file(&path, None, true).unwrap_err().to_string();
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn d15_a_key_file_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = private(&dir, "key", &format!("0x{SECRET}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(
        Key::from_file(&path, None, true),
        Err(KeyError::Exposed { mode: 0o644, .. })
    ));
}

#[test]
fn d15_a_plain_key_is_used_only_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = private(&dir, "key", SECRET);
    assert!(matches!(
        Key::from_file(&path, None, false),
        Err(KeyError::Plain(_))
    ));
    let key = Key::from_file(&path, None, true).unwrap();
    assert_eq!(key.address().to_string(), ADDRESS);
    assert!(key.origin().contains("NOT ENCRYPTED"), "{}", key.origin());
}

#[test]
fn d15_a_keystore_opens_with_its_passphrase_only() {
    let dir = tempfile::tempdir().unwrap();
    let passphrase = private(&dir, "passphrase", &format!("{PASSPHRASE}\n"));
    let wrong = private(&dir, "wrong", "another passphrase");
    let path = dir.path().join("relay.json");
    let secret = secret_from_hex(SECRET, "test").unwrap();
    let address = write_keystore(&path, Some(&secret), Some(&passphrase)).unwrap();
    assert_eq!(address.to_string(), ADDRESS);

    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&SECRET[..16]), "the secret is in the file");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 3, "something is left behind: {left:?}");

    let key = Key::from_file(&path, Some(&passphrase), false).unwrap();
    assert_eq!(key.address(), address);
    assert!(key.origin().contains("encrypted keystore"));
    assert!(matches!(
        Key::from_file(&path, Some(&wrong), false),
        Err(KeyError::WrongPassphrase(_))
    ));
}

#[test]
fn d15_a_new_keystore_replaces_nothing_and_needs_a_passphrase_of_some_length() {
    let dir = tempfile::tempdir().unwrap();
    let passphrase = private(&dir, "passphrase", PASSPHRASE);
    let short = private(&dir, "short", "hunter2");
    let path = dir.path().join("relay.json");
    let refused = write_keystore(&path, None, Some(&short));
    assert!(matches!(refused, Err(KeyError::BadPassphrase(_))));
    assert!(!path.exists());
    let first = write_keystore(&path, None, Some(&passphrase)).unwrap();
    let again = write_keystore(&path, None, Some(&passphrase));
    assert!(matches!(again, Err(KeyError::Unwritable { .. })));
    let key = Key::from_file(&path, Some(&passphrase), false).unwrap();
    assert_eq!(key.address(), first);
    let other = write_keystore(&dir.path().join("other"), None, Some(&passphrase)).unwrap();
    assert_ne!(other, first);
}

#[test]
fn d15_a_keystore_of_another_program_opens() {
    let dir = tempfile::tempdir().unwrap();
    let passphrase = private(&dir, "passphrase", "testpassword");
    let path = private(&dir, "key", &example().to_string());
    let key = Key::from_file(&path, Some(&passphrase), false).unwrap();
    let secret = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";
    let plain = Key::from_hex(secret, "test").unwrap();
    assert_eq!(key.address(), plain.address());
}

#[test]
fn d15_a_keystore_that_would_cost_or_break_the_program_is_refused_by_its_form() {
    let dir = tempfile::tempdir().unwrap();
    let passphrase = private(&dir, "passphrase", "testpassword");
    let scrypt =
        |n: u64, r: u64, p: u64| json!({ "dklen": 32, "salt": "ab", "n": n, "r": r, "p": p });
    let cases = [
        ("/version", json!(2)),
        ("/crypto/cipher", json!("aes-256-cbc")),
        ("/crypto/cipherparams/iv", json!("60")),
        ("/crypto/ciphertext", json!("")),
        ("/crypto/mac", json!("zz")),
        ("/crypto/kdfparams/dklen", json!(8)),
        ("/crypto/kdfparams/dklen", json!(1u64 << 40)),
        ("/crypto/kdfparams/c", json!(u32::MAX)),
        ("/crypto/kdfparams/prf", json!("hmac-md5")),
        ("/crypto/kdf", json!("scrypt")),
        ("/crypto/kdfparams", scrypt(1 << 40, 8, 1)),
        ("/crypto/kdfparams", scrypt(1 << 18, 8, 1000)),
        ("/crypto/kdfparams", scrypt(3, 8, 1)),
        ("/crypto/kdfparams", scrypt(8192, 0, 1)),
        ("/crypto", json!(null)),
    ];
    for (place, value) in cases {
        let mut keystore = example();
        if value.get("n").is_some() {
            keystore["crypto"]["kdf"] = json!("scrypt");
        }
        *keystore.pointer_mut(place).unwrap() = value;
        let path = private(&dir, "key", &keystore.to_string());
        assert!(
            matches!(
                Key::from_file(&path, Some(&passphrase), false),
                Err(KeyError::Keystore { .. })
            ),
            "{keystore}"
        );
    }
    let path = private(&dir, "key", &format!("{{{}", " ".repeat(20_000)));
    assert!(matches!(
        Key::from_file(&path, Some(&passphrase), false),
        Err(KeyError::Unreadable { .. })
    ));
}

#[cfg(not(any(feature = "aws-kms", feature = "gcp-kms")))]
#[tokio::test]
async fn d15_a_signer_that_is_not_built_in_is_named_with_its_feature() {
    let aws = Key::open(&KeySource::AwsKms("id".into()))
        .await
        .unwrap_err();
    assert!(aws.to_string().contains("--features aws-kms"), "{aws}");
    let gcp = Key::open(&KeySource::GcpKms("id".into()))
        .await
        .unwrap_err();
    assert!(gcp.to_string().contains("--features gcp-kms"), "{gcp}");
}

/// A key service that says it holds one key and signs with another, or never answers.
struct Service {
    shown: Address,
    signs: Option<PrivateKeySigner>,
}

#[async_trait]
impl Signer for Service {
    async fn sign_hash(&self, hash: &B256) -> Result<Signature> {
        match &self.signs {
            Some(signer) => signer.sign_hash(hash).await,
            None => Err(Error::other("throttled")),
        }
    }

    fn address(&self) -> Address {
        self.shown
    }

    fn chain_id(&self) -> Option<ChainId> {
        None
    }

    fn set_chain_id(&mut self, _: Option<ChainId>) {}
}

fn transaction() -> TxEip1559 {
    TxEip1559 {
        chain_id: 1,
        gas_limit: 21_000,
        to: TxKind::Call(Address::ZERO),
        value: U256::ZERO,
        ..Default::default()
    }
}

#[tokio::test]
async fn d15_a_key_service_is_believed_only_when_it_signs_with_the_key_it_showed() {
    let signer: PrivateKeySigner = SECRET.parse().unwrap();
    let shown = signer.address();
    let honest = Service {
        shown,
        signs: Some(signer),
    };
    let here = Key::from_hex(SECRET, "test").unwrap();
    let there = Key::new(honest, "a service".into());
    assert_eq!(
        here.sign(transaction()).await.unwrap(),
        there.sign(transaction()).await.unwrap()
    );
    let other = Service {
        shown,
        signs: Some(PrivateKeySigner::random()),
    };
    let refused = Key::new(other, "a service".into());
    let refused = refused.sign(transaction()).await;
    assert!(matches!(refused, Err(SignError::OtherKey(_))));
    let away = Service { shown, signs: None };
    let refused = Key::new(away, "a service".into());
    let refused = refused.sign(transaction()).await;
    assert!(matches!(refused, Err(SignError::Signer(_))));
}
