// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Submits the SCALE-encoded events of a file and follows them to finality.
//!
//! `cargo run -p ves-client --example submit -- ws://127.0.0.1:9944 events.scale`

use codec::DecodeAll;
use std::error::Error;
use ves_client::ChainClient;
use ves_primitives::SubmittedEvent;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(path)) = (arguments.next(), arguments.next()) else {
        return Err("usage: submit URL FILE".into());
    };
    let events = Vec::<SubmittedEvent>::decode_all(&mut std::fs::read(path)?.as_slice())?;
    let chain = ChainClient::connect(&url, None).await?;
    for (event, admission) in events.iter().zip(chain.can_submit(&events, None).await?) {
        println!("{}: {admission:?}", event.envelope.event_id);
    }
    let mut watch = chain.submit_events_and_watch(&events).await?;
    println!("in the pool as {}", watch.hash());
    while let Some(status) = watch.next().await {
        println!("{:?}", status?);
    }
    Ok(())
}
