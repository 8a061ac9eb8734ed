// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What a signature costs alone and in batches: `cargo run --release --example batch_time`.

use ed25519_zebra::{SigningKey, VerificationKeyBytes};
use std::time::Instant;
use ves_host::{SignedHash, verify_each};

const ROUNDS: u32 = 50;

fn signed(n: u32, keys: u32) -> SignedHash {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&(n % keys).to_be_bytes());
    let key = SigningKey::from(seed);
    let mut message = [0; 32];
    message[..4].copy_from_slice(&n.to_be_bytes());
    SignedHash {
        key: VerificationKeyBytes::from(&key).into(),
        signature: key.sign(&message).to_bytes(),
        message,
    }
}

/// Microseconds of each signature, the median of the rounds.
fn time(batch: &[SignedHash]) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            std::hint::black_box(verify_each(std::hint::black_box(batch)));
            begun.elapsed().as_secs_f64() * 1e6 / batch.len() as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    println!("signatures  keys  µs each");
    for (count, keys) in [
        (1, 1),
        (16, 1),
        (128, 1),
        (256, 1),
        (16, 16),
        (128, 128),
        (256, 256),
    ] {
        let batch: Vec<_> = (0..count).map(|n| signed(n, keys)).collect();
        println!("{count:>10}  {keys:>4}  {:>7.1}", time(&batch));
    }
    let mut spoiled: Vec<_> = (0..256).map(|n| signed(n, 1)).collect();
    spoiled[255].signature[40] ^= 1;
    println!(
        "{:>10}  {:>4}  {:>7.1}  one does not hold",
        256,
        1,
        time(&spoiled)
    );
}
