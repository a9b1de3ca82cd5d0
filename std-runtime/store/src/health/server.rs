//! The pages over HTTP, where nobody can disturb the work.
//!
//! A thread of its own, [`CONNECTIONS_MAX`] connections at once, and [`SECONDS_MAX`] for each of them from its first byte to
//! its last, whoever is slow. Whoever comes while all are taken has the place of the one that has been there longest: an
//! honest client needs a few milliseconds, so those who linger lose to those who ask. At most one is let in each
//! [`ACCEPT_EVERY`], so that a flood costs this thread little and the work nothing.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header::CONTENT_TYPE, server::conn::http1,
    service::service_fn,
};
use smol::{Async, Executor, Task, Timer, channel};
use smol_hyper::rt::FuturesIo;

use super::{Figures, Health};

/// Connections that are served at once.
pub(super) const CONNECTIONS_MAX: usize = 16;
/// How long one may take.
pub(super) const SECONDS_MAX: u64 = 5;
/// Between one connection and the next: 500 a second, far beyond any honest use.
const ACCEPT_EVERY: Duration = Duration::from_millis(2);

/// Serves the pages until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    running: channel::Sender<()>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Serves `health` on `address`, with the figures that `look` finds when a page is asked for; port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be listened on, or the system has no thread.
    pub fn start(
        address: SocketAddr,
        health: Arc<Health>,
        look: impl Fn() -> Figures + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let listener = Async::new(listener)?;
        let (running, stopped) = channel::bounded::<()>(1);
        let page = Arc::new(move |method: &Method, path: &str| page(method, path, &health, &look));
        let serve = move || {
            let executor = Executor::new();
            let stop = async {
                // Ends with an error when the sender is closed: that is the word to stop.
                let _closed = stopped.recv().await;
            };
            smol::block_on(executor.run(smol::future::or(stop, accept(&executor, listener, page))));
        };
        let thread = thread::Builder::new().name("tidegate-health".to_owned()).spawn(serve)?;
        Ok(Self { address, running, thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.close();
        if let Some(thread) = self.thread.take() {
            // Whatever it died of concerns nobody else.
            let _panicked = thread.join();
        }
    }
}

type Page = dyn Fn(&Method, &str) -> Response<String> + Send + Sync;

async fn accept<'a>(executor: &Executor<'a>, listener: Async<TcpListener>, page: Arc<Page>) {
    // The one that has been there longest in front. Dropping one closes its connection.
    let mut served: VecDeque<Task<()>> = VecDeque::with_capacity(CONNECTIONS_MAX);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                served.retain(|task| !task.is_finished());
                if served.len() >= CONNECTIONS_MAX {
                    served.pop_front();
                }
                let page = Arc::clone(&page);
                served.push_back(executor.spawn(async move {
                    let late = async {
                        Timer::after(Duration::from_secs(SECONDS_MAX)).await;
                    };
                    smol::future::or(serve(stream, page), late).await;
                }));
                Timer::after(ACCEPT_EVERY).await;
            }
            // Out of descriptors, most likely: they come back.
            Err(_) => {
                Timer::after(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: Async<TcpStream>, page: Arc<Page>) {
    let answer = service_fn(move |request: Request<Incoming>| {
        std::future::ready(Ok::<_, Infallible>(page(request.method(), request.uri().path())))
    });
    // Whoever sends nonsense or leaves early has only himself to tell.
    let _ended = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(8 * 1024)
        .serve_connection(FuturesIo::new(stream), answer)
        .await;
}

fn page(method: &Method, path: &str, health: &Health, look: impl Fn() -> Figures) -> Response<String> {
    if method != Method::GET && method != Method::HEAD {
        return response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n".to_owned());
    }
    match path {
        "/healthz" => response(StatusCode::OK, "application/json", health.healthz(&look()).to_string()),
        "/livez" => response(StatusCode::OK, TEXT, "alive\n".to_owned()),
        "/readyz" if look().is_ready() => response(StatusCode::OK, TEXT, "ready\n".to_owned()),
        "/readyz" => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, "every breaker is open\n".to_owned()),
        "/metrics" => response(StatusCode::OK, "text/plain; version=0.0.4", health.metrics(&look())),
        _ => response(StatusCode::NOT_FOUND, TEXT, "there are /healthz, /livez, /readyz and /metrics\n".to_owned()),
    }
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

const TEXT: &str = "text/plain; charset=utf-8";
