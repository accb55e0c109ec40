//! Tokens that triggers bring: over which connections, for which URL, and that they are no part of a trigger.

use azp_scaler::{
    external_scaler::{BadMetadata, Came, OLDEST_CONNECTION, Place, Request, serve},
    pools::Brought,
    protocol::{ScaledObjectRef, external_scaler_client::ExternalScalerClient},
};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tonic::{Code, Status};

use crate::{
    certificates::Authority,
    private::{Mounted, client, served},
    world::{World, bare, organizations},
};

const URL: &str = "https://dev.azure.com/elsewhere";

fn with_token(token: &str) -> ScaledObjectRef {
    bare(&[("organizationURL", URL), ("personalAccessTokenFromEnv", token), ("poolName", "linux")])
}

fn read(entries: &[(&str, &str)]) -> Result<Request, BadMetadata> {
    Request::read(bare(&[entries, &[("poolName", "linux")]].concat()), Came::Privately, &organizations())
}

#[track_caller]
fn fault(entries: &[(&str, &str)]) -> String {
    read(entries).unwrap_err().to_string()
}

/// What came to the directory: URLs and tokens.
fn arrived(world: &World) -> Vec<(String, String)> {
    let brought = world.directory.brought.lock().unwrap();
    brought.iter().map(|it| (it.url.to_string(), it.token.expose_secret().to_owned())).collect()
}

#[tokio::test]
async fn a_token_over_a_plain_connection_is_refused_and_goes_nowhere() {
    let world = World::new();
    world.queue(1);
    let (mut plain, ..) = world.serve().await;
    let status: Status = plain.is_active(with_token("hush")).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    for word in ["`personalAccessTokenFromEnv`", "without TLS", "`[grpc] tls`", "`[grpc] allow_tokens_without_tls`"] {
        assert!(status.message().contains(word), "{word} is missing: {status}");
    }
    assert!(!format!("{status:?}").contains("hush"));
    assert!(arrived(&world).is_empty());
}

#[tokio::test]
async fn a_token_is_taken_over_tls_or_where_the_operator_allows_it() {
    let (world, authority) = (World::new(), Authority::new());
    world.queue(1);
    let port = served(&world, Mounted::new(&authority.signs("azp-scaler")).files(None)).await;
    let mut private = client(port, &authority, None).await.unwrap();
    assert!(private.is_active(with_token("over-tls")).await.unwrap().into_inner().result);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let service = world.trusting_service();
    tokio::spawn(async move { serve(listener, service, None, OLDEST_CONNECTION).await.unwrap() });
    let mut plain = ExternalScalerClient::connect(address).await.unwrap();
    assert!(plain.is_active(with_token(" allowed\n")).await.unwrap().into_inner().result);
    let at = |token: &str| (URL.to_owned(), token.to_owned());
    assert_eq!(arrived(&world), [at("over-tls"), at("allowed")]);
}

#[test]
fn a_rotated_token_is_the_same_trigger_and_no_debug_output_shows_it() {
    let [one, other] = ["hush-1", "hush-2"].map(|token| {
        let request = Request::read(with_token(token), Came::Privately, &organizations()).unwrap();
        assert!(!format!("{request:?}").contains("hush"), "{request:?}");
        request
    });
    assert_eq!(one.trigger.id, other.trigger.id);
    let Place::Own(brought) = one.place else { panic!("{:?}", one.place) };
    let Brought { by, .. } = &*brought;
    assert_eq!(*by, one.trigger.id);
    assert_eq!(by.metadata.keys().collect::<Vec<_>>(), ["organizationURL", "poolName"]);
}

#[test]
fn a_token_is_for_a_url_and_for_nothing_that_is_configured_by_name() {
    const TOKEN: (&str, &str) = ("personalAccessTokenFromEnv", "hush");
    assert_eq!(
        fault(&[TOKEN]),
        "`personalAccessTokenFromEnv` brings a token without saying what for: give `organizationURL`, too"
    );
    assert_eq!(
        fault(&[TOKEN, ("organization", "contoso")]),
        "`organization` and `personalAccessTokenFromEnv` are both given: keep one of them"
    );
    for url in ["dev.azure.com/x", "ftp://x/y", "https://me:hush@dev.azure.com/x", "https://dev.azure.com/x?token=hush"]
    {
        let fault = fault(&[TOKEN, ("organizationURLFromEnv", url)]);
        assert!(
            fault.starts_with("`organizationURLFromEnv` is `") && fault.contains("must be an `https://` URL"),
            "{fault}"
        );
        assert!(!fault.contains("hush"), "{fault}");
    }
    assert_eq!(
        fault(&[("personalAccessTokenFromEnv", " "), ("organizationURL", URL)]),
        "`personalAccessTokenFromEnv` is empty: give it a value, or leave it out"
    );
    let untold = fault(&[("organizationURL", URL)]);
    assert!(untold.contains("not configured") && untold.contains("`personalAccessTokenFromEnv`"), "{untold}");
    let written = fault(&[("personalAccessToken", "hush"), ("organizationURL", URL)]);
    assert!(written.contains("`personalAccessTokenFromEnv`") && !written.contains("hush"), "{written}");
}

#[test]
fn a_namespace_may_not_use_what_is_configured_but_what_it_brings() {
    let fabrikam = "https://dev.azure.com/fabrikam";
    assert!(fault(&[("organizationURL", fabrikam)]).contains("may not use organization `fabrikam`"));
    let own = read(&[("organizationURL", fabrikam), ("personalAccessTokenFromEnv", "hush")]).unwrap();
    assert!(matches!(own.place, Place::Own(_)));
}
