//! Where a token that a trigger brings may go: outside. Not to this machine, nor to the services of the cloud that give out
//! the machine's own secrets, by whatever name.
//!
//! An address in a URL is judged as it stands; a name by what it resolves to when a connection is made, so that it can't
//! mean one thing to this room and another to the connection. Where a proxy is in between, the proxy resolves the name; then
//! TLS, without which no such token is sent, sees to it that who answers is who was meant.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Names by which clouds offer a machine its own secrets. They are refused unresolved, since a proxy may resolve them.
const METADATA_NAMES: [&str; 5] =
    ["metadata", "metadata.google.internal", "metadata.azure.internal", "instance-data", "instance-data.ec2.internal"];
/// The same by addresses that are not link-local: Azure's, Alibaba's, Oracle's; Amazon's and Google's.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Why no token of a trigger goes to this URL, as far as it can be told without resolving a name.
pub(super) fn objection(url: &Url) -> Option<&'static str> {
    match url.host() {
        _ if url.scheme() != "https" => Some("is not `https://`, so that anybody on the way could read the token"),
        Some(Host::Ipv4(address)) => kind(address.into()),
        Some(Host::Ipv6(address)) => kind(address.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let is_localhost = name == "localhost" || name.ends_with(".localhost");
            let local = is_localhost.then_some(LOOPBACK);
            local.or_else(|| METADATA_NAMES.contains(&name).then_some(METADATA))
        }
        None => Some("names no host"),
    }
}

const LOOPBACK: &str = "is this machine itself";
const METADATA: &str = "is where a cloud gives out the machine's own secrets";

/// Why an address is not outside, if it is not.
fn kind(address: IpAddr) -> Option<&'static str> {
    match plain(address) {
        address if address.is_loopback() || address.is_unspecified() => Some(LOOPBACK),
        address if address.is_multicast() => Some("is many machines at once"),
        IpAddr::V4(address) if address.is_link_local() => Some("is link-local"),
        IpAddr::V4(address) if address.octets()[0] == 0 || address.is_broadcast() => Some("is no single machine"),
        IpAddr::V4(address) if METADATA_V4.contains(&address) => Some(METADATA),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some("is link-local"),
        IpAddr::V6(address) if METADATA_V6.contains(&address) => Some(METADATA),
        _ => None,
    }
}

/// The IPv4 address that an IPv6 address stands for, where it is mapped, compatible or behind NAT64.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [.., a, b, c, d] = v6.octets();
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => Ipv4Addr::new(a, b, c, d).into(),
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => Ipv4Addr::new(a, b, c, d).into(),
        _ => address.to_canonical(),
    }
}

/// Resolves names for one URL's client; its host to addresses outside only.
pub(super) struct Outside {
    host: String,
}

impl Outside {
    pub(super) fn of(url: &Url) -> Self {
        Self { host: url.host_str().unwrap_or_default().to_owned() }
    }
}

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        // Any other name is that of a proxy, which the operator has chosen.
        let is_judged = name.as_str().eq_ignore_ascii_case(&self.host);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if is_judged {
                judge(name.as_str(), &found)?;
            }
            Ok::<Addrs, _>(Box::new(found.into_iter()))
        })
    }
}

/// One address that is not outside spoils all: which one a connection takes is chance.
fn judge(name: &str, found: &[SocketAddr]) -> io::Result<()> {
    let objection = found.iter().find_map(|address| kind(address.ip()).map(|kind| (address.ip(), kind)));
    objection.map_or(Ok(()), |(address, kind)| {
        let why = format!("`{name}` is at {address}, which {kind}: no trigger's token is sent there");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    })
}

#[cfg(test)]
mod tests;
