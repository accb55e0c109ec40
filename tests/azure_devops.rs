//! The edge to Azure DevOps against a server that answers as Azure does, or as it should not.
#![expect(clippy::unwrap_used, reason = "what helpers of tests can't do fails the test")]

#[path = "azure_devops/client.rs"]
mod client;
#[path = "azure_devops/directory.rs"]
mod directory;
#[path = "azure_devops/fake.rs"]
mod fake;
#[path = "azure_devops/licences.rs"]
mod licences;
#[path = "azure_devops/placeholders.rs"]
mod placeholders;
#[path = "azure_devops/poller.rs"]
mod poller;
#[path = "azure_devops/world.rs"]
mod world;
