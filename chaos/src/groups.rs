// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Limits of processor and memory: control groups of version 1, and of version 2 where the machine has
//! nothing else.

use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = "/sys/fs/cgroup";
/// What a share of a processor is counted in, microseconds; the default of both versions.
const PERIOD: u64 = 100_000;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Controller {
    /// A share of one processor, percent.
    Processor,
    /// Bytes that a process may take from now on.
    Memory,
}

impl Controller {
    const fn name(self) -> &'static str {
        match self {
            Self::Processor => "cpu",
            Self::Memory => "memory",
        }
    }
}

/// The control groups of a machine.
pub(crate) struct Groups {
    root: PathBuf,
    /// One hierarchy for all controllers.
    unified: bool,
}

impl Groups {
    /// Of this one.
    pub(crate) fn of_machine() -> Self {
        Self::below(Path::new(ROOT))
    }

    /// Those that are mounted here.
    fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            unified: root.join("cgroup.controllers").exists(),
        }
    }

    /// Where groups are made.
    fn parent(&self, controller: Controller) -> PathBuf {
        if self.unified {
            self.root.clone()
        } else {
            self.root.join(controller.name())
        }
    }

    /// All places where a run may have made some.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        let all = [Controller::Processor, Controller::Memory];
        all.iter().map(|what| self.parent(*what)).collect()
    }

    /// Whether there is such a limit. Changes nothing.
    pub(crate) fn offer(&self, controller: Controller) -> Result<()> {
        let name = controller.name();
        let there = if self.unified {
            let all = fs::read_to_string(self.root.join("cgroup.controllers"))?;
            all.split_whitespace().any(|word| word == name)
        } else {
            self.parent(controller).join("tasks").exists()
        };
        ensure!(there, "there is no control group for {name}");
        Ok(())
    }

    /// Whether such a limit can be set, by setting none on a group without processes.
    pub(crate) fn try_out(&self, controller: Controller, group: &str) -> Result<()> {
        let tried = self
            .group(controller, group)
            .and_then(|place| self.set(&place, controller, None));
        let _ = fs::remove_dir(self.parent(controller).join(group));
        tried.with_context(|| format!("the control group for {}", controller.name()))
    }

    /// Makes a group, if there is none of that name.
    pub(crate) fn group(&self, controller: Controller, name: &str) -> Result<PathBuf> {
        self.offer(controller)?;
        if self.unified {
            // A child has only what its parent hands down.
            let handed = self.root.join("cgroup.subtree_control");
            let has = |all: &str| all.split_whitespace().any(|word| word == controller.name());
            if !has(&fs::read_to_string(&handed)?) {
                fs::write(&handed, format!("+{}", controller.name()))
                    .with_context(|| handed.display().to_string())?;
            }
        }
        let place = self.parent(controller).join(name);
        if !place.exists() {
            fs::create_dir(&place).with_context(|| place.display().to_string())?;
        }
        Ok(place)
    }

    /// Limits a group; none lifts the limit.
    pub(crate) fn set(
        &self,
        place: &Path,
        controller: Controller,
        value: Option<u64>,
    ) -> Result<()> {
        let file = match (controller, self.unified) {
            (Controller::Processor, false) => "cpu.cfs_quota_us",
            (Controller::Processor, true) => "cpu.max",
            (Controller::Memory, false) => "memory.limit_in_bytes",
            (Controller::Memory, true) => "memory.max",
        };
        let none = if self.unified { "max" } else { "-1" };
        let text = match (controller, value) {
            (_, None) => none.to_owned(),
            (Controller::Memory, Some(bytes)) => bytes.to_string(),
            (Controller::Processor, Some(percent)) => {
                let quota = percent.saturating_mul(PERIOD) / 100;
                if self.unified {
                    format!("{quota} {PERIOD}")
                } else {
                    quota.to_string()
                }
            }
        };
        fs::write(place.join(file), text).with_context(|| file.to_owned())
    }

    /// Puts a process into a group.
    pub(crate) fn enter(place: &Path, id: u32) -> Result<()> {
        let file = place.join("cgroup.procs");
        fs::write(&file, id.to_string()).with_context(|| file.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version_1() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for controller in ["cpu", "memory"] {
            fs::create_dir(root.path().join(controller)).unwrap();
            fs::write(root.path().join(controller).join("tasks"), "").unwrap();
        }
        root
    }

    fn version_2(controllers: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("cgroup.controllers"), controllers).unwrap();
        fs::write(root.path().join("cgroup.subtree_control"), "").unwrap();
        root
    }

    fn limited(root: &Path, controller: Controller, value: Option<u64>) -> PathBuf {
        let groups = Groups::below(root);
        let place = groups.group(controller, "ves-chaos-1-2").unwrap();
        groups.set(&place, controller, value).unwrap();
        Groups::enter(&place, 77).unwrap();
        place
    }

    fn said(place: &Path, file: &str) -> String {
        fs::read_to_string(place.join(file)).unwrap()
    }

    #[test]
    fn version_1_has_a_group_for_each_controller() {
        let root = version_1();
        let place = limited(root.path(), Controller::Processor, Some(10));
        assert_eq!(place, root.path().join("cpu/ves-chaos-1-2"));
        assert_eq!(said(&place, "cpu.cfs_quota_us"), "10000");
        assert_eq!(said(&place, "cgroup.procs"), "77");
        let place = limited(root.path(), Controller::Memory, Some(4_096));
        assert_eq!(place, root.path().join("memory/ves-chaos-1-2"));
        assert_eq!(said(&place, "memory.limit_in_bytes"), "4096");
        limited(root.path(), Controller::Memory, None);
        assert_eq!(said(&place, "memory.limit_in_bytes"), "-1");
    }

    #[test]
    fn version_2_has_one_group_whose_parent_hands_the_controller_down() {
        let root = version_2("cpuset cpu io memory pids\n");
        let handed = || said(root.path(), "cgroup.subtree_control");
        let place = limited(root.path(), Controller::Processor, Some(10));
        assert_eq!(place, root.path().join("ves-chaos-1-2"));
        assert_eq!(handed(), "+cpu");
        assert_eq!(said(&place, "cpu.max"), "10000 100000");
        assert_eq!(said(&place, "cgroup.procs"), "77");
        limited(root.path(), Controller::Processor, None);
        assert_eq!(said(&place, "cpu.max"), "max");
        limited(root.path(), Controller::Memory, Some(4_096));
        assert_eq!(handed(), "+memory");
        assert_eq!(said(&place, "memory.max"), "4096");
        limited(root.path(), Controller::Memory, None);
        assert_eq!(said(&place, "memory.max"), "max");
    }

    #[test]
    fn what_is_handed_down_already_is_left_alone() {
        let root = version_2("cpu memory");
        let handed = root.path().join("cgroup.subtree_control");
        fs::write(&handed, "cpu memory").unwrap();
        limited(root.path(), Controller::Memory, Some(1));
        assert_eq!(fs::read_to_string(&handed).unwrap(), "cpu memory");
    }

    #[test]
    fn a_controller_that_is_missing_is_named_before_anything_is_made() {
        let without = [version_1(), version_2("cpu cpuset memory.of.another pids")];
        fs::remove_dir_all(without[0].path().join("memory")).unwrap();
        for root in &without {
            let groups = Groups::below(root.path());
            groups.offer(Controller::Processor).unwrap();
            let error = groups.offer(Controller::Memory).unwrap_err().to_string();
            assert!(error.contains("memory"), "{error}");
            assert!(groups.try_out(Controller::Memory, "probe").is_err());
            assert!(!root.path().join("probe").exists());
        }
    }

    #[test]
    fn a_parent_that_may_not_hand_down_is_found_by_trying() {
        // As in a container whose processes are in the group that it sees as the root.
        let root = version_2("cpu memory");
        let handed = root.path().join("cgroup.subtree_control");
        fs::remove_file(&handed).unwrap();
        fs::create_dir(&handed).unwrap();
        let groups = Groups::below(root.path());
        groups.offer(Controller::Processor).unwrap();
        let error = groups.try_out(Controller::Processor, "probe").unwrap_err();
        assert!(error.to_string().contains("cpu"), "{error:#}");
    }

    #[test]
    fn a_machine_that_has_what_is_asked_for_passes_the_trial() {
        for root in [version_1(), version_2("cpu memory")] {
            let groups = Groups::below(root.path());
            groups.try_out(Controller::Processor, "probe").unwrap();
            groups.try_out(Controller::Memory, "probe").unwrap();
        }
    }
}
