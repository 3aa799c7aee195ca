//! Announces waits of the program to the reporter.

use std::sync::OnceLock;

/// Is called when a wait begins, with what is waited for, and when it ends.
type Observer = fn(Option<&str>);

static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// Sets the observer of all waits.
pub fn observe_waits(observer: Observer) {
    let _ = OBSERVER.set(observer);
}

/// A wait that ends when this is dropped.
#[derive(Debug)]
pub struct Wait(());

/// Announces a wait: every command, and each request to a server.
#[must_use]
pub fn wait_for(what: &str) -> Wait {
    if let Some(observer) = OBSERVER.get() {
        observer(Some(what));
    }
    Wait(())
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(observer) = OBSERVER.get() {
            observer(None);
        }
    }
}
