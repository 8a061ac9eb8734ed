// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What wallets, agents and indexers have compiled in: indexes, encodings and names, one line each, against the
//! snapshot in `metadata.txt`.
//!
//! A line that changes or goes needs a higher `spec_version`, and a higher `transaction_version` too if a
//! transaction may hold it; a line that comes needs a higher `spec_version`. With that done,
//! `VES_WRITE_SNAPSHOT=1 cargo test -p ves-runtime --test chain snapshot` writes the new one, and refuses to if
//! it is not done.

use polkadot_sdk::{
    frame_support::traits::{PalletsInfoAccess, StorageInfoTrait},
    sp_core::hexdisplay::HexDisplay,
    sp_runtime::traits::TransactionExtension,
};
use scale_info::{Field, MetaType, Type, TypeDef, TypeInfo, Variant};
use std::{collections::BTreeMap, fs};
use ves_runtime::{
    AllPalletsWithSystem, RuntimeCall, RuntimeError, RuntimeEvent, TxExtension, VERSION,
};

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/chain/metadata.txt");

/// Kinds of lines that a transaction is made of.
const OF_TRANSACTIONS: [&str; 3] = ["call", "extension", "type"];

/// A line's kind and what it is about, and the rest of it.
type Lines = BTreeMap<String, String>;

/// What a runtime says of itself.
#[derive(Clone, Debug, PartialEq)]
struct Snapshot {
    spec_version: u32,
    transaction_version: u32,
    lines: Lines,
}

impl Snapshot {
    fn to_text(&self) -> String {
        let mut text = format!(
            "spec_version {}\ntransaction_version {}\n",
            self.spec_version, self.transaction_version
        );
        for (about, what) in &self.lines {
            text += &format!("{about} = {what}\n");
        }
        text
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut version = |name| lines.next()?.strip_prefix(name)?.trim().parse().ok();
        let spec_version = version("spec_version")?;
        let transaction_version = version("transaction_version")?;
        let lines = lines.map(|line| {
            let (about, what) = line.split_once(" = ")?;
            Some((about.to_owned(), what.to_owned()))
        });
        Some(Self {
            spec_version,
            transaction_version,
            lines: lines.collect::<Option<_>>()?,
        })
    }
}

/// What is wrong with a runtime that comes after another one.
fn faults(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mut changed = Vec::new();
    let mut breaks_transactions = false;
    for (about, what) in &before.lines {
        let now = after.lines.get(about);
        if now != Some(what) {
            changed.push(format!("{about} was {what}, is {now:?}"));
            breaks_transactions |= OF_TRANSACTIONS.iter().any(|kind| about.starts_with(kind));
        }
    }
    let new = after.lines.keys();
    let new = new.filter(|about| !before.lines.contains_key(*about));
    changed.extend(new.map(|about| format!("{about} is new")));
    let mut faults = Vec::new();
    if breaks_transactions && after.transaction_version <= before.transaction_version {
        faults.push("transactions made for the runtime before mean something else: raise transaction_version".to_owned());
    }
    if !changed.is_empty() && after.spec_version <= before.spec_version {
        faults.push("the runtime is another one: raise spec_version".to_owned());
    }
    if !faults.is_empty() {
        faults.extend(changed);
    }
    faults
}

/// The variants of an enum and the fields of each.
fn variants(of: &Type) -> Vec<Variant> {
    match &of.type_def {
        TypeDef::Variant(of) => of.variants.clone(),
        _ => vec![],
    }
}

/// Of an enum over pallets: each pallet's variant and its own enum.
fn by_pallet<T: TypeInfo>() -> Vec<(Variant, Vec<Variant>)> {
    let pallets = variants(&T::type_info()).into_iter();
    pallets
        .map(|pallet| {
            let own = pallet.fields.first().unwrap().ty.type_info();
            (pallet, variants(&own))
        })
        .collect()
}

/// Names of all calls, as `Pallet.call`.
pub(crate) fn calls() -> Vec<String> {
    let pallets = by_pallet::<RuntimeCall>().into_iter();
    pallets
        .flat_map(|(pallet, calls)| {
            let name = move |call: Variant| format!("{}.{}", pallet.name, call.name);
            calls.into_iter().map(name)
        })
        .collect()
}

/// Collects the lines.
#[derive(Default)]
struct Writer {
    lines: Lines,
    /// What lines about types begin with.
    kind: &'static str,
}

impl Writer {
    fn line(&mut self, about: String, what: String) {
        let before = self.lines.insert(about.clone(), what.clone());
        assert!(before.is_none_or(|it| it == what), "{about} is two things");
    }

    /// A type as other lines name it; its own line is written by the way.
    fn shape(&mut self, of: &Type) -> String {
        let mut list = |types: &[MetaType]| {
            let shapes = types.iter().map(|ty| self.shape(&ty.type_info()));
            shapes.collect::<Vec<_>>().join(", ")
        };
        match &of.type_def {
            TypeDef::Primitive(of) => format!("{of:?}").to_lowercase(),
            TypeDef::Compact(of) => format!("Compact<{}>", list(&[of.type_param])),
            TypeDef::Sequence(of) => format!("[{}]", list(&[of.type_param])),
            TypeDef::Array(array) => format!("[{}; {}]", list(&[array.type_param]), array.len),
            TypeDef::Tuple(of) => format!("({})", list(&of.fields)),
            TypeDef::BitSequence(of) => {
                format!("Bits<{}>", list(&[of.bit_store_type, of.bit_order_type]))
            }
            TypeDef::Composite(_) | TypeDef::Variant(_) => {
                let with: Vec<_> = of.type_params.iter().filter_map(|with| with.ty).collect();
                let mut name = of.path.segments.join("::");
                if !with.is_empty() {
                    name += &format!("<{}>", list(&with));
                }
                self.own_lines(&name, of);
                name
            }
        }
    }

    fn own_lines(&mut self, name: &str, of: &Type) {
        // The language's own, which the codec fixes; all calls, which have lines of their own; and eras, of
        // which there are 256 spellings.
        let path = &of.path.segments;
        if path.len() == 1 || matches!(path.last(), Some(&"RuntimeCall" | &"Era")) {
            return;
        }
        let known = |lines: &Lines, kind: &str| lines.contains_key(&format!("{kind} {name}"));
        if known(&self.lines, "type") || known(&self.lines, "data") {
            return;
        }
        let about = format!("{} {name}", self.kind);
        match &of.type_def {
            TypeDef::Composite(of) => {
                // Before its fields, which may be made of it.
                self.lines.insert(about.clone(), String::new());
                let fields = self.fields(&of.fields);
                self.lines.insert(about, fields);
            }
            // Each variant has a line, so that one more changes none of them.
            _ => {
                self.lines.insert(about.clone(), "one of".to_owned());
                for variant in variants(of) {
                    let fields = self.fields(&variant.fields);
                    let what = format!("{} {fields}", variant.index);
                    self.line(format!("{about}::{}", variant.name), what);
                }
            }
        }
    }

    fn fields(&mut self, fields: &[Field]) -> String {
        let each = fields.iter().map(|field| {
            let shape = self.shape(&field.ty.type_info());
            field
                .name
                .map_or_else(|| shape.clone(), |name| format!("{name}: {shape}"))
        });
        format!("({})", each.collect::<Vec<_>>().join(", "))
    }

    fn items<T: TypeInfo>(&mut self, kind: &str) {
        for (pallet, items) in by_pallet::<T>() {
            for item in items {
                let fields = self.fields(&item.fields);
                let what = format!("{}.{} {fields}", pallet.index, item.index);
                self.line(format!("{kind} {}.{}", pallet.name, item.name), what);
            }
        }
    }
}

/// What this runtime says of itself.
fn present() -> Snapshot {
    let mut writer = Writer {
        kind: "type",
        ..Default::default()
    };
    writer.items::<RuntimeCall>("call");
    let extensions = <TxExtension as TransactionExtension<RuntimeCall>>::metadata();
    for (place, extension) in extensions.into_iter().enumerate() {
        let [explicit, implicit] = [extension.ty, extension.implicit].map(|ty| ty.type_info());
        let (explicit, implicit) = (writer.shape(&explicit), writer.shape(&implicit));
        let what = format!("{} {explicit}, signs {implicit}", extension.identifier);
        writer.line(format!("extension {place}"), what);
    }
    // What only readers see.
    writer.kind = "data";
    writer.items::<RuntimeEvent>("event");
    writer.items::<RuntimeError>("error");
    for pallet in AllPalletsWithSystem::infos() {
        writer.line(format!("pallet {}", pallet.name), pallet.index.to_string());
    }
    for storage in AllPalletsWithSystem::storage_info() {
        let [pallet, name] = [&storage.pallet_name, &storage.storage_name];
        let about = format!(
            "storage {}.{}",
            String::from_utf8_lossy(pallet),
            String::from_utf8_lossy(name)
        );
        let prefix = HexDisplay::from(&storage.prefix);
        let bounds = [storage.max_values, storage.max_size];
        let [values, bytes] =
            bounds.map(|most| most.map_or_else(|| "any".into(), |n| n.to_string()));
        writer.line(about, format!("{prefix}, {values} of {bytes} bytes"));
    }
    for (id, version) in VERSION.apis.iter() {
        let id = HexDisplay::from(id);
        writer.line(format!("api {id}"), version.to_string());
    }
    Snapshot {
        spec_version: VERSION.spec_version,
        transaction_version: VERSION.transaction_version,
        lines: writer.lines,
    }
}

fn recorded() -> Snapshot {
    Snapshot::from_text(&fs::read_to_string(SNAPSHOT).unwrap()).unwrap()
}

#[test]
fn the_runtime_is_that_of_the_snapshot_or_has_a_higher_version() {
    let present = present();
    if std::env::var_os("VES_WRITE_SNAPSHOT").is_some() {
        // The first one has none before it.
        let found = fs::exists(SNAPSHOT)
            .unwrap()
            .then(|| faults(&recorded(), &present));
        assert_eq!(found.unwrap_or_default(), Vec::<String>::new());
        fs::write(SNAPSHOT, present.to_text()).unwrap();
    }
    let recorded = recorded();
    assert_eq!(faults(&recorded, &present), Vec::<String>::new());
    assert_eq!(
        recorded, present,
        "the version is higher: write the snapshot anew, see the head of this file"
    );
}

#[test]
fn a_change_of_the_wire_format_takes_a_higher_version() {
    let before = present();
    let (spec, transaction) = ("raise spec_version", "raise transaction_version");
    let call = "call VesSequencer.submit_events";
    // What is changed, and what is asked for.
    let cases: [(&str, &[&str]); 7] = [
        (call, &[transaction, spec]),
        ("call System.remark", &[transaction, spec]),
        ("extension 6", &[transaction, spec]),
        ("type ves_primitives::event::Envelope", &[transaction, spec]),
        ("event VesSequencer.EventsSequenced", &[spec]),
        ("error AgentRegistry.TenantExists", &[spec]),
        ("storage VesSequencer.Tips", &[spec]),
    ];
    for (about, asked) in cases {
        assert!(before.lines.contains_key(about), "{about}");
        let mut other = before.clone();
        other.lines.insert(about.to_owned(), "another".to_owned());
        let mut gone = before.clone();
        gone.lines.remove(about);
        for mut after in [other, gone] {
            let said = faults(&before, &after);
            for part in [spec, transaction] {
                let found = said.iter().any(|fault| fault.ends_with(part));
                assert_eq!(found, asked.contains(&part), "{about}: {said:?}");
            }
            after.spec_version += 1;
            assert_eq!(faults(&before, &after).is_empty(), asked.len() == 1);
            after.transaction_version += 1;
            assert_eq!(faults(&before, &after), Vec::<String>::new());
        }
    }
    let mut more = before.clone();
    more.lines
        .insert("call System.pay".to_owned(), "0.99 ()".to_owned());
    assert!(faults(&before, &more)[0].ends_with(spec));
    more.spec_version += 1;
    assert_eq!(faults(&before, &more), Vec::<String>::new());
}

#[test]
fn a_snapshot_is_read_as_it_was_written() {
    let present = present();
    assert_eq!(Snapshot::from_text(&present.to_text()), Some(present));
    assert_eq!(Snapshot::from_text("spec_version 1\nno line"), None);
}

/// By name and by what it would bring: messages of other chains need a pallet that takes them.
#[test]
fn no_pallet_of_xcm_is_in_the_runtime() {
    for about in present().lines.keys() {
        let about = about.to_lowercase();
        for word in ["xcm", "hrmp", "dmpqueue", "messagequeue", "parachain"] {
            assert!(!about.contains(word), "{about}");
        }
    }
}

#[test]
fn the_runtime_has_the_name_that_its_readers_pin() {
    assert_eq!(VERSION.spec_name, ves_primitives::SPEC_NAME);
}
