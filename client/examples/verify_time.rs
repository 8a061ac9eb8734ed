// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! How long the runtime's wasm takes to verify a proof of one event, as seen over JSON-RPC.
//!
//! `cargo run --example verify_time -- ws://127.0.0.1:9944 [runs]`. The same call with a proof that
//! fails its first check is the baseline: transport, decoding and the runtime's start.

use std::{
    error::Error,
    time::{Duration, Instant},
};
use ves_client::ChainClient;
use ves_primitives::{
    AgentId, AmountSalt, CurrencyTag, Envelope, EventId, KeyId, PayloadCipherHash, PayloadKind,
    PayloadPlainHash, Policy, Signature, StoreId, TenantId, proof::ProofSubmission,
};
use ves_stark_air::Statement;
use ves_stark_prover::{Opening, prove};

const SEQUENCE: u64 = 1;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: verify_time URL [RUNS]")?;
    let runs: usize = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let chain = ChainClient::connect(&url, None).await?;

    let genuine = submission(&chain)?;
    let mut broken = genuine.clone();
    if let Some(first) = broken.proof.get_mut(0) {
        *first ^= 1;
    }
    let verify = median(&chain, &genuine, true, runs).await?;
    let baseline = median(&chain, &broken, false, runs).await?;
    println!(
        "with verification {:.3} ms, without {:.3} ms, difference {:.3} ms (medians of {runs})",
        millis(verify),
        millis(baseline),
        millis(verify.saturating_sub(baseline)),
    );
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

async fn median(
    chain: &ChainClient,
    submission: &ProofSubmission,
    holds: bool,
    runs: usize,
) -> Result<Duration, Box<dyn Error>> {
    let mut times = Vec::with_capacity(runs);
    for _ in 0..runs.max(1) {
        let begun = Instant::now();
        let verdict = chain.verify_proof(submission, SEQUENCE).await?;
        times.push(begun.elapsed());
        if verdict.is_ok() != holds {
            return Err(format!("unexpected verdict: {verdict:?}").into());
        }
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// A proof about an event that exists nowhere: the runtime is only asked to verify.
fn submission(chain: &ChainClient) -> Result<ProofSubmission, Box<dyn Error>> {
    let currency = CurrencyTag::new("USD", 2)?;
    let event_id = EventId([1; 16]);
    let opening = Opening::new(98_000, AmountSalt::derive(&[2; 16], event_id));
    let mut submission = ProofSubmission {
        envelope: Envelope {
            ves_version: 2,
            event_id,
            tenant_id: TenantId([3; 16]),
            store_id: StoreId([4; 16]),
            source_agent_id: AgentId([5; 16]),
            agent_key_id: KeyId(1),
            entity_type: b"order".to_vec().try_into().map_err(|_| "entity type")?,
            entity_id: b"A-1".to_vec().try_into().map_err(|_| "entity id")?,
            event_type: b"order.created"
                .to_vec()
                .try_into()
                .map_err(|_| "event type")?,
            created_at: b"2026-01-01T00:00:00Z"
                .to_vec()
                .try_into()
                .map_err(|_| "time")?,
            payload_kind: PayloadKind::Encrypted,
            payload_plain_hash: PayloadPlainHash([6; 32]),
            payload_cipher_hash: PayloadCipherHash([7; 32]),
            command_id: None,
            base_version: None,
            agent_signature: Signature([0; 64]),
        },
        policy: Policy::AmlThreshold { threshold: 100_000 },
        commitment: opening.commit(currency)?.into(),
        currency,
        endorsement: Signature([0; 64]),
        key_id: KeyId(1),
        budget: None,
        authorization_receipt_hash: None,
        amount_binding_hash: None,
        signature: Signature([0; 64]),
        proof: Default::default(),
    };
    let statement = Statement::of(&submission, &chain.genesis_hash(), SEQUENCE)?;
    let proof = prove(&statement, &[opening], &mut |_| ())?;
    submission.proof = proof.try_into().map_err(|_| "the proof is too long")?;
    Ok(submission)
}
