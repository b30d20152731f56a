//! State that the reporter's threads in one process share.

use std::sync::{Arc, Mutex};

use soundpost_core::snapshot::Collector;

use super::acks::{AckQueue, ack_queue};
use super::agent_sinks::SinkSet;
use super::attribution::Attribution;
use super::samples::SampleBatcher;
use crate::context::ReporterContext;

pub(crate) struct Deps {
    pub(crate) context: Arc<ReporterContext>,
    pub(crate) collector: Mutex<Collector>,
    pub(crate) attribution: Attribution,
    pub(crate) acks: Arc<AckQueue>,
    pub(crate) samples: SampleBatcher,
    pub(crate) sinks: SinkSet,
}

impl Deps {
    pub(crate) fn new(context: Arc<ReporterContext>) -> Self {
        let collector = Collector::new(context.place.clone(), context.registry.clone()).keep_undrained();
        let attribution = Attribution::new(context.calls.clone());
        let acks = Arc::new(ack_queue(&context.config));
        Self {
            collector: Mutex::new(collector),
            attribution,
            acks,
            samples: SampleBatcher::default(),
            sinks: SinkSet::new(&context),
            context,
        }
    }
}
