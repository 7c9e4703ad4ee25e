//! The host tool `mtcae`: parses arguments, runs one command, turns its error into an exit code. What a command works
//! on lives in the other crates; this one must never know how a network computes or how a board runs it.
//!
//! Exit codes: 0 done, 1 the command failed (the error says why and what to do), 2 wrong arguments. `train` and its
//! relatives give the exit code of `mtcae-train`.

// The comments of arguments are their help: what stands in brackets there is optional, and no link.
#![allow(rustdoc::broken_intra_doc_links)]
// They panic when nobody reads: `say::tell!`, and a `write` whose error counts.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod assets;
mod boards;
mod commands;
mod facts;
mod failure;
mod hil;
mod keyring;
mod known;
mod monitor;
mod new_file;
mod openings;
mod packing;
mod progress;
mod provision;
mod reference;
mod say;
mod stats;
mod text;
mod values;

use clap::Parser;
use commands::Command;
use std::process::ExitCode;

/// Faces and their expressions, from a robot's camera: the host tool.
#[derive(Parser)]
#[command(name = "mtcae", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  mtcae demo                            see it work, without a board or a camera
  mtcae monitor /dev/ttyUSB0            show what a board sees
  mtcae replay desk.mcap                show it again, from a recording
  mtcae devices                         list the boards at hand
  mtcae flash /dev/ttyUSB0 edge.mtcb    carry a bundle to one, until it is confirmed there
  mtcae doctor /dev/ttyUSB0             say what is wrong with it, and what to do
  mtcae hil run --target local          try everything, with faults, on this machine
  mtcae cost --preset large             count the paper's network
  mtcae inspect edge.mtcb               show what a bundle is, and who signed it
  mtcae completions bash                make the shell complete all this";

fn main() -> ExitCode {
    // Before anything else looks at them: what is wrong with an argument is said with the argument.
    let checked = std::env::args_os().try_for_each(|argument| keyring::no_secret(&argument.to_string_lossy()));
    match checked.and_then(|()| Arguments::parse().command.run()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of a pipe (`| head`) has what it wanted.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            // Fails only when a hook is already set, and the default one then prints the same error.
            let _ = miette::set_hook(Box::new(|_| {
                Box::new(miette::MietteHandlerOpts::new().terminal_links(false).wrap_lines(false).build())
            }));
            say::tell!("{:?}", miette::Report::new(failure));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
