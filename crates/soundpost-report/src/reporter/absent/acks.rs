//! Acknowledgements in a build without sinks.

#[cfg(feature = "store")]
use soundpost_store::{Store, StoreError};

use crate::config::Config;

pub(crate) struct AckQueue;

pub(super) fn ack_queue(_: &Config) -> AckQueue {
    AckQueue
}

impl AckQueue {
    pub(super) fn is_empty(&self) -> bool {
        true
    }
}

#[cfg(feature = "store")]
impl AckQueue {
    pub(super) fn has_entries(&self) -> bool {
        false
    }

    pub(super) fn register_sinks(&self, _: &mut Store) -> Result<(), StoreError> {
        Ok(())
    }

    pub(super) fn write(&self, _: &mut Store) -> Result<(), StoreError> {
        Ok(())
    }

    pub(super) fn refresh(&self, _: &mut Store) -> Result<(), StoreError> {
        Ok(())
    }

    pub(super) fn notify_stored(&self) {}
}
