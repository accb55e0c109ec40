//! With a sidecar the job sees no credential: in no argument of any process, in no environment of its own container, in no
//! file that it can read.

use std::fs;

use super::{
    program::{Program, command},
    stub::Stub,
    world::{TOKEN, World},
};

#[tokio::test]
async fn the_job_sees_no_credential_anywhere() {
    let (world, mut stub) = (World::start().await, Stub::new());
    let mut sidecar = world.register(&stub, &[]);
    stub.event("config").await;
    let mut job = command(&stub, "container", "run");
    // What a cluster may put there nevertheless.
    let given = [
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/hidden-1"),
        ("AZURE_CLIENT_SECRET", "hidden-2"),
        ("VSTS_AGENT_INPUT_TOKEN", "hidden-3"),
        ("AZURE_CLIENT_ID", "an-id"),
        ("JAVA_HOME", "/opt/java"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
        ("VSO_AGENT_IGNORE", "LICENSE"),
    ];
    let job = Program::start(job.envs(given));
    stub.event("listener").await;
    stub.begin_job().await;
    sidecar.says(" registered ").await;

    let seen = String::from_utf8_lossy(&fs::read(stub.path("dump")).unwrap()).into_owned();
    for there in ["AZURE_CLIENT_ID=an-id", "JAVA_HOME=/opt/java", "azp-agent\0register", "the key of this agent"] {
        assert!(seen.contains(there), "`{there}` can be seen, so that this test sees: {seen}");
    }
    let environment = seen.lines().find_map(|line| line.strip_prefix("VSO_AGENT_IGNORE=")).unwrap();
    let ignored: Vec<&str> = environment.split(',').collect();
    for name in ["AZP_POOL", "KUBERNETES_SERVICE_HOST", "LICENSE"] {
        assert!(ignored.contains(&name), "{name} is no capability: {environment}");
    }
    let own = seen.lines().take_while(|line| !line.contains('\0')).collect::<Vec<_>>().join("\n");
    assert!(!own.contains("hidden"), "{own}");
    assert!(!seen.contains(TOKEN), "{seen}");

    stub.end_job().await;
    let log = job.ends_with(0).await;
    sidecar.signal("TERM");
    let (code, said) = sidecar.ends().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(!log.contains(TOKEN) && !said.contains(TOKEN));
    assert!(world.agents().await.is_empty());
}
