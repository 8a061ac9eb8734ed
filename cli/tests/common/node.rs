// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A node of a few answers: an empty stream, one signing key, readers in a state that it proves, no
//! metadata. It remembers what it was asked.

use codec::Encode;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};
use ves_client::{
    BlockHash, Header,
    recipients::{AgentRecord, agent_key, encryption_key_key},
    state::{StorageKey, testing::State},
};
use ves_finality::testing::{self, Validator};
use ves_primitives::{
    AgentId, EncryptionPublicKey, KeyId, RecipientKid, SigningPublicKey, StateRoot, StreamId,
    TenantId,
    registry::{DirectoryEntry, EncryptionKeyRecord, RecordedAt, SigningKeyRecord, ValidityWindow},
    sequencer::{Admission, SequencerLimits},
    wire::{HeadJson, StoreHealthJson},
};

/// Number of its newest block.
const BLOCK: u32 = 10;

/// A reader with one key.
struct Reader {
    entry: DirectoryEntry,
    /// What the node shows in its place.
    shown: Option<DirectoryEntry>,
}

struct Shared {
    asked: Mutex<Vec<String>>,
    key: Mutex<Option<SigningKeyRecord>>,
    readers: Mutex<Vec<Reader>>,
    /// Of its newest block.
    time_ms: u64,
}

impl Shared {
    fn state(&self) -> State {
        let mut state = State::default();
        state.put(
            StorageKey::item("Timestamp", "Now").into_bytes(),
            &self.time_ms,
        );
        for Reader { entry, .. } in self.readers.lock().unwrap().iter() {
            let (tenant, agent) = (entry.tenant_id, entry.agent_id);
            let registered = AgentRecord {
                encryption_keys: 1,
                ..AgentRecord::default()
            };
            state.put(agent_key(tenant, agent), &registered);
            let key = encryption_key_key(tenant, agent, entry.key_id);
            state.put(key, &entry.record);
        }
        state
    }

    fn header(&self) -> Header {
        Header {
            state_root: self.state().root(),
            ..testing::header(BlockHash([1; 32]), BLOCK, Vec::new())
        }
    }

    /// What it shows as the keys of the agent that the arguments end with.
    fn shown(&self, arguments: &[u8]) -> Vec<DirectoryEntry> {
        let readers = self.readers.lock().unwrap();
        let own = |reader: &&Reader| arguments.ends_with(&reader.entry.agent_id.0);
        let shown = |reader: &Reader| reader.shown.as_ref().unwrap_or(&reader.entry).clone();
        readers.iter().filter(own).map(shown).collect()
    }
}

fn authorities() -> [Validator; 3] {
    [Validator(0), Validator(1), Validator(2)]
}

pub(crate) struct Node {
    pub(crate) url: String,
    shared: Arc<Shared>,
}

impl Node {
    pub(crate) fn start() -> Self {
        Self::start_at(now_ms())
    }

    /// One whose newest block is of this time.
    pub(crate) fn start_at(time_ms: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            key: Mutex::default(),
            readers: Mutex::default(),
            time_ms,
        });
        let node = Self {
            url,
            shared: shared.clone(),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        node
    }

    /// Registers this key under whatever number it is asked for.
    pub(crate) fn register(&self, public_key: &str, valid_to: Option<u64>) {
        let mut bytes = [0; 32];
        hex::decode_to_slice(public_key.trim_start_matches("0x"), &mut bytes).unwrap();
        *self.shared.key.lock().unwrap() = Some(SigningKeyRecord {
            public_key: SigningPublicKey(bytes),
            window: ValidityWindow {
                valid_from: None,
                valid_to,
            },
            registered_at: RecordedAt {
                block: 1,
                time_ms: 0,
            },
            revocation: None,
        });
    }

    /// Registers a reader with one key.
    pub(crate) fn admit(&self, tenant: &str, agent: &str, public_key: [u8; 32]) {
        let mut readers = self.shared.readers.lock().unwrap();
        let kid = RecipientKid(u32::try_from(readers.len()).unwrap() + 1);
        let tenant_id: TenantId = tenant.parse().unwrap();
        let agent_id: AgentId = agent.parse().unwrap();
        readers.push(Reader {
            entry: DirectoryEntry {
                tenant_id,
                agent_id,
                key_id: KeyId(1),
                record: EncryptionKeyRecord {
                    public_key: EncryptionPublicKey(public_key),
                    kid,
                    window: ValidityWindow::default(),
                    registered_at: RecordedAt {
                        block: 1,
                        time_ms: 0,
                    },
                    revoked_at: None,
                },
            },
            shown: None,
        });
    }

    /// From now on it shows this key as everybody's.
    pub(crate) fn show_as_everybodys(&self, public_key: [u8; 32]) {
        for reader in self.shared.readers.lock().unwrap().iter_mut() {
            let mut shown = reader.entry.clone();
            shown.record.public_key = EncryptionPublicKey(public_key);
            reader.shown = Some(shown);
        }
    }

    /// The methods it was asked for, runtime calls by the runtime's names.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

/// The chain's clock is this machine's.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

fn serve(stream: &TcpStream, shared: &Shared) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let mut length = 0usize;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let request: Value = serde_json::from_slice(&body).ok()?;
        let answer = match answer(&request, shared) {
            Some(result) => json!({"jsonrpc": "2.0", "id": request["id"], "result": result}),
            None => json!({"jsonrpc": "2.0", "id": request["id"],
                "error": {"code": -32601, "message": "Method not found"}}),
        }
        .to_string();
        write!(
            writer,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{answer}",
            answer.len()
        )
        .ok()?;
    }
}

fn hex_of(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn answer(request: &Value, shared: &Shared) -> Option<Value> {
    let method = request["method"].as_str()?;
    let first = &request["params"][0];
    if method == "state_call" {
        let name = first.as_str()?;
        shared.asked.lock().unwrap().push(name.to_owned());
        let arguments = request["params"][1].as_str()?.trim_start_matches("0x");
        let arguments = hex::decode(arguments).ok()?;
        return runtime(name, &arguments, shared).map(|bytes| json!(hex_of(bytes)));
    }
    shared.asked.lock().unwrap().push(method.to_owned());
    Some(match method {
        "chain_getBlockHash" if first == &json!(BLOCK) => json!(hex_of(shared.header().hash().0)),
        "chain_getBlockHash" => json!(hex_of([0xaa; 32])),
        "chain_getFinalizedHead" => json!(hex_of(shared.header().hash().0)),
        "chain_getHeader" => {
            let header = shared.header();
            json!({
                "parentHash": hex_of(header.parent_hash.0),
                "number": format!("0x{:x}", header.number),
                "stateRoot": hex_of(header.state_root),
                "extrinsicsRoot": hex_of(header.extrinsics_root),
                "digest": {"logs": []},
            })
        }
        "state_getRuntimeVersion" => {
            json!({"specName": "ves", "specVersion": 1, "transactionVersion": 1})
        }
        "ves_head" => serde_json::to_value(HeadJson {
            stream_id: StreamId([0; 32]),
            sequence: 0,
            state_root: StateRoot([0; 32]),
            batch_count: 0,
            finalized_block_number: BLOCK,
            finalized_block_hash: shared.header().hash().0,
        })
        .unwrap(),
        "ves_setChanges" => json!([]),
        "ves_finality" => {
            let justified = testing::justify(&shared.header(), 1, 0, &authorities());
            serde_json::to_value(testing::proof(&[], &justified)).unwrap()
        }
        "state_getReadProof" => {
            let nodes: Vec<String> = shared.state().prove().1.iter().map(hex_of).collect();
            json!({"at": request["params"][1], "proof": nodes})
        }
        "ves_health" => serde_json::to_value(StoreHealthJson {
            indexed_block: BLOCK,
            finalized_block: BLOCK,
            backfilling: false,
            last_error: String::new(),
        })
        .unwrap(),
        "ves_bundle" => Value::Null,
        _ => return None,
    })
}

fn runtime(name: &str, arguments: &[u8], shared: &Shared) -> Option<Vec<u8>> {
    let now = RecordedAt {
        block: BLOCK,
        time_ms: now_ms(),
    };
    Some(match name {
        "GrandpaApi_grandpa_authorities" => testing::set(0, &authorities()).authorities.encode(),
        "GrandpaApi_current_set_id" => 0u64.encode(),
        "AgentRegistryApi_now" => now.encode(),
        "AgentRegistryApi_signing_key" => shared.key.lock().unwrap().encode(),
        "AgentRegistryApi_encryption_keys" => shared.shown(arguments).encode(),
        "AgentRegistryApi_groups" => vec![
            ves_primitives::GroupId([0x5a; 16]),
            ves_primitives::GroupId([0x5b; 16]),
            ves_primitives::GroupId([&[0x5b; 15][..], &[0x5c]].concat().try_into().unwrap()),
        ]
        .encode(),
        "AgentRegistryApi_group" => None::<ves_primitives::registry::GroupRecipients>.encode(),
        "VesSequencerApi_limits" => SequencerLimits {
            events_per_submission: 4,
            events_per_block: 1000,
            streams_per_block: 10,
            payload_bytes: 65536,
            recipients: 64,
            submission_bytes: 1 << 20,
        }
        .encode(),
        // For one event.
        "VesSequencerApi_can_submit" => vec![Admission::Acceptable].encode(),
        _ => return None,
    })
}
