//! Configuration: a file's text, as TOML or, where it begins with `#y`, as YAML.

#![no_main]

use std::{env, fs, process};

use azp_scaler::config::Settings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let ending = if text.starts_with("#y") { "yaml" } else { "toml" };
    let path = env::temp_dir().join(format!("azp-scaler-fuzz-{}.{ending}", process::id()));
    fs::write(&path, text).expect("the folder for temporary files can be written to");
    if let Err(faults) = Settings::load(Some(&path), []) {
        assert!(!faults.to_string().is_empty());
    }
});
