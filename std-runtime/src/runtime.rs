//! The threads that run tasks, and the word to stop.

use std::{io, sync::Arc, thread};

use smol::{Executor, Task, channel};

/// An executor with threads of its own. Calls are tasks here; blocking work has no place on it.
///
/// One thread is the default and the fastest on small machines: a task is cheap, and waking another thread is not. While there
/// is nothing to do it waits for the sockets of its tasks itself, so that an answer wakes the thread that reads it and no other.
#[derive(Debug)]
pub struct Runtime {
    executor: Arc<Executor<'static>>,
    /// Closed to end the threads.
    running: channel::Sender<()>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Runtime {
    /// Starts `threads` named threads. With none, tasks run when somebody drives [`Runtime::executor`].
    ///
    /// # Errors
    /// Where the system has no thread to give.
    pub fn start(threads: usize) -> io::Result<Self> {
        let (running, stopped) = channel::bounded::<()>(1);
        let mut runtime = Self { executor: Arc::new(Executor::new()), running, threads: Vec::new() };
        for number in 1..=threads {
            let (executor, stopped) = (Arc::clone(&runtime.executor), stopped.clone());
            let body = move || {
                // Ends with an error when the sender is closed: that is the word to stop.
                let _ended = async_io::block_on(executor.run(stopped.recv()));
            };
            runtime.threads.push(thread::Builder::new().name(format!("tidegate-tasks-{number}")).spawn(body)?);
        }
        Ok(runtime)
    }

    /// Runs a task.
    pub fn spawn<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Task<T> {
        self.executor.spawn(task)
    }

    /// The executor, for spawning from tasks and for driving it by hand.
    #[must_use]
    pub const fn executor(&self) -> &Arc<Executor<'static>> {
        &self.executor
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.running.close();
        for thread in self.threads.drain(..) {
            // A panic of a task was reported where its result was awaited.
            let _panicked = thread.join();
        }
    }
}
