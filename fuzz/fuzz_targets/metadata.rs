//! Triggers' metadata: lines of `key=value`, in which `;` stands for a new line of a value.

#![no_main]

use azp_scaler::{
    external_scaler::{Came, Organization, Organizations, Request},
    protocol::ScaledObjectRef,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let entries = text.lines().filter_map(|line| line.split_once('='));
    let scaler_metadata = entries.map(|(key, value)| (key.to_owned(), value.replace(';', "\n"))).collect();
    let reference = ScaledObjectRef { name: "build".to_owned(), namespace: "ci".to_owned(), scaler_metadata };
    let organization = Organization {
        name: "contoso".into(),
        url: "https://dev.azure.com/contoso".parse().expect("it is a URL"),
        namespaces: vec!["*".to_owned()],
    };
    match Request::read(reference, Came::InTheClear, &Organizations::new(vec![organization])) {
        Ok(request) => assert!(request.metric_name.starts_with("azure-pipelines-") && request.metric_name.len() <= 63),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
});
