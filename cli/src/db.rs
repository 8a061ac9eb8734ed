// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! The local SQLite database: opening, pragmas, migrations.

use crate::error::{Exit, Failure, Result};
use sqlx::{
    ConnectOptions, Connection, Executor, Row, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long opening is tried again, and the pause between. Shorter than `BUSY_TIMEOUT`: a complaint
/// that was waited for counts at once.
const OPENING_PATIENCE: Duration = Duration::from_secs(1);
const OPENING_PAUSE: Duration = Duration::from_millis(50);
/// The pragma with which SQLite refuses writes.
const QUERY_ONLY: &str = "query_only";
/// SQLite application id of our databases, `VESS`.
const APPLICATION_ID: i64 = 0x5645_5353;
/// Steps from an empty database to the present schema. Append only: a step that shipped is history.
const MIGRATIONS: [&str; 12] = [
    include_str!("../migrations/0001_outbox_and_inbox.sql"),
    include_str!("../migrations/0002_proofs.sql"),
    include_str!("../migrations/0003_authority_sets.sql"),
    include_str!("../migrations/0004_agent.sql"),
    include_str!("../migrations/0005_entities_of_the_outbox.sql"),
    include_str!("../migrations/0006_event_types_and_journal.sql"),
    include_str!("../migrations/0007_forced_sets.sql"),
    include_str!("../migrations/0008_set_aside_events.sql"),
    include_str!("../migrations/0009_receipts.sql"),
    include_str!("../migrations/0010_key_policies.sql"),
    include_str!("../migrations/0011_proven_recipients.sql"),
    include_str!("../migrations/0012_failed_events.sql"),
];

/// The version of a fully migrated database.
pub const SCHEMA_VERSION: i64 = 12;
const _: () = assert!(SCHEMA_VERSION as usize == MIGRATIONS.len());

/// Opens the database and brings its schema up to date.
///
/// Only `init` may create it: a database that has vanished holds unsent events, and silently
/// starting anew would hide that.
///
/// # Errors
/// `database_missing`, `database_corrupt`, `database_newer`, or what SQLite says.
pub async fn open(path: &Path, create: bool) -> Result<SqlitePool> {
    open_as(path, create, false).await
}

/// Opens the database for whoever promised to change nothing: SQLite refuses each write, and an older
/// schema stays as it is.
///
/// # Errors
/// As [`open`], and `database_older`.
pub async fn open_read_only(path: &Path) -> Result<SqlitePool> {
    open_as(path, false, true).await
}

/// The same database, in which nothing can be changed.
///
/// # Errors
/// What SQLite says.
pub async fn read_only(pool: &SqlitePool) -> Result<SqlitePool> {
    let options = unchanging(pool.connect_options().as_ref().clone());
    Ok(pool_options().connect_with(options).await?)
}

fn unchanging(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options.pragma(QUERY_ONLY, "on")
}

/// Whether this database was opened to change nothing. What a command notes along the way is then left
/// out; it is noted by the run that counts.
///
/// # Errors
/// What SQLite says.
pub async fn is_read_only(pool: &SqlitePool) -> Result<bool> {
    let sql = format!("PRAGMA {QUERY_ONLY}");
    Ok(sqlx::query_scalar::<_, i64>(&sql).fetch_one(pool).await? != 0)
}

fn pool_options() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(4)
        .acquire_timeout(BUSY_TIMEOUT)
}

async fn open_as(path: &Path, create: bool, read_only: bool) -> Result<SqlitePool> {
    if !create && !path.is_file() {
        return Err(Failure::new(
            Exit::Database,
            "database_missing",
            format!("{} does not exist", path.display()),
        )
        .hint(
            "restore it from a backup, or start an empty one with `stateset-sync init --force`",
        ));
    }
    if create {
        create_private(path)?;
    } else {
        check_not_empty(path)?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    let options = match read_only {
        true => unchanging(options),
        false => options,
    };
    let begun = Instant::now();
    loop {
        match connect(path, create, read_only, &options).await {
            Err(failure) if is_race(&failure) && begun.elapsed() < OPENING_PATIENCE => {
                tokio::time::sleep(OPENING_PAUSE).await;
            }
            other => return other,
        }
    }
}

async fn connect(
    path: &Path,
    create: bool,
    read_only: bool,
    options: &SqliteConnectOptions,
) -> Result<SqlitePool> {
    let mut connection = options.connect().await?;
    check_identity(&mut connection, path, create).await?;
    match read_only {
        true => check_schema(&mut connection).await?,
        false => migrate(&mut connection).await?,
    }
    connection.close().await?;
    Ok(pool_options().connect_with(options.clone()).await?)
}

/// Whether another process may just be opening or closing the database, which SQLite does not wait for.
fn is_race(failure: &Failure) -> bool {
    matches!(failure.code, "database_busy" | "database_error")
}

/// Looks at an empty file before SQLite does, which would turn it into a database. By its size alone:
/// whoever opens and closes the file itself drops the locks of every connection that this process has
/// to it (POSIX advisory locks belong to the process), and two writers then destroy it. What else is no
/// database SQLite says itself.
fn check_not_empty(path: &Path) -> Result<()> {
    let found = std::fs::metadata(path).map_err(|e| Failure::io("read", path, &e))?;
    match found.len() {
        0 => Err(lost(path)),
        _ => Ok(()),
    }
}

fn lost(path: &Path) -> Failure {
    Failure::new(
        Exit::Database,
        "database_corrupt",
        format!("{} is empty or not a database of this tool", path.display()),
    )
    .hint("restore it from a backup, or move it away and run `stateset-sync init --force`")
}

async fn check_identity(db: &mut SqliteConnection, path: &Path, create: bool) -> Result<()> {
    let application: i64 = db.fetch_one("PRAGMA application_id").await?.try_get(0)?;
    let tables: i64 = db
        .fetch_one("SELECT count(*) FROM sqlite_schema")
        .await?
        .try_get(0)?;
    if application == APPLICATION_ID || (create && tables == 0) {
        return Ok(());
    }
    Err(lost(path))
}

fn newer(version: i64) -> Failure {
    Failure::new(
        Exit::Database,
        "database_newer",
        format!("the database has schema {version}, this program knows {SCHEMA_VERSION}"),
    )
    .hint("use the newer stateset-sync that wrote it")
}

/// Refuses another schema than the present one, where it may not be brought up to date.
async fn check_schema(db: &mut SqliteConnection) -> Result<()> {
    match user_version(db).await? {
        SCHEMA_VERSION => Ok(()),
        version if version > SCHEMA_VERSION => Err(newer(version)),
        version => Err(Failure::new(
            Exit::Database,
            "database_older",
            format!("the database has schema {version}, this program needs {SCHEMA_VERSION}"),
        )
        .hint(
            "a dry run changes nothing: any command without --dry-run, such as `stateset-sync \
             status`, brings it up to date",
        )),
    }
}

async fn migrate(db: &mut SqliteConnection) -> Result<()> {
    if user_version(db).await? == SCHEMA_VERSION {
        return Ok(());
    }
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await?;
    // Read again under the lock: another process may have migrated meanwhile.
    let version = user_version(&mut tx).await?;
    if version > SCHEMA_VERSION {
        return Err(newer(version));
    }
    let done = usize::try_from(version).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(done) {
        tx.execute(*step).await?;
    }
    // Pragmas take no bound parameters; both numbers are constants of this file.
    tx.execute(format!("PRAGMA user_version = {SCHEMA_VERSION}").as_str())
        .await?;
    tx.execute(format!("PRAGMA application_id = {APPLICATION_ID}").as_str())
        .await?;
    tx.commit().await?;
    Ok(())
}

async fn user_version(db: &mut SqliteConnection) -> Result<i64> {
    Ok(db.fetch_one("PRAGMA user_version").await?.try_get(0)?)
}

/// Creates the outbox and inbox tables in a database of the caller's own, so that a business change
/// and its event commit in one transaction. Does nothing where they exist.
///
/// # Errors
/// What SQLite says.
pub async fn install(db: &mut SqliteConnection) -> Result<()> {
    for step in MIGRATIONS {
        db.execute(step).await?;
    }
    Ok(())
}

/// An empty file for the owner alone; SQLite gives its log files the same mode.
fn create_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let created = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Failure::io("create", path, &e))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_init_creates_a_database() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        assert_eq!(
            open(&path, false).await.unwrap_err().code,
            "database_missing"
        );
        open(&path, true).await.unwrap().close().await;
        open(&path, false).await.unwrap().close().await;
    }

    #[tokio::test]
    async fn damaged_databases_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(
            open(&path, false).await.unwrap_err().code,
            "database_corrupt"
        );
        std::fs::write(
            &path,
            b"neither a database nor anything else, just some bytes",
        )
        .unwrap();
        assert_eq!(
            open(&path, false).await.unwrap_err().code,
            "database_corrupt"
        );
    }

    #[tokio::test]
    async fn a_newer_schema_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let pool = open(&path, true).await.unwrap();
        pool.execute("PRAGMA user_version = 99").await.unwrap();
        pool.close().await;
        assert_eq!(open(&path, false).await.unwrap_err().code, "database_newer");
    }

    #[tokio::test]
    async fn a_database_that_is_opened_to_change_nothing_refuses_every_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let writable = open(&path, true).await.unwrap();
        assert!(!is_read_only(&writable).await.unwrap());
        let insert =
            "INSERT INTO ves_quarantine VALUES (x'01', x'02', 3, x'04', 'r', 'd', '{}', '')";
        for pool in [
            open_read_only(&path).await.unwrap(),
            read_only(&writable).await.unwrap(),
        ] {
            assert!(is_read_only(&pool).await.unwrap());
            let refused: Failure = pool.execute(insert).await.unwrap_err().into();
            assert_eq!(refused.code, "database_read_only");
            let begun = pool.begin_with("BEGIN IMMEDIATE").await;
            let refused: Failure = begun.err().unwrap().into();
            assert_eq!(refused.code, "database_read_only");
        }
        writable.execute(insert).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_may_change_nothing_leaves_another_schema_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let pool = open(&path, true).await.unwrap();
        for (version, code) in [
            (SCHEMA_VERSION - 1, "database_older"),
            (99, "database_newer"),
        ] {
            let stamp = format!("PRAGMA user_version = {version}");
            pool.execute(stamp.as_str()).await.unwrap();
            assert_eq!(open_read_only(&path).await.unwrap_err().code, code);
            let kept: i64 = sqlx::query_scalar("PRAGMA user_version")
                .fetch_one(&pool)
                .await
                .unwrap();
            assert_eq!(kept, version);
        }
    }

    #[tokio::test]
    async fn a_database_of_an_older_schema_is_brought_up_to_date_and_keeps_its_rows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        create_private(&path).unwrap();
        let mut old = SqliteConnection::connect(path.to_str().unwrap())
            .await
            .unwrap();
        old.execute(MIGRATIONS[0]).await.unwrap();
        let stamp = format!("PRAGMA user_version = 1; PRAGMA application_id = {APPLICATION_ID}");
        old.execute(stamp.as_str()).await.unwrap();
        old.execute(
            "INSERT INTO ves_quarantine VALUES (x'01', x'02', 3, x'04', 'r', 'd', '{}', '')",
        )
        .await
        .unwrap();
        old.close().await.unwrap();
        let pool = open(&path, false).await.unwrap();
        let count = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool);
        assert_eq!(count("PRAGMA user_version").await.unwrap(), SCHEMA_VERSION);
        let kept = count("SELECT count(*) FROM ves_quarantine").await.unwrap();
        let wishes = count("SELECT count(*) FROM ves_proof_wishes").await;
        assert_eq!((kept, wishes.unwrap()), (1, 0));
    }

    #[tokio::test]
    async fn installing_twice_changes_nothing() {
        let mut db = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        install(&mut db).await.unwrap();
        install(&mut db).await.unwrap();
    }
}
