//! Every way in which Azure DevOps, or what lies between, can fail: what the scaler makes of it, in virtual time, over real
//! sockets. `docs/failures.md` shows the table that this prints, and must be the same.

#![expect(clippy::unwrap_used, reason = "what helpers of tests can't do fails the test")]

#[path = "failures/certificates.rs"]
mod certificates;
#[path = "failures/clock.rs"]
mod clock;
#[path = "shared/contoso.rs"]
mod contoso;
#[path = "failures/course.rs"]
mod course;
#[path = "failures/proxy.rs"]
mod proxy;
#[path = "failures/table.rs"]
mod table;
#[path = "failures/world.rs"]
mod world;
