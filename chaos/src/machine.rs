// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! What is asked of the machine: a network namespace for each program with one device in it, small
//! disks, limits of processor and memory.

use crate::{
    groups::{Controller, Groups},
    process::{Guard, run},
    switch::{MTU, Switch},
};
use anyhow::{Context, Result};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

/// What everything that a run makes is called, followed by the run's process id.
const PREFIX: &str = "ves-chaos-";
const SPACES: &str = "/run/netns";
/// Last number of this program's own address; the namespaces' follow.
const FIRST: u8 = 10;

/// Why chaos is not possible here.
#[derive(Debug)]
pub(crate) struct Unfit(pub(crate) String);

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}; needed: root, network namespaces (`ip netns`, `nsenter`), /dev/net/tun; for limits of \
             processor and memory their control groups",
            self.0
        )
    }
}

impl std::error::Error for Unfit {}

fn tool(program: &str) -> Command {
    Command::new(program)
}

fn ip(args: &[&str]) -> Result<String> {
    run(tool("ip").args(args))
}

/// The namespaces of a run, and the network between them.
pub(crate) struct Machine {
    guard: Arc<Guard>,
    run: String,
    subnet: String,
    spaces: Vec<String>,
    /// This program's own device.
    device: String,
    /// The network. Device 0 is this program's own.
    pub(crate) switch: Switch,
}

impl Machine {
    /// Tells whether namespaces can be had, by making one.
    pub(crate) fn check() -> Result<(), Unfit> {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let root = status
            .lines()
            .any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
        if !root {
            return Err(Unfit("not root".into()));
        }
        if !Path::new("/dev/net/tun").exists() {
            return Err(Unfit("there is no /dev/net/tun".into()));
        }
        let probe = format!("{PREFIX}{}-probe", std::process::id());
        let tried = ip(&["netns", "add", &probe]).and_then(|_| {
            let inside = run(tool("nsenter").args([&space_path(&probe), "true"]));
            ip(&["netns", "delete", &probe])?;
            inside
        });
        tried.map(drop).map_err(|error| Unfit(format!("{error:#}")))
    }

    /// Removes what a run left that was killed together with its guard.
    pub(crate) fn sweep() {
        let names = |dir: &str| {
            let entries = fs::read_dir(dir).into_iter().flatten();
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            names.collect::<Vec<_>>()
        };
        for name in names(SPACES).into_iter().filter(|name| is_stale(name)) {
            for id in ip(&["netns", "pids", &name]).unwrap_or_default().lines() {
                let _ = run(tool("/bin/kill").args(["-KILL", id]));
            }
            let _ = ip(&["netns", "delete", &name]);
        }
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        for place in mounts.lines().filter_map(|line| line.split(' ').nth(1)) {
            let ours = Path::new(place).components().any(|part| {
                let part = part.as_os_str().to_string_lossy();
                is_stale(&part)
            });
            if ours {
                let _ = run(tool("umount").args(["-l", place]));
            }
        }
        for place in Groups::of_machine().places() {
            let all = names(&place.to_string_lossy());
            for name in all.into_iter().filter(|name| is_stale(name)) {
                let _ = fs::remove_dir(place.join(name));
            }
        }
    }

    /// Why a limit cannot be had here, if so. It is tried out only if that is asked for, which needs
    /// root.
    pub(crate) fn lacks(controller: Controller, try_out: bool) -> Option<String> {
        let groups = Groups::of_machine();
        let offered = groups.offer(controller);
        let probe = format!("{PREFIX}{}-probe", std::process::id());
        let had = offered.and_then(|()| {
            if try_out {
                groups.try_out(controller, &probe)
            } else {
                Ok(())
            }
        });
        had.err().map(|error| format!("{error:#}"))
    }

    /// Makes a namespace of each name.
    pub(crate) fn make(guard: &Arc<Guard>, names: &[&str], seed: u64) -> Result<Self> {
        let id = std::process::id();
        let run = format!("{PREFIX}{id}");
        let subnet = free_subnet(id)?;
        let devices: Vec<_> = (0..=names.len()).map(|n| format!("vc{id}n{n}")).collect();
        let switch = Switch::start(&devices, FIRST, seed)?;
        let mut machine = Self {
            guard: Arc::clone(guard),
            run,
            subnet,
            spaces: Vec::new(),
            device: devices.first().cloned().unwrap_or_default(),
            switch,
        };
        machine.address(None, &devices, 0)?;
        for (n, name) in (1..).zip(names) {
            let space = format!("{}-{name}", machine.run);
            guard.note("space", &space);
            ip(&["netns", "add", &space])?;
            let device = devices.get(n).map_or("", String::as_str);
            ip(&["link", "set", device, "netns", &space])?;
            ip(&["-n", &space, "link", "set", "lo", "up"])?;
            machine.address(Some(&space), &devices, n)?;
            machine.spaces.push(space);
        }
        Ok(machine)
    }

    fn address(&self, space: Option<&str>, devices: &[String], n: usize) -> Result<()> {
        let device = devices.get(n).context("no such device")?;
        let inside: &[&str] = match &space {
            Some(space) => &["-n", space],
            None => &[],
        };
        let address = format!("{}/24", self.ip(n));
        let mtu = MTU.to_string();
        ip(&[inside, &["addr", "add", &address, "dev", device]].concat())?;
        ip(&[inside, &["link", "set", device, "mtu", &mtu, "up"]].concat())?;
        Ok(())
    }

    /// Address of a device.
    pub(crate) fn ip(&self, device: usize) -> String {
        format!("{}.{}", self.subnet, usize::from(FIRST) + device)
    }

    /// A command that runs in the namespace of this device, in no other's.
    pub(crate) fn command(&self, device: usize, program: &Path) -> Result<Command> {
        let space = device.checked_sub(1).and_then(|n| self.spaces.get(n));
        let mut command = tool("nsenter");
        command.arg(space_path(space.context("no such namespace")?));
        command.arg(program);
        Ok(command)
    }

    /// Limits a process to a share of a processor; none lifts the limit.
    pub(crate) fn limit_processor(&self, id: u32, percent: Option<u64>) -> Result<()> {
        self.limit(Controller::Processor, id, percent)
    }

    /// Limits the memory that a process takes from now on; none lifts the limit.
    pub(crate) fn limit_memory(&self, id: u32, bytes: Option<u64>) -> Result<()> {
        self.limit(Controller::Memory, id, bytes)
    }

    /// A process that was limited once stays in its group, so that it need not be known where it was.
    fn limit(&self, controller: Controller, id: u32, value: Option<u64>) -> Result<()> {
        let groups = Groups::of_machine();
        let place = groups.group(controller, &format!("{}-{id}", self.run))?;
        self.guard.note("box", place.display());
        groups.set(&place, controller, value)?;
        Groups::enter(&place, id)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.switch.stop();
        for space in &self.spaces {
            let _ = ip(&["netns", "delete", space]);
        }
        let _ = ip(&["link", "delete", &self.device]);
    }
}

fn space_path(space: &str) -> String {
    format!("--net={SPACES}/{space}")
}

/// Whether a name is of a run whose process is gone.
fn is_stale(name: &str) -> bool {
    let id = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.split('-').next());
    id.is_some_and(|id| id.parse::<u32>().is_ok() && !Path::new("/proc").join(id).exists())
}

/// A network that no device of this machine is in.
fn free_subnet(id: u32) -> Result<String> {
    let taken = ip(&["-4", "addr", "show"])?;
    (0..200)
        .map(|n| format!("10.213.{}", (id + n) % 200 + 20))
        .find(|subnet| !taken.contains(&format!("{subnet}.")))
        .context("no free network")
}

/// A directory on a small file system of its own, which can be filled.
pub(crate) struct SmallDisk(PathBuf);

const BALLAST: &str = "ballast";

impl SmallDisk {
    /// Mounts it.
    pub(crate) fn make(guard: &Guard, dir: &Path, bytes: u64) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let options = format!("size={bytes},mode=0700");
        let dir = dir.canonicalize()?;
        run(tool("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&dir))?;
        guard.note("mount", dir.display());
        Ok(Self(dir))
    }

    /// Takes all the room there is.
    pub(crate) fn fill(&self) -> Result<()> {
        let mut file = File::create(self.0.join(BALLAST))?;
        for size in [1 << 20, 4_096] {
            let block = vec![0u8; size];
            loop {
                match file.write(&block) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Gives it back.
    pub(crate) fn empty(&self) -> Result<()> {
        Ok(fs::remove_file(self.0.join(BALLAST))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = run(tool("umount").arg("-l").arg(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_gone_run_left_is_stale() {
        assert!(!is_stale(&format!("{PREFIX}{}-alice", std::process::id())));
        assert!(is_stale(&format!("{PREFIX}4294967295-alice")));
        assert!(is_stale(&format!("{PREFIX}4294967295")));
        assert!(!is_stale(&format!("{PREFIX}of-somebody")));
        assert!(!is_stale("alice"));
    }

    #[test]
    fn what_is_missing_is_said_together_with_what_is_needed() {
        let text = Unfit("not root".into()).to_string();
        assert!(text.starts_with("not root"), "{text}");
        assert!(text.contains("/dev/net/tun"), "{text}");
        assert!(text.contains("control groups"), "{text}");
    }
}
