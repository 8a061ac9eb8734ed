// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    overrides: Overrides,
}

const FILE: &str = r#"
    [source]
    node_url = "ws://node:9944"
    [destination]
    rpc_url = "http://l2:8545"
    chain_id = 10
    registry = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
    confirmations = "safe"
    [key]
    file = "relay.key"
    [send]
    window = 3
"#;

fn load(file: &str, flags: &[&str]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.toml");
    std::fs::write(&path, file).unwrap();
    let path = path.display().to_string();
    let args = ["relay", "--config", &path]
        .into_iter()
        .chain(flags.iter().copied());
    Config::load(&Cli::try_parse_from(args).unwrap().overrides)
}

#[test]
fn the_file_stands_over_the_defaults() {
    let config = load(FILE, &[]).unwrap();
    assert_eq!(config.node_url.expose(), "ws://node:9944");
    assert_eq!(config.settings.window, 3);
    assert_eq!(config.settings.per_stream, 64);
    assert_eq!(config.settings.confirmation, Confirmation::Safe);
    assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 9616)));
    let place = KeySource::File {
        path: "relay.key".into(),
        passphrase: None,
        plain: false,
    };
    assert_eq!(config.key, Some(place));
}

#[test]
fn a_flag_stands_over_the_file() {
    let config = load(FILE, &["--window", "5", "--confirmations", "2"]).unwrap();
    assert_eq!(config.settings.window, 5);
    assert_eq!(config.settings.confirmation, Confirmation::Blocks(2));
}

#[test]
fn an_unknown_name_in_the_file_is_an_error() {
    let error = load("[send]\nwindows = 3\n", &[]).unwrap_err().to_string();
    assert!(error.contains("windows"), "{error}");
}

#[test]
fn each_missing_or_senseless_setting_is_named() {
    let cases: [(&str, &[&str], &str); 11] = [
        ("", &[], "destination.rpc_url"),
        (
            "[destination]\nrpc_url = \"http://l2\"\n",
            &[],
            "destination.registry",
        ),
        (FILE, &["--window", "0"], "send.window"),
        (FILE, &["--registry", "0x12"], "destination.registry"),
        (FILE, &["--confirmations", "0"], "destination.confirmations"),
        (FILE, &["--node-url", "ftp://node"], "source.node_url"),
        (FILE, &["--max-fee-wei", "1"], "send.max_fee_wei"),
        (FILE, &["--max-multiple", "0"], "send.max_multiple"),
        (FILE, &["--witness-url", "node:1"], "source.witness_url"),
        (
            FILE,
            &["--l2-witness-url", "l2:1"],
            "destination.witness_url",
        ),
        (FILE, &["--aws-kms", "id"], "key.file"),
    ];
    for (file, flags, name) in cases {
        let error = load(file, flags).unwrap_err().to_string();
        assert!(error.starts_with(name), "{error} should name {name}");
    }
}

#[test]
fn d15_an_error_in_the_file_does_not_repeat_a_line_of_it() {
    for file in [
        "[destination]\nrpc_url = \"http://l2/0123456789abcdef\n",
        "[destination]\nrpc_url = [\"http://l2/0123456789abcdef\"]\n",
    ] {
        let error = load(file, &[]).unwrap_err().to_string();
        assert!(!error.contains("0123456789"), "{error}");
        assert!(error.contains("line 2: "), "{error}");
    }
}
