//! Texts of calls are replaced in errors, however they are quoted.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use soundpost_redact::{Hits, KnownTexts, Redactor};

fn known(texts: &[&str]) -> KnownTexts {
    let mut known = KnownTexts::default();
    texts.iter().for_each(|text| known.add(text));
    known
}

fn without(known: &KnownTexts, error: &str) -> String {
    Redactor::default().text_without(error, known, usize::MAX, &mut Hits::default()).text.into_owned()
}

fn hidden(texts: &[&str], error: &str) -> String {
    without(&known(texts), error)
}

#[test]
fn whole_text_is_replaced_in_each_quotation() {
    let text = "Wie geht's \"dir\"?\nGut, 😀 danke.";
    let quoted = [
        text.to_owned(),
        format!("{text:?}"),
        // Python's repr() and ascii(), JSON with and without ASCII only.
        r#"'Wie geht\'s "dir"?\nGut, 😀 danke.'"#.to_owned(),
        r#"'Wie geht\'s "dir"?\nGut, \U0001f600 danke.'"#.to_owned(),
        r#""Wie geht's \"dir\"?\nGut, \ud83d\ude00 danke.""#.to_owned(),
        r#"b'Wie geht\'s "dir"?\nGut, \xf0\x9f\x98\x80 danke.'"#.to_owned(),
        "q=Wie+geht%27s+%22dir%22%3F%0AGut%2C+%F0%9F%98%80+danke.&voice=anna".to_owned(),
        "q=Wie%20geht%27s%20%22dir%22%3F%0AGut%2C%20%F0%9F%98%80%20danke.".to_owned(),
        text.to_uppercase(),
    ];
    for quoted in quoted {
        let error = format!("cannot say {quoted}, line 7");
        let hidden = hidden(&[text], &error);
        assert!(hidden.starts_with("cannot say ") && hidden.ends_with(", line 7"), "{hidden}");
        assert_eq!(hidden.matches("[text of ").count(), 1, "{hidden}");
        assert!(
            ["geht", "GEHT", "dir", "danke", "DANKE", "Gut"].iter().all(|word| !hidden.contains(word)),
            "{hidden}"
        );
    }
}

#[test]
fn long_parts_are_replaced_and_others_stay() {
    let text = "The first sentence is long enough. Short one. And a third sentence, long again.";
    let error =
        "token 3 of 'third sentence, long again.' in The first sentence is long en... fails: a third of it";
    assert_eq!(
        hidden(&[text], error),
        "token 3 of '[text of 27 characters]' in [text of 29 characters]... fails: a third of it"
    );
    let chinese = "今天天气很好，我们去公园散步吧。晚上再一起吃饭。";
    assert_eq!(
        hidden(&[chinese], "assert len('我们去公园散步吧') < 5 公园"),
        "assert len('[text of 8 characters]') < 5 公园"
    );
    for other in [
        "CUDA out of memory",
        "",
        "The first",
        "                                ",
        "^^^^^^^^^^^^^^^^^^^^^^^^^",
    ] {
        assert_eq!(hidden(&[text, &" ".repeat(40), &"^".repeat(40)], other), other);
    }
}

#[test]
fn short_sentences_and_beginnings_are_replaced() {
    let text = "Good morning. Go home, please. Yes. The third sentence is long.";
    for (line, expected) in [
        (
            "split: ['Good morning.', 'Go home', 'Yes.']",
            "split: ['[text of 13 characters]', '[text of 7 characters]', '[text of 4 characters]']",
        ),
        ("next: Good m... of 63", "next: [text of 6 characters]... of 63"),
        ("next: 'Good mor…'", "next: '[text of 8 characters]…'"),
        ("Goo... m... it works, yes", "Goo... m... it works, yes"),
        ("a good morning to go homewards...", "a [text of 12 characters] to go homewards..."),
    ] {
        assert_eq!(hidden(&[text], line), expected);
    }
    assert_eq!(
        hidden(&[text], "word 'Home': 0.1s, word \"please\": 0.2s, 'pleas' 'orning' 'is' is '63'"),
        "word '[text of 4 characters]': 0.1s, word \"[text of 6 characters]\": 0.2s, 'pleas' 'orning' \
         '[text of 2 characters]' is '63'"
    );
    let chinese = "今天天气很好，我们去公园散步吧。好的。";
    assert_eq!(
        hidden(&[chinese], "今天… 今天天气很好 好的"),
        "[text of 2 characters]… [text of 6 characters] 好的"
    );
}

#[test]
fn short_text_is_replaced_as_a_word_only() {
    let of = |text: &str, error: &str| hidden(&[text], error);
    assert_eq!(
        of("Hi there", "no 'Hi there'\\nHi there."),
        "no '[text of 8 characters]'\\n[text of 8 characters]."
    );
    assert_eq!(of("cats", "concatenate cats, catsuits"), "concatenate [text of 4 characters], catsuits");
    assert_eq!(of("你好", "合成你好失败"), "合成[text of 2 characters]失败");
}

#[test]
fn ordinary_word_is_replaced_alone_only() {
    for text in ["no", "47", "the", "say", "info", "Error", "GET", "für", "好", "a b", "this"] {
        let mark = match text.chars().count() {
            1 => "[text of 1 character]".to_owned(),
            count => format!("[text of {count} characters]"),
        };
        let within = format!("{text}: no 47 of the info say error in GET für 好 a b this {text}");
        assert_eq!(hidden(&[text], &within), within);
        for other in [text.to_owned(), text.to_ascii_uppercase()] {
            assert_eq!(hidden(&[text], &other), mark);
            assert_eq!(hidden(&[text], &format!(" {other}\n")), format!(" {mark}\n"));
        }
        assert_eq!(
            hidden(&[text], &format!("of {text:?} and '{text}', '{text}!'")),
            format!("of \"{mark}\" and '{mark}', '{text}!'")
        );
        let mut known = known(&[text]);
        known.add_argument("another");
        assert_eq!(without(&known, &within), within);
        known.add_argument(text);
        assert_eq!(without(&known, &format!("synthesized {text}.")), format!("synthesized {mark}."));
    }
    let traceback = "  File \"say.py\", line 3, in say\n    say(\"say it\")\nValueError: say";
    assert_eq!(
        hidden(&["say"], traceback),
        "  File \"say.py\", line 3, in say\n    say(\"say it\")\nValueError: [text of 3 characters]"
    );
    assert_eq!(hidden(&["then there"], "and then there"), "and [text of 10 characters]");
    assert_eq!(hidden(&["...", "!"], "wait ... '!' ..."), "wait ... '!' ...");
}

#[test]
fn large_texts_take_linear_time() {
    let began = std::time::Instant::now();
    let text = "ab".repeat(100_000);
    let error = "ab".repeat(128 << 10);
    assert!(hidden(&[&text, &text], &error).len() < 100);
    let escapes = "\\u{61".repeat(50_000);
    hidden(&[&text], &escapes);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

proptest! {
    #[test]
    fn no_long_part_of_a_text_survives(text in "[a-z ,.'\"\\\\äé你好\n]{20,60}", before in "[ -~]{0,20}", after in "[ -~]{0,20}", from in 0..4_usize) {
        let part: String = text.trim().chars().skip(from).collect();
        let known = known(&[&text]);
        for quoted in [part.clone(), format!("{part:?}"), part.replace('\\', "\\\\").replace('\'', "\\'")] {
            let error = format!("{before}{quoted}{after}");
            let hidden = without(&known, &error);
            let characters: Vec<char> = part.chars().collect();
            let survives = characters.windows(16).any(|window| {
                let window: String = window.iter().collect();
                window.contains(char::is_alphanumeric) && hidden.contains(&window)
            });
            prop_assert!(!survives, "{hidden}");
        }
    }

    #[test]
    fn any_text_is_accepted(text in ".*", error in ".*\\\\[xuU%{}0-9a-f]{0,12}.*") {
        hidden(&[&text], &error);
    }
}
