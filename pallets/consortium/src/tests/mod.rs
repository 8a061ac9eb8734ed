// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

mod council;
mod double_blocks;
mod offences;
mod recovery;
mod set;
