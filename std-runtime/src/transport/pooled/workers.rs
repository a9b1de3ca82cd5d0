//! The threads, and nothing else: starting, feeding and ending them.

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_lock::SemaphoreGuardArc;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::handover::{Handover, Taken};
use super::job::{Job, Stop};
use super::{current, lock};
use crate::transport::error::Resource;
use crate::transport::{Request, Response, TransportError};

/// What workers do.
pub(super) trait Work: Send + Sync {
    /// Runs a request to its end.
    fn run(&self, request: Request) -> Result<Response, TransportError>;

    /// Puts things in order while there is nothing to run; says after what time to do it again, if at all.
    fn tidy(&self) -> Option<Duration>;

    /// How long a worker has nothing to run before it does so for the first time.
    fn tidy_after(&self) -> Duration;
}

/// The worker threads of one client.
///
/// Invariant: never more threads than the limit, and never a request in the queue without a thread that will come to
/// it. Both follow from the turn that each request holds: there are as many turns as threads allowed, so a request
/// either finds a thread free or one may be started.
pub(super) struct Workers {
    work: Arc<dyn Work>,
    shared: Arc<Shared>,
    threads: Mutex<Threads>,
}

#[derive(Debug)]
struct Shared {
    /// Requests that have a turn: in the queue, or running.
    alive: AtomicUsize,
    busy: AtomicUsize,
    closing: AtomicBool,
    jobs: Handover<Queued>,
}

#[derive(Debug)]
struct Threads {
    list: Vec<Worker>,
    /// `None` once closed. Each thread holds a clone and sends nothing: the channel breaks when the last one has ended.
    alive: Option<Sender<Infallible>>,
    ended: Receiver<Infallible>,
}

#[derive(Debug)]
struct Worker {
    handle: JoinHandle<()>,
    /// What it is running, for closing.
    running: Arc<Mutex<Option<Arc<Job>>>>,
}

/// A request on its way to a worker.
#[derive(Debug)]
pub(super) struct Queued {
    job: Arc<Job>,
    request: Request,
    asked_at: Instant,
    turn: SemaphoreGuardArc,
}

impl Queued {
    pub(super) fn new(job: Arc<Job>, request: Request, asked_at: Instant, turn: SemaphoreGuardArc) -> Self {
        Self { job, request, asked_at, turn }
    }
}

impl Workers {
    pub(super) fn new(limit: usize, work: Arc<dyn Work>) -> Self {
        let (alive, ended) = bounded(1);
        let shared = Shared {
            alive: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            jobs: Handover::new(limit),
        };
        let threads = Threads { list: Vec::new(), alive: Some(alive), ended };
        Self { work, shared: Arc::new(shared), threads: Mutex::new(threads) }
    }

    /// Hands a request to a worker, and starts one where all have something to do.
    pub(super) fn submit(&self, queued: Queued) -> Result<(), TransportError> {
        let mut threads = lock(&self.threads);
        let needed = self.shared.alive.fetch_add(1, Ordering::Relaxed) + 1;
        let result = threads
            .provide(needed, &self.shared, &self.work)
            .and_then(|()| self.shared.jobs.give(queued).map_err(|_| TransportError::ShutDown));
        if result.is_err() {
            self.shared.alive.fetch_sub(1, Ordering::Relaxed);
        }
        result
    }

    /// Threads started.
    pub(super) fn count(&self) -> usize {
        lock(&self.threads).list.len()
    }

    /// Threads that run a request.
    pub(super) fn busy(&self) -> usize {
        self.shared.busy.load(Ordering::Relaxed)
    }

    /// Interrupts everything and waits for the threads to end; returns how many had not at the limit.
    pub(super) fn close(&self, limit: Duration) -> usize {
        let ended = {
            let mut threads = lock(&self.threads);
            self.shared.closing.store(true, Ordering::SeqCst);
            // The workers empty the queue and end.
            self.shared.jobs.close();
            threads.alive = None;
            for worker in &threads.list {
                if let Some(job) = lock(&worker.running).as_ref() {
                    job.stop(Stop::ShutDown);
                }
            }
            threads.ended.clone()
        };
        let late = ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        let mut threads = lock(&self.threads);
        if late {
            return threads.list.iter().filter(|worker| !worker.handle.is_finished()).count();
        }
        for worker in threads.list.drain(..) {
            // It caught its panics, and is past its last statement.
            let _ = worker.handle.join();
        }
        0
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Threads {
    /// Makes sure that there are `needed` threads, or at least one where the system gives no more.
    fn provide(&mut self, needed: usize, shared: &Arc<Shared>, work: &Arc<dyn Work>) -> Result<(), TransportError> {
        let Some(alive) = &self.alive else {
            return Err(TransportError::ShutDown);
        };
        if self.list.len() >= needed {
            return Ok(());
        }
        let running = Arc::default();
        let life = {
            let (shared, work, running) = (Arc::clone(shared), Arc::clone(work), Arc::clone(&running));
            let alive = alive.clone();
            move || {
                live(&shared, &*work, &running);
                drop(alive);
            }
        };
        let thread = thread::Builder::new().name(format!("tidegate-http-{}", self.list.len())).stack_size(STACK_BYTES);
        match thread.spawn(life) {
            Ok(handle) => self.list.push(Worker { handle, running }),
            // Fewer threads are slower, none is an error.
            Err(_) if self.list.is_empty() => return Err(TransportError::Exhausted(Resource::Threads)),
            Err(_) => {}
        }
        Ok(())
    }
}

/// The life of a worker: one request after the other until the queue is closed.
fn live(shared: &Shared, work: &dyn Work, running: &Mutex<Option<Arc<Job>>>) {
    while let Some(Queued { job, request, asked_at, turn }) = next(shared, work) {
        *lock(running) = Some(Arc::clone(&job));
        // After the line above: `close` either sees the job there, or is seen here.
        if shared.closing.load(Ordering::SeqCst) {
            job.stop(Stop::ShutDown);
        }
        let result = if job.begin() {
            shared.busy.fetch_add(1, Ordering::Relaxed);
            let queued = asked_at.elapsed();
            let result = {
                let _entered = current::enter(Arc::clone(&job));
                // ureq asserts what it believes to be impossible. A worker has to outlive that.
                catch_unwind(AssertUnwindSafe(|| work.run(request))).unwrap_or(Err(TransportError::Panicked))
            };
            shared.busy.fetch_sub(1, Ordering::Relaxed);
            result.map(|mut response| {
                response.timing.queued = queued;
                response
            })
        } else {
            // Only read where the client closes; whoever gave up does not ask.
            Err(TransportError::ShutDown)
        };
        *lock(running) = None;
        // The turn first: whoever is woken by the result may ask for the next one at once.
        shared.alive.fetch_sub(1, Ordering::Relaxed);
        drop(turn);
        job.settle(result);
    }
}

/// Waits for a request; `None` where there will be none any more.
fn next(shared: &Shared, work: &dyn Work) -> Option<Queued> {
    let mut pause = Some(work.tidy_after());
    loop {
        match shared.jobs.take(pause) {
            Taken::One(queued) => return Some(queued),
            Taken::Closed => return None,
            Taken::NothingYet => pause = work.tidy(),
        }
    }
}

/// Enough for a TLS handshake in a debug build, several times over.
const STACK_BYTES: usize = 512 * 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use async_lock::Semaphore;
    use futures_lite::future::block_on;

    use super::*;

    /// Panics or answers as the URL says, and counts what it ran.
    #[derive(Default)]
    struct Fake {
        ran: AtomicUsize,
        tidied: AtomicUsize,
    }

    impl Work for Fake {
        fn run(&self, request: Request) -> Result<Response, TransportError> {
            self.ran.fetch_add(1, Ordering::SeqCst);
            assert!(request.url != "panic", "as an assertion in the HTTP library would");
            Ok(Response::new(200))
        }

        fn tidy(&self) -> Option<Duration> {
            self.tidied.fetch_add(1, Ordering::SeqCst);
            None
        }

        fn tidy_after(&self) -> Duration {
            Duration::from_millis(1)
        }
    }

    /// Sends one request through the workers, stopped beforehand if so wished.
    fn send(workers: &Workers, turns: &Arc<Semaphore>, url: &str, stop: bool) -> Arc<Job> {
        let job = Arc::new(Job::default());
        if stop {
            job.stop(Stop::Abandoned);
        }
        let turn = block_on(turns.acquire_arc());
        workers.submit(Queued::new(Arc::clone(&job), Request::new(url), Instant::now(), turn)).unwrap();
        job
    }

    fn result(job: &Job) -> Result<u16, TransportError> {
        block_on(poll_fn(|cx| job.poll_result(cx))).map(|response| response.status)
    }

    #[test]
    fn a_panic_ends_its_request_and_not_its_worker() {
        let workers = Workers::new(1, Arc::new(Fake::default()));
        let turns = Arc::new(Semaphore::new(1));
        assert_eq!(result(&send(&workers, &turns, "panic", false)), Err(TransportError::Panicked));
        assert_eq!(result(&send(&workers, &turns, "good", false)), Ok(200));
        assert_eq!((workers.count(), workers.busy()), (1, 0));
        assert_eq!(workers.close(Duration::from_secs(5)), 0);
    }

    #[test]
    fn a_request_given_up_in_the_queue_is_not_run_and_gives_its_turn_back() {
        let work = Arc::new(Fake::default());
        let workers = Workers::new(1, Arc::clone(&work) as _);
        let turns = Arc::new(Semaphore::new(1));
        send(&workers, &turns, "given up", true);
        // There is one turn, so this waits until the worker has passed the other by.
        assert_eq!(result(&send(&workers, &turns, "wanted", false)), Ok(200));
        assert_eq!(work.ran.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_worker_without_a_request_tidies_up_and_then_waits() {
        let work = Arc::new(Fake::default());
        let workers = Workers::new(1, Arc::clone(&work) as _);
        let turns = Arc::new(Semaphore::new(1));
        for round in 1..=2 {
            assert_eq!(result(&send(&workers, &turns, "good", false)), Ok(200));
            let deadline = Instant::now() + Duration::from_secs(5);
            while work.tidied.load(Ordering::SeqCst) < round {
                assert!(Instant::now() < deadline, "not tidied up within 5 s");
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(workers.close(Duration::from_secs(5)), 0);
        assert_eq!(work.tidied.load(Ordering::SeqCst), 2, "it was told to do it once each time");
    }

    #[test]
    fn threads_are_started_only_as_they_are_needed() {
        let workers = Workers::new(3, Arc::new(Fake::default()));
        let turns = Arc::new(Semaphore::new(3));
        assert_eq!(workers.count(), 0);
        for _ in 0..5 {
            assert_eq!(result(&send(&workers, &turns, "one after the other", false)), Ok(200));
        }
        assert_eq!(workers.count(), 1);
    }
}
