// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Medians of proving, verifying and size: `cargo run --release -p ves-stark-prover --example
//! bench [runs]`.

use std::time::Instant;
use ves_primitives::{AmountSalt, CurrencyTag};
use ves_stark_air::{Entry, Statement};
use ves_stark_prover::{Opening, prove};
use ves_stark_verifier::verify;

fn median(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (
        values[values.len() / 2],
        values[0],
        values[values.len() - 1],
    )
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runs: usize = std::env::args()
        .nth(1)
        .map_or(Ok(21), |text| text.parse())?;
    let tag = CurrencyTag::new("USD", 2)?;
    for events in [1usize, 1, 4, 8, 12, 28, 60, 124, 126, 128] {
        let single = events == 1;
        let (mut proving, mut verifying, mut sizes) = (vec![], vec![], vec![]);
        for run in 0..runs {
            let openings: Vec<Opening> = (0..events as u64)
                .map(|index| {
                    let salt = AmountSalt::from_words([index, run as u64, 3]).ok_or("salt")?;
                    Ok(Opening::new(5_000 + index, salt))
                })
                .collect::<Result<_, &str>>()?;
            let entries = openings
                .iter()
                .map(|opening| {
                    Ok(Entry {
                        commitment: opening.commit(tag)?,
                        limit: 9_999,
                        tag,
                    })
                })
                .collect::<Result<Vec<_>, ves_stark_prover::ProveError>>()?;
            let statement = if single {
                Statement::single(entries[0], [1; 32])?
            } else {
                Statement::batch(entries, [1; 32])?
            };
            let begun = Instant::now();
            let proof = prove(&statement, &openings, &mut |_| ())?;
            let proved = begun.elapsed();
            let begun = Instant::now();
            verify(&proof, &statement)?;
            let verified = begun.elapsed();
            // `prove` verifies its own proof; that part is reported once.
            proving.push((proved - verified.min(proved)).as_secs_f64() * 1e3);
            verifying.push(verified.as_secs_f64() * 1e3);
            sizes.push(proof.len() as f64);
        }
        let (p, p0, p1) = median(proving);
        let (v, v0, v1) = median(verifying);
        let (s, s0, s1) = median(sizes);
        println!(
            "{events:>4} events: prove {p:.2} ms ({p0:.2}-{p1:.2}), verify {v:.3} ms \
             ({v0:.3}-{v1:.3}), {s:.0} bytes ({s0:.0}-{s1:.0})"
        );
    }
    Ok(())
}
