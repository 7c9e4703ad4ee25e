//! Passwords, certificates and keys, from their files.

use crate::{MqttError, TlsFiles};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The longest file of certificates, bytes.
const MAX_CERTIFICATES: u64 = 256 * 1024;
/// The longest password or key file, bytes.
const MAX_SECRET: u64 = 16 * 1024;
/// The longest password, bytes.
const MAX_PASSWORD: usize = 1024;

const PASSWORD: &str = "password file";
const KEY: &str = "private key";

/// The password in `path`: one line, of which the line's end is no part.
pub(crate) fn password(path: &Path) -> Result<Zeroizing<String>, MqttError> {
    let bytes = secret(PASSWORD, "password_file", path)?;
    let wrong = |why: &str| MqttError::Content {
        what: PASSWORD,
        path: path.into(),
        why: why.to_owned(),
        accepted: "one line of 1 to 1024 bytes",
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("it is no text"))?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    match line {
        "" => Err(wrong("it is empty")),
        line if line.contains(['\n', '\r', '\0']) => Err(wrong("it has more than one line")),
        line if line.len() > MAX_PASSWORD => Err(wrong("it is too long")),
        line => Ok(Zeroizing::new(line.to_owned())),
    }
}

/// TLS 1.3 as `files` want it.
pub(crate) fn tls(files: &TlsFiles) -> Result<Arc<ClientConfig>, MqttError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("authority's certificate", "ca", &files.ca)? {
        roots.add(certificate).map_err(|e| content("authority's certificate", &files.ca, &e))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| MqttError::Tls(e.to_string()))?
        .with_root_certificates(roots);
    let config = match &files.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates("client certificate", "certificate", certificate)?;
            let bytes = secret(KEY, "key", key)?;
            let secret = PrivateKeyDer::from_pem_slice(&bytes).map_err(|e| MqttError::Content {
                what: KEY,
                path: key.clone(),
                why: e.to_string(),
                accepted: "a private key in PEM",
            })?;
            builder.with_client_auth_cert(chain, secret).map_err(|e| MqttError::Content {
                what: KEY,
                path: key.clone(),
                why: e.to_string(),
                accepted: "the key of the client certificate",
            })?
        }
    };
    Ok(Arc::new(config))
}

fn content(what: &'static str, path: &Path, why: &dyn std::fmt::Display) -> MqttError {
    MqttError::Content { what, path: path.into(), why: why.to_string(), accepted: "certificates in PEM" }
}

fn certificates(what: &'static str, key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, MqttError> {
    let read = |cause| MqttError::File { what, key, path: path.into(), cause };
    let bytes = bounded(File::open(path).map_err(read)?, MAX_CERTIFICATES).map_err(read)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match all {
        Ok(all) if all.is_empty() => Err(content(what, path, &"there is none in it")),
        Ok(all) => Ok(all),
        Err(e) => Err(content(what, path, &e)),
    }
}

/// A file that nobody but its owner may read.
fn secret(what: &'static str, key: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, MqttError> {
    let read = |cause| MqttError::File { what, key, path: path.into(), cause };
    let file = File::open(path).map_err(read)?;
    // Of the open file, so that no other takes its place in between.
    let mode = file.metadata().map_err(read)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(MqttError::NotSecret { what, path: path.into(), mode });
    }
    bounded(file, MAX_SECRET).map(Zeroizing::new).map_err(read)
}

fn bounded(file: File, most: u64) -> io::Result<Vec<u8>> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
    }
    // Room for all of it: a vector that grows would leave copies of a secret behind.
    let mut bytes = Vec::with_capacity(most as usize + 1);
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {most} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};

    fn file(folder: &tempfile::TempDir, content: &[u8], mode: u32) -> std::path::PathBuf {
        let path = folder.path().join("x");
        write(&path, content).unwrap();
        set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn refused(folder: &tempfile::TempDir, content: &[u8], mode: u32) -> String {
        let text = password(&file(folder, content, mode)).unwrap_err().to_string();
        text.replace(folder.path().to_str().unwrap(), "...")
    }

    #[test]
    fn a_password_is_one_line_that_others_cannot_read() {
        let folder = tempfile::tempdir().unwrap();
        for content in ["sésame 1", "sésame 1\n", "sésame 1\r\n"] {
            assert_eq!(password(&file(&folder, content.as_bytes(), 0o600)).unwrap().as_str(), "sésame 1");
        }
        assert!(password(&file(&folder, b"x", 0o400)).is_ok());
        insta::assert_snapshot!(refused(&folder, b"x", 0o644), @"password file .../x: its mode is 644, so that others may read it; accepted is 600: chmod 600 it");
        insta::assert_snapshot!(refused(&folder, b"\n", 0o600), @"password file .../x: it is empty; accepted is one line of 1 to 1024 bytes");
        insta::assert_snapshot!(refused(&folder, b"a\nb", 0o600), @"password file .../x: it has more than one line; accepted is one line of 1 to 1024 bytes");
        insta::assert_snapshot!(refused(&folder, b"\xff", 0o600), @"password file .../x: it is no text; accepted is one line of 1 to 1024 bytes");
        insta::assert_snapshot!(refused(&folder, &[b'x'; 1025], 0o600), @"password file .../x: it is too long; accepted is one line of 1 to 1024 bytes");
        insta::assert_snapshot!(refused(&folder, &[b'x'; 20_000], 0o600), @"password file .../x: longer than 16384 bytes; the board file's `password_file` names it");
        let missing = password(Path::new("/nowhere/x")).unwrap_err().to_string();
        insta::assert_snapshot!(missing, @"password file /nowhere/x: No such file or directory (os error 2); the board file's `password_file` names it");
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ca = file(&folder, b"hello", 0o644);
        let error = tls(&TlsFiles { ca, client: None }).unwrap_err().to_string();
        insta::assert_snapshot!(error.replace(folder.path().to_str().unwrap(), "..."), @"authority's certificate .../x: there is none in it; accepted is certificates in PEM");
    }
}
