//! One request between the task that waits for it and the worker that runs it.
//!
//! Everything that both sides touch stands behind one lock, so that "not begun", "running" and "over" cannot be
//! mistaken for one another: a job stopped before a worker took it up is never sent, and a socket is shut down only
//! while it belongs to the job.
//!
//! A ready-made one-shot channel would carry the answer, but the lock, the socket and the wakers are needed beside it
//! in any case; with the answer under the same lock there is one allocation per request and one order of events.

use std::future::{Future, poll_fn};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use async_io::Timer;
use futures_lite::future::or;

use super::{Mutex, lock};
use crate::transport::{Response, TransportError};

/// One request, shared by the task that asked and the worker that runs it.
///
/// Invariant: the stage only moves forward, and there is a result only once it is over.
#[derive(Debug, Default)]
pub(super) struct Job {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    stage: Stage,
    stop: Option<Stop>,
    /// Waits here to be collected.
    result: Option<Result<Response, TransportError>>,
    /// The connection that carries the job at present; shutting it down ends any read or write on it.
    socket: Option<Arc<TcpStream>>,
    /// Who waits for the result.
    task: Option<Waker>,
    /// Set while the worker waits for something that is not a socket: an address or a connection.
    worker: Option<Waker>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Queued,
    Running,
    Over,
}

/// Why a job is to end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nobody waits for it any more.
    Abandoned,
    /// The client closes.
    ShutDown,
}

/// Why [`Job::wait`] gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfinished {
    TimedOut,
    Stopped,
}

impl Job {
    /// Ends the job as soon as possible: one that is queued will not begin, and one that runs loses its connection.
    pub(super) fn stop(&self, why: Stop) {
        let (socket, worker) = {
            let mut state = lock(&self.state);
            if state.stage == Stage::Over {
                return;
            }
            state.stop.get_or_insert(why);
            if why == Stop::Abandoned {
                state.task = None;
            }
            (state.socket.take(), state.worker.take())
        };
        // Taken out under the lock, so it cannot carry another job by now: `release` would have found it gone.
        if let Some(socket) = socket {
            // An error means that it is closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        if let Some(worker) = worker {
            worker.wake();
        }
    }

    /// Polls for the result, which is handed out once.
    pub(super) fn poll_result(&self, cx: &mut Context<'_>) -> Poll<Result<Response, TransportError>> {
        let mut state = lock(&self.state);
        if let Some(result) = state.result.take() {
            return Poll::Ready(result);
        }
        match &mut state.task {
            Some(task) => task.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The worker takes the job up; false where it was stopped before, and then it must not be sent.
    pub(super) fn begin(&self) -> bool {
        let mut state = lock(&self.state);
        if state.stop.is_some() {
            return false;
        }
        state.stage = Stage::Running;
        true
    }

    /// The worker is done with it. A job that was stopped by closing the client ends with that, whatever came of it.
    pub(super) fn settle(&self, result: Result<Response, TransportError>) {
        let task = {
            let mut state = lock(&self.state);
            state.socket = None;
            state.stage = Stage::Over;
            state.result = match state.stop {
                None => Some(result),
                Some(Stop::ShutDown) => Some(Err(TransportError::ShutDown)),
                Some(Stop::Abandoned) => None,
            };
            state.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Ties a connection to the job, for as long as it carries it. Fails where the job was stopped.
    pub(super) fn hold(&self, socket: &Arc<TcpStream>) -> Result<(), Unfinished> {
        let mut state = lock(&self.state);
        if state.stop.is_some() {
            return Err(Unfinished::Stopped);
        }
        state.socket = Some(Arc::clone(socket));
        Ok(())
    }

    /// Unties it, before another job can use it. False where the job was stopped, and the connection with it.
    pub(super) fn release(&self) -> bool {
        let mut state = lock(&self.state);
        state.socket = None;
        state.stop.is_none()
    }

    /// Blocks the worker on `work` until `deadline`, or until the job is stopped.
    pub(super) fn wait<T>(&self, deadline: Instant, work: impl Future<Output = T>) -> Result<T, Unfinished> {
        let stopped = poll_fn(|cx| {
            let mut state = lock(&self.state);
            if state.stop.is_some() {
                return Poll::Ready(Err(Unfinished::Stopped));
            }
            state.worker = Some(cx.waker().clone());
            Poll::Pending
        });
        let late = async {
            Timer::at(deadline).await;
            Err(Unfinished::TimedOut)
        };
        let result = async_io::block_on(or(stopped, or(async { Ok(work.await) }, late)));
        lock(&self.state).worker = None;
        result
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    fn polled(job: &Job) -> Poll<Result<Response, TransportError>> {
        job.poll_result(&mut Context::from_waker(Waker::noop()))
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_job_stopped_in_the_queue_never_begins() {
        let job = Job::default();
        job.stop(Stop::Abandoned);
        assert!(!job.begin());
    }

    #[test]
    fn closing_turns_any_result_into_shut_down() {
        let job = Job::default();
        assert!(job.begin());
        job.stop(Stop::ShutDown);
        job.settle(Ok(Response::new(200)));
        assert!(matches!(polled(&job), Poll::Ready(Err(TransportError::ShutDown))));
    }

    #[test]
    fn a_stop_after_the_result_changes_nothing_and_the_result_comes_once() {
        let job = Job::default();
        assert!(job.begin());
        job.settle(Ok(Response::new(204)));
        job.stop(Stop::ShutDown);
        assert!(matches!(polled(&job), Poll::Ready(Ok(Response { status: 204, .. }))));
        assert!(polled(&job).is_pending());
    }

    #[test]
    fn a_stopped_job_takes_no_connection_and_returns_none_to_the_pool() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let job = Job::default();
        assert_eq!(job.hold(&socket), Ok(()));
        job.stop(Stop::Abandoned);
        assert!(!job.release());
        assert_eq!(job.hold(&socket), Err(Unfinished::Stopped));
    }

    #[test]
    fn a_released_connection_is_not_touched_by_a_later_stop() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let job = Job::default();
        assert_eq!(job.hold(&socket), Ok(()));
        assert!(job.release());
        job.stop(Stop::Abandoned);
        // Still writable: a shut down socket would give a broken pipe.
        assert!(std::io::Write::write(&mut &*socket, b"x").is_ok());
    }

    #[test]
    fn waiting_ends_with_the_work_the_deadline_or_the_stop() {
        let job = Arc::new(Job::default());
        assert_eq!(job.wait(far(), async { 7 }), Ok(7));
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(job.wait(soon, std::future::pending::<()>()), Err(Unfinished::TimedOut));
        let worker = std::thread::spawn({
            let job = Arc::clone(&job);
            move || job.wait(far(), std::future::pending::<()>())
        });
        job.stop(Stop::Abandoned);
        assert_eq!(worker.join().unwrap(), Err(Unfinished::Stopped));
    }
}
