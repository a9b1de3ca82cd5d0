//! nginx with one worker, which answers any path with the same tile and is never what limits a client here.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use crate::tile;

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    nginx: Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Server {
    /// Starts it on a free port of the loopback interface.
    pub fn start() -> io::Result<Self> {
        let folder = env::temp_dir().join(format!("tidegate-bench-nginx-{}", process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("tile.png"), tile::png())?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        fs::write(folder.join("nginx.conf"), configuration(&folder, address))?;
        let nginx = Command::new("nginx")
            // Debian has it there, where not everybody looks.
            .env("PATH", format!("{}:/usr/sbin", env::var("PATH").unwrap_or_default()))
            .arg("-c")
            .arg(folder.join("nginx.conf"))
            .arg("-p")
            .arg(&folder)
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("nginx: {error}")))?;
        let server = Self { nginx, folder, address };
        server.wait_until_it_answers()?;
        Ok(server)
    }

    /// A template of URLs that it answers.
    pub fn template(&self) -> String {
        format!("http://{}/{{z}}/{{x}}/{{y}}.png", self.address)
    }

    fn wait_until_it_answers(&self) -> io::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(self.address) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.nginx.kill();
        let _ = self.nginx.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn configuration(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 2048; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_timeout 600; keepalive_requests 1000000000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  open_file_cache max=10; types {{ image/png png; }}
  server {{ listen {address} backlog=1024; location / {{ root {folder}; try_files /tile.png =404; }} }}
}}
"
    )
}
