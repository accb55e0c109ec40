//! The table `[grpc] tls`: the files with the server's certificate, and with the authority of its clients.

use super::{credential::check, section::Section, values};
use crate::external_scaler::TlsFiles;

/// What the table says; none where a file is not named.
pub(super) fn read(section: &mut Section<'_>) -> Option<TlsFiles> {
    let certificate =
        section.need("certificate", values::path, "name a file with the server's certificate and its chain, as PEM");
    let key = section.need("key", values::path, "name a file with the certificate's private key, as PEM");
    let client_ca = section.read("client_ca", values::path);
    for (name, file) in [("certificate", &certificate), ("key", &key), ("client_ca", &client_ca)] {
        if let Some(file) = file {
            check(section, name, file);
        }
    }
    Some(TlsFiles { certificate: certificate?, key: key?, client_ca })
}
