//! The edge to Azure DevOps against a server that answers as Azure does, or as it should not.
#![expect(clippy::unwrap_used, reason = "what helpers of tests can't do fails the test")]

#[path = "shared/certificates.rs"]
mod certificates;
#[path = "azure_devops/client.rs"]
mod client;
#[path = "shared/contoso.rs"]
mod contoso;
#[path = "azure_devops/directory.rs"]
mod directory;
#[path = "azure_devops/fake.rs"]
mod fake;
#[path = "azure_devops/giver.rs"]
mod giver;
#[path = "azure_devops/guests.rs"]
mod guests;
#[path = "azure_devops/licences.rs"]
mod licences;
#[path = "azure_devops/placeholders.rs"]
mod placeholders;
#[path = "azure_devops/places.rs"]
mod places;
#[path = "azure_devops/poller.rs"]
mod poller;
#[path = "shared/private.rs"]
mod private;
#[path = "azure_devops/sign_in.rs"]
mod sign_in;
#[path = "azure_devops/world.rs"]
mod world;
