// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The real binary: what users type, what they get, and what no output may hold.

mod common;

use common::{AMOUNT, Run, Scratch, edit, run, run_with};
use serde_json::{Value, json};
use ves_primitives::{authorization_receipt_hash, jcs};

#[test]
fn the_tour_works_as_written() {
    let scratch = Scratch::new();
    run(
        &scratch,
        "gen-inputs --limit 10000 --policy aml.threshold -o inputs.json",
    )
    .ok();
    run(
        &scratch,
        "prove --amount 5000 --limit 10000 --policy aml.threshold --inputs inputs.json \
         --output proof.json --json",
    )
    .ok();
    let verified = run(
        &scratch,
        "verify --proof proof.json --inputs inputs.json --limit 10000 --policy aml.threshold",
    )
    .ok();
    assert!(verified.stdout.starts_with("Proof VALID (verified in "));
    let inspected = run(&scratch, "inspect --proof proof.json").ok();
    assert!(inspected.stdout.contains("aml.threshold 10000 USD:2"));
    run(&scratch, "benchmark -n 10 --max-amount 10000 --limit 10000").ok();
    run(
        &scratch,
        "batch-prove -n 8 --limit 10000 --output batch_proof.json",
    )
    .ok();
    let verified = run(&scratch, "batch-verify --proof batch_proof.json").ok();
    assert!(verified.stdout.starts_with("Batch Proof VALID!"));
    run(
        &scratch,
        "sequencer -n 16 --batch-size 8 --limit 10000 --output-dir ./proofs",
    )
    .ok();
    for name in ["batch_0001.json", "batch_0002.json", "final_state.json"] {
        assert!(scratch.path("proofs").join(name).is_file(), "{name}");
    }
}

#[test]
fn a_bundle_has_the_documented_members_and_not_the_amount() {
    let scratch = Scratch::with_proof();
    let bundle = scratch.json("proof.json");
    for name in [
        "version",
        "proofType",
        "proofVersion",
        "circuitVersion",
        "proofB64",
        "proofHash",
        "metadata",
        "witnessCommitmentHex",
        "publicInputs",
        "publicInputsHash",
        "boundPublicInputsHash",
        "bundleHash",
        "currency",
        "genesis",
    ] {
        assert!(!bundle[name].is_null(), "{name}");
    }
    assert_eq!(bundle["proofVersion"], 3);
    let words = bundle["witnessCommitment"].as_array().unwrap();
    let hex: String = words
        .iter()
        .map(|word| format!("{:016x}", word.as_str().unwrap().parse::<u64>().unwrap()))
        .collect();
    assert_eq!(bundle["witnessCommitmentHex"], hex);
    assert!(bundle.get("amountBinding").is_none());
}

#[test]
fn an_amount_over_the_limit_gives_exit_5_and_no_file() {
    let scratch = Scratch::with_inputs();
    for amount in ["1099511627776", "18446744073709551615"] {
        let refused = run_with(
            &scratch,
            "prove --limit 1099511627776 -i inputs.json -o p.json --json",
            &[("VES_STARK_AMOUNT", amount)],
            "",
        );
        assert_eq!(refused.code, 5);
        assert!(!refused.all().contains(&format!("\"{amount}\"")));
        assert!(!scratch.path("p.json").exists());
    }
}

#[test]
fn a_proof_of_something_else_is_refused_with_the_reason() {
    let scratch = Scratch::with_proof();
    run(&scratch, "gen-inputs -l 1099511627776 -o other.json").ok();
    let verify = "verify -f proof.json -i inputs.json";
    for (arguments, code) in [
        (
            "verify -f proof.json -i other.json -l 1099511627776",
            "other_event",
        ),
        (
            &format!("{verify} -l 1099511627776 -p order_total.cap"),
            "other_policy",
        ),
        (&format!("{verify} -l 1099511627777"), "other_limit"),
        (
            &format!("{verify} -l 1099511627776 --genesis {}", "11".repeat(32)),
            "other_genesis",
        ),
        (
            &format!("{verify} -l 1099511627776 --currency EUR:2"),
            "other_currency",
        ),
        (
            &format!(
                "{verify} -l 1099511627776 --witness-commitment-hex {}",
                "00".repeat(32)
            ),
            "other_commitment",
        ),
    ] {
        run(&scratch, &format!("{arguments} --json")).fails(3, code);
        let text = run(&scratch, arguments);
        assert!(text.stdout.is_empty() && text.stderr.contains(code));
    }
}

#[test]
fn changed_bundles_are_refused_with_the_reason() {
    let scratch = Scratch::with_proof();
    let original = scratch.json("proof.json");
    let verify = "verify -f changed.json -l 1099511627776 --json";
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut bundle = original.clone();
        change(&mut bundle);
        scratch.write("changed.json", &bundle.to_string());
        run(&scratch, verify)
    };
    let zeros = json!("00".repeat(32));
    changed(&|b| b["bundleHash"] = zeros.clone()).fails(3, "bundle_hash");
    changed(&|b| b["metadata"]["proofSize"] = 1.into()).fails(3, "bundle_hash");
    changed(&|b| b["proofHash"] = zeros.clone()).fails(3, "proof_hash");
    changed(&|b| b["publicInputsHash"] = zeros.clone()).fails(3, "public_inputs_hash");
    changed(&|b| b["witnessCommitmentHex"] = zeros.clone()).fails(3, "commitment_mismatch");
    changed(&|b| b["publicInputs"]["policyHash"] = zeros.clone()).fails(4, "policy_hash");
    changed(&|b| b["proofVersion"] = 2.into()).fails(4, "proof_version");
    changed(&|b| b["amountBinding"] = json!({})).fails(4, "unknown_member");
    changed(&|b| b["proofB64"] = "!".into()).fails(4, "bad_member");
}

#[test]
fn changed_proof_bytes_are_refused_even_under_fresh_hashes() {
    let scratch = Scratch::with_bare_proof();
    let proof = scratch.text("proof.b64");
    let commitment = scratch.text("commitment");
    let verify = format!(
        "verify -f changed.b64 -i inputs.json -l 1099511627776 --json \
         --witness-commitment-hex {commitment}"
    );
    let check = |edited: Vec<u8>, code: &str| {
        scratch.write("changed.b64", &common::base64(&edited));
        run(&scratch, &verify).fails(3, code);
    };
    check(edit(&proof, |b| b[3] ^= 1), "proof_header");
    check(
        edit(&proof, |b| {
            b.pop();
        }),
        "proof_structure",
    );
    check(edit(&proof, |b| b.push(0)), "proof_structure");
    check(edit(&proof, |b| b.resize(60_000, 0)), "proof_too_long");
    scratch.write(
        "changed.b64",
        &common::base64(&edit(&proof, |b| {
            let middle = b.len() / 2;
            b[middle] ^= 1;
        })),
    );
    assert_eq!(run(&scratch, &verify).code, 3);
    scratch.write("changed.b64", &proof);
    run(&scratch, &verify).ok();
    let other_chain = format!("{verify} --genesis {}", "22".repeat(32));
    assert_eq!(run(&scratch, &other_chain).code, 3);
}

#[test]
fn a_bare_proof_says_what_it_needs() {
    let scratch = Scratch::with_bare_proof();
    run(&scratch, "verify -f proof.b64 -l 1099511627776 --json").fails(2, "no_inputs");
    run(
        &scratch,
        "verify -f proof.b64 -i inputs.json -l 1099511627776 --json",
    )
    .fails(2, "no_commitment");
    run(&scratch, "inspect -f proof.b64").ok();
}

#[test]
fn bad_files_give_exit_4() {
    let scratch = Scratch::with_inputs();
    let verify = "verify -f bad -l 5 --json";
    run(&scratch, verify).fails(4, "file_not_found");
    scratch.write("bad", "{\"version\":1,\"version\":1}");
    run(&scratch, verify).fails(4, "bad_json");
    scratch.write("bad", "{");
    run(&scratch, verify).fails(4, "bad_json");
    scratch.write("bad", "{}");
    run(&scratch, verify).fails(4, "bad_member");
    scratch.write("bad", "no proof");
    run(&scratch, "inspect -f bad --json").fails(4, "bad_format");
    scratch.write("bad", &" ".repeat((1 << 20) + 1));
    run(&scratch, verify).fails(4, "file_too_large");
    run_with(
        &scratch,
        "prove -l 6 -i inputs.json --json",
        &[("VES_STARK_AMOUNT", "1")],
        "",
    )
    .fails(4, "other_limit");
}

#[test]
fn wrong_command_lines_give_exit_2_and_repeat_no_amount() {
    let scratch = Scratch::new();
    for arguments in [
        "prove --limit 10 --json",
        "prove --amount -8675309123 --limit 10 --json",
        "prove --amount 8675309123x --limit 10 --json",
        "prove 8675309123 --limit 10 --json",
        "prove 8675309123 --limit 10",
        "prove --amount=8675309123 --limit ten",
        "prove --amount 8675309123 --amount 8675309123 --limit 10",
        "prove -a 1 -l 10 -p no.such.policy --json",
        "prove -a 1 -l 10 -p agent.authorization.v1 --json",
        "prove -a 1 -l 10 -p agent.budget.v1 --json",
        "prove -a 1 -l 0 --json",
        "batch-prove -n 129",
        "nothing",
        "",
    ] {
        let refused = run(&scratch, arguments);
        assert_eq!(refused.code, 2, "{arguments}: {}", refused.all());
        assert!(!refused.all().contains("8675309123"), "{arguments}");
    }
}

#[test]
fn help_documents_every_exit_code() {
    let help = run(&Scratch::new(), "--help").ok().stdout;
    for code in 0..=6 {
        assert!(help.contains(&format!("\n  {code}  ")), "{code}");
    }
    assert!(help.contains("Examples:"));
}

#[test]
fn the_amount_may_come_from_file_stdin_or_environment() {
    let scratch = Scratch::with_inputs();
    scratch.write("amount", &format!("{AMOUNT}\n"));
    let prove = "prove -l 1099511627776 -i inputs.json --json";
    run(&scratch, &format!("{prove} --amount-file amount")).ok();
    run_with(&scratch, &format!("{prove} --amount-file -"), &[], AMOUNT).ok();
    run_with(&scratch, prove, &[("VES_STARK_AMOUNT", AMOUNT)], "").ok();
}

#[test]
fn a_payload_salt_gives_the_commitment_its_readers_compute() {
    let scratch = Scratch::with_inputs();
    let salt = "000102030405060708090a0b0c0d0e0f";
    let prove = format!("prove -l 1099511627776 -i inputs.json --json -a {AMOUNT}");
    let salted = format!("{prove} --payload-salt {salt}");
    let commitment = |run: Run| run.json()["witnessCommitmentHex"].clone();
    let first = commitment(run(&scratch, &salted).ok());
    assert_eq!(first, commitment(run(&scratch, &salted).ok()));
    assert_ne!(first, commitment(run(&scratch, &prove).ok()));
    assert_ne!(
        commitment(run(&scratch, &prove).ok()),
        commitment(run(&scratch, &prove).ok())
    );
}

#[test]
fn an_authorization_is_bound_to_its_intent_and_receipt() {
    let scratch = Scratch::new();
    let policy = format!(
        "-l 500 -p agent.authorization.v1 --intent-hash {}",
        "ab".repeat(32)
    );
    let other = format!(
        "-l 500 -p agent.authorization.v1 --intent-hash {}",
        "ac".repeat(32)
    );
    run(&scratch, &format!("gen-inputs {policy} -o inputs.json")).ok();
    let receipt = |id: &str| {
        let members = json!({ "executionId": id, "amount": 499 });
        let hash = authorization_receipt_hash(&jcs::canonicalize_value(&members).unwrap());
        let mut receipt = members;
        receipt["receiptHash"] = json!(hex::encode(hash));
        receipt
    };
    scratch.write("receipt.json", &receipt("one").to_string());
    scratch.write("other.json", &receipt("two").to_string());
    let mut altered = receipt("one");
    altered["amount"] = json!(1);
    scratch.write("altered.json", &altered.to_string());
    let altered = "--authorization-receipt altered.json";
    let receipt = "--authorization-receipt receipt.json";
    run(
        &scratch,
        &format!("prove -a 499 {policy} -i inputs.json {receipt} -o proof.json --json"),
    )
    .ok();
    let prove = format!("prove -a 499 {policy} -i inputs.json {altered} --json");
    run(&scratch, &prove).fails(4, "artifact_hash");
    let verify = "verify -f proof.json -i inputs.json --json";
    run(&scratch, &format!("{verify} {policy} {receipt}")).ok();
    run(&scratch, &format!("{verify} {policy} {altered}")).fails(4, "artifact_hash");
    run(&scratch, &format!("{verify} {other}")).fails(3, "other_intent");
    run(
        &scratch,
        &format!("{verify} {policy} --authorization-receipt other.json"),
    )
    .fails(3, "not_bound");
    run(
        &scratch,
        &format!("{verify} {policy} --amount-binding other.json"),
    )
    .fails(4, "bad_member");
}

#[test]
fn a_benchmark_reports_four_numbers_of_each_kind() {
    let report = run(&Scratch::new(), "benchmark -n 3 --json").ok().json();
    for kind in ["prove", "verify", "proofSize"] {
        for number in ["median", "p95", "min", "max"] {
            assert!(
                report[kind][number].as_f64().unwrap() > 0.0,
                "{kind} {number}"
            );
        }
    }
}
