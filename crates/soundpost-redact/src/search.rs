//! Search for forms that begin with known words: the words by one search for literals, the rest by a regular expression.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

/// Maximum memory of the lazy automaton of a regular expression in a thread.
const CACHE_BYTES: usize = 64 * 1024;

/// Form of a text: the words it begins with, of which no letter or digit stands before, and a regular expression for the
/// rest.
pub(crate) type Form = (&'static [&'static str], &'static str);

/// Compiled forms.
pub(crate) struct Search {
    words: AhoCorasick,
    /// Index of the form of each word.
    owners: Vec<usize>,
    forms: Vec<Option<Regex>>,
    /// Whether the words of a form may end a longer word, as in `DBPASSWORD`.
    joined: Vec<bool>,
}

/// Match of a form.
pub(crate) struct Found {
    pub(crate) form: usize,
    pub(crate) whole: Range<usize>,
    /// Number of the first group that took part, or 0.
    pub(crate) nth: usize,
    /// Range of this group, or of the whole match.
    pub(crate) group: Range<usize>,
    /// End of the word.
    pub(crate) word: usize,
}

impl Search {
    /// Compiles forms. Tests compile all of them, so none is missing at run time.
    pub(crate) fn new(forms: &[Form], joined: &[&str], begins: impl Fn(&str) -> bool) -> Option<Self> {
        let joined = forms.iter().map(|(_, regex)| joined.contains(regex)).collect();
        let words = forms
            .iter()
            .enumerate()
            .flat_map(|(form, (words, _))| words.iter().map(move |word| (form, *word)))
            .filter(|(_, word)| begins(word));
        let (owners, words): (Vec<usize>, Vec<_>) = words.unzip();
        let words = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(words).ok()?;
        // Forms without a word are not compiled.
        let compiled = |(form, (_, regex)): (usize, &Form)| {
            if owners.contains(&form) { compile(&[*regex]).map(Some) } else { Some(None) }
        };
        let forms = forms.iter().enumerate().map(compiled).collect::<Option<_>>()?;
        Some(Self { words, owners, forms, joined })
    }

    /// Returns the first match at or behind `from`.
    pub(crate) fn find(&self, bytes: &[u8], mut from: usize) -> Option<Found> {
        while let Some(word) = self.words.find(aho_corasick::Input::new(bytes).range(from..)) {
            let form = self.owners[word.pattern().as_usize()];
            let within = |at: usize| bytes[at].is_ascii_alphanumeric();
            let alone =
                self.joined[form] || word.start() == 0 || !within(word.start()) || !within(word.start() - 1);
            let rest = Input::new(bytes).range(word.end()..).anchored(Anchored::Yes);
            if alone
                && let Some(regex) = &self.forms[form]
                && let Some(found) = regex.find(rest.clone())
            {
                let mut captures = regex.create_captures();
                regex.captures(rest.range(found.range()), &mut captures);
                let whole = word.start()..found.end();
                let groups =
                    (1..captures.group_len()).filter_map(|nth| Some((nth, captures.get_group(nth)?.range())));
                let (nth, group) = { groups }.next().unwrap_or((0, whole.clone()));
                return Some(Found { form, whole, nth, group, word: word.end() });
            }
            from = word.start() + 1;
        }
        None
    }
}

/// Compiles regular expressions over bytes into one.
pub(crate) fn compile(regexes: &[&str]) -> Option<Regex> {
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    let config = Config::new().utf8_empty(false).hybrid_cache_capacity(CACHE_BYTES);
    Regex::builder().syntax(syntax).configure(config).build_many(regexes).ok()
}
