//! Kinds of bytes and files by their first bytes, and their playing time by libraries that read containers.

use std::io::{BufReader, Read, Seek, SeekFrom};

use lofty::config::ParseOptions;
use lofty::file::AudioFile;
use lofty::probe::Probe;
use mp4_atom::{Atom, Header, Moov, ReadAtom, ReadFrom};

/// Number of leading bytes that identify the kind.
pub(super) const HEAD_BYTES: usize = 4096;
/// Maximum size of an index of MP4 that is read.
const MAX_INDEX_BYTES: usize = 64 << 20;

/// Maximum number of reads and seeks of a container's reader, which damaged bytes may send in circles.
const MAX_READS: u32 = 200_000;

/// A source that fails after a number of reads and seeks.
struct Bounded<S> {
    source: S,
    left: u32,
}

impl<S> Bounded<S> {
    fn next(&mut self) -> std::io::Result<&mut S> {
        self.left = self.left.checked_sub(1).ok_or(std::io::ErrorKind::InvalidData)?;
        Ok(&mut self.source)
    }
}

impl<S: Read> Read for Bounded<S> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.next()?.read(into)
    }
}

impl<S: Seek> Seek for Bounded<S> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.next()?.seek(to)
    }
}

/// The kind of bytes or of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Wave,
    Flac,
    Mp4,
    /// Another container of audio, which lofty reads.
    Audio,
    /// A container without a reader here.
    Other,
    /// JSON, HTML or an image.
    NoAudio(&'static str),
}

/// The playing time of the tracks of a container, seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tracks {
    pub(super) audio: f64,
    pub(super) video: f64,
}

impl Kind {
    /// Returns the kind by the first bytes; `None` for bytes without a mark, such as PCM.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let at =
            |position: usize, mark: &[u8]| head.get(position..).is_some_and(|rest| rest.starts_with(mark));
        let any = |marks: &[&[u8]]| marks.iter().any(|mark| at(0, mark));
        if any(&[b"RIFF", b"RF64"]) {
            let image = at(8, b"WEBP").then_some(Self::NoAudio("an image"));
            return image.or(Some(if at(8, b"WAVE") { Self::Wave } else { Self::Other }));
        }
        if any(&[b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"]) {
            return Some(Self::NoAudio("an image"));
        }
        if at(0, b"fLaC") {
            return Some(Self::Flac);
        }
        if at(4, b"ftyp") {
            return Some(Self::Mp4);
        }
        if any(&[b"OggS", b"ID3", b"wvpk", b"MAC "]) || at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) {
            return Some(Self::Audio);
        }
        if any(&[b"\x1a\x45\xdf\xa3", b"caff", b"#!AMR", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"]) {
            return Some(Self::Other);
        }
        if is_frames(head, mpeg_frame) || is_frames(head, adts_frame) {
            return Some(Self::Audio);
        }
        text_of(head).map(Self::NoAudio)
    }
}

/// Returns the playing time of a container; `None` if no library can read it.
pub(super) fn tracks(kind: Kind, source: &mut (impl Read + Seek)) -> Option<Tracks> {
    source.seek(SeekFrom::Start(0)).ok()?;
    let mut source = Bounded { source: BufReader::new(source), left: MAX_READS };
    match kind {
        Kind::Mp4 => mp4(&mut source),
        Kind::Audio => {
            let options = ParseOptions::new().read_tags(false).read_cover_art(false);
            let file = Probe::new(source).guess_file_type().ok()?.options(options).read().ok()?;
            let audio = file.properties().duration().as_secs_f64();
            (audio > 0.0).then_some(Tracks { audio, video: 0.0 })
        }
        _ => None,
    }
}

fn mp4(source: &mut (impl Read + Seek)) -> Option<Tracks> {
    while let Ok(header) = Header::read_from(source) {
        if header.kind == Moov::KIND {
            if header.size.is_some_and(|size| size > MAX_INDEX_BYTES) {
                return None;
            }
            return lengths(&Moov::read_atom(&header, source).ok()?);
        }
        let size = i64::try_from(header.size?).ok()?;
        source.seek(SeekFrom::Current(size)).ok()?;
    }
    None
}

fn lengths(index: &Moov) -> Option<Tracks> {
    let whole = index.mvex.as_ref().and_then(|fragments| Some(fragments.mehd.as_ref()?.fragment_duration));
    let scaled = |duration: u64, scale: u32| duration as f64 / f64::from(scale.max(1));
    let of = |handler: &[u8; 4]| {
        let tracks = index.trak.iter().filter(|track| track.mdia.hdlr.handler == (*handler).into());
        let seconds =
            tracks.map(|track| match (scaled(track.mdia.mdhd.duration, track.mdia.mdhd.timescale), whole) {
                (0.0, Some(whole)) => scaled(whole, index.mvhd.timescale),
                (seconds, _) => seconds,
            });
        seconds.fold(0.0, f64::max)
    };
    let tracks = Tracks { audio: of(b"soun"), video: of(b"vide") };
    (tracks.audio > 0.0 || tracks.video > 0.0).then_some(tracks)
}

/// Returns whether the bytes begin with a frame, and with another one where the first ends.
fn is_frames(head: &[u8], length: fn(&[u8]) -> Option<usize>) -> bool {
    let Some(first) = length(head) else { return false };
    match head.get(first..) {
        Some([]) => true,
        Some(rest) => length(rest).is_some(),
        None => false,
    }
}

/// Returns the length of a frame of MPEG audio, layers 1 to 3 (ISO/IEC 11172-3, 2.4.1.3).
fn mpeg_frame(bytes: &[u8]) -> Option<usize> {
    const VERSION_1: [[u16; 15]; 3] = [
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    ];
    const VERSION_2: [[u16; 15]; 2] = [
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let [0xff, second, third, ..] = *bytes else { return None };
    if second & 0xe0 != 0xe0 {
        return None;
    }
    let (version, layer) = (second >> 3 & 3, 4 - (second >> 1 & 3));
    let (rate, sample_rate) = (usize::from(third >> 4), usize::from(third >> 2 & 3));
    if version == 1 || layer == 4 || rate == 0 || rate == 15 || sample_rate == 3 {
        return None;
    }
    let is_first = version == 3;
    let bits = match (is_first, layer) {
        (true, layer) => VERSION_1[usize::from(layer) - 1][rate],
        (false, 1) => VERSION_2[0][rate],
        (false, _) => VERSION_2[1][rate],
    };
    let hertz = [44_100, 48_000, 32_000][sample_rate] / [4, 1, 2, 1][usize::from(version)];
    let (bits, padding) = (usize::from(bits) * 1000, usize::from(third >> 1 & 1));
    Some(match layer {
        1 => (12 * bits / hertz + padding) * 4,
        3 if !is_first => 72 * bits / hertz + padding,
        _ => 144 * bits / hertz + padding,
    })
}

/// Returns the length of a frame of AAC with an ADTS header (ISO/IEC 13818-7, 6.2).
fn adts_frame(bytes: &[u8]) -> Option<usize> {
    let [0xff, second, third, fourth, fifth, sixth, ..] = *bytes else { return None };
    if second & 0xf6 != 0xf0 || third >> 2 & 0xf > 12 {
        return None;
    }
    let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth) >> 5;
    (length >= 7).then_some(length)
}

/// Returns the name of a kind of text that is an answer and no audio.
fn text_of(head: &[u8]) -> Option<&'static str> {
    let head = &head[..head.len().min(64)];
    let trimmed = head.trim_ascii_start();
    let lower = trimmed.to_ascii_lowercase();
    if [b"<!doctype".as_slice(), b"<html", b"<?xml", b"<svg"].iter().any(|mark| lower.starts_with(mark)) {
        return Some("HTML or XML");
    }
    let is_text = head.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r') || *byte >= b' ');
    let next = trimmed.get(1..).unwrap_or_default().trim_ascii_start().first();
    let is_json = matches!(
        (trimmed.first(), next),
        (Some(b'{'), Some(b'"' | b'}')) | (Some(b'['), Some(b'{' | b'[' | b'"' | b']' | b'-' | b'0'..=b'9'))
    );
    (is_text && is_json && head.len() > 1).then_some("JSON")
}
