//! Redaction of clean lines, which are most, of a line with secrets, and of a traceback.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use soundpost_redact::{Hits, Redactor};

const PAIRS: &str =
    "2026-01-02T03:04:05.678Z Audio generation completed duration=0.94s audio=4.20s rtf=0.22 voice=anna ";
const PROSE: &str = "Loaded checkpoint from /models/cosyvoice3/llm.pt on device cuda:0 with dtype bfloat16 and flash attention enabled";
const CHINESE: &str = "合成完成，音频四点二秒，用时零点九四秒，情感高兴，显存占用正常。";
const SECRETS: &str = "POST https://lin:hunter2@host/v1 401 api_key=sk-0123456789abcdef0123 Authorization: Bearer eyJhbGciOi.eyJzdWIi.c2ln from lin@example.com";
const FRAME: &str = "  File \"/srv/tts/engine/cosyvoice/cli/model.py\", line 214, in inference_zero_shot\n    for model_output in self.model.tts(**model_input, stream=stream, speed=speed):\n";

fn redaction(criterion: &mut Criterion) {
    let redactor = Redactor::default();
    let traceback = format!("Traceback (most recent call last):\n{}", FRAME.repeat(4096 / FRAME.len()));
    let mut group = criterion.benchmark_group("redact");
    for (name, text) in [
        ("clean line with name=value", PAIRS.to_owned()),
        ("clean prose", PROSE.to_owned()),
        ("clean Chinese line", CHINESE.to_owned()),
        ("line with secrets", SECRETS.to_owned()),
        ("traceback of 4 KiB", traceback),
        ("10 KiB of lines", PAIRS.repeat(100)),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| redactor.text(black_box(&text), 64 * 1024, &mut Hits::default()).cut);
        });
    }
}

criterion_group!(benches, redaction);
criterion_main!(benches);
