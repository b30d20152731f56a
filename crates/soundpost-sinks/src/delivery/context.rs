//! The context that all workers share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use soundpost_core::Calls;

use super::ack_queue::AckQueue;
use super::health::SinkStatus;
use super::origin::OwnedOrigin;

/// Wakes the store's thread to store the queued acknowledgements.
pub type FlushAcks = Arc<dyn Fn() + Send + Sync>;

/// The reporter's components that workers use.
pub(crate) struct SinkContext {
    pub(crate) directory: PathBuf,
    pub(crate) calls: Arc<Calls>,
    pub(crate) names: Mutex<Arc<OwnedOrigin>>,
    pub(crate) status: Arc<SinkStatus>,
    pub(crate) acks: Arc<AckQueue>,
    pub(crate) flush_acks: FlushAcks,
}
