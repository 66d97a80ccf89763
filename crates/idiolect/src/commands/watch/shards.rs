//! Scoring streams on all processors: each stream belongs to one shard, which hears its events in order.
//!
//! What goes in are batches of [`StreamEvent`]s, and what comes out are batches of [`Heard`]: values that could go
//! to another process as well.

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::Scope;

use anyhow::{Result, bail};
use idiolect_detect::{Crossing, Judge, Watched, Watcher};
use idiolect_trace::assemble::StreamEvent;

/// What a shard has to say.
#[derive(Debug)]
pub(super) enum Heard {
    /// A stream's score has crossed its threshold.
    Crossed { key: u64, crossing: Crossing },
    /// A stream has ended; nothing more comes of it.
    Ended {
        key: u64,
        calls: u64,
        unknown_calls: u64,
        gaps: u64,
    },
}

/// The shards, seen from outside.
#[derive(Debug)]
pub(super) struct Shards {
    /// To each: its queue, and the batch that is being filled for it.
    inboxes: Vec<(SyncSender<Vec<StreamEvent>>, Vec<StreamEvent>)>,
    answers: Receiver<Vec<Heard>>,
}

/// Events of a batch, at most.
const BATCH: usize = 4_096;
/// Batches that wait for a shard, at most. Beyond it the source waits, and counts what it loses by that.
const QUEUE: usize = 16;
/// Surprising calls that are told of a crossing.
const SURPRISING: usize = 3;

impl Shards {
    /// One for each processor.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        judge: &'scope Judge<'_>,
    ) -> Self {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let (outbox, answers) = mpsc::channel();
        let inboxes = (0..count).map(|_| {
            let (inbox, batches) = mpsc::sync_channel(QUEUE);
            let outbox = outbox.clone();
            scope.spawn(move || score(judge, &batches, &outbox));
            (inbox, Vec::new())
        });
        Shards {
            inboxes: inboxes.collect(),
            answers,
        }
    }

    /// The next event of a stream.
    pub(super) fn push(&mut self, event: StreamEvent) -> Result<()> {
        let place = event.key() as usize % self.inboxes.len();
        let (_, batch) = &mut self.inboxes[place];
        batch.push(event);
        if batch.len() >= BATCH {
            self.send_to(place)?;
        }
        Ok(())
    }

    /// Sends what waits.
    pub(super) fn send(&mut self) -> Result<()> {
        (0..self.inboxes.len()).try_for_each(|place| self.send_to(place))
    }

    fn send_to(&mut self, place: usize) -> Result<()> {
        let (inbox, batch) = &mut self.inboxes[place];
        if !batch.is_empty() && inbox.send(std::mem::take(batch)).is_err() {
            bail!("a scoring thread ended unexpectedly");
        }
        Ok(())
    }

    /// What was heard so far.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.answers.try_iter().flatten().collect()
    }

    /// Sends the rest, and gives all that is still to be heard.
    pub(super) fn finish(&mut self) -> Result<Vec<Heard>> {
        self.send()?;
        // Shards end when nothing more can come.
        self.inboxes.clear();
        Ok(self.answers.iter().flatten().collect())
    }
}

/// One shard.
fn score(judge: &Judge<'_>, batches: &Receiver<Vec<StreamEvent>>, outbox: &Sender<Vec<Heard>>) {
    let watcher = Watcher::new(judge, SURPRISING);
    let mut open: HashMap<u64, Watched> = HashMap::new();
    for batch in batches {
        let mut heard = Vec::new();
        for event in batch {
            hear(&watcher, &mut open, event, &mut heard);
        }
        if !heard.is_empty() && outbox.send(heard).is_err() {
            // Nobody listens any more.
            return;
        }
    }
}

fn hear(
    watcher: &Watcher<'_, '_>,
    open: &mut HashMap<u64, Watched>,
    event: StreamEvent,
    heard: &mut Vec<Heard>,
) {
    match event {
        StreamEvent::Start(start) => {
            open.insert(start.key, watcher.begin(start.kind));
        }
        StreamEvent::Call(call) => {
            let Some(watched) = open.get_mut(&call.key) else {
                return;
            };
            if let Some(crossing) = watcher.call(watched, &call.token(), call.time_ns) {
                let key = call.key;
                heard.push(Heard::Crossed { key, crossing });
            }
        }
        StreamEvent::Gap(gap) => {
            if let Some(watched) = open.get_mut(&gap.key) {
                watcher.gap(watched);
            }
        }
        StreamEvent::End { key } => {
            let Some(watched) = open.remove(&key) else {
                return;
            };
            let (score, crossing) = watcher.end(watched);
            heard.extend(crossing.map(|crossing| Heard::Crossed { key, crossing }));
            heard.push(Heard::Ended {
                key,
                calls: score.calls,
                unknown_calls: score.unknown_calls,
                gaps: score.gaps,
            });
        }
        _ => {}
    }
}
