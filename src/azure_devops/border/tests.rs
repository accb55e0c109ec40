//! Where a token may not go.

use std::str::FromStr as _;

use super::*;

fn objects(url: &str) -> bool {
    objection(&Url::parse(url).unwrap()).is_some()
}

#[test]
fn only_what_is_outside_is_reached() {
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[::a9fe:a9fe]",
        "168.63.129.16",
        "[::ffff:168.63.129.16]",
        "100.100.100.200",
        "metadata.google.internal",
        "METADATA.google.internal.",
        "instance-data",
        "localhost",
        "x.localhost",
        "127.0.0.1",
        "127.1",
        "[::1]",
        "[::]",
        "0.0.0.0",
        "224.0.0.1",
        "[ff02::1]",
        "255.255.255.255",
    ] {
        assert!(objects(&format!("https://{host}/contoso")), "{host}");
    }
    for host in ["dev.azure.com", "contoso.visualstudio.com", "tfs", "10.1.2.3", "[fd12::1]", "metadata.example"] {
        assert!(!objects(&format!("https://{host}/contoso")), "{host}");
        assert!(objects(&format!("http://{host}/contoso")), "the token could be read: {host}");
    }
}

#[test]
fn one_address_inside_spoils_a_name() {
    let at = |addresses: &[&str]| {
        let found: Vec<SocketAddr> =
            addresses.iter().map(|address| (IpAddr::from_str(address).unwrap(), 0).into()).collect();
        judge("tfs.example", &found).map_err(|error| error.to_string())
    };
    assert_eq!(at(&["10.0.0.1", "fd12::1"]), Ok(()));
    let why = "`tfs.example` is at 169.254.169.254, which is link-local: no trigger's token is sent there";
    assert_eq!(at(&["10.0.0.1", "169.254.169.254"]), Err(why.to_owned()));
    assert!(at(&["::1"]).is_err());
}

#[tokio::test]
async fn a_name_is_judged_when_a_connection_is_made() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("https://localhost:{}/contoso", listener.local_addr().unwrap().port())).unwrap();
    let client = reqwest::Client::builder().no_proxy().dns_resolver(Outside::of(&url));
    let error = client.build().unwrap().get(url).send().await.unwrap_err();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    assert!(cause.to_string().contains("`localhost` is at"), "{cause}");
    let connecting = tokio::time::timeout(std::time::Duration::from_millis(1), listener.accept());
    assert!(connecting.await.is_err(), "nobody came");
}
