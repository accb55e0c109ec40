//! The configuration as people write it: what it means, what is wrong with it in which words, and the short way in.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "config/entra.rs"]
mod entra;
#[path = "config/faults.rs"]
mod faults;
#[path = "config/sources.rs"]
mod sources;

use std::{fs, path::PathBuf};

use azp_scaler::config::{Faults, Settings};
use tempfile::TempDir;

/// A folder with a token and whatever configuration a test writes.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.file("token", "hidden-token\n");
        folder
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text.replace("FOLDER", self.0.path().to_str().unwrap())).unwrap();
        path
    }

    /// What a file says with these variables over it; the folder's path is cut out of the faults.
    fn load(&self, name: &str, text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
        let file = self.file(name, text);
        Settings::load(Some(&file), pairs(environment)).map_err(|faults| self.told(&faults))
    }

    fn told(&self, faults: &Faults) -> String {
        faults.to_string().replace(self.0.path().to_str().unwrap(), "FOLDER")
    }
}

fn pairs(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// One organisation and nothing else.
const LEAST: &str = r#"
[[organizations]]
name = "contoso"
url = "https://dev.azure.com/contoso"
credential = { kind = "personal_access_token", file = "FOLDER/token" }
"#;
