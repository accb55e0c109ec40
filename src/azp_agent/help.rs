//! The long text of `--help`. No line is longer than a terminal is wide, so that what is copied stays whole.

/// Below the commands.
pub(crate) const AFTER_HELP: &str = "\
With a sidecar (restartPolicy: Always), which alone holds the credential:
  sidecar    azp-agent register   AZP_URL, AZP_TOKEN_FILE, AZP_POOL
  container  azp-agent run        no credential
  Both mount one volume at AZP_AGENT_REGISTRATION_DIRECTORY.

In one container, where the cluster has no sidecars:
  container  azp-agent run        AZP_URL, AZP_TOKEN, AZP_POOL
  The credential is in no argument and in no process of a job; but a job of the
  same user can read a mounted AZP_TOKEN_FILE, and AZP_TOKEN in the environment
  of a process before this one, such as tini: start azp-agent as the first.

Settings, all from the environment:
  AZP_URL         the URL of the organization, or of a collection on premises
  AZP_TOKEN_FILE  a file with a personal access token, scope Agent Pools (read &
                  manage), its user an Administrator of the pool; read again
                  each time it is needed
  AZP_TOKEN       the token itself, instead of a file
  AZP_AGENT_CREDENTIAL
                  workload_identity or managed_identity, instead of a token;
                  AZURE_CLIENT_ID where the machine has several identities; a
                  job can sign in with a managed identity, too
  AZP_POOL        the pool's name (Default)
  AZP_AGENT_NAME  the agent's name (the host's, which is the pod's); an agent of
                  that name is replaced
  AZP_WORK        the directory in which jobs work (_work)

  AZP_AGENT_DIRECTORY               holds config.sh and run.sh (/azp/agent)
  AZP_AGENT_REGISTRATION_DIRECTORY  shared with the sidecar (/azp/registration)
  AZP_AGENT_CERTIFICATE_AUTHORITY   a PEM file with a private authority
  AZP_AGENT_ALLOW_PLAIN_HTTP        true: the token may go over http://
  AZP_AGENT_REGISTER_TIMEOUT        until the agent is registered (5m)
  AZP_AGENT_START_TIMEOUT           until it listens for jobs, and begins one that
                                    it is given (5m)
  AZP_AGENT_IDLE_TIMEOUT            how long it waits for a job (30m)
  AZP_AGENT_EXIT_TIMEOUT            until it exits, after its job or when told to;
                                    then it is killed (1m)
  AZP_AGENT_REMOVE_TIMEOUT          until its registration is removed (15m)

  HTTPS_PROXY, NO_PROXY   the proxy; VSTS_HTTP_PROXY for the agent itself
  VSO_AGENT_IGNORE        variables that are no capabilities; AZP_…, those of the
                          proxy and of Kubernetes' services are added
  RUST_LOG                the log's level (info)

SIGTERM: an idle agent is stopped at once, a busy one after its job; a job that
comes in that moment is run, since the agent is disabled in the pool first.

A sidecar that can't register tells the container of the job why, and waits.

Exit codes: 0 done: a job has run, none came in time, or it was asked to end;
1 failed; 2 wrong usage or configuration.";
