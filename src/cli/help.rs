//! The long texts of `--help`.

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
  AZP_URL=https://dev.azure.com/contoso AZP_TOKEN_FILE=/var/run/secrets/azp/token azp-scaler serve

  AZP_URL         the organization's URL, or a collection's on premises; the organization is named
                  by its last segment
  AZP_TOKEN_FILE  a file with a personal access token, scope Agent Pools (read); read again when it
                  changes
  AZP_TOKEN       the token itself, instead of a file

CONFIGURATION FILE (TOML or YAML; what is shown is the default where there is one)
  [grpc]
  listen = \"0.0.0.0:6000\"            # KEDA asks here

  [http]
  listen = \"0.0.0.0:8080\"            # status page, /metrics, /api/v1/, /livez, /readyz

  [log]
  format = \"json\"                    # or \"text\"; the level is RUST_LOG (info)

  [[organizations]]                  # at least one, here or by AZP_URL
  name = \"contoso\"                   # what triggers call it
  url = \"https://dev.azure.com/contoso\"
  credential = { kind = \"personal_access_token\", file = \"/var/run/secrets/azp/token\" }
                                     # or env = \"NAME\" of a variable, instead of file
  namespaces = [\"*\"]                 # whose ScaledJobs may use it
  # certificate_authority = \"ca.pem\" # a private authority, in addition to the system's
  # proxy = \"http://proxy:3128\"      # instead of HTTPS_PROXY
  # allow_plain_http = false         # http:// beyond loopback

  [polling]
  fresh_for = \"1s\"                   # a question asked of an older snapshot first asks Azure, once for
                                     # all who wait
  answer_within = \"2s\"               # then it is answered from what there is
  tolerated_age = \"10s\"              # older than this is not knowing: an error
  background = \"30s\"                 # pools in use are looked at this often anyway

  [decisions]
  settle = \"30s\"                     # after its first question a pool asks for no agents for so long,
                                     # so that all ScaledJobs have asked; \"1s\" if all poll each second

ENVIRONMENT
  AZP_SCALER__SECTION__KEY overrides the file, for example AZP_SCALER__POLLING__FRESH_FOR=2s. Lists,
  such as the organizations, come from the file only.
  RUST_LOG=debug shows more; RUST_LOG=azp_scaler::azure_devops=debug shows more of one part.

WHAT TO LOOK AT
  http://localhost:8080/         pools, triggers, and why each job is where it is
  http://localhost:8080/metrics  azp_scaler_snapshot_age_seconds, azp_scaler_unplaced_jobs, ...
  kubectl describe scaledjob     a trigger that is refused says why in an event

STOPPING
  SIGTERM and SIGINT: not ready any more, no new calls, answers under way are given, then the end,
  within 20 seconds.

Exit codes: 0 stopped, 1 failed (a port is taken, ...), 2 wrong configuration: every fault named at once.";

/// Below the options of `demo`.
pub(super) const DEMO: &str = "\
The scaler runs as in production: it asks the simulated organization over HTTP, and a simulated KEDA
asks it over gRPC and creates Kubernetes Jobs by KEDA's own arithmetic; all on loopback. Three
ScaledJobs overlap (linux-small, linux-java, linux-gpu), a few agents are static, jobs keep
arriving, now and then one that nobody can run.

On a terminal it shows queue, agents and decisions live (q ends it); in a pipe, lines. With
--duration arrivals stop after that time, the rest drains, and a summary is printed. Exit code 0
only if every job that some ScaledJob fits was run, and no agent was surplus without a named cause.";
