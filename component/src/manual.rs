//! What is made out of a program's command line: its manual pages, and completions for shells.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;

/// Writes a page for the program and for each of its subcommands (`NAME.1`, `NAME-SUBCOMMAND.1`), and
/// the completions under the names that the shells look for (`NAME.bash`, `_NAME`, `NAME.fish`).
///
/// # Errors
/// `directory` cannot be made or written into.
pub(crate) fn write(mut command: Command, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    // `help` would have a page for every page.
    clap_mangen::generate_to(command.clone().disable_help_subcommand(true), directory)?;
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, &name, directory)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Arg;
    use tests_kit::TempDir;

    use super::*;

    #[test]
    fn every_subcommand_has_a_page_and_every_shell_its_completions() {
        let command = Command::new("program")
            .version("1.2.3")
            .about("Does things.")
            .arg(Arg::new("loud").long("loud").help("Does them loudly."))
            .subcommand(Command::new("stop").about("Does them no more."));
        let directory = TempDir::new();
        let made = directory.path().join("made/here");
        write(command, &made).unwrap();
        let text = |name: &str| fs::read_to_string(made.join(name)).unwrap();
        for (file, part) in [
            ("program.1", "Does them loudly."),
            ("program-stop.1", "Does them no more."),
            ("program.bash", "--loud"),
            ("_program", "--loud"),
            ("program.fish", "loud"),
        ] {
            assert!(text(file).contains(part), "{file}");
        }
        assert_eq!(fs::read_dir(&made).unwrap().count(), 5);
    }
}
