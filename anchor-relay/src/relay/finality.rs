// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What is final on the destination, whatever the rule by which anchors count as done: from then on
//! no reorg is reckoned with, and after a time the journal forgets it.

use super::anchor::AnchorLoop;
use crate::{
    journal::now_ms,
    sink::{Block, Confirmation},
    view::TickError,
};

impl AnchorLoop {
    /// Makes final what is, and forgets a portion of what was final long enough. `confirmed`: the
    /// block up to which anchors count as done.
    pub(super) async fn tidy(&self, latest: &Block, confirmed: &Block) -> Result<(), TickError> {
        if !self.journal.checkpoints().await?.is_empty()
            && let Some(finalized) = self.finalized(latest, confirmed).await?
        {
            self.journal
                .make_final(finalized.number, &self.retention)
                .await?;
        }
        let (batches, sends) = self.journal.forget(&self.retention, now_ms()).await?;
        if batches + sends > 0 {
            tracing::debug!(batches, sends, "forgotten");
        }
        Ok(())
    }

    /// The final block, by the word of both if there is a witness.
    async fn finalized(
        &self,
        latest: &Block,
        confirmed: &Block,
    ) -> Result<Option<Block>, TickError> {
        let rule = Confirmation::Finalized;
        if self.settings.confirmation == rule {
            return Ok(Some(*confirmed));
        }
        let block = self.chain.confirmed(latest, rule).await?;
        // A witness that is away or says otherwise: it is asked at the next look.
        Ok(self.chain.agreed(block, rule).await?.ok())
    }
}
