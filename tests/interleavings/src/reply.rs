//! The slot in which a worker hands its reply to the task that asked: the transport's own source, with shuttle's mutex in the
//! place of the standard one.

use shuttle::{
    future::block_on,
    sync::{Arc, Mutex, MutexGuard},
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

pub(crate) fn abandoned_keeps_nothing() {
    let job = Arc::new(Job::default());
    let worker = worker(&job);
    job.stop(Stop::Abandoned);
    let begun = worker.join().unwrap();
    let kept = block_on(async {
        let mut reply = std::pin::pin!(reply(&job));
        std::future::poll_fn(|context| std::task::Poll::Ready(reply.as_mut().poll(context).is_ready())).await
    });
    assert!(begun || !kept, "a job that never began has a reply");
}
