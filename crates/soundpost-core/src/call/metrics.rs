//! The request metrics as families of one service; `docs/metrics.md` lists them.

use std::sync::Arc;

use super::gpu::GpuHistory;
use crate::error::Error;
use crate::registry::{
    BYTES_BUCKETS, FamilyCore, LATENCY_BUCKETS, Merge, PACE_BUCKETS, RATIO_BUCKETS, Registry, SHARE_BUCKETS,
    Spec,
};

pub(crate) struct RequestMetrics {
    pub(crate) total: Arc<FamilyCore>,
    pub(crate) duration: Arc<FamilyCore>,
    pub(crate) busy: Arc<FamilyCore>,
    pub(crate) queue: Arc<FamilyCore>,
    pub(crate) first_audio: Arc<FamilyCore>,
    pub(crate) chunk_gap: Arc<FamilyCore>,
    pub(crate) underrun: Arc<FamilyCore>,
    pub(crate) real_time_factor: Arc<FamilyCore>,
    pub(crate) audio_seconds: Arc<FamilyCore>,
    pub(crate) characters: Arc<FamilyCore>,
    pub(crate) seconds_per_character: Arc<FamilyCore>,
    pub(crate) video_seconds: Arc<FamilyCore>,
    pub(crate) clipped: Arc<FamilyCore>,
    pub(crate) silence: Arc<FamilyCore>,
    pub(crate) stage_duration: Arc<FamilyCore>,
    pub(crate) stage_failure: Arc<FamilyCore>,
    pub(crate) gpu_memory_peak: Arc<FamilyCore>,
    pub(crate) unhealthy: Arc<FamilyCore>,
    /// Read, not recorded to: see [`crate::CallHandle::gpu`].
    pub(crate) gpu: GpuHistory,
}

impl RequestMetrics {
    pub(crate) fn register(registry: &Arc<Registry>) -> Result<Self, Error> {
        let prefix = registry.identity().prefix().to_owned();
        let family = |make: &dyn Fn(&str) -> Spec, name: &str, help: &str| {
            registry.family_core(&make(&format!("{prefix}_{name}")).help(help).checked()?)
        };
        let seconds = |name: &str| Spec::histogram(name, &LATENCY_BUCKETS).unit(crate::Unit::Seconds);
        let with_exemplars = |name: &str| seconds(name).exemplars();
        Ok(Self {
            total: family(&Spec::whole_counter, "request", "Finished calls by outcome.")?,
            duration: family(
                &with_exemplars,
                "request_duration_seconds",
                "Wall time of finished calls from start to finish.",
            )?,
            busy: family(
                &seconds,
                "request_busy_seconds",
                "Part of a call's duration spent in the service, not in the consumer of its chunks.",
            )?,
            queue: family(&seconds, "request_queue_seconds", "Time that calls waited before their start.")?,
            first_audio: family(
                &with_exemplars,
                "time_to_first_audio_seconds",
                "Time from a call's start to its first chunk that carries audio.",
            )?,
            chunk_gap: family(
                &seconds,
                "chunk_gap_seconds",
                "Time from handing over one chunk to having the next one ready.",
            )?,
            underrun: family(
                &seconds,
                "playback_underrun_seconds",
                "Largest shortfall of real-time playback that begins at the first chunk.",
            )?,
            real_time_factor: family(
                &|name| Spec::histogram(name, &RATIO_BUCKETS).exemplars(),
                "real_time_factor",
                "Busy seconds per second of audio produced; below 1 is faster than real time.",
            )?,
            audio_seconds: family(
                &|name| Spec::counter(name).unit(crate::Unit::Seconds),
                "audio_seconds",
                "Audio produced.",
            )?,
            characters: family(&Spec::whole_counter, "characters", "Characters of input text.")?,
            seconds_per_character: family(
                &|name| Spec::histogram(name, &PACE_BUCKETS),
                "speech_seconds_per_character",
                "Audio produced per character of input text; unusual values are a sign of cut or runaway speech.",
            )?,
            video_seconds: family(
                &|name| Spec::counter(name).unit(crate::Unit::Seconds),
                "video_seconds",
                "Video produced.",
            )?,
            clipped: family(
                &|name| Spec::histogram(name, &SHARE_BUCKETS).unit(crate::Unit::Ratio),
                "audio_clipped_ratio",
                "Share of a call's samples at full scale or above.",
            )?,
            silence: family(
                &|name| Spec::histogram(name, &SHARE_BUCKETS).unit(crate::Unit::Ratio),
                "audio_silence_ratio",
                "Share of a call's samples below -60 dBFS.",
            )?,
            stage_duration: family(&seconds, "stage_duration_seconds", "Wall time of stages of calls.")?,
            stage_failure: family(&Spec::whole_counter, "stage_failure", "Stages that ended in an error.")?,
            gpu_memory_peak: family(
                &|name| Spec::histogram(name, &BYTES_BUCKETS).unit(crate::Unit::Bytes).exemplars(),
                "request_gpu_memory_peak_bytes",
                "Maximum sampled GPU memory during a call: of its process, or of all processes if the driver reports no more.",
            )?,
            unhealthy: family(
                &|name| Spec::gauge(name).merge(Merge::Max),
                "unhealthy",
                "1 while something keeps the service or its instrumentation from working, by reason.",
            )?,
            gpu: GpuHistory::default(),
        })
    }

    pub(crate) fn set_unhealthy(&self, registry: &Arc<Registry>, reason: &str, unhealthy: bool) {
        let labels = [("reason".into(), reason.into())].into();
        registry.gauge(&self.unhealthy, labels).set(f64::from(u8::from(unhealthy)));
    }
}
