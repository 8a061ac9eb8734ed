// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Two databases behind one small interface: every statement is written once, with `?` for its
//! arguments, in the SQL that both understand.

#[cfg(test)]
pub(crate) mod asked;
#[cfg(test)]
mod plans;
mod postgres;
mod sqlite;

use crate::StoreError;
use sqlx::{
    PgPool, Postgres, Row as _, Sqlite, SqlitePool, Transaction, postgres::PgRow, sqlite::SqliteRow,
};
use std::{fmt, path::PathBuf, str::FromStr};

/// Where the store lives.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// A SQLite file; created, with its folder, if missing.
    Sqlite(PathBuf),
    /// A PostgreSQL database, as a URL.
    Postgres(String),
}

impl FromStr for StoreConfig {
    type Err = std::convert::Infallible;

    /// A `postgres://` or `postgresql://` URL, otherwise a path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_url = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme));
        Ok(if is_url {
            Self::Postgres(text.into())
        } else {
            Self::Sqlite(text.into())
        })
    }
}

impl fmt::Display for StoreConfig {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => {
                let rest = url.split_once("://").map_or("", |(_, rest)| rest);
                let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                let place = rest.split('?').next().unwrap_or_default();
                write!(f, "postgres://{place}")
            }
        }
    }
}

impl fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One argument of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    /// An integer.
    Int(i64),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Bytes, or nothing.
    MaybeBytes(Option<Vec<u8>>),
    /// A name that an agent chose: text in SQLite, bytes in PostgreSQL, whose text cannot hold a NUL.
    Name(String),
}

/// Builds the arguments of a statement.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Arg::from($value)),*] };
}
pub(crate) use args;

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Arg {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<&[u8]> for Arg {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl<const N: usize> From<[u8; N]> for Arg {
    fn from(value: [u8; N]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<Vec<u8>> for Arg {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

/// The connections of a store: one that writes, unless it is a replica, and some that read.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    Sqlite {
        writer: Option<SqlitePool>,
        readers: SqlitePool,
    },
    Postgres {
        writer: Option<PgPool>,
        readers: PgPool,
    },
}

impl Db {
    /// Connects, creates what is missing, and brings the schema up to date.
    pub(crate) async fn open(config: &StoreConfig) -> Result<Self, StoreError> {
        let opened = match config {
            StoreConfig::Sqlite(path) => {
                sqlite::connect(path)
                    .await
                    .map(|(writer, readers)| Self::Sqlite {
                        writer: Some(writer),
                        readers,
                    })
            }
            StoreConfig::Postgres(url) => {
                postgres::connect(url)
                    .await
                    .map(|(writer, readers)| Self::Postgres {
                        writer: Some(writer),
                        readers,
                    })
            }
        };
        opened.map_err(|reason| StoreError::Open {
            place: config.to_string(),
            reason,
        })
    }

    /// Connects to a store that somebody else writes. Nothing is created, and a schema of another
    /// version is refused.
    pub(crate) async fn open_replica(config: &StoreConfig) -> Result<Self, StoreError> {
        let opened = match config {
            StoreConfig::Sqlite(path) => {
                sqlite::connect_to_read(path)
                    .await
                    .map(|readers| Self::Sqlite {
                        writer: None,
                        readers,
                    })
            }
            StoreConfig::Postgres(url) => {
                postgres::connect_to_read(url)
                    .await
                    .map(|readers| Self::Postgres {
                        writer: None,
                        readers,
                    })
            }
        };
        let refused = |reason: String| StoreError::Replica {
            place: config.to_string(),
            reason,
        };
        let db = opened.map_err(refused)?;
        let sql = "SELECT MAX(version) AS version FROM _sqlx_migrations";
        let found = db.snapshot().await?.one(sql, args![]).await;
        let found = found.map_err(|error| refused(error.to_string()))?;
        let expected = match config {
            StoreConfig::Sqlite(_) => sqlite::version(),
            StoreConfig::Postgres(_) => postgres::version(),
        };
        match found.maybe_int("version")? {
            Some(found) if found == expected => Ok(db),
            found => Err(refused(format!(
                "its schema has version {}, this program reads {expected}",
                found.unwrap_or(0)
            ))),
        }
    }

    /// Whether somebody else writes it.
    pub(crate) const fn is_replica(&self) -> bool {
        matches!(
            self,
            Self::Sqlite { writer: None, .. } | Self::Postgres { writer: None, .. }
        )
    }

    /// A snapshot for reading: every query of one answer sees the same state.
    pub(crate) async fn snapshot(&self) -> Result<Connection, StoreError> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Connection::Sqlite(readers.begin().await?),
            Self::Postgres { readers, .. } => {
                Connection::Postgres(readers.begin_with(postgres::SNAPSHOT).await?)
            }
        })
    }

    /// As [`Self::snapshot`], for questions of commands that read everything and may take their time.
    pub(crate) async fn long_snapshot(&self) -> Result<Connection, StoreError> {
        let mut snapshot = self.snapshot().await?;
        if let Connection::Postgres(_) = snapshot {
            snapshot.execute(postgres::NO_TIMEOUT, args![]).await?;
        }
        Ok(snapshot)
    }

    /// A transaction for writing.
    pub(crate) async fn write(&self) -> Result<Connection, StoreError> {
        Ok(match self {
            Self::Sqlite { writer: None, .. } | Self::Postgres { writer: None, .. } => {
                return Err(StoreError::ReadOnly);
            }
            // IMMEDIATE: take the write lock before reading the cursor, so that a second process on
            // the same file waits instead of building upon a cursor that moves.
            Self::Sqlite {
                writer: Some(writer),
                ..
            } => Connection::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres {
                writer: Some(writer),
                ..
            } => Connection::Postgres(writer.begin().await?),
        })
    }
}

/// A running transaction. Dropped without [`Connection::commit`], it leaves nothing behind.
pub(crate) enum Connection {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one statement on whichever database it is.
macro_rules! run {
    ($self:ident, $sql:expr, $args:expr, $persistent:expr, $method:ident, $wrap:expr) => {{
        let args = $args;
        #[cfg(test)]
        asked::record($sql, &args);
        match $self {
            Self::Sqlite(transaction) => {
                let mut query = sqlx::query($sql).persistent($persistent);
                for arg in args {
                    query = match arg {
                        Arg::Int(value) => query.bind(value),
                        Arg::Bytes(value) => query.bind(value),
                        Arg::MaybeBytes(value) => query.bind(value),
                        Arg::Name(value) => query.bind(value),
                    };
                }
                $wrap(query.$method(&mut **transaction).await?, Row::Sqlite)
            }
            Self::Postgres(transaction) => {
                let sql = postgres::numbered($sql);
                let mut query = sqlx::query(&sql).persistent($persistent);
                for arg in args {
                    query = match arg {
                        Arg::Int(value) => query.bind(value),
                        Arg::Bytes(value) => query.bind(value),
                        Arg::MaybeBytes(value) => query.bind(value),
                        Arg::Name(value) => query.bind(value.into_bytes()),
                    };
                }
                $wrap(query.$method(&mut **transaction).await?, Row::Postgres)
            }
        }
    }};
}

impl Connection {
    /// Runs a statement that answers nothing; the number of rows it changed.
    pub(crate) async fn execute(&mut self, sql: &str, args: Vec<Arg>) -> Result<u64, StoreError> {
        Ok(run!(self, sql, args, true, execute, |done, _| {
            changed(&done)
        }))
    }

    /// As [`Self::execute`], for statements that are rarely the same twice.
    pub(crate) async fn execute_once(
        &mut self,
        sql: &str,
        args: Vec<Arg>,
    ) -> Result<u64, StoreError> {
        Ok(run!(self, sql, args, false, execute, |done, _| {
            changed(&done)
        }))
    }

    /// All rows.
    pub(crate) async fn all(&mut self, sql: &str, args: Vec<Arg>) -> Result<Vec<Row>, StoreError> {
        Ok(run!(self, sql, args, true, fetch_all, wrap_all))
    }

    /// The row, if there is one.
    pub(crate) async fn optional(
        &mut self,
        sql: &str,
        args: Vec<Arg>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(run!(self, sql, args, true, fetch_optional, wrap_optional))
    }

    /// The row.
    pub(crate) async fn one(&mut self, sql: &str, args: Vec<Arg>) -> Result<Row, StoreError> {
        self.optional(sql, args)
            .await?
            .ok_or(StoreError::Corrupt { what: "a row" })
    }

    /// Makes what was written durable.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }

    /// What has to follow a `SELECT` so that nobody else writes the row meanwhile.
    pub(crate) const fn for_update(&self) -> &'static str {
        match self {
            // Its write transactions exclude each other.
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE",
        }
    }
}

/// Rows that a statement changed, on either database.
trait Changed {
    fn rows(&self) -> u64;
}

impl Changed for sqlx::sqlite::SqliteQueryResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

impl Changed for sqlx::postgres::PgQueryResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

fn changed(done: &impl Changed) -> u64 {
    done.rows()
}

fn wrap_all<R>(rows: Vec<R>, wrap: impl Fn(R) -> Row) -> Vec<Row> {
    rows.into_iter().map(wrap).collect()
}

fn wrap_optional<R>(row: Option<R>, wrap: impl Fn(R) -> Row) -> Option<Row> {
    row.map(wrap)
}

/// One row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    /// Bytes of a column.
    pub(crate) fn slice(&self, column: &'static str) -> Result<&[u8], StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A fixed number of bytes of a column.
    pub(crate) fn bytes<const N: usize>(
        &self,
        column: &'static str,
    ) -> Result<[u8; N], StoreError> {
        self.slice(column)?
            .try_into()
            .map_err(|_| StoreError::Corrupt { what: column })
    }

    /// Bytes of a column that may be absent.
    pub(crate) fn maybe_slice(&self, column: &'static str) -> Result<Option<&[u8]>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A name that an agent chose.
    pub(crate) fn name(&self, column: &'static str) -> Result<&[u8], StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get::<&str, _>(column)?.as_bytes(),
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// An integer that may be absent.
    pub(crate) fn maybe_int(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// An integer.
    pub(crate) fn int(&self, column: &'static str) -> Result<i64, StoreError> {
        self.maybe_int(column)?
            .ok_or(StoreError::Corrupt { what: column })
    }

    /// A number that was unsigned when it was written.
    pub(crate) fn unsigned<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.int(column)?).map_err(|_| StoreError::Corrupt { what: column })
    }
}

/// Both databases' integers are signed; sequences end at 2^63 - 1 for that very reason.
pub(crate) fn signed(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Corrupt {
        what: "number above 2^63 - 1",
    })
}

/// A number to compare with: what is larger than any stored one compares as the largest.
pub(crate) fn clamped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_postgres_and_anything_else_a_file_and_no_password_is_ever_shown() {
        let parse = |text: &str| text.parse::<StoreConfig>().unwrap();
        for url in [
            "postgres://u:secret@h:1/d?sslmode=require",
            "postgresql://u:s%40cret@h:1/d",
        ] {
            let config = parse(url);
            assert_eq!(config, StoreConfig::Postgres(url.into()));
            assert_eq!(config.to_string(), "postgres://h:1/d");
            assert_eq!(format!("{config:?}"), "postgres://h:1/d");
        }
        assert_eq!(
            parse("/var/lib/x.sqlite"),
            StoreConfig::Sqlite("/var/lib/x.sqlite".into())
        );
        assert_eq!(parse("postgres"), StoreConfig::Sqlite("postgres".into()));
    }

    #[test]
    fn arguments_are_numbered_in_order() {
        assert_eq!(
            postgres::numbered("a = ? AND b IN (?, ?)"),
            "a = $1 AND b IN ($2, $3)"
        );
    }
}
