//! Tests of lines with an independent parser.

use proptest::collection::vec;
use proptest::prelude::*;
use soundpost_store::{Entity, GpuName, VitalsSample};

use super::*;
use crate::format::fixtures::{ORIGIN, bare_call, call, text, value};
use crate::format::record::Origin;
use influxdb_line_protocol::{FieldValue as Read, parse_lines};

fn line(point: &Point<'_>) -> (String, Losses) {
    let mut out = Vec::new();
    let losses = push(&mut out, point);
    (String::from_utf8(out).unwrap(), losses)
}

fn point<'a>(
    measurement: &'a str,
    tags: &[(&'a str, &'a str)],
    fields: &[(&'a str, Value<'a>)],
) -> Point<'a> {
    let fields = fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
    Point {
        measurement,
        tags: tags.iter().map(|(name, value)| ((*name).into(), *value)).collect(),
        fields,
        unix_nanos: 7,
    }
}

#[test]
fn a_call_is_a_point() {
    let call = call();
    let (line, losses) = line(&Point::of_call(&ORIGIN, &call));
    assert_eq!(
        line,
        "generate_calls,emotion=angry\\,\\ very,host=pod-a,operation=synthesize,outcome=oom,\
         service=cosyvoice3,status=error,version=V\\ 23 \
         duration_ms=940.0,busy_ms=924.0,queue_ms=1.5,audio_seconds=4.2,rtf=0.22,char_count=37i,chunks=3i,\
         gpu_memory_peak_mb=3072.0,gpu_memory_delta_mb=-1.0,request_id=\"req-7d8e9f\",\
         error=\"CUDA out of memory:\\\\n\\\"2 GiB\\\"\" 1767323045678901005\n"
    );
    // The line feed in the error became two characters.
    assert_eq!(losses, Losses { cleaned: 1, ..Losses::default() });
}

#[test]
fn unmeasured_values_are_omitted() {
    let call = bare_call();
    let (line, _) = line(&Point::of_call(&ORIGIN, &call));
    assert!(!line.contains("audio_seconds") && !line.contains("chunks"), "{line}");
    assert!(line.contains(",char_count=37i,"), "{line}");
}

#[test]
fn a_moment_is_a_point_of_the_host_and_one_of_each_gpu() {
    let sample = |entity, values: &[(&'static str, f64)]| VitalsSample {
        unix_nanos: 1_767_323_045_678_000_000,
        entity,
        values: values.to_vec(),
    };
    let gpu = GpuName { gpu: "0".into(), name: "NVIDIA A10".into(), ..GpuName::default() };
    let mb = f64::from(1 << 20);
    let samples = [
        sample(
            Entity::Host,
            &[
                ("cpu_usage_ratio", 0.25),
                ("host_memory_used_bytes", 512.0 * mb),
                ("load1", 3.0),
                ("requests_in_flight", 2.0),
            ],
        ),
        sample(Entity::Process { pid: 1 }, &[("process_resident_memory_bytes", 100.0 * mb)]),
        sample(Entity::Process { pid: 2 }, &[("process_threads", 2.0)]),
        sample(Entity::Process { pid: 3 }, &[("process_resident_memory_bytes", 50.0 * mb)]),
        sample(
            Entity::Gpu(gpu),
            &[
                ("gpu_memory_used_bytes", 1024.0 * mb),
                ("gpu_memory_total_bytes", 2048.0 * mb),
                ("gpu_utilization_ratio", 0.5),
                ("gpu_temperature_celsius", 61.0),
                ("gpu_power_watts", 150.5),
            ],
        ),
    ];
    let labels = [("env".to_owned(), "test".to_owned()), ("host".to_owned(), "mine".to_owned())];
    let origin = Origin { labels: &labels, ..ORIGIN };
    let lines: String = Point::of_vitals(&origin, &samples).iter().map(|point| line(point).0).collect();
    assert_eq!(
        lines,
        "system_metrics,env=test,host=pod-a,host_=mine,service=cosyvoice3,version=V\\ 23 cpu_usage_percent=25.0,\
         memory_used_mb=512.0,process_resident_memory_mb=150.0,requests_in_flight=2i 1767323045678000000\n\
         system_metrics,env=test,gpu=0,host=pod-a,host_=mine,service=cosyvoice3,version=V\\ 23 gpu_memory_used_mb=1024.0,\
         gpu_memory_total_mb=2048.0,gpu_utilization_percent=50.0,gpu_temperature_c=61.0,gpu_power_watts=150.5 \
         1767323045678000000\n"
    );
    assert_eq!(Point::of_vitals(&ORIGIN, &[]), []);
}

#[test]
fn special_characters_are_escaped() {
    let as_tag: [(&str, &str); 10] = [
        (r"a\,b\=evil", r"a/\,b/\=evil"),
        ("x\ncpu,host=evil v=1", r"x_cpu\,host\=evil\ v\=1"),
        (r"trail\", "trail/"),
        (r"\\", "//"),
        ("#m", "#m"),
        ("\0\t\r\x7f", "____"),
        ("qu\"ote", "qu\"ote"),
        ("\u{2028}\u{feff}😀", "\u{2028}\u{feff}😀"),
        ("time", "time"),
        (" ", r"\ "),
    ];
    for (value, expected) in as_tag {
        let (line, _) = line(&point("m", &[("t", value)], &[("f", Value::Int(1))]));
        assert_eq!(line, format!("m,t={expected} f=1i 7\n"));
    }
    let as_field_name = [
        ("qu\"ote", "qu_ote"),
        ("a,b=c d", r"a\,b\=c\ d"),
        ("x\ny", "x_y"),
        ("time", "time_"),
        ("_field", "_field_"),
    ];
    for (name, expected) in as_field_name {
        let (line, _) = line(&point("m", &[], &[(name, Value::Bool(true))]));
        assert_eq!(line, format!("m {expected}=true 7\n"));
    }
    let as_measurement =
        [("#m", "_m"), ("", "_"), ("a,b c=d", r"a\,b\ c=d"), ("\u{feff}m", "\u{feff}m"), ("\n", "_")];
    for (name, expected) in as_measurement {
        let (line, _) = line(&point(name, &[], &[("f", Value::Bool(false))]));
        assert_eq!(line, format!("{expected} f=false 7\n"));
    }
    let as_field = [
        (Value::from("a\\\"b"), r#""a\\\"b""#),
        (Value::from("a\nb\r"), r#""a\\nb\\r""#),
        (Value::from("trail\\"), r#""trail\\""#),
        (Value::from("x\" 1\nevil v=1"), r#""x\" 1\\nevil v=1""#),
        (Value::from("\0\t"), "\"\u{fffd}\t\""),
        (Value::from(""), r#""""#),
        (Value::Float(1e308), "1e308"),
        (Value::Float(-0.0), "-0.0"),
        (Value::Float(5e-324), "5e-324"),
        (Value::Int(i64::MIN), "-9223372036854775808i"),
        (Value::Unsigned(u64::MAX), "9223372036854775807i"),
    ];
    for (value, expected) in as_field {
        let (line, _) = line(&point("m", &[], &[("f", value)]));
        assert_eq!(line, format!("m f={expected} 7\n"));
    }
}

#[test]
fn losses_are_counted() {
    let long = "x".repeat(64 * 1024 + 1);
    let fields = [
        ("nan", Value::Float(f64::NAN)),
        ("inf", Value::Float(f64::NEG_INFINITY)),
        ("", Value::Int(1)),
        ("a", Value::Int(2)),
        ("a", Value::Int(3)),
        ("a", Value::Int(4)),
        ("big", Value::Unsigned(u64::MAX)),
        ("long", Value::from(&*long)),
    ];
    let tags = [("", "x"), ("empty", ""), ("a", "1"), ("a", "2"), ("a\n", "3"), ("a_", "4")];
    let (line, losses) = line(&Point { unix_nanos: -1, ..point("m", &tags, &fields) });
    let cut = &long[1..];
    assert_eq!(line, format!("m,a=1,a_=2,a__=3 a=2i,a_=3i,big=9223372036854775807i,long=\"{cut}\" -1\n"));
    // Left out: NaN, infinite, no name (2), the third `a`, the second `a_`; an empty tag is none.
    assert_eq!(losses, Losses { records: 0, left_out: 6, shortened: 1, cleaned: 3, saturated: 1 });
}

#[test]
fn a_point_without_fields_is_lost_and_counted() {
    let mut out = b"before\n".to_vec();
    let losses = push(&mut out, &point("m", &[("a", "b")], &[("f", Value::Float(f64::NAN))]));
    assert_eq!(losses, Losses { records: 1, ..Losses::default() });
    assert_eq!(out, b"before\n");
}

#[test]
fn point_stays_within_its_limits() {
    let names: Vec<String> = (0..10_000).map(|index| format!("f{index}")).collect();
    let value = "v".repeat(1 << 20);
    let tags: Vec<_> = names.iter().map(|name| (name.as_str(), value.as_str())).take(100).collect();
    let fields: Vec<_> = names.iter().map(|name| (name.as_str(), Value::Int(1))).collect();
    let (line, losses) = line(&point("m", &tags, &fields));
    let series = line.split(' ').next().unwrap();
    assert!(series.len() <= SERIES, "{}", series.len());
    let written = series.matches(',').count() as u64;
    assert_eq!(losses.shortened, written);
    assert_eq!(losses.left_out, (100 - written) + (10_000 - FIELDS as u64));
}

/// The expected measurement, tags and fields.
type Canonical = (String, Vec<(String, String)>, Vec<(String, String)>, i64);

fn name(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_control() {
                '_'
            } else if c == '\\' {
                '/'
            } else {
                c
            }
        })
        .collect()
}

/// Returns the unique form of a name; `None` if there is none.
fn free(name: String, taken: &[(String, String)]) -> Option<String> {
    let is_free = |name: &str| {
        !["time", "_field", "_measurement"].contains(&name) && taken.iter().all(|(other, _)| other != name)
    };
    [name.clone(), name + "_"].into_iter().find(|name| is_free(name))
}

/// A simple implementation of the format's rules.
fn canonical(point: &Point<'_>) -> Option<Canonical> {
    let mut measurement = name(point.measurement);
    if measurement.is_empty() || measurement.starts_with('#') {
        measurement.replace_range(..measurement.len().min(1), "_");
    }
    let mut tags = Vec::new();
    for (tag, value) in point.tags.iter().filter(|(tag, value)| !tag.is_empty() && !value.is_empty()) {
        tags.extend(free(name(tag), &tags).map(|tag| (tag, name(value))));
    }
    tags.sort();
    let mut fields = Vec::new();
    for (field, value) in point.fields.iter().filter(|(field, _)| !field.is_empty()) {
        let value = match value {
            Value::Float(number) if !number.is_finite() => continue,
            Value::Float(number) => format!("{number:?}"),
            Value::Int(number) => format!("{number}i"),
            Value::Unsigned(number) => format!("{}i", (*number).min(i64::MAX as u64)),
            Value::Bool(truth) => truth.to_string(),
            Value::Text(text) => {
                format!("{:?}", text.replace('\n', "\\n").replace('\r', "\\r").replace('\0', "\u{fffd}"))
            }
        };
        fields.extend(free(name(field).replace('"', "_"), &fields).map(|field| (field, value)));
    }
    (!fields.is_empty()).then_some((measurement, tags, fields, point.unix_nanos))
}

fn decoded(lines: &str) -> Vec<Canonical> {
    let value = |value: &Read<'_>| match value {
        Read::I64(number) => format!("{number}i"),
        Read::U64(number) => format!("{number}u"),
        Read::F64(number) => format!("{number:?}"),
        Read::Boolean(truth) => truth.to_string(),
        Read::String(text) => format!("{:?}", text.as_str()),
    };
    let point = |line: influxdb_line_protocol::ParsedLine<'_>| {
        let tags = line.series.tag_set.into_iter().flatten();
        let mut tags: Vec<_> = tags.map(|(tag, value)| (tag.to_string(), value.to_string())).collect();
        tags.sort();
        let fields = line.field_set.iter().map(|(field, read)| (field.to_string(), value(read))).collect();
        (line.series.measurement.to_string(), tags, fields, line.timestamp.unwrap())
    };
    parse_lines(lines).map(|line| point(line.unwrap())).collect()
}

proptest! {
    #[test]
    fn lines_read_back(
        points in vec((text(), vec((text(), text()), 0..4), vec((text(), value()), 0..4), any::<i64>()), 1..4)
    ) {
        let points: Vec<Point<'_>> = points.iter().map(|(measurement, tags, fields, unix_nanos)| Point {
            measurement,
            tags: tags.iter().map(|(tag, value)| (tag.as_str().into(), value.as_str())).collect(),
            fields: fields.iter().map(|(field, value)| (field.as_str().into(), value.clone())).collect(),
            unix_nanos: *unix_nanos,
        }).collect();
        let mut out = Vec::new();
        let mut lost = Losses::default();
        points.iter().for_each(|point| lost += push(&mut out, point));
        let expected: Vec<_> = points.iter().filter_map(canonical).collect();
        prop_assert_eq!(lost.records as usize, points.len() - expected.len());
        prop_assert_eq!(decoded(std::str::from_utf8(&out).unwrap()), expected);
    }
}
