// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

use super::*;
use std::fs;

fn url(text: &str) -> ConfigFile {
    ConfigFile {
        node_url: Some(text.into()),
        ..ConfigFile::default()
    }
}

#[test]
fn flag_beats_env_beats_project_beats_user_beats_default() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("state"));
    home.create().unwrap();
    let user = dir.path().join("xdg/stateset-sync");
    fs::create_dir_all(&user).unwrap();
    let xdg = dir.path().join("xdg").display().to_string();

    let load = |flag: Option<&str>, variable: Option<&str>| {
        let overrides = Overrides {
            home: Some(home.path().into()),
            settings: flag.map(url).unwrap_or_default(),
            ..Overrides::default()
        };
        let env = |name: &str| match name {
            "XDG_CONFIG_HOME" => Some(xdg.clone()),
            "VES_NODE_URL" => variable.map(String::from),
            _ => None,
        };
        Config::load(&overrides, &env, dir.path())
            .unwrap()
            .node_url()
    };
    let expect = |setting: Setting<String>, value: &str, origin: Origin| {
        assert_eq!((setting.value.as_str(), setting.origin), (value, origin));
    };
    expect(load(None, None), DEFAULT_NODE_URL, Origin::Default);
    fs::write(user.join("config.toml"), "node_url = \"ws://user\"\n").unwrap();
    expect(load(None, None), "ws://user", Origin::User);
    url("ws://project").write(&home).unwrap();
    expect(load(None, None), "ws://project", Origin::Project);
    expect(load(None, Some("ws://env")), "ws://env", Origin::Env);
    expect(
        load(Some("ws://flag"), Some("ws://env")),
        "ws://flag",
        Origin::Flag,
    );
}

#[test]
fn a_chosen_profile_goes_before_the_rest_of_its_file_and_not_before_what_is_nearer() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("state"));
    home.create().unwrap();
    let user = dir.path().join("xdg/stateset-sync");
    fs::create_dir_all(&user).unwrap();
    let xdg = dir.path().join("xdg").display().to_string();
    fs::write(
        user.join("config.toml"),
        "node_url = \"ws://user\"\nprofile = \"test\"\n\
         [profiles.test]\nnode_url = \"ws://user-test\"\nl1_registry = \"0x01\"\n\
         [profiles.live]\nl1_registry = \"0x02\"\n",
    )
    .unwrap();
    let load = |flag: Option<&str>, variable: Option<&str>| {
        let overrides = Overrides {
            home: Some(home.path().into()),
            settings: ConfigFile {
                profile: flag.map(String::from),
                ..ConfigFile::default()
            },
            ..Overrides::default()
        };
        let env = |name: &str| match name {
            "XDG_CONFIG_HOME" => Some(xdg.clone()),
            "VES_PROFILE" => variable.map(String::from),
            _ => None,
        };
        Config::load(&overrides, &env, dir.path()).unwrap()
    };
    let node = |config: &Config| (config.node_url().value, config.node_url().origin);
    let registry = |config: &Config| config.get(|c| &c.l1_registry).map(|s| s.value);

    // The user's file chooses for itself.
    let config = load(None, None);
    assert_eq!(
        node(&config),
        ("ws://user-test".into(), Origin::UserProfile)
    );
    // The environment before the file, a flag before the environment.
    let config = load(None, Some("live"));
    assert_eq!(node(&config), ("ws://user".into(), Origin::User));
    assert_eq!(registry(&config).as_deref(), Some("0x02"));
    let config = load(Some("test"), Some("live"));
    assert_eq!(registry(&config).as_deref(), Some("0x01"));
    assert_eq!(config.profile().unwrap().origin, Origin::Flag);

    // The project's file goes before the user's profile, and its own profile before itself.
    let project = url("ws://project");
    project.write(&home).unwrap();
    assert_eq!(
        node(&load(None, None)),
        ("ws://project".into(), Origin::Project)
    );
    let project = project
        .with_profile("live", url("ws://project-live"))
        .unwrap();
    project.write(&home).unwrap();
    let config = load(Some("live"), None);
    assert_eq!(
        node(&config),
        ("ws://project-live".into(), Origin::ProjectProfile)
    );
    assert_eq!(registry(&config).as_deref(), Some("0x02"), "of both files");
    assert!(config.check_profile().is_ok());
    let failure = load(Some("prod"), None).check_profile().unwrap_err();
    assert_eq!(
        (failure.code, failure.exit),
        ("profile_unknown", Exit::NotConfigured)
    );
    assert!(failure.hint.unwrap().contains("live, test"));
}

#[test]
fn a_profile_holds_no_profiles_and_has_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sync.json");
    for bad in [
        r#"{"profiles":{"":{}}}"#,
        r#"{"profiles":{"a b":{}}}"#,
        r#"{"profiles":{"a":{"profile":"b"}}}"#,
        r#"{"profiles":{"a":{"profiles":{}}}}"#,
        r#"{"profiles":{"a":{"node_ulr":"ws://x"}}}"#,
    ] {
        fs::write(&path, bad).unwrap();
        assert_eq!(
            ConfigFile::read(&path).unwrap_err().code,
            "config_invalid",
            "{bad}"
        );
    }
}

#[test]
fn a_misspelt_setting_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sync.json");
    fs::write(&path, r#"{"node_ulr":"ws://x"}"#).unwrap();
    let failure = ConfigFile::read(&path).unwrap_err();
    assert_eq!(failure.code, "config_invalid");
    assert!(failure.message.contains("node_ulr"), "{}", failure.message);
}
