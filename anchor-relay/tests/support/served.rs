// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A scripted appchain over JSON-RPC, for the built program.

use super::ScriptedSource;
use anchor_relay::source::{BlockHash, Source, SourceError};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use codec::{Decode, Encode};
use serde_json::{Value, json};
use ves_client::Header;
use ves_primitives::StreamId;

/// A node that answers what the relay asks, at any path.
pub struct Served {
    pub url: String,
}

impl Served {
    pub async fn start(source: ScriptedSource) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(post(handle)).with_state(source);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url }
    }
}

async fn handle(State(source): State<ScriptedSource>, Json(call): Json<Value>) -> Response {
    match answer(&source, &call).await {
        Ok(result) => {
            Json(json!({ "jsonrpc": "2.0", "id": call["id"], "result": result })).into_response()
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn encoded(value: &impl Encode) -> Value {
    json!(format!("0x{}", hex::encode(value.encode())))
}

fn arguments<T: Decode>(text: &Value) -> T {
    let bytes = hex::decode(&text.as_str().unwrap()[2..]).unwrap();
    T::decode(&mut bytes.as_slice()).unwrap()
}

fn hash(value: &Value) -> BlockHash {
    value.as_str().unwrap().parse().unwrap()
}

fn header_json(header: &Header) -> Value {
    let logs: Vec<Value> = header.digest.iter().map(encoded).collect();
    json!({
        "parentHash": header.parent_hash.to_string(),
        "number": format!("{:#x}", header.number),
        "stateRoot": BlockHash(header.state_root).to_string(),
        "extrinsicsRoot": BlockHash(header.extrinsics_root).to_string(),
        "digest": { "logs": logs },
    })
}

async fn answer(source: &ScriptedSource, call: &Value) -> Result<Value, SourceError> {
    let params = &call["params"];
    Ok(match call["method"].as_str().unwrap() {
        "chain_getFinalizedHead" => json!(source.finalized_head().await?.1.to_string()),
        "chain_getBlockHash" => {
            let genesis = source.genesis_hash().await?;
            let (finalized, _) = source.finalized_head().await?;
            match params[0].as_u64().unwrap() {
                0 => json!(genesis.to_string()),
                n if n <= finalized.into() => {
                    let number = u32::try_from(n).unwrap();
                    json!(source.block(number).await?.hash.to_string())
                }
                _ => Value::Null,
            }
        }
        "chain_getHeader" => {
            source.finalized_head().await?;
            let wanted = hash(&params[0]);
            let inner = source.0.lock().unwrap();
            let headers = &inner.script.headers;
            let found = headers.iter().find(|header| header.hash() == wanted);
            found.map_or(Value::Null, header_json)
        }
        "state_call" => {
            let at = hash(&params[2]);
            match params[0].as_str().unwrap() {
                "VesSequencerApi_batches_in_block" => {
                    encoded(&source.batches(arguments(&params[1]), at).await?)
                }
                "StarkVerifierApi_batch_proofs_in" => {
                    let (stream, from, count): (StreamId, u64, u32) = arguments(&params[1]);
                    encoded(&source.batch_proofs(stream, from, count, at).await?)
                }
                other => panic!("{other} is asked for"),
            }
        }
        "state_getRuntimeVersion" => json!({
            "specName": source.spec_name().await?,
            "specVersion": 1,
            "transactionVersion": 1,
        }),
        // A node without bodies.
        "chain_getBlock" => Value::Null,
        other => panic!("{other} is asked for"),
    })
}
