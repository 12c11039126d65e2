//! An authority and the certificates that it gives, as PEM files.

use haproxy_wire::peers::net::TlsFiles;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
    file: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, issuer.pem()).unwrap();
        Self { issuer, folder: folder.to_owned(), file }
    }

    /// Files of somebody with a certificate of ours for `name`, who trusts us.
    pub(crate) fn files(&self, name: &str) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let stem = self.file.file_stem().unwrap().to_str().unwrap();
        let write = |kind: &str, pem: String| {
            let path = self.folder.join(format!("{stem}-{name}.{kind}.pem"));
            fs::write(&path, pem).unwrap();
            path
        };
        TlsFiles {
            certificate: write("certificate", certificate.pem()),
            key: write("key", key.serialize_pem()),
            authority: self.file.clone(),
        }
    }
}
