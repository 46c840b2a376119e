//! Environment variables. One that is set to nothing, or to blanks only, counts as unset: deployment tools write
//! `NAME=` for a value that was not given.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::{Command, Parser};

/// The value of a variable that is set and not empty.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// The value of a variable that is set and not empty, whatever its encoding.
pub fn variable_os(name: impl AsRef<OsStr>) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !is_empty(value))
}

/// Reads a process's settings from these arguments and from the environment. Prints help and usage errors, and exits.
pub fn parse<S: Parser>(arguments: impl IntoIterator<Item = OsString>) -> S {
    let mut command = without_empty_variables(S::command());
    let mut matches = command.clone().get_matches_from(arguments);
    S::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.format(&mut command).exit())
}

/// Empties the settings whose variable is empty: clap would take the empty text as their value.
fn without_empty_variables(command: Command) -> Command {
    command
        .mut_args(|argument| {
            let is_set = argument.get_env().and_then(std::env::var_os).is_some_and(|value| is_empty(&value));
            if is_set { argument.env(Resettable::Reset) } else { argument }
        })
        .mut_subcommands(without_empty_variables)
}

fn is_empty(value: &OsStr) -> bool {
    value.to_str().is_some_and(|text| text.trim().is_empty())
}
