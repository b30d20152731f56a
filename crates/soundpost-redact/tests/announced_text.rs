//! Redaction of texts to synthesise in messages, as speech services log them.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use soundpost_redact::{Hits, Redactor, Rule};

fn redacted(text: &str) -> String {
    Redactor::default().text(text, usize::MAX, &mut Hits::default()).text.into_owned()
}

#[test]
fn messages_of_speech_services_lose_the_text() {
    for (message, out) in [
        // CosyVoice.
        ("synthesis text 你好，我是张三", "synthesis text [text of 7 characters]"),
        (
            "synthesis text 你好 too short than prompt text 希望你以后, this may lead to bad performance",
            "synthesis text [text of 2 characters] too short than prompt text [text of 5 characters], this may lead to bad performance",
        ),
        ("INFO:root:synthesis text Hi\nthere, you", "INFO:root:synthesis text [text of 13 characters]"),
        // IndexTTS.
        ("origin text:你好, spk_audio_prompt:a.wav", "origin text:[text of 26 characters]"),
        ("text_tokens_list: ['▁你', '▁好']", "text_tokens_list: [text of 12 characters]"),
        // GPT-SoVITS.
        ("实际输入的目标文本(每句): 你好", "实际输入的目标文本(每句): [text of 2 characters]"),
        (
            "Processed text from the frontend (per sentence): hi you",
            "Processed text from the frontend (per sentence): [text of 6 characters]",
        ),
        // F5-TTS.
        ("gen_text 0 hello you", "gen_text 0 [text of 9 characters]"),
        ("ref_text   hello you", "ref_text   [text of 9 characters]"),
        // ChatTTS.
        ("normed texts ['hello', 'you']", "normed texts [text of 16 characters]"),
        ("split texts ['hello'], tags ['a']", "split texts [text of 21 characters]"),
        // fish-speech, and common wordings.
        ("Encoded text: hello, you", "Encoded text: [text of 10 characters]"),
        ("Text to synthesize: hello private", "Text to synthesize: [text of 13 characters]"),
        ("text to be synthesised -> hello", "text to be synthesised -> [text of 5 characters]"),
        ("Processing text for TTS: 'it's me'", "Processing text for TTS: '[text of 7 characters]'"),
        ("Processing text 'it's me'", "Processing text '[text of 7 characters]'"),
        ("Synthesizing: hello you", "Synthesizing: [text of 9 characters]"),
        ("Synthesizing (en-US): hello you", "Synthesizing (en-US): [text of 9 characters]"),
        ("synthesizing sentence 1/3: hello", "synthesizing sentence 1/3: [text of 5 characters]"),
        ("Synthesizing 'hello you'", "Synthesizing '[text of 9 characters]'"),
        ("Generating speech for: \"hello\" with anna", "Generating speech for: [text of 17 characters]"),
        ("TTS request: hello you", "TTS request: [text of 9 characters]"),
        ("normalized text: hello", "normalized text: [text of 5 characters]"),
        ("normalized: 你好", "normalized: [text of 2 characters]"),
        ("正在合成：你好", "正在合成：[text of 2 characters]"),
        ("Input text:\nhello\nyou", "Input text:\n[text of 9 characters]"),
        // Requests.
        (
            "{\"input\": \"hello\", \"voice\": \"x\"}",
            "{\"input\": \"[text of 5 characters]\", \"voice\": \"x\"}",
        ),
        ("Request(input='it's me', voice='x')", "Request(input='[text of 7 characters]', voice='x')"),
        ("tts_text='I said 'hi', and left' ok", "tts_text='[text of 21 characters]' ok"),
        ("text: None of you, voice=x", "text: [text of 20 characters]"),
        ("{\"texts\": [\"a\", \"b\"]} sent", "{\"texts\": [text of 10 characters]} sent"),
        ("text: (laughs) hello", "text: [text of 14 characters]"),
        ("{'msg': 'synthesis text hello'}", "{'msg': 'synthesis text [text of 5 characters]'}"),
        (
            "1 validation error\ntext\n  too long [type=x, input_value='hello you', input_type=str]",
            "1 validation error\ntext\n  too long [type=x, input_value='[text of 9 characters]', input_type=str]",
        ),
        ("tts --text 'hello you' --port 1", "tts --text '[text of 9 characters]' --port 1"),
        ("tts --text hello you --port 1", "tts --text [text of 9 characters] --port 1"),
        ("['--text', 'hello', '-v']", "['--text', '[text of 5 characters]', '-v']"),
    ] {
        assert_eq!(redacted(message), out);
        let mut hits = Hits::default();
        let recording = Redactor::new(&[], true).unwrap();
        assert_eq!(recording.text(message, usize::MAX, &mut hits).text, message);
        assert!(hits.is_empty());
    }
}

#[test]
fn text_in_a_traceback_ends_with_its_line() {
    let traceback = "Traceback (most recent call last):\n  File \"a.py\", line 3\n    logging.info('synthesis text {}'.format(i))\nValueError: text: hello\nat last";
    let out = redacted(traceback);
    assert!(out.contains("\nValueError: text: [text of 5 characters]\nat last"), "{out}");
}

#[test]
fn messages_about_a_text_stay_unchanged() {
    for line in [
        "text tokens: 231 text length: 12 text_len=5 char_count=3",
        "text normalization took 0.3 s; text frontend is wetext",
        "speech synthesis finished; synthesis took 0.94 s; text to speech",
        "Synthesizing speech with voice: anna; Synthesizing text with voice: anna; synthesizer: hifigan",
        "Failed to synthesize: CUDA out of memory",
        "inference() missing 1 required positional argument: 'tts_text'",
        "context: 5 next: 3 fix: done max: 2 size: 3 zero: 0 text/html; charset=utf-8",
        "{\"text\": null, \"texts\": 3} and Request(text=None, voice=x) or text: None",
        "content: a, query: b, is_normalized=no, model_input=3, input_ids=[1, 2]",
        "request: GET /; waiting for: lock; split text into 3 parts",
        "speech token=17 done; max token: 128; token: 128 of 512; eos token: 2; {\"token\": 31}",
    ] {
        assert_eq!(redacted(line), line);
    }
    assert_eq!(
        redacted("token: 483920, \"token\": \"12345\""),
        "token: [REDACTED:key], \"token\": \"[REDACTED:key]\""
    );
}

#[test]
fn fields_with_text_names_are_redacted() {
    let redactor = Redactor::default();
    for name in
        ["input", "Input", "user_input", "input_value", "normalized", "text_norm", "texts_list", "text_chunk"]
    {
        let mut hits = Hits::default();
        assert_eq!(redactor.field(name, "hello", 99, &mut hits).text, "[text of 5 characters]", "{name}");
        assert_eq!(hits.iter().collect::<Vec<_>>(), [(Rule::Text, 1)]);
    }
    for name in
        ["content", "query", "input_path", "model_input", "is_normalized", "text_length", "prompt_list"]
    {
        assert_eq!(redactor.field(name, "hello", 99, &mut Hits::default()).text, "hello", "{name}");
    }
    let mut hits = Hits::default();
    assert_eq!(redactor.integer("token", 17, &mut hits), None);
    assert_eq!(redactor.integer("token", 12_345_678, &mut hits), Some("[REDACTED:key]"));
    assert_eq!(redactor.integer("api_token", 17, &mut hits), Some("[REDACTED:key]"));
}

/// Returns sentences with quotes, apostrophes, brackets and line ends.
fn spoken() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Z][a-z]{3,9}( [a-z]{4,9}(['\"]s)?[,.;:!?]?){1,9}",
        "[\u{4E00}-\u{4FFF}]{4,20}([，。！][\u{4E00}-\u{4FFF}]{4,20}){0,4}",
        "[A-Z][a-z]{4,9}('[a-z]{1,2})?( ?[(\"'\\[{\n]? ?[a-z]{4,9}){1,12}[.!?]",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn announced_text_is_removed(
        text in spoken(),
        before in "(|INFO |tts.api: |[a-z]{3,8} )",
        announced in prop_oneof![
            Just("synthesis text "), Just("Text to synthesize: "), Just("text: "), Just("tts_text="), Just("normalized: "),
            Just("Synthesizing: "), Just("input: "), Just("gen_text 3 "), Just("TTS request: "), Just("text for TTS -> "),
        ],
    ) {
        let out = redacted(&format!("{before}{announced}{text}"));
        for part in text.split(|letter: char| !letter.is_alphanumeric()).filter(|part| part.chars().count() >= 4) {
            let around = format!("{before}{announced}characters");
            prop_assert!(!out.contains(part) || around.contains(part), "{part:?} of {text:?} is left in {out:?}");
        }
        prop_assert!(out.contains("[text of "), "{out:?}");
        prop_assert_eq!(redacted(&out), out);
    }

    #[test]
    fn quoted_text_is_removed(text in spoken(), quote in prop_oneof![Just('"'), Just('\'')]) {
        let out = redacted(&format!("Request(model=x, input={quote}{text}{quote}, voice={quote}anna{quote})"));
        for part in text.split(|letter: char| !letter.is_alphanumeric()).filter(|part| part.chars().count() >= 4) {
            let around = "Request(model=x, input=, voice=anna) characters";
            prop_assert!(!out.contains(part) || around.contains(part), "{part:?} of {text:?} is left in {out:?}");
        }
    }
}

#[test]
fn hostile_texts_take_linear_time() {
    let began = Instant::now();
    for part in [
        "x",
        "z",
        "text",
        "text ",
        "text  ",
        "text: ",
        "text:\n",
        "text: None ",
        "text '",
        "text='",
        "text='\n",
        "text=\"' ",
        "text: (",
        "synthesis text ",
        "synthesis text :",
        "text to to to to ",
        "text (",
        "text(a): ",
        ") : ",
        "(a): ",
        "synthesizing ",
        "synthesizing (",
        "'",
        "' ",
        "' , ",
        "text=''",
        "text=' a=' ",
        "--text ",
        " --text '",
        "for: ",
        "tts request: ",
        "gen_text 0 ",
        "\\'",
        "text: \"\\",
        "[\"text\",\"a\" ",
        "[\"text\",\"",
        "synthesis text [text of 5 characters] ",
    ] {
        for text in
            [part.repeat(200_000 / part.len()), format!("text='{}", part.repeat(200_000 / part.len()))]
        {
            let _ = redacted(&text);
        }
    }
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}
