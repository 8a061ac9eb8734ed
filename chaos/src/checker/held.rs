// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Blocks as they are in the nodes' databases.

use super::{Findings, Rule};
use crate::history::{Contents, History};
use std::collections::BTreeMap;

/// R1 and R3: nodes hold the same blocks and the same state, read from their databases.
pub(super) fn blocks(history: &History, findings: &mut Findings) {
    let mut known: BTreeMap<u32, (&Contents, &str)> = BTreeMap::new();
    for export in &history.exports {
        let node = &export.node;
        for block in &export.held {
            let number = block.number;
            let contents = match &block.contents {
                Ok(contents) => contents,
                Err(why) => {
                    findings.add(
                        Rule::R1,
                        format!("{node} cannot read block {number}: {why}"),
                    );
                    continue;
                }
            };
            let (first, by) = *known.entry(number).or_insert((contents, node));
            if (first.extrinsics, first.body) != (contents.extrinsics, contents.body) {
                findings.add(
                    Rule::R1,
                    format!("{by} and {node} hold different extrinsics of block {number}"),
                );
            }
            if (first.state_root, &first.values) != (contents.state_root, &contents.values) {
                findings.add(
                    Rule::R3,
                    format!("{by} and {node} hold different states after block {number}"),
                );
            }
        }
    }
}
