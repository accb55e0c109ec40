//! Every Kubernetes object that the repository shows to its readers: the files below `manifests/`, what its kustomizations make
//! and its chart renders (the golden files of `.ci/chart`), and the YAML in its pages.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::PROGRAMS;

/// The file that makes a folder a kustomization.
const KUSTOMIZATION: &str = "kustomization.yaml";
/// What a page says before the name of a level of Pod Security admission.
const LEVEL: &str = "Pod Security level: ";

/// A file, or a piece of a page, that holds objects.
#[derive(Debug)]
pub(crate) struct Published {
    /// Where it is, for people.
    pub(crate) at: String,
    /// What it holds.
    pub(crate) objects: Vec<Value>,
    /// The level of Pod Security admission at which its pods are admitted, as it says itself.
    pub(crate) level: Option<String>,
}

impl Published {
    /// Reads one; none where it is YAML of something else, such as the values of a chart.
    fn read(at: String, text: &str) -> Option<Self> {
        let objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{at}: {error}"));
        let is_object = |value: &Value| value["apiVersion"].is_string() && value["kind"].is_string();
        objects.iter().all(is_object).then_some(Self { at, objects, level: level(text) })
    }

    /// What a kustomization makes; it says the level itself, since rendering drops the comments.
    fn rendered(at: String, kustomization: &Path) -> Self {
        let kustomize = Path::new(&env::var_os(PROGRAMS).unwrap()).join("kustomize");
        let output = Command::new(&kustomize).arg("build").arg(kustomization.parent().unwrap()).output();
        let output = output.unwrap_or_else(|error| panic!("{at}: {}: {error}", kustomize.display()));
        assert!(output.status.success(), "{at}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let objects = serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{at}: {error}"));
        Self { at, objects, level: level(&fs::read_to_string(kustomization).unwrap()) }
    }

    /// The pods that its objects make.
    pub(crate) fn pods(&self) -> Vec<Value> {
        self.objects.iter().filter_map(pod).collect()
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Published> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A chart's own files are no manifests yet, and pipelines are not Kubernetes'.
    let others = ["manifests/chart", "manifests/pipelines"].map(|folder| root.join(folder));
    let is_plain = |path: &PathBuf| !others.iter().any(|folder| path.starts_with(folder));
    let plain = files(&root.join("manifests"), "yaml").into_iter().filter(is_plain);
    let manifests = plain.map(|path| {
        if path.ends_with(KUSTOMIZATION) {
            return Published::rendered(name(root, &path), &path);
        }
        let text = fs::read_to_string(&path).unwrap();
        Published::read(name(root, &path), &text).unwrap_or_else(|| panic!("{}: no manifest", path.display()))
    });
    let pages = files(&root.join("docs"), "md").into_iter().chain([root.join("README.md")]).flat_map(|path| {
        let (text, name) = (fs::read_to_string(&path).unwrap(), name(root, &path));
        let pieces = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```"));
        let pieces = pieces.enumerate().map(|(number, (piece, _))| (format!("{name}, YAML {}", number + 1), piece));
        pieces.filter_map(|(at, piece)| Published::read(at, piece)).collect::<Vec<_>>()
    });
    // Each object by itself: the pods of one file are not all of one level.
    let rendered = files(&root.join("tests/chart"), "yaml").into_iter().flat_map(|path| {
        let (text, name) = (fs::read_to_string(&path).unwrap(), name(root, &path));
        let pieces = text.split("---\n").enumerate().skip(1);
        let pieces = pieces.map(|(number, piece)| {
            let at = format!("{name}, object {number}");
            Published::read(at.clone(), piece).unwrap_or_else(|| panic!("{at}: no manifest"))
        });
        pieces.collect::<Vec<_>>()
    });
    manifests.chain(rendered).chain(pages).collect()
}

/// The level that a text claims.
fn level(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.split_once(LEVEL)).map(|(_, level)| level.trim().to_owned())
}

/// The files below a folder whose names end so, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn name(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().display().to_string()
}

/// The pod that an object makes, if it makes any.
fn pod(object: &Value) -> Option<Value> {
    let spec = &object["spec"];
    let template = match object["kind"].as_str().unwrap() {
        "Pod" => object,
        "ScaledJob" => &spec["jobTargetRef"]["template"],
        "CronJob" => &spec["jobTemplate"]["spec"]["template"],
        _ => &spec["template"],
    };
    let mut metadata = template["metadata"].as_object().cloned().unwrap_or_default();
    metadata.insert("name".into(), object["metadata"]["name"].clone());
    template["spec"]
        .is_object()
        .then(|| json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] }))
}
