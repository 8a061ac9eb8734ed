// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The code that the registry ran when it was last looked at: an upgrade during a stop is seen after it.

use super::{Journal, JournalError, decode};
use codec::{Decode, Encode};

/// The code behind the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Deployed {
    /// Address of the code behind the proxy; none if the registry is no proxy.
    pub implementation: Option<[u8; 20]>,
    /// Keccak-256 of the code.
    pub code_hash: [u8; 32],
    /// When other code than before was seen last, Unix milliseconds; 0: never.
    pub upgraded_ms: u64,
}

const KEY: &str = "deployed";

impl Journal {
    /// The code that was seen last, once there was a look.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn deployed(&self) -> Result<Option<Deployed>, JournalError> {
        let value = self.meta(KEY).await?;
        value
            .map(|bytes| decode("registry's code", bytes))
            .transpose()
    }

    /// Notes the code that the registry runs.
    ///
    /// # Errors
    /// [`JournalError`].
    pub async fn note_deployed(&self, deployed: &Deployed) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO meta (key, value) VALUES (?, ?) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(KEY)
        .bind(deployed.encode())
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
