// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A second view of the destination: what counts as done must be so there, too.
//!
//! The endpoint in use could say that a block is final which is not, or show a chain of its own. The
//! witness is somebody else's node. It is asked about nothing but blocks, and nothing is sent to it.

use super::{
    Park,
    chain::{Block, Chain, ChainError, Confirmation, unavailable},
};
use alloy::eips::BlockNumberOrTag;
use std::sync::Arc;

impl Chain {
    /// Believes nothing to be done before the JSON-RPC at `urls` says so too.
    ///
    /// # Errors
    /// When one is not a URL.
    pub fn with_witness(self, urls: &str) -> Result<Self, String> {
        let witness = Self::new(urls, self.identity, self.timeout)?;
        Ok(self.witnessed_by(witness))
    }

    pub(crate) fn witnessed_by(mut self, witness: Self) -> Self {
        self.witness = Some(Arc::new(witness));
        self
    }

    /// The block up to which things count as done by the word of both: `block`, or a lower one while
    /// the witness is behind. Without a witness it is `block`.
    ///
    /// # Errors
    /// When the chain does not answer. Inside: the witness says otherwise, or nothing.
    pub async fn agreed(
        &self,
        block: Block,
        rule: Confirmation,
    ) -> Result<Result<Block, Park>, ChainError> {
        let Some(witness) = &self.witness else {
            return Ok(Ok(block));
        };
        let theirs = match witness.own_confirmed(rule).await {
            Ok(theirs) => theirs,
            Err(error) => return Ok(Err(away(&error))),
        };
        let at = BlockNumberOrTag::Number(theirs.number.min(block.number));
        let (here, there) = if theirs.number < block.number {
            let here = self.block(at).await?;
            let missing = || unavailable("eth_getBlockByNumber", "a confirmed block is missing");
            (here.ok_or_else(missing)?, theirs)
        } else if theirs.number == block.number {
            (block, theirs)
        } else {
            match witness.block(at).await {
                Ok(Some(there)) => (block, there),
                Ok(None) => {
                    let missing = "it does not have a block below its confirmed one";
                    return Ok(Err(away(&unavailable("eth_getBlockByNumber", missing))));
                }
                Err(error) => return Ok(Err(away(&error))),
            }
        };
        if here.hash == there.hash {
            return Ok(Ok(here));
        }
        Ok(Err(Park::WitnessDisagrees {
            number: here.number,
            here: here.hash,
            there: there.hash,
        }))
    }

    async fn own_confirmed(&self, rule: Confirmation) -> Result<Block, ChainError> {
        let latest = self.latest().await?;
        self.confirmed(&latest, rule).await
    }
}

fn away(error: &ChainError) -> Park {
    Park::WitnessAway {
        error: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Identity, *};
    use alloy::{
        primitives::{Address, B256, Bytes},
        providers::RootProvider,
        rpc::client::RpcClient,
        transports::mock::Asserter,
    };
    use serde_json::{Value, json};
    use std::time::Duration;

    /// A block as JSON; its hash tells the branch.
    fn header(number: u64, branch: u8) -> Value {
        let zero = B256::ZERO;
        json!({
            "number": format!("{number:#x}"), "hash": B256::repeat_byte(branch), "parentHash": zero,
            "baseFeePerGas": "0x1", "sha3Uncles": zero, "miner": Address::ZERO, "stateRoot": zero,
            "transactionsRoot": zero, "receiptsRoot": zero,
            "logsBloom": Bytes::from(vec![0; 256]), "difficulty": "0x0", "gasLimit": "0x1",
            "gasUsed": "0x0", "timestamp": "0x1", "extraData": "0x", "mixHash": zero,
            "nonce": "0x0000000000000000", "size": "0x0", "uncles": [], "transactions": [],
        })
    }

    /// A chain whose node gives these answers, one after the other, and then none.
    fn chain(answers: &[Value]) -> Chain {
        let asserter = Asserter::new();
        for answer in answers {
            asserter.push_success(answer);
        }
        let identity = Identity {
            chain_id: 1,
            registry: Address::ZERO,
            sender: Address::ZERO,
        };
        let provider = RootProvider::new(RpcClient::mocked(asserter));
        Chain::over(vec![provider], identity, Duration::from_secs(1))
    }

    fn block(number: u64, branch: u8) -> Block {
        Block {
            number,
            hash: B256::repeat_byte(branch),
            base_fee: 1,
        }
    }

    /// What both say about block 5 of branch 1, when they give these answers.
    async fn ask(here: &[Value], there: &[Value]) -> Result<Block, Park> {
        let chain = chain(here).witnessed_by(chain(there));
        let agreed = chain.agreed(block(5, 1), Confirmation::Finalized).await;
        agreed.unwrap()
    }

    #[tokio::test]
    async fn d12_without_a_witness_the_word_of_one_is_enough() {
        let agreed = chain(&[])
            .agreed(block(5, 1), Confirmation::Finalized)
            .await;
        assert_eq!(agreed.unwrap(), Ok(block(5, 1)));
    }

    #[tokio::test]
    async fn d12_a_block_that_both_call_final_is_final() {
        let same = ask(&[], &[header(9, 9), header(5, 1)]).await;
        assert_eq!(same, Ok(block(5, 1)));
        // The witness is ahead: it is asked about the block itself.
        let ahead = ask(&[], &[header(9, 9), header(7, 7), header(5, 1)]).await;
        assert_eq!(ahead, Ok(block(5, 1)));
    }

    #[tokio::test]
    async fn d12_a_witness_that_is_behind_decides_the_height() {
        let behind = ask(&[header(3, 3)], &[header(9, 9), header(3, 3)]).await;
        assert_eq!(behind, Ok(block(3, 3)));
    }

    #[tokio::test]
    async fn d12_two_hashes_at_one_height_are_no_progress() {
        let disagrees = |number, here, there| {
            Err(Park::WitnessDisagrees {
                number,
                here: B256::repeat_byte(here),
                there: B256::repeat_byte(there),
            })
        };
        let same_height = ask(&[], &[header(9, 9), header(5, 2)]).await;
        assert_eq!(same_height, disagrees(5, 1, 2));
        let ahead = ask(&[], &[header(9, 9), header(7, 7), header(5, 2)]).await;
        assert_eq!(ahead, disagrees(5, 1, 2));
        let behind = ask(&[header(3, 3)], &[header(9, 9), header(3, 4)]).await;
        assert_eq!(behind, disagrees(3, 3, 4));
    }

    #[tokio::test]
    async fn d12_a_witness_that_does_not_answer_is_waited_for() {
        let silent = ask(&[], &[]).await;
        assert!(
            matches!(silent, Err(Park::WitnessAway { .. })),
            "{silent:?}"
        );
        // It says that a later block is final, and does not know this one.
        let gap = ask(&[], &[header(9, 9), header(7, 7), Value::Null]).await;
        assert!(matches!(gap, Err(Park::WitnessAway { .. })), "{gap:?}");
    }

    #[tokio::test]
    async fn d12_the_first_endpoint_has_no_answer_about_a_lower_block() {
        let chain = chain(&[]).witnessed_by(chain(&[header(9, 9), header(3, 3)]));
        let error = chain.agreed(block(5, 1), Confirmation::Finalized).await;
        assert!(matches!(error, Err(ChainError::Unavailable { .. })));
    }
}
