//! The long texts of `--help`. No line is longer than a terminal is wide, so that what is copied stays whole.

/// Below the commands.
pub(super) const AFTER_HELP: &str = "\
Watch it work, with nothing else needed:
  azp-scaler demo

Serve KEDA:
  AZP_URL=https://dev.azure.com/contoso AZP_TOKEN_FILE=token azp-scaler serve

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.";

/// Below the options of `serve`.
pub(super) const SERVE: &str = "\
THE SHORTEST WAY
  AZP_URL=https://dev.azure.com/contoso AZP_TOKEN_FILE=token azp-scaler serve

  AZP_URL         the URL of the organization, or of a collection on premises;
                  triggers call the organization by its last segment
  AZP_TOKEN_FILE  a file with a personal access token, scope Agent Pools (read);
                  read again when it changes
  AZP_TOKEN       the token itself, instead of a file

CONFIGURATION FILE (TOML or YAML)
  What is shown is the default, but for the organization.

  [grpc]
  listen = \"0.0.0.0:6000\"           # KEDA asks here
  # Over TLS; with client_ca, clients must show a certificate of that authority.
  # Read again when they change.
  # tls = { certificate = \"tls.crt\", key = \"tls.key\", client_ca = \"ca.crt\" }
  # Whether triggers may bring tokens (personalAccessTokenFromEnv) without it.
  allow_tokens_without_tls = false

  [http]
  listen = \"0.0.0.0:8080\"           # status page, /metrics, /api/v1/, probes
  # POST /hooks/azure-devops wakes an organization's pollers: for service hooks
  # with basic authentication whose password is in the file. Off without it.
  # hooks = { secret_file = \"secret\" }

  [log]
  format = \"json\"                   # or \"text\"; the level is RUST_LOG (info)

  # At least one, here or by AZP_URL. Triggers call it by its name.
  [[organizations]]
  name = \"contoso\"
  url = \"https://dev.azure.com/contoso\"
  # Instead of file: env = \"NAME\" of a variable.
  credential = { kind = \"personal_access_token\", file = \"/run/azp/token\" }
  # Or an identity of Microsoft Entra:
  #   { kind = \"workload_identity\" }   what Azure Workload Identity has put into
  #                                    the environment
  #   { kind = \"managed_identity\", client_id = \"...\" }     of this machine; the
  #                                    id where it has several
  #   { kind = \"client_secret\", tenant_id = \"...\", client_id = \"...\",
  #     secret_file = \"/run/azp/secret\" }
  # Whose ScaledJobs may use it, by full name; \"*\" is every namespace.
  namespaces = [\"*\"]
  # How many jobs may run at once in all its pools: what Azure says (\"auto\"), a
  # number of jobs of private projects, or \"off\": no limit, and no question.
  parallel_jobs = \"auto\"
  # A private authority, besides the system's; a proxy, instead of HTTPS_PROXY;
  # http:// beyond loopback.
  # certificate_authority = \"ca.pem\"
  # proxy = \"http://proxy:3128\"
  # allow_plain_http = false

  [polling]
  # A question of an older snapshot first asks Azure, once for all who wait.
  fresh_for = \"1s\"
  # Then it is answered from what there is.
  answer_within = \"2s\"
  # Older than this is not knowing: an error.
  tolerated_age = \"10s\"
  # Pools in use are looked at this often anyway.
  background = \"30s\"

  [decisions]
  # After its first question a pool asks for no agents for so long, until all
  # ScaledJobs have asked; \"1s\" where all are polled every second.
  settle = \"30s\"
  # An idle agent that lets a job wait for longer does not take it.
  idle_agent_grace = \"60s\"
  # How long the first agent of a ScaledJob may take to register.
  start_timeout = \"5m\"
  # With the cluster's view: after so many failed starts in a row one agent at a
  # time is tried.
  failed_starts = 3
  # Agents kept ready beyond the parallel jobs: \"auto\" is a quarter of their
  # limit, rounded up; or a number.
  parallel_job_headroom = \"auto\"

  [kubernetes]
  # Whether ScaledJobs, Kubernetes Jobs and pods are watched, which takes a role
  # that only reads: \"on\", \"off\", or \"auto\", in a cluster.
  view = \"auto\"
  # Values of scalerAddress that mean this scaler, so that it knows its triggers
  # before KEDA asks.
  addresses = []
  # One of several replicas is ready, by the Lease azp-scaler in its namespace.
  # Of use where the view is off.
  leader_election = false

ENVIRONMENT
  AZP_SCALER__SECTION__KEY overrides the file, for example
  AZP_SCALER__POLLING__FRESH_FOR=2s. Lists, such as the organizations, come from
  the file only.
  HTTPS_PROXY and NO_PROXY hold for organizations without a proxy of their own,
  and never for a machine's identity endpoint.
  AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE are the
  workload identity. AZURE_AUTHORITY_HOST is where tokens are asked for
  (https://login.microsoftonline.com), AZURE_POD_IDENTITY_AUTHORITY_HOST the
  machine's endpoint (http://169.254.169.254).
  RUST_LOG=debug shows more, RUST_LOG=azp_scaler::azure_devops=debug of a part.

WHAT TO LOOK AT
  http://localhost:8080/        pools, triggers, and why each job is where it is
  http://localhost:8080/metrics azp_scaler_snapshot_age_seconds, ...
  kubectl describe scaledjob    a trigger that is refused says why in an event

STOPPING
  SIGTERM and SIGINT: not ready any more, no new calls, answers under way are
  given, then the end, within 20 seconds.

Exit codes: 0 stopped, 1 failed (a port is taken, ...), 2 wrong configuration:
every fault named at once.";

/// Below the options of `agents clean`.
pub(super) const CLEAN: &str = "\
An own agent is one whose name fits a --pattern. It is dead when it is offline,
has no job, and has either run one and been offline for 10 minutes, or never had
one and been offline for --offline-for. Each is looked at once more before it is
removed, two a second at most, and each removal is logged with its reason.

Never removed: an agent that is online, that has a job, of another name, a
placeholder (azp-scaler placeholder), or one of which Azure does not say since
when it is offline. An agent that takes job after job, as a ScaledObject's, has
run a job, too: leave its name out of the patterns.

Needs a token with the scope Agent Pools (read & manage), and the role
Administrator on the pool.

Exit codes: 0 done, or nothing to do; 1 failed; 2 wrong usage or configuration.";

/// Below the options of `demo`.
pub(super) const DEMO: &str = "\
The scaler runs as in production: it asks the simulated organization over HTTP,
and a simulated KEDA asks it over gRPC and creates Kubernetes Jobs by KEDA's own
arithmetic; all on loopback. Three ScaledJobs overlap (linux-small, linux-java,
linux-gpu), a few agents are static, jobs keep arriving, now and then one that
nobody can run.

On a terminal it shows queue, agents and decisions live (q ends it); in a pipe,
lines. With --duration arrivals stop after that time, the rest drains, and a
summary is printed, with the agents that were started and found no job by cause.

Exit codes: 0 every job that some ScaledJob fits was run, and no agent was
surplus without a named cause; or, without --duration, somebody ended the demo
(q, Control-C, SIGTERM). 1 else.";

/// Below the options of `simulate`.
pub(super) const SIMULATE: &str = "\
An organization in which nothing happens by itself, for tests of a scaler and
for trying KEDA without Azure DevOps. Scalers ask it as they ask Azure DevOps,
with the token; whoever plays users and cluster calls the control API, with the
same token:

  AZP_TOKEN=secret azp-scaler simulate --listen 127.0.0.1:8081 --pool linux
  curl -u :secret http://127.0.0.1:8081/_control/state

When it listens, it prints one line of JSON: organization_url, address, control.

ENVIRONMENT
  AZP_TOKEN       the token that is let in
  AZP_TOKEN_FILE  a file that holds it, instead

CONTROL API
  POST   /_control/jobs
         {\"pool\": \"linux\", \"demands\": [\"java -equals 17\"], \"count\": 2,
          \"duration_ms\": 3000}
  POST   /_control/agents
         {\"pool\": \"linux\", \"name\": \"a-1\", \"capabilities\": {\"java\": \"17\"},
          \"ephemeral\": true, \"linger_ms\": 0, \"online\": true}
         An ephemeral agent runs one job and is unregistered linger_ms later.
  DELETE /_control/agents/POOL/NAME     a job that it runs is lost
  GET    /_control/agents/POOL/NAME/end?within_ms=25000
         {\"ended\": true} when it is not registered any more
  PUT    /_control/faults               all is well again with {}
         {\"shape\": \"half-open\", \"for_ms\": 5000}, the shapes in docs/failures.md
         {\"status\": 503, \"headers\": {\"retry-after\": \"5\"}, \"latency_ms\": 0}
         {\"read_only\": true}: the token may register and remove no agent
  PUT    /_control/parallel-jobs        {\"private\": 3}, or null for any number
  GET    /_control/state                jobs, agents, requests; milliseconds
  A pool that is named is made where it isn't there.

Exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed (a port is taken, ...),
2 wrong usage.";

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// What is read, from the source: there is no list of the keys.
    fn keys_of_the_configuration() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = fs::read_dir(folder.join("config")).unwrap().map(|file| file.unwrap().path());
        let mut keys = BTreeSet::new();
        for file in files.chain([folder.join("config.rs")]).filter(|file| file.is_file()) {
            let text = fs::read_to_string(file).unwrap();
            for asked in [".read(\"", ".need(\"", ".take(\"", ".section(\"", "bounded(\"", "(section, \""] {
                let after = text.split(asked).skip(1);
                keys.extend(after.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
            }
        }
        keys
    }

    #[test]
    fn serve_has_the_whole_configuration() {
        let keys = keys_of_the_configuration();
        assert!(
            keys.contains("failed_starts") && keys.contains("leader_election") && keys.contains("settle"),
            "{keys:?}"
        );
        let missing: Vec<&String> = keys.iter().filter(|key| !SERVE.contains(key.as_str())).collect();
        assert_eq!(missing, Vec::<&String>::new());
    }

    #[test]
    fn no_line_is_longer_than_a_terminal_is_wide() {
        for line in [AFTER_HELP, SERVE, CLEAN, DEMO, SIMULATE].iter().flat_map(|text| text.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
