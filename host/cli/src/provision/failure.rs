//! What to do about a board that is not provisioned.

use crate::failure::Failure;
use mtcae_board_configs::BoardError;
use mtcae_bundle::BundleError;
use mtcae_install::InstallError;
use mtcae_provision::ProvisionError;
use mtcae_update::UpdateError;

/// An error of the crate as the tool says it.
pub fn failed(error: ProvisionError) -> Failure {
    let help = help(&error);
    Failure::Provision { reason: error.to_string(), help }
}

fn help(error: &ProvisionError) -> String {
    match error {
        ProvisionError::Target { .. } => "name the disk's mount point, or the board's address",
        ProvisionError::Read { .. } => "check the path, and whether you may read it",
        ProvisionError::BoardFile(BoardError::UnknownBoard { .. }) => "give one of these names, or the path of a board file",
        ProvisionError::BoardFile(_) => "all keys are in board-configs/README.md",
        ProvisionError::Elsewhere { .. } => "leave that key out of the board file: the default is right",
        ProvisionError::Processor { .. } => {
            "build for the board, for example with `cargo build --release --target aarch64-unknown-linux-gnu`"
        }
        ProvisionError::NoProgram { .. } => {
            "give the program that `cargo build --release -p mtcae-launcher --target ...` makes for the board"
        }
        ProvisionError::First(error) => return first(error).to_owned(),
        ProvisionError::NoSystem { .. } => "is the board's disk mounted there, and is it the root and not the boot partition?",
        ProvisionError::InTheWay { .. } => "look what it is, move it away on the board, and run this again",
        ProvisionError::Linked { .. } => "mount the disk that it leads to in its place, or provision the board over SSH",
        ProvisionError::OtherKey { .. } => {
            "leave --device-key out to keep the board's; or remove that file and its .pub on the board, when nothing is encrypted to it any more"
        }
        ProvisionError::TrustsNobody { .. } => {
            "remove that file on the board when it counts no more, or give what it goes with by --trust, and run this again"
        }
        ProvisionError::KeyStays => {
            "take a plain bundle for its first version, or give the board's key with --device-key"
        }
        ProvisionError::NotRoot { .. } => {
            "run it with sudo, or below fakeroot; --no-owners leaves them to whoever builds the image"
        }
        ProvisionError::NoSsh(_) => "install it: sudo apt-get install openssh-client",
        ProvisionError::Connect { host, reason } => return connect(host, reason),
        ProvisionError::NoSudo { .. } => {
            "connect as root, or let the user: on the board, echo 'USER ALL=(ALL) NOPASSWD: ALL' | sudo tee /etc/sudoers.d/mtcae, and remove that file afterwards"
        }
        ProvisionError::Silent { .. } => "is it very busy, or its disk failing? Run this again: it goes on where it was",
        ProvisionError::Nonsense { .. } => "the board needs a POSIX shell, coreutils or busybox, and tar; try `ssh HOST uname -a`",
        ProvisionError::Step { .. } => "put that right on the board and run this again: it goes on where it was",
        ProvisionError::NotKept { .. } => "somebody else writes to the board's disk at the same time; run this again",
        ProvisionError::Stopped => "run it again: it goes on where it was",
    }
    .to_owned()
}

fn first(error: &InstallError) -> &'static str {
    match error {
        InstallError::Slots(UpdateError::Incomplete { .. }) => {
            "a board's first bundle has both: `mtcae bundle --model DIR --firmware FILE --target TRIPLE ...`"
        }
        InstallError::Bundle(BundleError::Refused(_)) => "`mtcae inspect` shows which boards a bundle is for",
        InstallError::Bundle(_) => {
            "`mtcae inspect FILE --trust KEY` says whether it is whole and signed; what is encrypted needs --device-key"
        }
        _ => "`mtcae inspect` shows what is in it",
    }
}

fn connect(host: &str, reason: &str) -> String {
    if reason.contains("Host key verification failed") || reason.contains("REMOTE HOST IDENTIFICATION") {
        return format!(
            "connect once with `ssh` to {host} and compare the fingerprint with the board's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there); if the board was set up anew, `ssh-keygen -R` forgets the old key"
        );
    }
    if reason.contains("Permission denied") {
        return "the board does not know your key: `ssh-copy-id` brings it there".to_owned();
    }
    "is it switched on and in this network, and does `ssh` reach it?".to_owned()
}
