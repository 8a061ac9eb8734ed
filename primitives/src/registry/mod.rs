// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What the registry knows about tenants, stores, agents, keys, groups and schemas, and how it
//! judges an author.

mod author;
mod group;
mod keys;
mod policy;
mod rotation;
mod schema;

pub use author::*;
pub use group::*;
pub use keys::*;
pub use policy::*;
pub use rotation::*;
pub use schema::*;
