//! The context that all workers share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use soundpost_core::Calls;

use super::ack_queue::AckQueue;
use super::health::Board;
use super::origin::Names;

/// Makes the store's thread store the queued acknowledgements.
pub type FlushAcks = Arc<dyn Fn() + Send + Sync>;

/// What workers work with.
pub(crate) struct Around {
    pub(crate) directory: PathBuf,
    pub(crate) calls: Arc<Calls>,
    pub(crate) names: Mutex<Arc<Names>>,
    pub(crate) board: Arc<Board>,
    pub(crate) acks: Arc<AckQueue>,
    pub(crate) flush_acks: FlushAcks,
}
