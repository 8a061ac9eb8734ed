// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

// Everything is said on the command line, see ../support/evm.rs; `hardhat node` asks for this file.
export default {};
