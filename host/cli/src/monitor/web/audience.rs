//! Who listens to the events, each with a bounded queue.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Events that may wait for a browser; one that takes fewer than come is let go, and comes back by itself.
const WAITING: usize = 256;

/// All listeners, and what a new one is told first.
#[derive(Default)]
pub struct Audience(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    lasting: BTreeMap<&'static str, Arc<str>>,
    listeners: Vec<SyncSender<Arc<str>>>,
}

impl Audience {
    /// Tells everybody `event`; as `lasting` it is also told to those who come later, until the next of that name.
    pub fn tell(&self, event: &str, lasting: Option<&'static str>) {
        let event: Arc<str> = event.into();
        let mut inner = self.lock();
        inner.listeners.retain(|listener| listener.try_send(Arc::clone(&event)).is_ok());
        if let Some(name) = lasting {
            inner.lasting.insert(name, event);
        }
    }

    /// A new listener; it hears nothing more once it has let too many events wait.
    pub fn listen(&self) -> Receiver<Arc<str>> {
        let (sender, events) = sync_channel(WAITING);
        let mut inner = self.lock();
        for event in inner.lasting.values() {
            // There are fewer than there is room for.
            let _ = sender.try_send(Arc::clone(event));
        }
        inner.listeners.push(sender);
        events
    }

    /// A panic elsewhere leaves nothing half done here.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_late_is_told_what_lasts_and_who_is_slow_is_let_go() {
        let audience = Audience::default();
        audience.tell("old hello", Some("hello"));
        audience.tell("hello", Some("hello"));
        audience.tell("report 1", None);
        let late = audience.listen();
        (0..1_000).for_each(|n| audience.tell(&format!("report {n}"), None));
        let heard: Vec<_> = late.iter().collect();
        assert_eq!((heard.len(), &*heard[0], &*heard[1]), (WAITING, "hello", "report 0"));
        assert!(audience.lock().listeners.is_empty());
    }
}
