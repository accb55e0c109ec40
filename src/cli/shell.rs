//! `azp-scaler completions` and `azp-scaler man`: what a shell and `man` know of the program, made of its own command line.

use std::{fs, path::PathBuf};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Failed, put};

/// Writes completions of this command line for a shell to stdout
#[derive(Debug, Args)]
#[command(after_help = "For example:
  azp-scaler completions bash >/etc/bash_completion.d/azp-scaler")]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

/// Writes the manual's pages, one for each command
#[derive(Debug, Args)]
#[command(after_help = "For example:
  azp-scaler man /usr/local/share/man/man1")]
pub(super) struct Man {
    /// The folder for them, which is made where it is missing
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Failed> {
        let mut command = Cli::command();
        let name = command.get_name().to_owned();
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut text);
        put(&text)
    }
}

impl Man {
    pub(super) fn run(self) -> Result<(), Failed> {
        let folder = self.folder;
        fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &folder))
            .map_err(|error| Failed::Run(format!("can't write the manual into `{}`: {error}", folder.display())))
    }
}
