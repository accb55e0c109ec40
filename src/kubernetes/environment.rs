//! The environment of a ScaledJob's container, as far as its manifest says it and it is no secret.
//!
//! ```text
//! pod template ──[Environment]──▶ what KEDA puts for `...FromEnv`
//!                        └──────▶ what the agent takes for capabilities
//! ```
//!
//! A value that is, or may hold, a secret is not kept: not the literal of a variable with a secret's name, not a URL with a
//! password, and not a value that refers to one. References are resolved as KEDA resolves them, which is how Kubernetes does.

use std::{borrow::Cow, collections::BTreeMap};

use k8s_openapi::api::core::v1::{Container, EnvVar, PodSpec};

use crate::{
    capability::CapabilitySet,
    caseless,
    wording::{has_password, names_a_secret},
};

/// The variable that names variables which the agent leaves out.
const IGNORE: &str = "VSO_AGENT_IGNORE";
/// Variables that the agent leaves out by itself.
const WELL_KNOWN: [&str; 6] = ["comp_wordbreaks", "ls_colors", "TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "SHLVL"];
/// The agent leaves out values of this many UTF-16 units and more.
const TOO_LONG: usize = 1024;

/// The variables of one container.
#[derive(Debug, Default)]
pub(super) struct Environment {
    variables: BTreeMap<String, Variable>,
    /// Whether there are more, from ConfigMaps or Secrets.
    is_open: bool,
    /// Names compare without case on Windows.
    is_windows: bool,
}

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Variable {
    /// Written in the manifest, and no secret.
    Known(String),
    /// KEDA finds no value for it.
    Absent,
    /// It has one that only a Secret or a ConfigMap tells, or that is a secret itself.
    Hidden,
}

impl Environment {
    /// The environment of the container that KEDA looks at: the one that is named, else the first. None where there is no
    /// such container: KEDA then fails, and asks nobody.
    pub(super) fn of(pod: &PodSpec, container: Option<&str>) -> Option<Self> {
        let container = match container.filter(|name| !name.is_empty()) {
            Some(name) => pod.containers.iter().find(|container| container.name == name)?,
            None => pod.containers.first()?,
        };
        Some(Self::of_container(container, is_windows(pod)))
    }

    fn of_container(container: &Container, is_windows: bool) -> Self {
        let is_open = container.env_from.as_ref().is_some_and(|sources| !sources.is_empty());
        let mut environment = Self { is_open, is_windows, ..Self::default() };
        for variable in container.env.iter().flatten() {
            if let Some(value) = environment.value(variable) {
                environment.variables.insert(variable.name.clone(), value);
            }
        }
        environment
    }

    /// What a variable is, given those before it; none where KEDA skips it.
    fn value(&self, variable: &EnvVar) -> Option<Variable> {
        let written = variable.value.as_deref().unwrap_or_default();
        let source = variable.value_from.as_ref().filter(|_| written.is_empty());
        match source {
            Some(source) if source.secret_key_ref.is_some() || source.config_map_key_ref.is_some() => {
                Some(Variable::Hidden)
            }
            Some(_) => None,
            None if names_a_secret(&variable.name) || has_password(written) => Some(Variable::Hidden),
            None => Some(self.resolved(written).map_or(Variable::Hidden, Variable::Known)),
        }
    }

    /// A variable by its name.
    pub(super) fn get(&self, name: &str) -> Variable {
        match self.variables.get(name) {
            Some(variable) => variable.clone(),
            None if self.is_open => Variable::Hidden,
            None => Variable::Absent,
        }
    }

    /// The text with `$(NAME)` replaced; none where a hidden value would be in it.
    fn resolved(&self, written: &str) -> Option<String> {
        let (mut resolved, mut rest) = (String::new(), written);
        while let Some(at) = rest.find('$') {
            resolved.push_str(&rest[..at]);
            rest = &rest[at..];
            // KEDA looks for a reference only where there is room for one.
            if rest.len() <= 3 {
                break;
            }
            let reference = rest.strip_prefix("$(").and_then(|inner| inner.split_once(')'));
            if let Some((name, after)) = reference {
                resolved.push_str(&match self.get(name) {
                    Variable::Known(value) => Cow::Owned(value),
                    Variable::Absent => Cow::Borrowed(&rest[..rest.len() - after.len()]),
                    Variable::Hidden => return None,
                });
                rest = after;
            } else {
                resolved.push('$');
                rest = rest.strip_prefix("$$").unwrap_or(&rest[1..]);
            }
        }
        resolved.push_str(rest);
        Some(resolved)
    }

    /// What an agent in this container takes for capabilities.
    pub(super) fn capabilities(&self) -> CapabilitySet {
        let ignored = match self.variables.get(IGNORE) {
            Some(Variable::Known(names)) => names.split(',').map(str::trim).collect(),
            _ => Vec::new(),
        };
        let is_ignored = |name: &str| {
            let same = |other: &str| if self.is_windows { caseless::same(name, other) } else { name == other };
            WELL_KNOWN.iter().chain(&ignored).any(|other| same(other))
        };
        let known = self.variables.iter().filter_map(|(name, variable)| match variable {
            Variable::Known(value) => Some((name.as_str(), value.as_str())),
            Variable::Absent | Variable::Hidden => None,
        });
        CapabilitySet::new(known.filter(|(name, value)| {
            *name != IGNORE && !name.is_empty() && !is_ignored(name) && value.encode_utf16().count() < TOO_LONG
        }))
    }
}

/// Whether the pod runs on Windows, as far as its manifest says.
fn is_windows(pod: &PodSpec) -> bool {
    let selected = || pod.node_selector.as_ref()?.get("kubernetes.io/os").map(String::as_str);
    pod.os.as_ref().map(|os| os.name.as_str()).or_else(selected) == Some("windows")
}

#[cfg(test)]
mod tests;
