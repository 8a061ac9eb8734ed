// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

mod directory;
mod groups;
mod handover;
mod keys;
mod limits;
mod membership;
mod migrations;
mod revocation;
mod rotation;
mod schemas;
mod state;
mod walk;
