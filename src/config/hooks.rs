//! The table `[http] hooks`: with it, service hooks of Azure DevOps are let in.

use std::path::PathBuf;

use super::{credential::secret_file, section::Section};

/// What the table says: the file with the secret that a hook must bring.
pub(super) fn read(section: &mut Section<'_>) -> Option<PathBuf> {
    secret_file(section, "secret_file", "name a file with the secret that Azure DevOps sends as its password")
}
