// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What goes to the chain: trying a call, its gas and fees, sending it, its receipt.

use super::chain::{Block, Chain, ChainError, refused_or, unavailable};
use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, address},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol,
    transports::RpcError,
};
use serde_json::Value;

/// Knows the fee for L1 data on chains of the OP stack.
const GAS_PRICE_ORACLE: Address = address!("0x420000000000000000000000000000000000000F");

sol! {
    #[sol(rpc)]
    interface GasPriceOracle {
        function getL1Fee(bytes data) external view returns (uint256);
    }
}

/// Where a transaction ended up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receipt {
    pub(crate) block_number: u64,
    pub(crate) block_hash: B256,
    pub(crate) ok: bool,
    pub(crate) fee: u128,
}

impl Chain {
    /// What the L1 data of a transaction with these bytes costs, wei; 0 where there is no such fee.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub async fn l1_fee(&self, raw: &[u8]) -> Result<u128, ChainError> {
        let oracle = GasPriceOracle::new(GAS_PRICE_ORACLE, self.provider());
        let data = Bytes::copy_from_slice(raw);
        let fee = self.read("getL1Fee", async { oracle.getL1Fee(data).call().await });
        match fee.await {
            Ok(fee) => Ok(fee.try_into().unwrap_or(u128::MAX)),
            Err(error @ ChainError::Unavailable { .. }) => Err(error),
            // Not a chain of the OP stack.
            Err(_) => Ok(0),
        }
    }

    fn request(&self, call: &Bytes) -> TransactionRequest {
        TransactionRequest::default()
            .with_from(self.identity.sender)
            .with_to(self.identity.registry)
            .with_input(call.clone())
    }

    /// Runs a call without sending it.
    ///
    /// # Errors
    /// [`ChainError::Refused`] when it would revert.
    pub(crate) async fn simulate(&self, call: &Bytes) -> Result<(), ChainError> {
        let request = self.request(call);
        let run = async { self.provider().call(request).await };
        self.note(match self.in_time("eth_call", run).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refused_or("eth_call", error)),
            Err(error) => Err(error),
        })
    }

    /// Gas a call needs.
    ///
    /// # Errors
    /// [`ChainError::Refused`] when it would revert.
    pub(crate) async fn estimate(&self, call: &Bytes) -> Result<u64, ChainError> {
        let request = self.request(call);
        let run = async { self.provider().estimate_gas(request).await };
        self.note(match self.in_time("eth_estimateGas", run).await {
            Ok(Ok(gas)) => Ok(gas),
            Ok(Err(error)) => Err(refused_or("eth_estimateGas", error)),
            Err(error) => Err(error),
        })
    }

    /// Gas that a transfer of nothing to ourselves needs; not everywhere 21,000.
    ///
    /// # Errors
    /// When the chain does not say.
    pub(crate) async fn estimate_transfer(&self) -> Result<u64, ChainError> {
        let sender = self.identity.sender;
        let request = TransactionRequest::default()
            .with_from(sender)
            .with_to(sender);
        self.rpc("eth_estimateGas", async {
            self.provider().estimate_gas(request).await
        })
        .await
    }

    /// Base fee to reckon with and the tip the node suggests. `eth_gasPrice` sees a base fee that
    /// the latest header does not show yet.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub(crate) async fn fee_inputs(&self, latest: &Block) -> Result<(u128, u128), ChainError> {
        let price = self
            .rpc("eth_gasPrice", async {
                self.provider().get_gas_price().await
            })
            .await?;
        let tip = self
            .rpc("eth_maxPriorityFeePerGas", async {
                self.provider().get_max_priority_fee_per_gas().await
            })
            .await
            // Not all nodes have this method; the configured floor serves then.
            .unwrap_or_default();
        Ok((latest.base_fee.max(price.saturating_sub(tip)), tip))
    }

    /// Gives a signed transaction to the node.
    ///
    /// # Errors
    /// [`ChainError::Rejected`] when the node answers with an error, `Unavailable` when it is
    /// unknown whether the transaction arrived.
    pub(crate) async fn send_raw(&self, raw: &[u8]) -> Result<(), ChainError> {
        let send = async { self.provider().send_raw_transaction(raw).await };
        let answer = match self.in_time("eth_sendRawTransaction", send).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RpcError::ErrorResp(error))) if !error.is_retry_err() => {
                Err(ChainError::Rejected(error.message.to_string()))
            }
            Ok(Err(error)) => Err(unavailable("eth_sendRawTransaction", error)),
            Err(error) => Err(error),
        };
        // Whoever else can take it should have it: a node may drop it. Their word does not count.
        let others = self.endpoints.others().map(|provider| async move {
            let send = async { provider.send_raw_transaction(raw).await.map(drop) };
            let _ = tokio::time::timeout(self.timeout, send).await;
        });
        futures::future::join_all(others).await;
        self.note(answer)
    }

    /// The receipt of a transaction, if it is in the chain.
    ///
    /// # Errors
    /// When the chain does not answer.
    pub(crate) async fn receipt(&self, hash: &[u8; 32]) -> Result<Option<Receipt>, ChainError> {
        let hash = B256::new(*hash);
        let receipt: Value = self
            .rpc("eth_getTransactionReceipt", async {
                self.provider()
                    .raw_request("eth_getTransactionReceipt".into(), [hash])
                    .await
            })
            .await?;
        if receipt["blockNumber"].is_null() {
            return Ok(None);
        }
        // Read field by field: chains of the OP stack add some, `l1Fee` among them.
        read_receipt(&receipt).map(Some).ok_or_else(|| {
            unavailable(
                "eth_getTransactionReceipt",
                "a field of the receipt is missing",
            )
        })
    }
}

fn read_receipt(receipt: &Value) -> Option<Receipt> {
    let number = |name: &str| -> Option<u128> {
        let digits = receipt.get(name)?.as_str()?.strip_prefix("0x")?;
        u128::from_str_radix(digits, 16).ok()
    };
    let execution = number("gasUsed")?.saturating_mul(number("effectiveGasPrice")?);
    Some(Receipt {
        block_number: u64::try_from(number("blockNumber")?).ok()?,
        block_hash: receipt.get("blockHash")?.as_str()?.parse().ok()?,
        ok: number("status")? == 1,
        fee: execution.saturating_add(number("l1Fee").unwrap_or(0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn d6_the_fee_of_a_receipt_includes_the_l1_data() {
        let mut receipt = json!({
            "blockNumber": "0x10", "blockHash": B256::repeat_byte(1), "status": "0x1",
            "gasUsed": "0x5208", "effectiveGasPrice": "0x3b9aca00",
        });
        assert_eq!(read_receipt(&receipt).unwrap().fee, 21_000_000_000_000);
        receipt["l1Fee"] = json!("0x7");
        assert_eq!(read_receipt(&receipt).unwrap().fee, 21_000_000_000_007);
        receipt["status"] = json!("nonsense");
        assert!(read_receipt(&receipt).is_none());
    }
}
