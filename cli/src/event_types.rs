// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Event types and what their payloads look like: a JSON Schema for each.
//!
//! A folder of the project's own holds `<event type>.json` files; behind it stand the types of the VES
//! vocabulary, which are built in and loose: they say what well-known members are, not which there must be.
//! A payload is judged when it is captured, before it is encrypted. The chain keeps hashes of schemas
//! (`schemas:register`); [`schema_hash`] is the same rule for both.
//!
//! ```
//! use stateset_sync::event_types::{EventTypes, Judges, Unknown, Verdict};
//!
//! let folder = std::env::temp_dir().join(format!("ves-schemas-{}", std::process::id()));
//! std::fs::create_dir_all(&folder)?;
//! let schema = r#"{"required":["text"],"properties":{"text":{"type":"string"}}}"#;
//! std::fs::write(folder.join("note.added.json"), schema)?;
//!
//! let types = EventTypes::of(&folder, None, true)?;
//! let mut judges = Judges::default(); // compiled schemas, kept for the next payload
//! assert_eq!(types.judge(&mut judges, "note.added", r#"{"text":"hi"}"#)?, Verdict::Fits);
//! let Verdict::Misfits(found) = types.judge(&mut judges, "note.added", r#"{"text":7}"#)? else {
//!     panic!("a number is no string")
//! };
//! assert_eq!(found[0].pointer, "/text");
//! // Where a project describes types of its own, others wait for a schema.
//! assert_eq!(types.judge(&mut judges, "task.done", "{}")?, Verdict::Unknown);
//! assert_eq!(types.unknown(), Unknown::Park);
//! # std::fs::remove_dir_all(folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builtin;

use crate::{
    error::{Exit, Failure, Result},
    home::read_bounded,
};
use boon::{Compiler, Draft, ErrorKind, SchemaIndex, Schemas, UrlLoader, ValidationError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};
use ves_primitives::{SchemaHash, jcs, sha256};

/// Largest schema file.
pub const MAX_SCHEMA_BYTES: u64 = 1024 * 1024;
/// Most schemas of a project's own.
pub const MAX_SCHEMAS: usize = 4096;
/// Most findings about one payload.
const MAX_MISFITS: usize = 16;
/// Where a schema stands while it is compiled. Nothing is fetched from there.
const ADDRESS: &str = "ves:///schema";

/// What to do with an event of a type that nobody described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// Capture it.
    Accept,
    /// Set it aside until its type has a schema.
    Park,
    /// Refuse it.
    Refuse,
}

impl Unknown {
    /// The name, as in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Park => "park",
            Self::Refuse => "refuse",
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Unknown {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        [Self::Accept, Self::Park, Self::Refuse]
            .into_iter()
            .find(|unknown| unknown.name() == text)
            .ok_or_else(|| "give accept, park or refuse".to_owned())
    }
}

/// SHA-256 of a schema's canonical JSON, so that layout does not matter: the hash that the chain keeps.
///
/// # Errors
/// What is wrong with the text.
pub fn schema_hash(text: &str) -> std::result::Result<SchemaHash, String> {
    let canonical = jcs::canonicalize(text).map_err(|error| error.to_string())?;
    Ok(SchemaHash(sha256(canonical.as_bytes())))
}

/// Where a schema comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The program.
    BuiltIn,
    /// A file of the project's.
    File(PathBuf),
}

impl Source {
    /// For output.
    pub fn name(&self) -> String {
        match self {
            Self::BuiltIn => "built in".into(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// The schema of one event type.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Where it comes from.
    pub source: Source,
    /// Its hash, as the chain keeps it.
    pub hash: SchemaHash,
    /// The schema itself.
    pub schema: Value,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Misfit {
    /// JSON pointer into the payload; empty for the whole.
    pub pointer: String,
    /// What is wrong there. Holds nothing of the payload but names of members.
    pub problem: String,
}

/// What the schema says about a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It fits, or nobody wants to know.
    Fits,
    /// Nobody described the type.
    Unknown,
    /// It does not fit.
    Misfits(Vec<Misfit>),
}

struct Compiled {
    schemas: Schemas,
    index: SchemaIndex,
}

/// A loader that loads nothing: a schema is one file.
struct Nowhere;

impl UrlLoader for Nowhere {
    fn load(&self, url: &str) -> std::result::Result<Value, Box<dyn Error>> {
        Err(format!("{url}: a schema refers to nothing outside of its own file").into())
    }
}

/// The event types that are known here.
#[derive(Debug)]
pub struct EventTypes {
    own: BTreeMap<String, PathBuf>,
    unknown: Unknown,
    validates: bool,
}

/// Compiled schemas by event type, for one run. A type without one is remembered too.
#[derive(Default)]
pub struct Judges(HashMap<String, Option<Compiled>>);

impl EventTypes {
    /// The types of a folder, if it exists, before the ones that are built in. Unless said otherwise,
    /// unknown types are parked where the project describes types of its own, and accepted elsewhere.
    ///
    /// # Errors
    /// A folder that cannot be read, or with more than [`MAX_SCHEMAS`] schemas.
    pub fn of(folder: &Path, unknown: Option<Unknown>, validates: bool) -> Result<Self> {
        let mut own = BTreeMap::new();
        if folder.is_dir() {
            let failed = |error: std::io::Error| Failure::io("read", folder, &error);
            for entry in std::fs::read_dir(folder).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                let name = path.file_name().and_then(|name| name.to_str());
                let Some(event_type) = name.and_then(|name| name.strip_suffix(".json")) else {
                    continue;
                };
                own.insert(event_type.to_owned(), path.clone());
                if own.len() > MAX_SCHEMAS {
                    return Err(Failure::usage(
                        "too_many_schemas",
                        format!("{} holds more than {MAX_SCHEMAS} schemas", folder.display()),
                    ));
                }
            }
        }
        let by_default = if own.is_empty() {
            Unknown::Accept
        } else {
            Unknown::Park
        };
        Ok(Self {
            own,
            unknown: unknown.unwrap_or(by_default),
            validates,
        })
    }

    /// The built-in types alone.
    pub const fn built_in() -> Self {
        Self {
            own: BTreeMap::new(),
            unknown: Unknown::Accept,
            validates: true,
        }
    }

    /// What happens to events of other types.
    pub const fn unknown(&self) -> Unknown {
        self.unknown
    }

    /// Whether payloads are judged at all.
    pub const fn validates(&self) -> bool {
        self.validates
    }

    /// Every type there is a schema for.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.own.keys().cloned().collect();
        names.extend(builtin::names().map(str::to_owned));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The types of the project's own.
    pub fn own_names(&self) -> impl Iterator<Item = &str> {
        self.own.keys().map(String::as_str)
    }

    /// The schema of a type, if there is one.
    ///
    /// # Errors
    /// `schema_invalid` for a file that is no JSON document.
    pub fn schema(&self, event_type: &str) -> Result<Option<Schema>> {
        let Some(path) = self.own.get(event_type) else {
            return Ok(builtin::schema(event_type).map(|(schema, hash)| Schema {
                source: Source::BuiltIn,
                hash,
                schema,
            }));
        };
        let invalid = |why: String| schema_invalid(&path.display().to_string(), &why);
        let bytes = read_bounded(path, MAX_SCHEMA_BYTES)?;
        let text = String::from_utf8(bytes).map_err(|error| invalid(error.to_string()))?;
        let hash = schema_hash(&text).map_err(invalid)?;
        let schema = serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        Ok(Some(Schema {
            source: Source::File(path.clone()),
            hash,
            schema,
        }))
    }

    /// Makes sure that a type's schema is one.
    ///
    /// # Errors
    /// `schema_invalid`.
    pub fn check_schema(&self, event_type: &str) -> Result<()> {
        self.compiled(event_type).map(drop)
    }

    fn compiled(&self, event_type: &str) -> Result<Option<Compiled>> {
        let Some(found) = self.schema(event_type)? else {
            return Ok(None);
        };
        let invalid = |why: String| schema_invalid(&found.source.name(), &why);
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        compiler.use_loader(Box::new(Nowhere));
        compiler
            .add_resource(ADDRESS, found.schema.clone())
            .map_err(|error| invalid(error.to_string()))?;
        let mut schemas = Schemas::new();
        let index = compiler
            .compile(ADDRESS, &mut schemas)
            .map_err(|error| invalid(format!("{error:#}")))?;
        Ok(Some(Compiled { schemas, index }))
    }

    /// Judges a payload by its type's schema.
    ///
    /// # Errors
    /// `schema_invalid`.
    pub fn judge(&self, judges: &mut Judges, event_type: &str, payload: &str) -> Result<Verdict> {
        if !judges.0.contains_key(event_type) {
            let compiled = self.compiled(event_type)?;
            judges.0.insert(event_type.to_owned(), compiled);
        }
        let Some(Some(judge)) = judges.0.get(event_type) else {
            return Ok(Verdict::Unknown);
        };
        if !self.validates {
            return Ok(Verdict::Fits);
        }
        let payload: Value = serde_json::from_str(payload)
            .map_err(|e| Failure::usage("payload_invalid", format!("the payload: {e}")))?;
        Ok(match judge.schemas.validate(&payload, judge.index) {
            Ok(()) => Verdict::Fits,
            Err(error) => {
                let mut misfits = Vec::new();
                collect(&error, &mut misfits);
                Verdict::Misfits(misfits)
            }
        })
    }
}

fn schema_invalid(source: &str, why: &str) -> Failure {
    Failure::usage("schema_invalid", format!("{source}: {why}"))
        .hint("a schema is one JSON document in UTF-8 that is a JSON Schema (2020-12) of its own")
}

/// The innermost findings: what the others consist of.
fn collect(error: &ValidationError<'_, '_>, misfits: &mut Vec<Misfit>) {
    let is_choice = matches!(
        error.kind,
        ErrorKind::AnyOf | ErrorKind::OneOf(_) | ErrorKind::Not
    );
    // Of a choice, no single alternative is what was wanted.
    if !error.causes.is_empty() && !is_choice {
        for cause in &error.causes {
            collect(cause, misfits);
        }
        return;
    }
    if misfits.len() < MAX_MISFITS {
        misfits.push(Misfit {
            pointer: error.instance_location.to_string(),
            problem: problem(error),
        });
    }
}

/// What is wrong, without a word of the payload: it may be a secret.
fn problem(error: &ValidationError<'_, '_>) -> String {
    match &error.kind {
        ErrorKind::Format { want, .. } => format!("is no {want}"),
        ErrorKind::Pattern { want, .. } => format!("does not match {want}"),
        ErrorKind::Minimum { want, .. } => format!("must be {want} or more"),
        ErrorKind::Maximum { want, .. } => format!("must be {want} or less"),
        ErrorKind::ExclusiveMinimum { want, .. } => format!("must be more than {want}"),
        ErrorKind::ExclusiveMaximum { want, .. } => format!("must be less than {want}"),
        ErrorKind::MultipleOf { want, .. } => format!("must be a multiple of {want}"),
        ErrorKind::ContentEncoding { want, .. } | ErrorKind::ContentMediaType { want, .. } => {
            format!("is no {want}")
        }
        ErrorKind::AnyOf | ErrorKind::OneOf(_) => {
            let wanted: Vec<String> = error.causes.iter().map(problem).collect();
            match wanted.as_slice() {
                [] => "fits more than one of the alternatives".into(),
                wanted => format!("fits none of the alternatives: {}", wanted.join("; or ")),
            }
        }
        ErrorKind::Not => "is what it must not be".into(),
        other => other.to_string(),
    }
}

/// The failure that a payload which does not fit comes to.
pub fn refusal(event_type: &str, misfits: &[Misfit]) -> Failure {
    let described: Vec<String> = misfits
        .iter()
        .map(|misfit| match misfit.pointer.as_str() {
            "" => format!("the payload: {}", misfit.problem),
            pointer => format!("{pointer}: {}", misfit.problem),
        })
        .collect();
    Failure::usage(
        "payload_schema_mismatch",
        format!(
            "the payload does not fit the schema of {event_type}: {}",
            described.join("; ")
        ),
    )
    .hint(format!(
        "correct the payload; `stateset-sync types show {event_type}` prints the schema, and \
         --unchecked captures the event all the same"
    ))
}

/// The failure that an event of an unknown type comes to where such events are refused.
pub fn unknown_type(event_type: &str, why: &str) -> Failure {
    Failure::new(
        Exit::Refused,
        "event_type_unknown",
        format!("nobody described events of type {event_type}{why}"),
    )
    .hint(format!(
        "put a JSON Schema into the project's schemas as {event_type}.json, correct the type \
         (`stateset-sync types list`), or capture it with --unchecked"
    ))
}

#[cfg(test)]
mod tests;
