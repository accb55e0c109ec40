//! Where organisations are: each kind of address, as it goes over the wire.

use azp_scaler::azure_devops::organization::Organization;

use crate::{
    fake::{Fake, Part},
    world::{World, edge, named, organization},
};
use azp_scaler::{metrics::Metrics, pools::Directory};

#[tokio::test]
async fn addresses_of_all_kinds_are_asked_where_they_are() {
    // A proxy sees the whole address of what is asked for.
    let proxy = Fake::start().await;
    for (url, asked) in [
        ("http://dev.azure.com/contoso", "http://dev.azure.com/contoso/"),
        ("http://dev.azure.com/contoso/", "http://dev.azure.com/contoso/"),
        (" http://contoso.visualstudio.com ", "http://contoso.visualstudio.com/"),
        ("http://contoso.visualstudio.com/DefaultCollection", "http://contoso.visualstudio.com/DefaultCollection/"),
        ("http://tfs.example:8080/tfs/Default Collection", "http://tfs.example:8080/tfs/Default%20Collection/"),
        ("http://tfs.example/Default%20Collection/", "http://tfs.example/Default%20Collection/"),
    ] {
        let at = Organization {
            allow_plain_http: true,
            proxy: Some(proxy.url.split("/tfs").next().unwrap().to_owned()),
            ..organization(url)
        };
        let azure = edge(&[at], &Metrics::new());
        azure.open("contoso", &named("Linux")).await.unwrap();
        proxy.until_asked(Part::JobRequests, 1).await;
        let base = format!("{asked}_apis/distributedtask/pools");
        let mut uris = proxy.take().into_iter().map(|asked| asked.uri).filter(|uri| !uri.contains("/agents"));
        assert_eq!(uris.next(), Some(format!("{base}?poolName=Linux")), "{url}");
        assert_eq!(uris.next(), Some(format!("{base}/7/jobrequests?completedRequestCount=0")), "{url}");
    }
}

#[tokio::test]
async fn each_organization_is_asked_with_its_own_credential() {
    let world = World::start().await;
    let (one, other) = (organization(&world.fake.url), Fake::start().await);
    let mut fabrikam = Organization { name: "fabrikam".into(), ..organization(&other.url) };
    fabrikam.credential = azp_scaler::azure_devops::credential::Credential::PersonalAccessTokenVariable {
        name: "OTHER".into(),
        token: "another".into(),
    };
    let azure = edge(&[one, fabrikam], &Metrics::new());
    let desks =
        [azure.open("contoso", &named("Linux")).await.unwrap(), azure.open("fabrikam", &named("Linux")).await.unwrap()];
    assert_eq!(desks.map(|desk| desk.organization.to_string()), ["contoso", "fabrikam"]);
    assert_eq!(world.fake.last().headers["authorization"], format!("Basic {}", crate::world::TOKEN_SENT));
    assert_eq!(other.last().headers["authorization"], "Basic OmFub3RoZXI=");
}
