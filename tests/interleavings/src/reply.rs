//! The slot in which a worker hands its reply to the task that asked: the transport's own source, with shuttle's mutex in the
//! place of the standard one.

use shuttle::{
    future::block_on,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// What the source finds around it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

#[allow(dead_code, unreachable_pub, reason = "what needs a socket is not used here")]
#[path = "../../../std-runtime/src/transport/pooled/job.rs"]
mod job;

use job::{Job, Stop};
use tidegate::transport::{Response, TransportError};

/// A worker that answers with 204, unless the job was stopped before it came to it.
fn worker(job: &Arc<Job>) -> thread::JoinHandle<bool> {
    let job = Arc::clone(job);
    thread::spawn(move || {
        let begun = job.begin();
        if begun {
            thread::yield_now();
        }
        job.settle(if begun { Ok(Response::new(204)) } else { Err(TransportError::ShutDown) });
        begun
    })
}

async fn reply(job: &Job) -> Result<Response, TransportError> {
    std::future::poll_fn(|context| job.poll_result(context)).await
}

pub(crate) fn reaches_its_task() {
    let job = Arc::new(Job::default());
    let worker = worker(&job);
    assert!(block_on(reply(&job)).is_ok_and(|response| response.status == 204));
    assert!(worker.join().unwrap());
}

pub(crate) fn closing_ends_the_wait() {
    let job = Arc::new(Job::default());
    let worker = worker(&job);
    let closer = Arc::clone(&job);
    let closer = thread::spawn(move || closer.stop(Stop::ShutDown));
    let ended = block_on(reply(&job));
    let begun = worker.join().unwrap();
    match ended {
        Ok(response) => assert!(begun && response.status == 204, "answered by nobody"),
        Err(error) => assert!(matches!(error, TransportError::ShutDown), "{error}"),
    }
    closer.join().unwrap();
}

pub(crate) fn abandoned_is_not_sent() {
    let job = Arc::new(Job::default());
    let stopped = Arc::new(AtomicBool::new(false));
    let worker = thread::spawn({
        let (job, stopped) = (Arc::clone(&job), Arc::clone(&stopped));
        move || {
            let too_late = stopped.load(Ordering::SeqCst);
            let begun = job.begin();
            assert!(!(too_late && begun), "a job that was stopped in the queue was sent");
            job.settle(Ok(Response::new(204)));
        }
    });
    job.stop(Stop::Abandoned);
    stopped.store(true, Ordering::SeqCst);
    worker.join().unwrap();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    // Where the reply came first it is there; it is handed out once in any case.
    let _first = job.poll_result(&mut context);
    assert!(job.poll_result(&mut context).is_pending(), "a reply was handed out twice");
}
