//! rustls told to take TLS 1.3, raw keys and nothing else: no certificates, no resumption, no early data, no clock.

use crate::{LineKey, PublicLineKey, TlsError};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, Error,
    PeerIncompatible, ServerConfig, ServerConnection, SignatureScheme,
};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The key that a peer has shown, known to the verifier or not.
pub(crate) type Shown = Arc<OnceLock<PublicLineKey>>;

/// A side's own key, ready for handshakes.
#[derive(Clone)]
pub(crate) struct Identity {
    provider: Arc<CryptoProvider>,
    certified: Arc<CertifiedKey>,
    public: PublicLineKey,
}

impl Identity {
    pub fn new(key: &LineKey) -> Result<Identity, TlsError> {
        let mut provider = ring::default_provider();
        provider.kx_groups = vec![ring::kx_group::X25519];
        let der = key.pkcs8();
        let signer = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(&der[..])).map_err(refused)?;
        let raw = CertificateDer::from(key.public().spki());
        let certified = Arc::new(CertifiedKey::new(vec![raw], signer));
        Ok(Identity { provider: Arc::new(provider), certified, public: key.public() })
    }

    pub fn public(&self) -> PublicLineKey {
        self.public
    }

    /// The board's end of a connection with one of `clients`.
    pub fn server(&self, clients: &Arc<[PublicLineKey]>) -> Result<(ServerConnection, Shown), TlsError> {
        let pinned = Pinned::new(&self.provider, Arc::clone(clients));
        let shown = Arc::clone(&pinned.shown);
        let mut config = ServerConfig::builder_with_details(Arc::clone(&self.provider), Arc::new(NoClock))
            .with_protocol_versions(&[&TLS13])
            .map_err(refused)?
            .with_client_cert_verifier(Arc::new(pinned))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(&self.certified))));
        // A resumed session would let a client in that is no longer known.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok((ServerConnection::new(Arc::new(config)).map_err(refused)?, shown))
    }

    /// The client's end of a connection with `board`.
    pub fn client(&self, board: PublicLineKey) -> Result<(ClientConnection, Shown), TlsError> {
        let pinned = Pinned::new(&self.provider, Arc::new([board]));
        let shown = Arc::clone(&pinned.shown);
        let mut config = ClientConfig::builder_with_details(Arc::clone(&self.provider), Arc::new(NoClock))
            .with_protocol_versions(&[&TLS13])
            .map_err(refused)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(&self.certified))));
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        // Neither sent nor checked: the key is the name.
        let name = ServerName::try_from("board").map_err(|e| TlsError::Protocol(e.to_string()))?;
        Ok((ClientConnection::new(Arc::new(config), name).map_err(refused)?, shown))
    }
}

fn refused(error: Error) -> TlsError {
    TlsError::Protocol(error.to_string())
}

/// Lets those keys pass and no other.
#[derive(Debug)]
struct Pinned {
    keys: Arc<[PublicLineKey]>,
    shown: Shown,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    fn new(provider: &CryptoProvider, keys: Arc<[PublicLineKey]>) -> Pinned {
        Pinned { keys, shown: Shown::default(), algorithms: provider.signature_verification_algorithms }
    }

    fn check(&self, raw: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        let key = PublicLineKey::from_spki(raw).filter(|_| others.is_empty());
        let key = key.ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        let _ = self.shown.set(key);
        if self.keys.contains(&key) {
            return Ok(());
        }
        // The peer is told "access denied".
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify(
        &self,
        message: &[u8],
        raw: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(raw.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }
}

fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(PeerIncompatible::Tls12NotOffered.into())
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        raw: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(raw, others).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        raw: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, raw, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        raw: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(raw, others).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        raw: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, raw, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Raw keys have no dates; a board may come up before 1970 and must not stumble over it.
#[derive(Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::ZERO))
    }
}
