//! Everything that is wrong, at once, each in a line with key, value and mend.

use azp_scaler::config::Settings;
use insta::assert_snapshot;

use crate::{Folder, LEAST, pairs};

#[track_caller]
fn faults(text: &str, environment: &[(&str, &str)]) -> String {
    Folder::new().load("azp-scaler.toml", text, environment).unwrap_err()
}

#[test]
fn every_fault_is_told_at_once() {
    let text = r#"
colour = "blue"
[grpc]
listen = "6000"
tls = { certificate = "/no/such/tls.crt", client = "ca.crt" }
allow_tokens_without_tls = "perhaps"
[http]
lissten = "0.0.0.0:1"
hooks = { secret_file = "/no/such/secret", secret = "x" }
[log]
format = "xml"
[polling]
fresh_for = "1m"
answer_within = "5s"
tolerated_age = 10
background = "0s"
[decisions]
settle = "soon"
idle_agent_grace = "0s"
start_timeout = "2h"
failed_starts = 0
parallel_job_headroom = "some"
[kubernetes]
view = "yes"
addresses = "azp-scaler:6000"
leader_election = "on"
[[organizations]]
name = "contoso"
url = "https://me:hidden@dev.azure.com/contoso"
credential = { kind = "personal_access_token", env = "NO_SUCH_VARIABLE" }
namespaces = []
parallel_jobs = "on"
[[organizations]]
url = "dev.azure.com/fabrikam"
credential = { kind = "personal_access_token", file = "/no/such/file" }
certificate_authority = "/no/such/ca.pem"
proxy = "socks5://proxy"
allow_plain_http = "yes"
[[organizations]]
name = "adatum"
url = "http://azure.adatum.com/tfs"
credential = { kind = "workload_identity" }
[[organizations]]
name = "premises"
url = "https://azure.contoso.local/tfs"
credential = { kind = "pat", file = "x" }
"#;
    assert_snapshot!(faults(text, &[]), @r#"
    grpc.tls.key: is missing, name a file with the certificate's private key, as PEM
    grpc.tls.certificate: can't read `/no/such/tls.crt`: No such file or directory (os error 2)
    grpc.tls.client: unknown key, did you mean `client_ca`?
    grpc.allow_tokens_without_tls: is `perhaps`, but must be `true` or `false`
    grpc.listen: is `6000`, but must be an address and a port, such as `0.0.0.0:6000` or `[::]:6000`
    http.hooks.secret_file: can't read `/no/such/secret`: No such file or directory (os error 2)
    http.hooks.secret: unknown key, did you mean `secret_file`?
    http.lissten: unknown key, did you mean `listen`?
    log.format: is `xml`, but must be `json` or `text`
    polling.tolerated_age: is `10`, but must be a length of time with its unit, such as `500ms`, `30s`, `5m` or `1h30m`
    polling.answer_within: is `5s`, but must be above 0 s and below 5 s, which is the most any call takes
    polling.background: is `0s`, but must be from `1s` to `24h`
    decisions.settle: is `soon`, but must be a length of time with its unit, such as `500ms`, `30s`, `5m` or `1h30m`
    decisions.idle_agent_grace: is `0s`, but must be from `1s` to `1h`
    decisions.start_timeout: is `2h`, but must be from `1s` to `1h`
    decisions.failed_starts: is `0`, but must be a number of starts from 1 to 1000
    decisions.parallel_job_headroom: is `some`, but must be `auto` or a number of jobs from 0 to 2147483647
    kubernetes.view: is `yes`, but must be `auto`, `on` or `off`
    kubernetes.leader_election: is `on`, but must be `true` or `false`
    kubernetes.addresses: is `azp-scaler:6000`, but must be a list of addresses as triggers write them in `scalerAddress`, such as `["azp-scaler.azp-scaler:6000"]`; only a file can hold it
    organizations[0].url: is `(not shown, may hold a secret)`, but must be an `https://` URL without a user, a password or a query, such as `https://dev.azure.com/contoso`
    organizations[0].credential.env: the environment has no `NO_SUCH_VARIABLE`, or it is empty: set it to the token
    organizations[0].namespaces: is an empty list, but must be a list of at least one namespace; `["*"]` is every one
    organizations[0].parallel_jobs: is `on`, but must be `auto`, `off` or a number of jobs from 0 to 2147483647
    organizations[1].name: is missing, write what triggers shall call it
    organizations[1].url: is `dev.azure.com/fabrikam`, but must be an `https://` URL without a user, a password or a query, such as `https://dev.azure.com/contoso`
    organizations[1].credential.file: can't read `/no/such/file`: No such file or directory (os error 2)
    organizations[1].certificate_authority: can't read `/no/such/ca.pem`: No such file or directory (os error 2)
    organizations[1].proxy: is `socks5://proxy`, but must be an `http://` or `https://` URL without a user or a password, such as `http://proxy:3128`
    organizations[1].allow_plain_http: is `yes`, but must be `true` or `false`
    organizations[2].credential.kind: is `workload_identity`, but the environment has no `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_FEDERATED_TOKEN_FILE`: label the pod `azure.workload.identity/use: "true"`, and annotate its ServiceAccount with `azure.workload.identity/client-id`
    organizations[2].url: is `http://azure.adatum.com/tfs`, but would send the token in the clear: use `https://`, or add `allow_plain_http = true`
    organizations[3].credential.kind: is `pat`, but must be `personal_access_token`, `workload_identity`, `managed_identity` or `client_secret`
    colour: unknown key, did you mean `log`?
    "#);
}

#[test]
fn addresses_without_a_view_would_do_nothing() {
    let text = format!("[kubernetes]\nview = \"off\"\naddresses = [\"azp-scaler:6000\"]\n{LEAST}");
    assert_snapshot!(faults(&text, &[]), @"kubernetes.addresses: is `azp-scaler:6000`, but nobody looks for them while `kubernetes.view` is `off`: leave them out, or write `auto`");
}

#[cfg(not(feature = "kubernetes"))]
#[test]
fn a_program_that_cannot_watch_says_so() {
    let text = format!("[kubernetes]\nview = \"on\"\nleader_election = true\n{LEAST}");
    assert_snapshot!(faults(&text, &[]), @"
    kubernetes.view: is `on`, but this program is built without the feature `kubernetes`: use one that has it, or write `off`
    kubernetes.leader_election: is `true`, but this program is built without the feature `kubernetes`: use one that has it, or leave it out
    ");
}

#[test]
fn organizations_are_told_apart() {
    let text = format!(
        "{LEAST}{}{}",
        LEAST.replace("\"contoso\"", "\"Contoso\"").replace("/contoso", "/other"),
        LEAST.replace("\"contoso\"", "\"third\"").replace("dev.azure.com/contoso", "DEV.azure.com/Contoso/"),
    );
    assert_snapshot!(faults(&text, &[]), @r#"
    organizations[1].name: `Contoso` is already that of `organizations[0]`: give each organization a name and a URL of its own
    organizations[2].url: `https://dev.azure.com/Contoso/` is already that of `organizations[0]`: give each organization a name and a URL of its own
    "#);
}

#[test]
fn a_credential_says_where_the_token_is_once() {
    let with = |credential: &str| {
        let line = "credential = { kind = \"personal_access_token\", file = \"FOLDER/token\" }";
        faults(&LEAST.replace(line, credential), &[("TOKEN", "hidden-token"), ("EMPTY", "")])
    };
    let told = [
        with(""),
        with("credential = \"hidden\""),
        with("credential = {}"),
        with("credential = { kind = \"personal_access_token\" }"),
        with("credential = { kind = \"personal_access_token\", file = \"FOLDER/token\", env = \"TOKEN\" }"),
        with("credential = { kind = \"personal_access_token\", env = \"EMPTY\" }"),
        with("credential = { kind = \"personal_access_token\", file = \"FOLDER\" }"),
        with("credential = { kind = \"personal_access_token\", token = \"hidden\" }"),
    ];
    assert_snapshot!(told.join("\n"), @r#"
    organizations[0].credential: is missing, write `{ kind = "personal_access_token", file = "..." }`, or `env` for `file`, or another `kind`: `workload_identity`, `managed_identity` or `client_secret`
    organizations[0].credential: is text, but must be a table
    organizations[0].credential.kind: is missing, write `personal_access_token`, or one of Entra's kinds
    organizations[0].credential.file: is missing, write the token's file, or `env` and a variable's name
    organizations[0].credential.file and organizations[0].credential.env are both given: keep one of them
    organizations[0].credential.env: the environment has no `EMPTY`, or it is empty: set it to the token
    organizations[0].credential.file: can't read `FOLDER`: is a directory
    organizations[0].credential.file: is missing, write the token's file, or `env` and a variable's name
    organizations[0].credential.token: unknown key, did you mean `kind`?
    "#);
}

#[test]
fn what_can_be_no_token_is_refused_at_the_start() {
    let folder = Folder::new();
    folder.file("empty", "\n");
    folder.file("lines", "hidden-token\nhidden-other\n");
    let two = [("TOKEN", "hidden token")];
    let with = |source: &str| {
        let text = LEAST.replace("file = \"FOLDER/token\"", source);
        folder.load("azp-scaler.toml", &text, &two).unwrap_err()
    };
    let short = |variable: &str, value: &str| {
        let environment = [("AZP_URL", "https://dev.azure.com/contoso"), (variable, value)];
        folder.told(&Settings::load(None, pairs(&environment)).unwrap_err())
    };
    let told = [
        with("file = \"FOLDER/empty\""),
        with("file = \"FOLDER/lines\""),
        with("env = \"TOKEN\""),
        short("AZP_TOKEN", "hidden token"),
        short("AZP_TOKEN_FILE", folder.0.path().join("empty").to_str().unwrap()),
    ];
    assert_snapshot!(told.join("\n"), @r#"
    organizations[0].credential.file: `FOLDER/empty` holds no token: put a personal access token with the scope Agent Pools (read) there
    organizations[0].credential.file: `FOLDER/lines` holds more than one line or word: put the personal access token there, and nothing else
    organizations[0].credential.env: `TOKEN` holds more than one line or word: put the personal access token there, and nothing else
    AZP_TOKEN: `AZP_TOKEN` holds more than one line or word: put the personal access token there, and nothing else
    AZP_TOKEN_FILE: `FOLDER/empty` holds no token: put a personal access token with the scope Agent Pools (read) there
    "#);
}

#[test]
fn a_token_for_no_organization_is_refused() {
    let token = ("AZP_TOKEN", "hidden");
    let told = |environment: &[(&str, &str)]| Settings::load(None, pairs(environment)).unwrap_err().to_string();
    let told = [told(&[token]), told(&[("AZP_TOKEN_FILE", "/run/token")]), faults(LEAST, &[token])];
    assert_snapshot!(told.join("\n"), @r#"
    AZP_TOKEN: is given without AZP_URL: set AZP_URL, or write credential = { kind = "personal_access_token", env = "AZP_TOKEN" } in the file
    AZP_TOKEN_FILE: is given without AZP_URL: set AZP_URL, or write credential = { kind = "personal_access_token", file = "/run/token" } in the file
    AZP_TOKEN: is given without AZP_URL: set AZP_URL, or write credential = { kind = "personal_access_token", env = "AZP_TOKEN" } in the file
    "#);
    let named = LEAST.replace("file = \"FOLDER/token\"", "env = \"AZP_TOKEN\"");
    assert!(Folder::new().load("azp-scaler.toml", &named, &[token]).is_ok());
    let folder = Folder::new();
    let file = folder.file("token", "hidden-token");
    assert!(folder.load("azp-scaler.toml", LEAST, &[("AZP_TOKEN_FILE", file.to_str().unwrap())]).is_ok());
}

#[test]
fn an_address_of_a_project_is_refused() {
    let short =
        |url: &str| Settings::load(None, pairs(&[("AZP_URL", url), ("AZP_TOKEN", "hidden")])).unwrap_err().to_string();
    let told = [
        short("https://dev.azure.com/contoso/proj"),
        short("https://contoso.visualstudio.com/proj"),
        short("https://contoso.visualstudio.com/DefaultCollection/proj"),
        faults(&LEAST.replace("/contoso\"", "/contoso/proj/_build\""), &[]),
    ];
    assert_snapshot!(told.join("\n"), @r#"
    AZP_URL: is `https://dev.azure.com/contoso/proj`, but names a project, too: use `https://dev.azure.com/contoso`
    AZP_URL: is `https://contoso.visualstudio.com/proj`, but names a project, too: use `https://contoso.visualstudio.com`
    AZP_URL: is `https://contoso.visualstudio.com/DefaultCollection/proj`, but names a project, too: use `https://contoso.visualstudio.com`
    organizations[0].url: is `https://dev.azure.com/contoso/proj/_build`, but names a project, too: use `https://dev.azure.com/contoso`
    "#);
}

#[test]
fn namespaces_are_named_in_full() {
    let with = |names: &str| faults(&format!("{LEAST}namespaces = {names}\n"), &[]);
    let told = [with("[\"agen*\"]"), with("[\"ci\", \"Bad_NS\"]"), with("[\"-a\"]"), with("[1]"), with("\"ci\"")];
    assert_snapshot!(told.join("\n"), @r#"
    organizations[0].namespaces: is `["agen*"]`, but must be a list of namespaces by full name; only `"*"` alone stands for every one
    organizations[0].namespaces: is `["ci", "Bad_NS"]`, but must be a list of namespaces by full name; only `"*"` alone stands for every one
    organizations[0].namespaces: is `["-a"]`, but must be a list of namespaces by full name; only `"*"` alone stands for every one
    organizations[0].namespaces: is a list, but must be a list of at least one namespace; `["*"]` is every one
    organizations[0].namespaces: is `ci`, but must be a list of at least one namespace; `["*"]` is every one
    "#);
}

#[test]
fn times_are_bounded() {
    let told = [
        faults(&format!("{LEAST}[polling]\ntolerated_age = \"0s\""), &[]),
        faults(&format!("{LEAST}[decisions]\nsettle = \"99999h\""), &[]),
        faults(&LEAST.replace("\"contoso\"", "\"\""), &[]),
    ];
    assert_snapshot!(told.join("\n"), @r#"
    polling.tolerated_age: is `0s`, but must be at least `1s`
    decisions.settle: is `99999h`, but must be at most `10m`
    organizations[0].name: is ``, but must be text that is not empty
    "#);
    assert!(Folder::new().load("a.toml", &format!("{LEAST}[decisions]\nsettle = \"10m\""), &[]).is_ok());
}

#[test]
fn parallel_jobs_are_counted_in_whole_numbers() {
    let with = |value: &str| faults(&format!("{LEAST}parallel_jobs = {value}\n"), &[]);
    let headroom = |value: &str| faults(LEAST, &[("AZP_SCALER__DECISIONS__PARALLEL_JOB_HEADROOM", value)]);
    let told = [with("-1"), with("2147483648"), with("1.5"), with("true"), headroom("-1"), headroom("quarter")];
    assert_snapshot!(told.join("\n"), @r#"
    organizations[0].parallel_jobs: is `-1`, but must be `auto`, `off` or a number of jobs from 0 to 2147483647
    organizations[0].parallel_jobs: is `2147483648`, but must be `auto`, `off` or a number of jobs from 0 to 2147483647
    organizations[0].parallel_jobs: is `1.5`, but must be `auto`, `off` or a number of jobs from 0 to 2147483647
    organizations[0].parallel_jobs: is `true`, but must be `auto`, `off` or a number of jobs from 0 to 2147483647
    decisions.parallel_job_headroom: is `-1`, but must be `auto` or a number of jobs from 0 to 2147483647 (from AZP_SCALER__DECISIONS__PARALLEL_JOB_HEADROOM)
    decisions.parallel_job_headroom: is `quarter`, but must be `auto` or a number of jobs from 0 to 2147483647 (from AZP_SCALER__DECISIONS__PARALLEL_JOB_HEADROOM)
    "#);
}

#[test]
fn a_token_in_the_wrong_place_is_not_told() {
    let token = "q2w3e4r5t6".repeat(6);
    for text in [
        format!("token = \"{token}\"\n{LEAST}"),
        LEAST.replace("file = \"FOLDER/token\"", &format!("file = \"{token}\"")),
        LEAST.replace("file = \"FOLDER/token\"", &format!("env = \"{token}\"")),
        LEAST.replace("{ kind = \"personal_access_token\", file = \"FOLDER/token\" }", &format!("\"{token}\"")),
        LEAST.replace("https://", &format!("https://{token}@")),
        LEAST.replace("personal_access_token", &token),
        format!("token = {token}"),
        format!("token: {token}\n- \"{token}"),
    ] {
        let told = faults(&text, &[]);
        assert!(!told.contains("q2w3e4"), "{told}");
    }
}

#[test]
fn the_short_way_is_short() {
    let told = |environment: &[(&str, &str)]| Settings::load(None, pairs(environment)).unwrap_err().to_string();
    let url = ("AZP_URL", "https://dev.azure.com/contoso");
    let both = ("AZP_TOKEN_FILE", "/no/such/file");
    let told = [
        told(&[]),
        told(&[url]),
        told(&[url, ("AZP_TOKEN", "hidden"), both]),
        told(&[url, both]),
        told(&[("AZP_URL", "dev.azure.com/contoso"), ("AZP_TOKEN", "hidden")]),
        told(&[("AZP_URL", "https://azure.contoso.local/"), ("AZP_TOKEN", "hidden")]),
        told(&[("AZP_URL", "http://azure.contoso.local/tfs"), ("AZP_TOKEN", "hidden")]),
        faults(LEAST, &[url, ("AZP_TOKEN", "hidden")]),
    ];
    assert_snapshot!(told.join("\n"), @r#"
    no organization is configured: set `AZP_URL` and `AZP_TOKEN` (or `AZP_TOKEN_FILE`), or list `[[organizations]]` in a file given with --config
    AZP_TOKEN: is missing, set it to a personal access token, or `AZP_TOKEN_FILE` to the path of a file that holds one
    AZP_TOKEN and AZP_TOKEN_FILE are both given: keep one of them
    AZP_TOKEN_FILE: can't read `/no/such/file`: No such file or directory (os error 2)
    AZP_URL: is `dev.azure.com/contoso`, but must be an `https://` URL without a user, a password or a query, such as `https://dev.azure.com/contoso`
    AZP_URL: is `https://azure.contoso.local/`, but names no organization: use a URL such as `https://dev.azure.com/contoso`
    AZP_URL: is `http://azure.contoso.local/tfs`, but would send the token in the clear: use `https://`, or list it in a file with `allow_plain_http = true`
    AZP_URL and organizations are both given: move the organization of AZP_URL into the list, or leave the list out
    "#);
}

#[test]
fn the_environment_is_judged_like_the_file() {
    let environment = [
        ("AZP_SCALER__POLLING__FRESHFOR", "1s"),
        ("AZP_SCALER__DECISIONS__SETTLE", "30"),
        ("AZP_SCALER__GRPC__LISTEN", ""),
        ("AZP_SCALER__ORGANIZATIONS__0__URL", "https://dev.azure.com/contoso"),
    ];
    assert_snapshot!(faults(LEAST, &environment), @r#"
    grpc.listen: is ``, but must be an address and a port, such as `0.0.0.0:6000` or `[::]:6000` (from AZP_SCALER__GRPC__LISTEN)
    polling.freshfor: unknown key, did you mean `fresh_for`? (from AZP_SCALER__POLLING__FRESHFOR)
    decisions.settle: is `30`, but must be a length of time with its unit, such as `500ms`, `30s`, `5m` or `1h30m` (from AZP_SCALER__DECISIONS__SETTLE)
    organizations: is a table, but must be a list of tables, which only a file can hold (from AZP_SCALER__ORGANIZATIONS__0__URL)
    "#);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = Folder::new();
    let missing = folder.0.path().join("missing.toml");
    let told = [
        folder.told(&Settings::load(Some(&missing), []).unwrap_err()),
        folder.told(&Settings::load(Some(folder.0.path()), []).unwrap_err()),
        folder.load("azp-scaler.json", "{}", &[]).unwrap_err(),
        folder.load("a.toml", "[grpc\nlisten = 1", &[]).unwrap_err(),
        folder.load("a.yaml", "grpc: [1", &[]).unwrap_err(),
        folder.load("a.yaml", "log: {}\nlog: {}", &[]).unwrap_err(),
    ];
    assert_snapshot!(told.join("\n"), @r#"
    --config: can't read `FOLDER/missing.toml`: No such file or directory (os error 2)
    --config: can't read `FOLDER`: it is a directory: name a file in it
    --config: `FOLDER/azp-scaler.json` is neither TOML nor YAML by its name: call it `.toml`, `.yaml` or `.yml`
    --config: `FOLDER/a.toml` can't be parsed: TOML parse error at line 1, column 6 unclosed table, expected `]`
    --config: `FOLDER/a.yaml` can't be parsed: while parsing a flow sequence, expected ',' or ']' at byte 8 line 2 column 1
    --config: `FOLDER/a.yaml` can't be parsed: the key `log` stands twice in a mapping at byte 14 line 2 column 7
    "#);
}
