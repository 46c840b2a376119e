//! Settings that were renamed. The old variables still work, and are logged when they are used.

use std::ffi::OsString;

use super::environment::variable_os;

/// An environment variable's old name, and the setting that it is now.
#[derive(Debug, Clone, Copy)]
pub struct Renamed {
    pub old: &'static str,
    pub new: &'static str,
    /// The new setting's flag, such as `--parallel-chunks`.
    pub flag: &'static str,
}

/// The process's arguments, with those added that old variables set, and what was used of them. A variable with the new
/// name wins.
pub fn arguments(renamed: &'static [Renamed]) -> (Vec<OsString>, Vec<Renamed>) {
    with_old_variables(std::env::args_os(), |name| variable_os(name), renamed)
}

/// Logs one line for each old variable. To be called once telemetry has started.
pub fn log_used(used: &[Renamed]) {
    for Renamed { old, new, .. } in used {
        tracing::warn!("{old} is deprecated: use {new}");
    }
}

fn with_old_variables(
    arguments: impl Iterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
    renamed: &'static [Renamed],
) -> (Vec<OsString>, Vec<Renamed>) {
    let mut arguments: Vec<OsString> = arguments.collect();
    let mut used = Vec::new();
    for setting in renamed {
        let Some(value) = variable(setting.old) else { continue };
        let is_given = arguments.iter().any(|argument| {
            argument.to_str().is_some_and(|text| text.split('=').next() == Some(setting.flag))
        });
        if variable(setting.new).is_none() && !is_given {
            let mut argument = OsString::from(setting.flag);
            argument.push("=");
            argument.push(value);
            arguments.push(argument);
        }
        used.push(*setting);
    }
    (arguments, used)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RENAMED: &[Renamed] =
        &[Renamed { old: "ROLLCALL_LANES", new: "ROLLCALL_PARALLEL_CHUNKS", flag: "--parallel-chunks" }];

    fn arguments(given: &[&str], variables: &[(&str, &str)]) -> (Vec<OsString>, usize) {
        let variable = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| OsString::from(value))
        };
        let (arguments, used) = with_old_variables(given.iter().map(OsString::from), variable, RENAMED);
        (arguments, used.len())
    }

    #[test]
    fn an_old_variable_sets_the_new_setting_unless_that_is_set() {
        assert_eq!(arguments(&["worker"], &[]), (vec!["worker".into()], 0));
        let old = ("ROLLCALL_LANES", "3");
        let expected = vec!["worker".into(), "--parallel-chunks=3".into()];
        assert_eq!(arguments(&["worker"], &[old]), (expected, 1));
        let new = ("ROLLCALL_PARALLEL_CHUNKS", "2");
        assert_eq!(arguments(&["worker"], &[old, new]), (vec!["worker".into()], 1));
        let given = ["worker", "--parallel-chunks", "4"];
        assert_eq!(arguments(&given, &[old]), (given.map(OsString::from).to_vec(), 1));
    }
}
