// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod amount;
pub mod anchor;
pub mod capture;
pub mod chain;
pub mod cli;
pub mod commands;
pub mod config;
pub mod conflicts;
pub mod crypto;
pub mod db;
pub mod entities;
pub mod error;
pub mod event_types;
pub mod finality;
pub mod home;
pub mod inbox;
pub mod interrupt;
pub mod journal;
pub mod keys;
mod mcp;
pub mod outbox;
pub mod output;
pub mod parking;
mod program;
pub mod proofs;
pub mod pull;
pub mod push;
pub mod reading;
#[cfg(test)]
mod testing;
pub mod vault;
pub mod verify;

pub use ves_verify::rules;
