//! Completions for shells and pages for `man`, made of what the command line says of itself.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// Where the pages go.
#[derive(Debug, clap::Args)]
pub struct ManArguments {
    /// Write the page of the program and of each of its commands into this folder, instead of printing
    /// the program's.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Writes what a shell is to source.
///
/// # Errors
/// When it cannot be written.
pub fn completions(mut program: Command, shell: Shell, out: &mut impl Write) -> io::Result<()> {
    let name = program.get_name().to_owned();
    // Into memory first: the generator panics where its output fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, name, &mut script);
    out.write_all(&script)
}

/// Writes the program's page.
///
/// # Errors
/// When it cannot be written.
pub fn page(program: Command, out: &mut impl Write) -> io::Result<()> {
    let program = built(program);
    let source = source(&program);
    Man::new(program).source(source).render(out)
}

/// What stands at the foot of each page; a command alone has no version.
fn source(program: &Command) -> String {
    format!("{} {}", program.get_name(), program.get_version().unwrap_or_default())
}

/// Writes the pages of a program and its commands into a folder, and says how many they are.
///
/// # Errors
/// When the folder cannot be made or written.
pub fn pages(program: Command, folder: &Path) -> io::Result<usize> {
    std::fs::create_dir_all(folder)?;
    let program = built(program);
    write(&program, &source(&program), folder)
}

/// With the names of its commands as a page has them: `tidings-agent-run`.
fn built(program: Command) -> Command {
    // `help` has no page: `--help` and these pages say it all.
    let mut program = program.disable_help_subcommand(true);
    program.build();
    program
}

fn write(command: &Command, source: &str, folder: &Path) -> io::Result<usize> {
    let mut page = Vec::new();
    Man::new(command.clone()).source(source).render(&mut page)?;
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    std::fs::write(folder.join(format!("{name}.1")), page)?;
    let mut pages = 1;
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages += write(command, source, folder)?;
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use clap::{Arg, Command, ValueEnum as _};

    use super::*;

    fn program() -> Command {
        Command::new("bird")
            .version("1.2.3")
            .about("Sings")
            .subcommand(
                Command::new("sing").about("Sing a song").arg(Arg::new("song").long("song")),
            )
            .subcommand(Command::new("secret").hide(true))
    }

    #[test]
    fn every_shell_is_told_of_every_command() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            completions(program(), *shell, &mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("sing") && script.contains("song"), "{shell}");
        }
    }

    #[test]
    fn every_command_has_a_page_but_the_hidden_ones() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("man/man1");
        assert_eq!(pages(program(), &out).unwrap(), 2);
        let mut names: Vec<String> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["bird-sing.1", "bird.1"]);
        let sing = std::fs::read_to_string(out.join("bird-sing.1")).unwrap();
        assert!(
            sing.contains(".TH bird-sing 1  \"bird 1.2.3\"") && sing.contains("song"),
            "{sing}"
        );
        let mut printed = Vec::new();
        page(program(), &mut printed).unwrap();
        assert_eq!(printed, std::fs::read(out.join("bird.1")).unwrap());
    }
}
