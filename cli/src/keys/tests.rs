// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use crate::testing::registration;

const AGENT: AgentId = AgentId([7; 16]);

fn store() -> (tempfile::TempDir, KeyStore) {
    let dir = tempfile::tempdir().unwrap();
    let keys = KeyStore::at(dir.path().join("keys"));
    (dir, keys)
}

fn no_passphrase() -> Result<Passphrase> {
    Err(Failure::unexpected("asked for a passphrase"))
}

#[test]
fn numbers_rise_and_no_key_is_overwritten() {
    let (_dir, keys) = store();
    let first = keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    let second = keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    let other = keys
        .generate(AGENT, Purpose::Encryption, &Protection::Plaintext)
        .unwrap();
    assert_eq!([first.key_id.0, second.key_id.0, other.key_id.0], [1, 2, 1]);
    assert_ne!(first.public_key, second.public_key);
    assert_eq!(keys.list(AGENT, Purpose::Signing).unwrap(), [first, second]);
    SigningPublicKey(
        keys.load(AGENT, Purpose::Signing, KeyId(1))
            .unwrap()
            .public_key,
    )
    .check()
    .unwrap();
    EncryptionPublicKey::from(&other).check().unwrap();
}

#[test]
fn the_newest_registered_key_is_preferred() {
    let (_dir, keys) = store();
    let first = keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    let second = keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    assert_eq!(
        keys.preferred(AGENT, Purpose::Signing).unwrap().key_id,
        second.key_id
    );
    keys.note_registration(&first, registration(3)).unwrap();
    assert_eq!(
        keys.preferred(AGENT, Purpose::Signing).unwrap().key_id,
        first.key_id
    );
}

#[test]
fn a_locked_key_signs_only_with_its_passphrase() {
    let (_dir, keys) = store();
    let protection = Protection::Passphrase(Passphrase::new("correct horse"));
    let file = keys.generate(AGENT, Purpose::Signing, &protection).unwrap();
    let signer = file
        .signer(|| Ok(Passphrase::new("correct horse")))
        .unwrap();
    let signature = signer.sign(&[9; 32]).unwrap();
    let public = SigningPublicKey(file.public_key);
    assert!(ves_primitives::verify_ed25519(
        &public, &[9; 32], &signature
    ));
    assert_eq!(signer.sign(&[9; 32]).unwrap(), signature);
    let failure = file
        .signer(|| Ok(Passphrase::new("incorrect horse")))
        .unwrap_err();
    assert_eq!(failure.code, "passphrase_wrong");
}

#[test]
fn a_key_file_with_anothers_secret_is_refused() {
    let (_dir, keys) = store();
    let first = keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    let second = keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    let forged = KeyFile {
        secret: second.secret,
        ..first
    };
    assert_eq!(
        forged.signer(no_passphrase).unwrap_err().code,
        "key_file_damaged"
    );
}

#[test]
fn random_bytes_are_no_key_file() {
    let (_dir, keys) = store();
    let file = keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    let path = keys.path(AGENT, Purpose::Signing, file.key_id);
    std::fs::write(path, [0xff, 0x00, 0x13]).unwrap();
    assert_eq!(
        keys.list(AGENT, Purpose::Signing).unwrap_err().code,
        "key_file_damaged"
    );
}

fn script(dir: &std::path::Path, text: &str) -> Vec<String> {
    let path = dir.join("signer.sh");
    std::fs::write(&path, text).unwrap();
    vec!["/bin/sh".into(), path.display().to_string()]
}

#[test]
fn a_key_that_another_program_holds_signs_through_it_and_its_answer_is_checked() {
    let (dir, keys) = store();
    let own = Signer::from_seed(KeyId(1), &[5; 32]);
    let answer = own.sign(&[9; 32]).unwrap();
    let command = script(
        dir.path(),
        &format!(
            "cat > {}; echo '{{\"signature\":\"0x{}\"}}'",
            dir.path().join("request").display(),
            hex::encode(answer.0)
        ),
    );
    let file = keys
        .add_external(AGENT, own.public_key(), &command)
        .unwrap();
    let file = keys.load(AGENT, Purpose::Signing, file.key_id).unwrap();
    assert!(file.is_external() && !file.is_locked());
    let signer = file.signer(no_passphrase).unwrap();
    assert_eq!(signer.sign(&[9; 32]).unwrap(), answer);
    let request = std::fs::read_to_string(dir.path().join("request")).unwrap();
    let request: serde_json::Value = serde_json::from_str(&request).unwrap();
    assert_eq!(request["schema"], "ves.signer.request");
    assert_eq!(request["agent_id"], AGENT.to_string());
    assert_eq!(request["hash"], format!("0x{}", hex::encode([9u8; 32])));
    // The same answer for another hash is a signature of something else.
    let failure = signer.sign(&[8; 32]).unwrap_err();
    assert_eq!(failure.code, "signer_wrong");
}

#[test]
fn a_signer_that_fails_or_says_nothing_useful_is_named() {
    let (dir, keys) = store();
    let public = Signer::from_seed(KeyId(1), &[5; 32]).public_key();
    for (text, code) in [
        ("exit 3", "signer_failed"),
        ("echo nonsense", "signer_wrong"),
        ("echo '{}'", "signer_wrong"),
        ("echo '{\"signature\":\"0x00\"}'", "signer_wrong"),
        ("head -c 100000 /dev/zero", "signer_wrong"),
    ] {
        let command = script(dir.path(), text);
        let file = keys.add_external(AGENT, public, &command).unwrap();
        let signer = file.signer(no_passphrase).unwrap();
        assert_eq!(signer.sign(&[1; 32]).unwrap_err().code, code, "{text}");
    }
    let missing = ["/no/such/program".to_owned()];
    let file = keys.add_external(AGENT, public, &missing).unwrap();
    let signer = file.signer(no_passphrase).unwrap();
    assert_eq!(signer.sign(&[1; 32]).unwrap_err().code, "signer_failed");
}

#[test]
fn a_revocation_that_another_process_noted_is_not_lost_to_an_older_view() {
    let (_dir, keys) = store();
    let file = keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    let seen = registration(7);
    let revoked = Registration {
        revoked_block: Some(9),
        ..seen
    };
    keys.note_registration(&file, revoked).unwrap();
    // This one looked before, and writes after.
    let noted = keys.note_registration(&file, seen).unwrap();
    assert_eq!(noted.registration, Some(revoked));
    let kept = keys.load(AGENT, Purpose::Signing, file.key_id).unwrap();
    assert_eq!(kept, noted);
    // Of another chain it says nothing.
    let elsewhere = Registration {
        genesis_hash: GenesisHash([3; 32]),
        ..seen
    };
    let noted = keys.note_registration(&file, elsewhere).unwrap();
    assert_eq!(noted.registration, Some(elsewhere));
}

#[test]
fn notes_about_a_key_are_written_one_at_a_time() {
    let (_dir, keys) = store();
    let file = keys
        .generate(AGENT, Purpose::Signing, &Protection::Plaintext)
        .unwrap();
    let seen = registration(7);
    let held = crate::home::lock(
        keys.path(AGENT, Purpose::Signing, file.key_id)
            .parent()
            .unwrap()
            .parent()
            .unwrap(),
    )
    .unwrap();
    let (keys_too, file_too) = (keys.clone(), file.clone());
    let writer = std::thread::spawn(move || keys_too.note_registration(&file_too, seen));
    std::thread::sleep(std::time::Duration::from_millis(200));
    let present = keys.load(AGENT, Purpose::Signing, file.key_id).unwrap();
    assert_eq!(present.registration, None);
    drop(held);
    writer.join().unwrap().unwrap();
    let present = keys.load(AGENT, Purpose::Signing, file.key_id).unwrap();
    assert_eq!(present.registration, Some(seen));
}
