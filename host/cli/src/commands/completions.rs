//! `mtcae completions`.

use crate::Arguments;
use crate::failure::Failure;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;

/// Print a completion script for a shell
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mtcae completions bash > ~/.local/share/bash-completion/completions/mtcae
  mtcae completions zsh  > ~/.zfunc/_mtcae
  mtcae completions fish > ~/.config/fish/completions/mtcae.fish")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// The tool without what only its own programs call: clap_complete offers hidden commands, too.
fn offered() -> clap::Command {
    let whole = Arguments::command();
    let shown: Vec<clap::Command> = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    clap::Command::new("mtcae").version(env!("CARGO_PKG_VERSION")).subcommands(shown)
}

impl Args {
    /// Prints the script.
    pub fn run(self) -> Result<(), Failure> {
        // Written to memory first: clap_complete panics when a write fails.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut offered(), "mtcae", &mut script);
        Ok(std::io::stdout().write_all(&script)?)
    }
}
