//! Answers of Azure DevOps, each read as everything that the client reads.

#![no_main]

use azp_scaler::{
    azure_devops::decode::{self, AgentReader},
    job_request::Parallelism,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(queue) = decode::queue(body) {
        assert!(queue.jobs.len() <= body.len());
    }
    let mut reader = AgentReader::default();
    // What is remembered of the first reading must not change the second.
    let (first, again) = (reader.read(body), reader.read(body));
    assert_eq!(first.is_ok(), again.is_ok());
    let _ = decode::pools(body);
    let _ = decode::pool(body, 7);
    let _ = decode::usage(body);
    let _ = decode::limit(body, Parallelism::Private);
    let _ = decode::refusal(body);
});
