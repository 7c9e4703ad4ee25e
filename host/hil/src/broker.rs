//! A broker that a bench ends and starts, as a process of this machine.

use crate::BenchError;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a broker may take until it answers, on a busy machine.
const START: Duration = Duration::from_secs(30);

/// An MQTT broker at 127.0.0.1, always at the same port. It ends with its value.
pub struct Broker {
    program: PathBuf,
    address: SocketAddr,
    config: PathBuf,
    child: Option<Child>,
}

impl Broker {
    /// A broker that `program` will be (`mtcae-broker` or `mosquitto`), with its files below `folder`; it does not run yet.
    ///
    /// # Errors
    /// When there is no free port, or its file cannot be written.
    pub fn new(program: &Path, folder: &Path) -> Result<Broker, BenchError> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let address = free.map_err(BenchError::system("find a free port"))?;
        let config = folder.join("mosquitto.conf");
        let text = format!("listener {} 127.0.0.1\nallow_anonymous true\n", address.port());
        let written = std::fs::File::create(&config).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(BenchError::system(format!("write {}", config.display())))?;
        Ok(Broker { program: program.to_owned(), address, config, child: None })
    }

    /// The lines of a board file that publish to it.
    pub fn sink(&self) -> String {
        format!("[[sink]]\nkind = \"mqtt\"\nhost = \"127.0.0.1\"\nport = {}", self.address.port())
    }

    /// Kills it, or starts it unless it runs, and waits until it answers; where that is.
    ///
    /// # Errors
    /// When it does not start.
    pub fn turn(&mut self, there: bool) -> Result<SocketAddr, BenchError> {
        match there {
            true if self.child.is_none() => self.child = Some(self.start()?),
            true => {}
            false => self.end(),
        }
        Ok(self.address)
    }

    fn start(&self) -> Result<Child, BenchError> {
        let name = self.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(&self.program);
        if name.starts_with("mosquitto") {
            command.arg("-c").arg(&self.config);
        } else {
            command.arg("--port").arg(self.address.port().to_string());
        }
        // Ours ends with its standard input.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(BenchError::system(format!("start {name}")))?;
        let end = Instant::now() + START;
        while TcpStream::connect(self.address).is_err() {
            let ended = matches!(child.try_wait(), Ok(Some(_)));
            if ended || Instant::now() >= end {
                let _ = child.kill();
                let _ = child.wait();
                return Err(BenchError::Board(format!("{name} does not answer at {}", self.address)));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(child)
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end();
    }
}
