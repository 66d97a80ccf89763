//! Events on their way from the tracing thread to whoever polls.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use idiolect_trace::ExitStatus;

use crate::{BATCH, CaptureError, Event, State};

/// How long events wait before they are taken: waking the reader for each would cost as much as the stop that it
/// tells of.
const LINGER: Duration = Duration::from_millis(10);

/// A bounded buffer. Where it is full, the tracer waits, and what it traces waits for the tracer: nothing is lost.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    inner: Mutex<Inner>,
    /// There is reason to look: it is full, or all has ended.
    look: Condvar,
    /// There is room.
    room: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    events: Vec<Event>,
    /// Nobody wants more events: those that come are dropped.
    closed: bool,
    ended: Option<Result<Option<ExitStatus>, CaptureError>>,
}

impl Buffer {
    /// Adds an event, when there is room.
    pub(super) fn push(&self, event: Event) {
        let mut inner = self.lock();
        while inner.events.len() >= BATCH && !inner.closed {
            self.look.notify_one();
            inner = self
                .room
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if !inner.closed {
            inner.events.push(event);
        }
    }

    /// Takes no more events.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.room.notify_all();
    }

    /// There will be no more.
    pub(super) fn end(&self, result: Result<Option<ExitStatus>, CaptureError>) {
        let mut inner = self.lock();
        inner.ended.get_or_insert(result);
        inner.closed = true;
        self.look.notify_one();
    }

    /// Waits at most so long, and appends what there is.
    pub(super) fn take(
        &self,
        batch: &mut Vec<Event>,
        wait: Duration,
    ) -> Result<State, CaptureError> {
        let deadline = Instant::now() + wait;
        let mut inner = self.lock();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if inner.ended.is_some() || inner.events.len() >= BATCH || left.is_zero() {
                break;
            }
            inner = self
                .look
                .wait_timeout(inner, left.min(LINGER))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            if !inner.events.is_empty() {
                break;
            }
        }
        batch.append(&mut inner.events);
        self.room.notify_one();
        match &mut inner.ended {
            None => Ok(State::Running),
            Some(Ok(status)) => Ok(State::Ended(*status)),
            Some(failed) => std::mem::replace(failed, Ok(None)).map(State::Ended),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves the events whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Thread;

    fn event(time_ns: u64) -> Event {
        let thread = Thread {
            tgid: 1,
            tid: 1,
            start_ns: 0,
            exec_generation: 0,
        };
        Event::Exit {
            time_ns,
            thread,
            status: None,
        }
    }

    #[test]
    fn a_full_buffer_makes_the_writer_wait_and_loses_nothing() {
        const EVENTS: usize = 3 * BATCH + 17;
        let buffer = Buffer::default();
        let taken = std::thread::scope(|scope| {
            scope.spawn(|| {
                (0..EVENTS as u64).for_each(|time_ns| buffer.push(event(time_ns)));
                buffer.end(Ok(Some(ExitStatus::Code(4))));
            });
            let mut taken = Vec::new();
            loop {
                let mut batch = Vec::new();
                let state = buffer.take(&mut batch, Duration::from_secs(60)).unwrap();
                assert!(batch.len() <= BATCH);
                taken.append(&mut batch);
                if let State::Ended(status) = state {
                    assert_eq!(status, Some(ExitStatus::Code(4)));
                    break taken;
                }
            }
        });
        let expected: Vec<Event> = (0..EVENTS as u64).map(event).collect();
        assert!(taken == expected);
    }

    #[test]
    fn a_closed_buffer_never_makes_the_writer_wait() {
        let buffer = Buffer::default();
        buffer.push(event(1));
        buffer.close();
        (0..2 * BATCH as u64).for_each(|time_ns| buffer.push(event(time_ns)));
        let mut batch = Vec::new();
        let state = buffer.take(&mut batch, Duration::ZERO).unwrap();
        assert_eq!((state, batch.len()), (State::Running, 1));
    }

    #[test]
    fn a_failure_is_told_once() {
        let buffer = Buffer::default();
        buffer.end(Err(CaptureError::Died));
        let mut batch = Vec::new();
        assert!(buffer.take(&mut batch, Duration::ZERO).is_err());
        let again = buffer.take(&mut batch, Duration::ZERO).unwrap();
        assert_eq!(again, State::Ended(None));
    }
}
