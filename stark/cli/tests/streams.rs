// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Batches, running totals, a sequencer's endpoints, and that none of them tells a secret.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{AMOUNT, Scratch, run, run_with};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread,
};

const SALT: &str = "a0b1c2d3e4f5061728394a5b6c7d8e9f";

/// Three events of one stream with the amount of the tests.
fn events(scratch: &Scratch, amount: &str) {
    let mut list = Vec::new();
    let first = scratch.json("inputs.json");
    for sequence in 1..=3 {
        run(scratch, "gen-inputs -l 1099511627776 -o event.json").ok();
        let mut inputs = scratch.json("event.json");
        inputs["tenantId"] = first["tenantId"].clone();
        inputs["storeId"] = first["storeId"].clone();
        inputs["sequenceNumber"] = sequence.into();
        list.push(json!({ "amount": amount, "publicInputs": inputs, "payloadSalt": SALT }));
    }
    scratch.write("events.json", &Value::Array(list).to_string());
}

#[test]
fn a_batch_of_given_events_verifies_against_their_inputs() {
    let scratch = Scratch::with_inputs();
    events(&scratch, AMOUNT);
    run(&scratch, "batch-prove -e events.json -o batch.json").ok();
    let inputs: Vec<Value> = scratch
        .json("events.json")
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["publicInputs"].clone())
        .collect();
    scratch.write("list.json", &json!(inputs).to_string());
    scratch.write("short.json", &json!(inputs[..2]).to_string());
    let verify = "batch-verify -f batch.json --json";
    run(&scratch, &format!("{verify} -i list.json")).ok();
    run(&scratch, &format!("{verify} -i short.json")).fails(3, "event_count");
    run(&scratch, &format!("{verify} --currency EUR:2")).fails(3, "other_currency");
    let (ones, twos) = ("11".repeat(32), "22".repeat(32));
    run(&scratch, &format!("{verify} --genesis {ones}")).fails(3, "other_genesis");
    run(&scratch, &format!("{verify} --prev-state-root {twos}")).fails(3, "discontinuous");
    run(&scratch, "inspect -f batch.json").ok();
}

#[test]
fn a_changed_batch_is_refused_with_the_reason() {
    let scratch = Scratch::new();
    run(&scratch, "batch-prove -n 2 -o batch.json").ok();
    let original = scratch.json("batch.json");
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut batch = original.clone();
        change(&mut batch);
        scratch.write("changed.json", &batch.to_string());
        run(&scratch, "batch-verify -f changed.json --json")
    };
    let zeros = json!("00".repeat(32));
    changed(&|b| b["proofHash"] = zeros.clone()).fails(3, "proof_hash");
    changed(&|b| b["batch"]["newStateRoot"] = zeros.clone()).fails(3, "batch_mismatch");
    changed(&|b| b["batch"]["prevStateRoot"] = json!("11".repeat(32))).fails(3, "batch_mismatch");
    changed(&|b| b["events"][1]["limit"] = 1.into()).fails(3, "limit_mismatch");
    changed(&|b| b["events"][0]["witnessCommitmentHex"] = zeros.clone())
        .fails(3, "commitment_mismatch");
    let other = changed(&|b| b["events"][0]["currency"] = "EUR:2".into());
    assert_eq!(other.code, 3, "the currency is in the transcript");
}

#[test]
fn an_event_over_its_limit_spoils_the_batch_and_leaves_no_file() {
    let scratch = Scratch::with_inputs();
    events(&scratch, "1099511627776");
    run(&scratch, "batch-prove -e events.json -o batch.json --json").fails(5, "over_limit");
    assert!(!scratch.path("batch.json").exists());
}

#[test]
fn a_simulated_sequencer_lists_violations_and_does_not_prove_them() {
    let scratch = Scratch::new();
    run(
        &scratch,
        "sequencer -n 12 --batch-size 4 --include-violations -o out --json",
    )
    .ok();
    let state = scratch.json("out/final_state.json");
    assert_eq!(
        (state["batches"].clone(), state["sequence"].clone()),
        (json!(3), json!(12))
    );
    // The fifth event is the first of a batch, and the tenth is not.
    assert_eq!(state["violations"].as_array().unwrap().len(), 1);
    let batch = scratch.json("out/batch_0003.json");
    assert_eq!(batch["events"].as_array().unwrap().len(), 3);
    assert_eq!(batch["unproven"][0]["eventId"], state["violations"][0]);
    assert_eq!(batch["allCompliant"], false);
    assert_eq!(batch["batch"]["newStateRoot"], state["stateRoot"]);
    run(&scratch, "batch-verify -f out/batch_0003.json").ok();
}

#[test]
fn a_budget_is_spent_event_by_event_from_a_secret_file() {
    let scratch = Scratch::new();
    let policy = "-l 1000 -p agent.budget.v1";
    run(&scratch, &format!("gen-inputs {policy} -o inputs.json")).ok();
    let prove = |amount: u64, name: &str| {
        run(
            &scratch,
            &format!(
                "prove -a {amount} {policy} -i inputs.json --total-file total -o {name} --json"
            ),
        )
    };
    prove(600, "first.json").ok();
    prove(400, "second.json").ok();
    let kept = scratch.text("total");
    prove(1, "third.json").fails(5, "over_limit");
    assert!(!scratch.path("third.json").exists());
    assert_eq!(
        scratch.text("total"),
        kept,
        "a refused event spends nothing"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(scratch.path("total")), 0o600);
        fs::set_permissions(scratch.path("total"), fs::Permissions::from_mode(0o644)).unwrap();
        prove(0, "third.json").fails(4, "total_file_mode");
    }
    let between = scratch.json("first.json")["newTotalCommitmentHex"].clone();
    assert_eq!(
        scratch.json("second.json")["previousTotalCommitmentHex"],
        between
    );
    let between = between.as_str().unwrap();
    let verify = format!("verify {policy} --json --previous-commitment-hex {between}");
    run(&scratch, &format!("{verify} -f second.json")).ok();
    run(&scratch, &format!("{verify} -f first.json")).fails(3, "other_total");
}

#[test]
fn two_runs_do_not_step_from_one_total() {
    let scratch = Scratch::new();
    let policy = "-l 1000 -p agent.budget.v1";
    run(&scratch, &format!("gen-inputs {policy} -o inputs.json")).ok();
    let prove =
        format!("prove -a 600 {policy} -i inputs.json --total-file total -o proof.json --json");
    let other_run = fs::File::create(scratch.path("total.lock")).unwrap();
    other_run.lock().unwrap();
    run(&scratch, &prove).fails(1, "total_file_busy");
    assert!(!scratch.path("proof.json").exists() && !scratch.path("total").exists());
    drop(other_run);
    run(&scratch, &prove).ok();
}

/// Answers one request after another; returns what was asked.
fn serve(answers: Vec<(u16, Value)>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut asked = Vec::new();
        for (status, answer) in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line == "\r\n" {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            asked.push(format!("{head}\n{}", String::from_utf8(body).unwrap()));
            let body = answer.to_string();
            write!(
                reader.get_mut(),
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            )
            .unwrap();
        }
        asked
    });
    (url, server)
}

#[test]
fn a_proof_is_submitted_to_a_sequencer_without_the_amount() {
    let scratch = Scratch::with_inputs();
    let inputs = scratch.json("inputs.json");
    let event = inputs["eventId"].as_str().unwrap();
    let canonical = ves_primitives::jcs::canonicalize(&inputs.to_string()).unwrap();
    let hash = hex::encode(ves_primitives::sha256(canonical.as_bytes()));
    let answer = json!({ "eventId": event, "publicInputs": inputs, "publicInputsHash": hash });
    let (url, server) = serve(vec![
        (200, answer.clone()),
        (201, json!({ "proofId": "p-1" })),
        (200, json!({ "valid": true })),
    ]);
    let submit = format!("prove-submit --event-id {event} -l 1099511627776 --payload-salt {SALT}");
    let env = [("STATESET_API_KEY", "k3y"), ("VES_STARK_AMOUNT", AMOUNT)];
    let done = run_with(
        &scratch,
        &format!("{submit} --sequencer-url {url} --verify"),
        &env,
        "",
    );
    let done = done.ok();
    assert!(done.stdout.contains("Submitted proof_id=p-1"));
    assert!(done.stdout.contains("Verified valid=true"));
    let asked = server.join().unwrap();
    let base = "/api/v1/ves/compliance";
    assert!(asked[0].starts_with(&format!("POST {base}/{event}/inputs ")));
    assert!(asked[1].starts_with(&format!("POST {base}/{event}/proofs ")));
    assert!(asked[2].starts_with(&format!("GET {base}/proofs/p-1/verify ")));
    for request in &asked {
        assert!(request.contains("ApiKey k3y"));
        assert!(!request.contains(AMOUNT) && !request.contains(SALT));
    }
    assert!(!done.all().contains("k3y") && !done.all().contains(AMOUNT));

    let mut wrong = answer;
    wrong["publicInputsHash"] = "00".repeat(32).into();
    for (status, answer, code) in [(200, wrong, "bad_answer"), (401, json!({}), "unauthorized")] {
        let (url, server) = serve(vec![(status, answer)]);
        run_with(
            &scratch,
            &format!("{submit} --sequencer-url {url} --json"),
            &env,
            "",
        )
        .fails(6, code);
        server.join().unwrap();
    }
    run_with(
        &scratch,
        &format!("{submit} --sequencer-url {url} --json"),
        &env,
        "",
    )
    .fails(6, "unreachable");
    run_with(
        &scratch,
        &format!("{submit} --sequencer-url http://sequencer.example --json"),
        &env,
        "",
    )
    .fails(2, "insecure_url");
}

/// A sequencer's answer to the question for inputs.
fn inputs_answer(scratch: &Scratch) -> (String, Value) {
    let inputs = scratch.json("inputs.json");
    let event = inputs["eventId"].as_str().unwrap().to_owned();
    let canonical = ves_primitives::jcs::canonicalize(&inputs.to_string()).unwrap();
    let hash = hex::encode(ves_primitives::sha256(canonical.as_bytes()));
    let answer = json!({ "eventId": event, "publicInputs": inputs, "publicInputsHash": hash });
    (event, answer)
}

#[test]
fn a_submitted_step_of_a_budget_is_never_lost() {
    let scratch = Scratch::new();
    let policy = "-l 1000 -p agent.budget.v1";
    run(&scratch, &format!("gen-inputs {policy} -o inputs.json")).ok();
    let (event, answer) = inputs_answer(&scratch);
    let submit = |amount: u64, url: &str| {
        let flags = format!("--event-id {event} {policy} --total-file total --json");
        run(
            &scratch,
            &format!("prove-submit -a {amount} {flags} --sequencer-url {url}"),
        )
    };
    let (url, server) = serve(vec![
        (200, answer.clone()),
        (201, json!({ "proofId": "p-1" })),
    ]);
    submit(600, &url).ok();
    let asked = server.join().unwrap();
    assert!(asked[1].contains("previousTotalCommitment"));
    assert!(asked[1].contains("newTotalCommitment"));
    let accepted = scratch.text("total");
    assert!(!scratch.path("total.submitted").exists());

    // Refused: nothing is spent.
    let (url, server) = serve(vec![(200, answer.clone()), (409, json!({}))]);
    submit(100, &url).fails(6, "conflict");
    server.join().unwrap();
    assert_eq!(scratch.text("total"), accepted);
    assert!(!scratch.path("total.submitted").exists());

    // No usable answer: the total stays and so does the new one, until somebody decides.
    let (url, server) = serve(vec![(200, answer.clone()), (500, json!({}))]);
    submit(100, &url).fails(6, "refused");
    server.join().unwrap();
    assert_eq!(scratch.text("total"), accepted);
    assert_ne!(scratch.text("total.submitted"), accepted);
    let (url, server) = serve(vec![(200, answer)]);
    submit(100, &url).fails(4, "total_pending");
    server.join().unwrap();
}

#[test]
fn no_output_and_no_file_holds_the_amount_or_the_salt() {
    let scratch = Scratch::with_inputs();
    events(&scratch, AMOUNT);
    let event: ves_primitives::EventId = scratch.json("inputs.json")["eventId"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let mut payload_salt = [0; 16];
    hex::decode_to_slice(SALT, &mut payload_salt).unwrap();
    let words = ves_primitives::AmountSalt::derive(&payload_salt, event).words();
    let mut secrets = vec![AMOUNT.to_owned(), SALT.to_owned()];
    secrets.push(format!("{:x}", AMOUNT.parse::<u64>().unwrap()));
    for word in words {
        secrets.extend([word.to_string(), format!("{word:016x}")]);
    }
    let prove = format!("prove -a {AMOUNT} -i inputs.json --payload-salt {SALT}");
    let mut told = String::new();
    for arguments in [
        format!("{prove} -l 1099511627776 -o a.json --json"),
        format!("{prove} -l 1099511627776 --json"),
        format!("{prove} -l 1099511627776"),
        format!("{prove} -l 1099511627776 -o a.b64"),
        format!("{prove} -l 5 --json"),
        format!("prove -a {AMOUNT} -l 5 --payload-salt {SALT}"),
        format!("prove -a {AMOUNT} -l 1099511627776 --payload-salt {SALT}00"),
        "verify -f a.json -i inputs.json -l 1099511627776".to_owned(),
        "inspect -f a.json".to_owned(),
        "inspect -f a.json --json".to_owned(),
        "batch-prove -e events.json -o b.json".to_owned(),
        "batch-prove -e events.json".to_owned(),
        "batch-verify -f b.json --json".to_owned(),
        "verify -f events.json -l 5".to_owned(),
        "batch-verify -f events.json".to_owned(),
        "inspect -f events.json".to_owned(),
    ] {
        told.push_str(&run(&scratch, &arguments).all());
    }
    for name in ["a.json", "a.b64", "b.json"] {
        told.push_str(&scratch.text(name));
    }
    for secret in secrets {
        assert!(!told.contains(&secret), "{secret}");
    }
}
