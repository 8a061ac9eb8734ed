// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Amounts, salts and running totals. Nothing here has `Debug`, and no error repeats a value.

use crate::{
    cli::AmountArgs,
    error::{Failure, Result},
    files::{self, Pending},
    json::{self, Members},
};
use rand::{RngCore, rngs::OsRng};
use serde_json::json;
use std::path::Path;
use ves_primitives::{AmountCommitment, AmountSalt, CurrencyTag, EventId, StoreId, TenantId};
use ves_stark_prover::Opening;
use zeroize::Zeroizing;

/// An amount with its salt, and what it opens.
#[derive(Clone)]
pub(crate) struct Secret {
    amount: Zeroizing<u64>,
    salt: Zeroizing<[u64; 3]>,
}

impl Secret {
    /// An amount under a salt from the operating system.
    pub(crate) fn random(amount: u64) -> Result<Self> {
        Ok(Self::new(Zeroizing::new(amount), random_salt()?))
    }

    /// An amount under a given salt.
    pub(crate) fn new(amount: Zeroizing<u64>, salt: AmountSalt) -> Self {
        Self {
            amount,
            salt: Zeroizing::new(salt.words()),
        }
    }

    /// What the command line says about one event.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::error::Exit::Usage) or
    /// [`Exit::BadInput`](crate::error::Exit::BadInput).
    pub(crate) fn from_args(args: &AmountArgs, event: EventId) -> Result<Self> {
        let salt = match &args.payload_salt {
            Some(text) => derived_salt(text, event).ok_or_else(|| {
                Failure::usage("payload_salt", "--payload-salt is not 32 hex digits")
            })?,
            None => random_salt()?,
        };
        Ok(Self::new(amount(args)?, salt))
    }

    /// For the prover.
    pub(crate) fn opening(&self) -> Result<Opening> {
        AmountSalt::from_words(*self.salt)
            .map(|salt| Opening::new(*self.amount, salt))
            .ok_or_else(|| Failure::bad_input("salt", "a salt word is not below the modulus"))
    }

    /// The commitment.
    ///
    /// # Errors
    /// [`Exit::Unprovable`](crate::error::Exit::Unprovable) for an amount outside the field.
    pub(crate) fn commit(&self, currency: CurrencyTag) -> Result<AmountCommitment> {
        Ok(self.opening()?.commit(currency)?.into())
    }
}

/// The amount from its flag, its file or the environment.
fn amount(args: &AmountArgs) -> Result<Zeroizing<u64>> {
    let text = match (&args.amount, &args.amount_file) {
        // The environment counts as the flag; a file on the command line is more explicit.
        (_, Some(path)) => files::read_text(path, files::MAX_SECRET_FILE)?,
        (Some(text), None) => Zeroizing::new(text.clone()),
        (None, None) => {
            return Err(Failure::usage(
                "no_amount",
                "the amount is missing: --amount, --amount-file or VES_STARK_AMOUNT",
            ));
        }
    };
    parse_amount(&text, "the amount")
}

fn parse_amount(text: &str, what: &str) -> Result<Zeroizing<u64>> {
    json::decimal(text.trim())
        .map(Zeroizing::new)
        .ok_or_else(|| {
            Failure::usage(
                "bad_amount",
                format!("{what} is not a number from 0 to 2^64 - 2^32"),
            )
        })
}

/// The salt that readers of the payload derive too.
pub(crate) fn derived_salt(payload_salt: &str, event: EventId) -> Option<AmountSalt> {
    let mut bytes = Zeroizing::new([0u8; 16]);
    hex::decode_to_slice(payload_salt.trim(), bytes.as_mut_slice()).ok()?;
    Some(AmountSalt::derive(&bytes, event))
}

/// A salt from the operating system.
pub(crate) fn random_salt() -> Result<AmountSalt> {
    loop {
        let mut bytes = Zeroizing::new([0u8; 24]);
        OsRng.try_fill_bytes(bytes.as_mut_slice()).map_err(|_| {
            Failure::new(
                crate::error::Exit::General,
                "entropy",
                "no entropy from the operating system",
            )
        })?;
        let mut words = Zeroizing::new([0u64; 3]);
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = chunk
                .iter()
                .fold(0, |word, byte| (word << 8) | u64::from(*byte));
        }
        // A word is refused with probability 2^-32.
        if let Some(salt) = AmountSalt::from_words(*words) {
            return Ok(salt);
        }
    }
}

/// The running total of one stream's budget, as kept in a secret file.
pub(crate) struct Total {
    /// The total and its salt.
    pub(crate) secret: Secret,
    currency: CurrencyTag,
    tenant: TenantId,
    store: StoreId,
}

impl Total {
    /// Reads the total, or starts one at `previous` (0 if not given) when the file is missing.
    ///
    /// # Errors
    /// [`Exit::BadInput`](crate::error::Exit::BadInput) if the file is open to others, malformed,
    /// of another stream or currency, or holds another total than `previous`.
    pub(crate) fn open(
        path: &Path,
        previous: Option<&str>,
        currency: CurrencyTag,
        (tenant, store): (TenantId, StoreId),
    ) -> Result<Self> {
        let previous = previous
            .map(|text| parse_amount(text, "the previous total"))
            .transpose()?;
        if !path
            .try_exists()
            .map_err(|error| Failure::read(path, &error))?
        {
            return Ok(Self {
                secret: Secret::random(previous.map_or(0, |total| *total))?,
                currency,
                tenant,
                store,
            });
        }
        check_mode(path)?;
        let total = Self::read(path)?;
        if total.currency != currency || total.tenant != tenant || total.store != store {
            return Err(Failure::bad_input(
                "total_file",
                "the total file is of another stream or currency",
            ));
        }
        if previous.is_some_and(|previous| *previous != *total.secret.amount) {
            return Err(Failure::bad_input(
                "previous_total",
                "the total file holds another total than --previous-total",
            ));
        }
        Ok(total)
    }

    fn read(path: &Path) -> Result<Self> {
        let text = files::read_text(path, files::MAX_SECRET_FILE)?;
        let value = json::parse(&text, "the total file")?;
        let members = Members::of(&value, "the total file")?;
        members.only(&[
            "version",
            "currency",
            "tenantId",
            "storeId",
            "total",
            "salt",
            "commitment",
        ])?;
        if members.number("version")? != 1 {
            return Err(members.bad("version"));
        }
        let total = json::decimal(members.text("total")?).ok_or_else(|| members.bad("total"))?;
        let mut words = Zeroizing::new([0u64; 3]);
        let salt = Zeroizing::new(members.hex::<24>("salt")?);
        for (word, chunk) in words.iter_mut().zip(salt.chunks_exact(8)) {
            *word = chunk
                .iter()
                .fold(0, |word, byte| (word << 8) | u64::from(*byte));
        }
        let salt = AmountSalt::from_words(*words).ok_or_else(|| members.bad("salt"))?;
        let total = Self {
            secret: Secret::new(Zeroizing::new(total), salt),
            currency: members.spelled("currency")?,
            tenant: members.spelled("tenantId")?,
            store: members.spelled("storeId")?,
        };
        if total.secret.commit(total.currency)?.0 != members.hex::<32>("commitment")? {
            return Err(members.bad("commitment"));
        }
        Ok(total)
    }

    /// The total after one more amount, under a fresh salt.
    ///
    /// # Errors
    /// [`Exit::Unprovable`](crate::error::Exit::Unprovable) if the sum is no amount.
    pub(crate) fn plus(&self, spent: &Secret) -> Result<Self> {
        let sum = self
            .secret
            .amount
            .checked_add(*spent.amount)
            .ok_or_else(|| Failure::from(ves_stark_prover::ProveError::AmountTooLarge))?;
        Ok(Self {
            secret: Secret::random(sum)?,
            ..*self
        })
    }

    /// Writes the total beside its file, mode 0600, not yet in place.
    ///
    /// # Errors
    /// [`Exit::General`](crate::error::Exit::General).
    pub(crate) fn stage(&self, path: &Path) -> Result<Pending> {
        let mut salt = Zeroizing::new(Vec::with_capacity(24));
        for word in self.secret.salt.iter() {
            salt.extend_from_slice(&word.to_be_bytes());
        }
        let text = Zeroizing::new(format!(
            "{:#}\n",
            json!({
                "version": 1,
                "currency": self.currency.to_string(),
                "tenantId": self.tenant.to_string(),
                "storeId": self.store.to_string(),
                "total": self.secret.amount.to_string(),
                "salt": hex::encode(salt.as_slice()),
                "commitment": hex::encode(self.secret.commit(self.currency)?),
            })
        ));
        Pending::write(path, text.as_bytes(), 0o600)
    }
}

/// Refuses a secret file that others can read.
#[cfg(unix)]
fn check_mode(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = std::fs::metadata(path).map_err(|error| Failure::read(path, &error))?;
    if metadata.permissions().mode() & 0o077 != 0 {
        let why = format!("{} holds secrets and is open to others", path.display());
        return Err(Failure::bad_input("total_file_mode", why).hint("chmod 600 it"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> Result<()> {
    Ok(())
}
