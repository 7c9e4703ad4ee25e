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

impl Args {
    /// Prints the script.
    pub fn run(self) -> Result<(), Failure> {
        // Written to memory first: clap_complete panics when a write fails.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "mtcae", &mut script);
        Ok(std::io::stdout().write_all(&script)?)
    }
}
