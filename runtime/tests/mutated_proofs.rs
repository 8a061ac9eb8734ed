// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A proof with any byte changed, verified by the runtime's own wasm: refused by name, never a trap.
//!
//! The short form changes every fourth byte; `VES_LONG_TESTS=1` changes all of them
//! (`scripts/long-stark.sh`).

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its input has failed"
)]

use codec::{Decode, DecodeAll, Encode};
use polkadot_sdk::{
    sc_executor::WasmExecutor,
    sp_core::traits::{CallContext, CodeExecutor, RuntimeCode, WrappedRuntimeCode},
    sp_io::SubstrateHostFunctions,
    sp_state_machine::BasicExternalities,
};
use ves_primitives::{
    SigningPublicKey,
    proof::{ProofRefusal, ProofSubmission},
    sequencer::EventRecord,
};

/// Proof that the pallet's benchmarks are measured with; its chain has a genesis hash of zeros, as
/// an empty state has.
const FIXTURE: &[u8] =
    include_bytes!("../../pallets/stark-verifier/src/benchmarking/fixtures/event.scale");

struct Wasm {
    executor: WasmExecutor<(SubstrateHostFunctions, ves_host::HostFunctions)>,
    code: &'static [u8],
}

impl Wasm {
    /// Asks the runtime whether the submission's proof holds.
    fn verify(&self, submission: &ProofSubmission, sequence: u64) -> Result<(), ProofRefusal> {
        let fetcher = WrappedRuntimeCode(self.code.into());
        let code = RuntimeCode {
            code_fetcher: &fetcher,
            heap_pages: None,
            hash: vec![1],
        };
        let mut state = BasicExternalities::default();
        let (answer, _) = self.executor.call(
            &mut state,
            &code,
            "StarkVerifierApi_verify_proof",
            &(submission, sequence).encode(),
            CallContext::Offchain,
        );
        Decode::decode(&mut &answer.expect("the runtime does not trap")[..]).unwrap()
    }
}

#[test]
fn the_runtimes_wasm_refuses_a_proof_with_any_byte_changed() {
    let wasm = Wasm {
        executor: WasmExecutor::builder().build(),
        code: ves_runtime::WASM_BINARY.expect("built with the runtime"),
    };
    let (_, record, good): (SigningPublicKey, EventRecord, ProofSubmission) =
        DecodeAll::decode_all(&mut &FIXTURE[..]).unwrap();
    assert_eq!(wasm.verify(&good, record.sequence), Ok(()));
    let step = if std::env::var_os("VES_LONG_TESTS").is_some() {
        1
    } else {
        4
    };
    let mut refused = 0;
    for at in (0..good.proof.len()).step_by(step) {
        let mut bytes = good.proof.to_vec();
        bytes[at] ^= 1 << (at % 8);
        let mut altered = good.clone();
        altered.proof = bytes.try_into().unwrap();
        let verdict = wasm.verify(&altered, record.sequence);
        assert!(verdict.is_err(), "byte {at} does not matter");
        refused += 1;
    }
    for length in [0, 1, good.proof.len() - 1] {
        let mut cut = good.clone();
        cut.proof.truncate(length);
        assert!(
            wasm.verify(&cut, record.sequence).is_err(),
            "{length} bytes"
        );
    }
    assert_eq!(refused, good.proof.len().div_ceil(step));
}

/// By the messages that only such checks bring in: the SDK's builder leaves them out unless told.
#[test]
fn the_runtimes_wasm_checks_its_sums() {
    let wasm = ves_runtime::WASM_BINARY_BLOATY.expect("built with the runtime");
    for what in ["add", "subtract", "multiply"] {
        let message = format!("attempt to {what} with overflow");
        let found = wasm
            .windows(message.len())
            .any(|part| part == message.as_bytes());
        assert!(found, "{message}");
    }
}
