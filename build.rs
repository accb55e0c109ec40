//! Compiles KEDA's protocol without a `protoc` to install, keeps the descriptor set for gRPC reflection, and says which commit a
//! release is built from.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["externalscaler.proto"], ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("externalscaler.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;

    println!("cargo:rerun-if-env-changed=AZP_SCALER_COMMIT");
    // Development builds don't say it: each commit would be a reason to build everything again.
    let of_release = || if env::var("PROFILE").as_deref() == Ok("release") { checked_out() } else { None };
    let commit = env::var("AZP_SCALER_COMMIT").ok().filter(|told| !told.is_empty()).or_else(of_release);
    let version = env::var("CARGO_PKG_VERSION")?;
    let version = commit.as_ref().map_or_else(|| version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo:rustc-env=AZP_SCALER_VERSION={version}");
    println!("cargo:rustc-env=AZP_SCALER_COMMIT={}", commit.unwrap_or_default());
    Ok(())
}

/// The commit that is checked out, where Git knows one.
fn checked_out() -> Option<String> {
    // Whatever moves it is written there.
    for file in ["HEAD", "logs/HEAD"] {
        let file = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    git(&["rev-parse", "--short=10", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
