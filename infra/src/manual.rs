//! `completions` and `man`: what a shell and `man` want to know of this program.

use std::io::Write;

use clap_complete::Shell;
use tidings_agent::manual;
pub use tidings_agent::manual::ManArguments;

use crate::Trouble;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the completions of a program for a shell.
///
/// # Errors
/// When the output fails.
pub fn completions(
    arguments: &CompletionsArguments,
    program: clap::Command,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    Ok(manual::completions(program, arguments.shell, out)?)
}

/// Prints the program's page, or writes all pages into a folder.
///
/// # Errors
/// When the folder cannot be written, or the output fails.
pub fn man(
    arguments: &ManArguments,
    program: clap::Command,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    match &arguments.out {
        None => Ok(manual::page(program, out)?),
        Some(folder) => {
            let pages = manual::pages(program, folder)
                .map_err(|source| Trouble::File { path: folder.clone(), source })?;
            Ok(writeln!(out, "{pages} pages in {}", folder.display())?)
        }
    }
}
