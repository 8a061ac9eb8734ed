// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

mod batch;
mod dedupe;
mod frozen;
mod growth;
mod integrity;
mod migrations;
mod model;
mod pool;
mod quota;
mod retention;
mod simulation;
mod submit;
