// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The code that the registry runs. It may be replaced under the relay or while it stands still: then
//! the operator is told, and what the code can do is asked anew.

use super::anchor::AnchorLoop;
use crate::{
    clock,
    journal::{Deployed, now_ms},
    view::TickError,
};
use alloy::primitives::{Address, B256};
use std::time::{Duration, Instant};

/// How long code at an unchanged address is taken as unchanged: it is kilobytes, and can change only
/// where the registry is no proxy.
const CODE_HOLDS: Duration = Duration::from_secs(600);

/// What is known of the registry's code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code {
    implementation: Option<Address>,
    pub(super) hash: B256,
    /// Does it know `commitBatches`?
    pub(super) takes_many: bool,
    /// When other code than before was seen last, Unix milliseconds; 0: never.
    pub(super) upgraded_ms: u64,
    asked: Instant,
}

impl AnchorLoop {
    /// The code behind `implementation`, compared with what was there before, be it before a restart.
    pub(super) async fn look_at_code(
        &mut self,
        implementation: Option<Address>,
    ) -> Result<Code, TickError> {
        if let Some(code) = self.code
            && code.implementation == implementation
            && clock::now().duration_since(code.asked) < CODE_HOLDS
        {
            return Ok(code);
        }
        let hash = self.chain.code_hash(implementation).await?;
        let takes_many = self.chain.takes_many().await?;
        let before = self.journal.deployed().await?;
        let mut now = Deployed {
            implementation: implementation.map(|address| address.0.0),
            code_hash: hash.0,
            upgraded_ms: before.map_or(0, |before| before.upgraded_ms),
        };
        if before != Some(now) {
            if let Some(before) = before {
                now.upgraded_ms = now_ms();
                tracing::error!(
                    before = ?before.implementation.map(Address::from), now = ?implementation,
                    code = %hash, "the registry was upgraded"
                );
                self.shared.upgraded();
            }
            self.journal.note_deployed(&now).await?;
        }
        let code = Code {
            implementation,
            hash,
            takes_many,
            upgraded_ms: now.upgraded_ms,
            asked: clock::now(),
        };
        self.code = Some(code);
        Ok(code)
    }
}
