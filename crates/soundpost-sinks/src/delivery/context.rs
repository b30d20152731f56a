//! The context that all workers share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use soundpost_core::Calls;

use super::ack_queue::Ledger;
use super::health::Board;
use super::origin::Names;

/// Has the keeper write what the ledger holds.
pub type Settle = Arc<dyn Fn() + Send + Sync>;

/// What workers work with.
pub(crate) struct Around {
    pub(crate) directory: PathBuf,
    pub(crate) calls: Arc<Calls>,
    pub(crate) names: Mutex<Arc<Names>>,
    pub(crate) board: Arc<Board>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) settle: Settle,
}
