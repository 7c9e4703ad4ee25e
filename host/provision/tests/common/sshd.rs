//! A real sshd on a loopback port, with keys and a configuration of its own in a temporary folder, run by whoever runs the test.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

pub struct Sshd {
    folder: TempDir,
    child: Child,
    master: Option<Child>,
    pub port: u16,
}

impl Sshd {
    /// `None`, having said why, when there is no sshd here. `path` is put in front of the PATH of its sessions.
    pub fn start(path: &Path) -> Option<Sshd> {
        let Some(program) = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists())
        else {
            println!("skipped: tests of provisioning over SSH because sshd is not installed");
            return None;
        };
        if Command::new("ssh").arg("-V").stderr(Stdio::null()).status().is_err() {
            println!("skipped: tests of provisioning over SSH because ssh is not installed");
            return None;
        }
        // Of root it wants this empty folder, which its package makes at the start of its service.
        if is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["host", "client"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.path().join(name))
                .stdin(Stdio::null())
                .status();
            assert!(made.unwrap().success());
        }
        fs::copy(folder.path().join("client.pub"), folder.path().join("authorized")).unwrap();
        let (child, port) = serve(program, folder.path(), path);
        let sshd = Sshd { folder, child, master: None, port };
        let host = fs::read_to_string(sshd.path("host.pub")).unwrap();
        sshd.know(&host);
        let configuration = format!(
            "Host *\n  IdentityFile {0}/client\n  IdentitiesOnly yes\n  UserKnownHostsFile {0}/known\n  GlobalKnownHostsFile none\n",
            sshd.folder.path().display()
        );
        fs::write(sshd.configuration(), configuration).unwrap();
        Some(sshd)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What `ssh -F` takes to get in.
    pub fn configuration(&self) -> PathBuf {
        self.path("ssh_config")
    }

    /// One connection for all that follows, so that hundreds of sessions cost no handshakes.
    pub fn share(&mut self) {
        let socket = self.path("socket");
        let configuration = fs::read_to_string(self.configuration()).unwrap();
        let shared = format!("{configuration}  ControlPath {}\n", socket.display());
        fs::write(self.configuration(), shared).unwrap();
        let mut master = Command::new("ssh");
        master.args(["-M", "-N", "-p", &self.port.to_string(), "-F"]).arg(self.configuration()).arg("127.0.0.1");
        self.master = Some(master.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let until = Instant::now() + PATIENCE;
        while !socket.exists() {
            assert!(Instant::now() < until, "no shared connection");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes this the host key that clients know, `TYPE KEY`.
    pub fn know(&self, host: &str) {
        let words: Vec<&str> = host.split_whitespace().take(2).collect();
        fs::write(self.path("known"), format!("[127.0.0.1]:{} {}\n", self.port, words.join(" "))).unwrap();
    }

    /// Another host's key, of the same kind.
    pub fn another_key(&self) -> String {
        fs::read_to_string(self.path("client.pub")).unwrap()
    }

    /// Lets nobody in from now on.
    pub fn lock(&self) {
        fs::write(self.path("authorized"), "").unwrap();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        for child in self.master.iter_mut().chain([&mut self.child]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Starts it on a free port. Another program may take the port meanwhile, so that is tried again.
fn serve(program: &str, folder: &Path, path: &Path) -> (Child, u16) {
    let until = Instant::now() + PATIENCE;
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let here = folder.display();
        let configuration = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {here}/host\nAuthorizedKeysFile {here}/authorized\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPrintMotd no\n\
             SetEnv PATH={}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
            path.display()
        );
        let file = folder.join("sshd_config");
        fs::write(&file, configuration).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut child = Command::new(program)
            .arg("-D")
            .arg("-e")
            .arg("-f")
            .arg(&file)
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            if speaks(port) {
                return (child, port);
            }
            assert!(Instant::now() < until, "sshd says nothing: {}", fs::read_to_string(folder.join("log")).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = fs::read_to_string(folder.join("log")).unwrap();
        assert!(Instant::now() < until && log.contains("in use"), "sshd ends at once: {log}");
    }
}

fn speaks(port: u16) -> bool {
    let mut first = [0; 4];
    TcpStream::connect(("127.0.0.1", port))
        .is_ok_and(|mut line| line.read_exact(&mut first).is_ok() && &first == b"SSH-")
}
