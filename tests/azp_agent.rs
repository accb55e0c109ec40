//! `azp-agent` as a container runs it: a stand-in for the agent's scripts and processes, the simulated organization, and
//! every signal, crash and silence at every stage.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "azp_agent/alone.rs"]
mod alone;
#[path = "azp_agent/leaving.rs"]
mod leaving;
#[path = "azp_agent/program.rs"]
mod program;
#[path = "azp_agent/register.rs"]
mod register;
#[path = "azp_agent/run.rs"]
mod run;
#[path = "azp_agent/secrets.rs"]
mod secrets;
#[path = "azp_agent/stub.rs"]
mod stub;
#[path = "azp_agent/usage.rs"]
mod usage;
#[path = "azp_agent/world.rs"]
mod world;
