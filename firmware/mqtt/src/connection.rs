//! One connection's thread: it writes what it is given until the broker goes, and then ends.

use crate::{MqttError, MqttOptions, files};
use mtcae_json::{Publication, Qos, Topics};
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, NetworkOptions, Outgoing, Packet, QoS,
    StateError, TlsConfiguration, TlsError, Transport, mqttbytes,
};
use rustls::{AlertDescription, CertificateError};
use std::io::{self, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Publications given and not yet written, at most; [`give`] refuses more.
pub(crate) const WAITING: usize = 16;
/// Room for a birth, a farewell and the end behind them.
const CHANNEL: usize = WAITING + 4;
/// Unacknowledged publications of quality 1; while there are as many, nothing more is written.
const UNACKNOWLEDGED: u16 = 16;
/// For the name's address, TCP, TLS and the broker's answer together, and for writing to a broker that takes nothing;
/// seconds.
const PATIENCE: u64 = 5;
/// A sign of life at least so often; the broker takes the board for dead after one and a half times this.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// The largest packet that may come in, bytes: only acknowledgements do.
const MAX_IN: usize = 1024;
/// The largest packet that may go out, bytes.
const MAX_OUT: usize = 16 * 1024;
/// What the kernel keeps unsent, bytes: a second of reports. More would only make them older.
const SEND_BUFFER: u32 = 16 * 1024;

/// How far the connection is.
#[derive(Debug)]
pub(crate) enum Stage {
    Connecting,
    Connected,
    Ended(String),
}

/// What the sink and the thread both see.
pub(crate) struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    stage: Stage,
    /// Publications given and not yet written.
    waiting: usize,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `look` makes of the stage and the number of publications that wait.
    pub fn look<T>(&self, look: impl FnOnce(&Stage, usize) -> T) -> T {
        let state = self.lock();
        look(&state.stage, state.waiting)
    }

    fn end(&self, why: String) {
        self.lock().stage = Stage::Ended(why);
        self.ended.notify_all();
    }

    /// Waits for the end, at most `time`.
    pub fn wait_for_end(&self, time: Duration) {
        let still = |state: &mut State| !matches!(state.stage, Stage::Ended(_));
        drop(self.ended.wait_timeout_while(self.lock(), time, still).unwrap_or_else(PoisonError::into_inner));
    }
}

/// Says that the thread is over, even if it panicked.
struct Last(Arc<Shared>);

impl Drop for Last {
    fn drop(&mut self) {
        if self.0.look(|stage, _| !matches!(stage, Stage::Ended(_))) {
            self.0.end("its thread ended by itself; please report this".to_owned());
        }
    }
}

/// The sink's end of the connection.
pub(crate) struct Connection {
    pub shared: Arc<Shared>,
    pub client: AsyncClient,
    /// Dropped: the thread ends at once.
    pub stop: oneshot::Sender<()>,
}

/// Reads the files and starts the thread, which goes on to connect.
pub(crate) fn start(options: &MqttOptions, topics: &Topics) -> Result<Connection, MqttError> {
    let mut settings = rumqttc::MqttOptions::new(options.client_id(), &options.host, options.port);
    settings.set_keep_alive(KEEP_ALIVE).set_clean_session(true).set_inflight(UNACKNOWLEDGED);
    settings.set_max_packet_size(MAX_IN, MAX_OUT);
    let will = topics.available(false);
    settings.set_last_will(LastWill::new(will.topic, will.payload, qos(will.qos), will.retain));
    if let Some(tls) = &options.tls {
        settings.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(files::tls(tls)?)));
    }
    if let Some(user) = &options.user {
        let password = options.password_file.as_deref().map(files::password).transpose()?;
        settings.set_credentials(user, password.as_ref().map_or("", |p| p.as_str()));
    }
    let (client, mut events) = AsyncClient::new(settings, CHANNEL);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_tcp_send_buffer_size(SEND_BUFFER);
    network.set_connection_timeout(PATIENCE);
    events.set_network_options(network);
    let state = Mutex::new(State { stage: Stage::Connecting, waiting: 0 });
    let shared = Arc::new(Shared { state, ended: Condvar::new() });
    let (stop, stopped) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .thread_name("mqtt-name")
        .build()
        .map_err(MqttError::Thread)?;
    let (birth, giver, last) = (topics.available(true), client.clone(), Last(Arc::clone(&shared)));
    let body = move || {
        let why = runtime.block_on(talk(events, &giver, &last.0, birth, stopped));
        // Looking up a name cannot be interrupted; its thread ends by itself.
        runtime.shutdown_background();
        last.0.end(why.to_string());
    };
    std::thread::Builder::new().name("mqtt".to_owned()).spawn(body).map_err(MqttError::Thread)?;
    Ok(Connection { shared, client, stop })
}

/// Gives the thread `publication`; false when there is no room.
pub(crate) fn give(client: &AsyncClient, shared: &Shared, publication: Publication) -> bool {
    let Publication { topic, payload, qos: quality, retain, .. } = publication;
    // Counted first: the thread may be faster.
    shared.lock().waiting += 1;
    let given = client.try_publish(topic, qos(quality), retain, payload).is_ok();
    if !given {
        shared.lock().waiting -= 1;
    }
    given
}

async fn talk(
    mut events: EventLoop,
    client: &AsyncClient,
    shared: &Shared,
    birth: Publication,
    mut stopped: oneshot::Receiver<()>,
) -> MqttError {
    let mut birth = Some(birth);
    loop {
        let event = tokio::select! {
            event = events.poll() => event,
            _ = &mut stopped => return MqttError::Gone("it was closed".to_owned()),
        };
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                birth.take().map(|birth| give(client, shared, birth));
                shared.lock().stage = Stage::Connected;
            }
            Ok(Event::Outgoing(Outgoing::Publish(_))) => {
                let mut state = shared.lock();
                state.waiting = state.waiting.saturating_sub(1);
            }
            Ok(Event::Outgoing(Outgoing::Disconnect)) => return MqttError::Gone("it was closed".to_owned()),
            Ok(_) => {}
            Err(error) => return reason(&error, birth.is_none()),
        }
    }
}

/// Why rumqttc gave up, for a person; `connected` when the broker had answered.
fn reason(error: &ConnectionError, connected: bool) -> MqttError {
    let gone = |why: &str| MqttError::Gone(why.to_owned());
    match error {
        ConnectionError::ConnectionRefused(code) => MqttError::Refused(refusal(*code)),
        ConnectionError::NetworkTimeout => {
            gone(&format!("no answer within {PATIENCE} s; is there a broker at `host` and `port`?"))
        }
        ConnectionError::FlushTimeout => gone(&format!("the broker took nothing for {PATIENCE} s")),
        ConnectionError::MqttState(StateError::AwaitPingResp) => {
            gone(&format!("no sign of life from the broker for {} s", KEEP_ALIVE.as_secs()))
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => gone("the broker closed the connection"),
        ConnectionError::Io(e)
        | ConnectionError::Tls(TlsError::Io(e))
        | ConnectionError::MqttState(StateError::Io(e) | StateError::Deserialization(mqttbytes::Error::Io(e))) => {
            reason_of_io(e, connected)
        }
        ConnectionError::Tls(e) => MqttError::Tls(e.to_string()),
        other => MqttError::Gone(other.to_string()),
    }
}

fn refusal(code: ConnectReturnCode) -> String {
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
            "user and password do not admit this board; see `user` and `password_file`".to_owned()
        }
        ConnectReturnCode::BadClientId => "it does not take this client id, which is made of `board.name`".to_owned(),
        ConnectReturnCode::ServiceUnavailable => "it is not ready".to_owned(),
        other => format!("{other:?}"),
    }
}

fn reason_of_io(error: &io::Error, connected: bool) -> MqttError {
    if let Some(tls) = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
        return MqttError::Tls(format!("{tls}; {}", step_after(tls)));
    }
    MqttError::Gone(match error.kind() {
        ErrorKind::ConnectionRefused => "nobody answers there; is the broker running, and `port` right?".to_owned(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof if connected => {
            "the broker closed the connection".to_owned()
        }
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => {
            "the broker closed the connection at once; TLS is on with `ca` and off without: is it there as well?"
                .to_owned()
        }
        _ => error.to_string(),
    })
}

/// What to do about it.
fn step_after(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "`host` must be a name in the broker's certificate",
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "`ca` must be the certificate of the authority that signed the broker's"
        }
        rustls::Error::InvalidCertificate(_) => "the broker needs another certificate, or this board the right time",
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the broker wants a `certificate` and its `key`"
        }
        rustls::Error::AlertReceived(_) => "the broker does not accept this board's `certificate`, or TLS 1.3",
        _ => "does the broker speak TLS 1.3 on this port?",
    }
}

fn qos(quality: Qos) -> QoS {
    match quality {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
    }
}
