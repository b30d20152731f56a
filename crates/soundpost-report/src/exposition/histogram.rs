//! The lines of one histogram. The part that all buckets share is rendered once and copied.

use std::sync::Arc;

use soundpost_core::snapshot::{Distribution, Labels};

use super::escape::push_labels;
use super::number::push_int;

/// Renders histograms, and keeps the parts that consecutive ones share.
pub(super) struct Buckets {
    /// Appends a float in the format.
    push_float: fn(&mut String, f64),
    bounds: Option<Arc<[f64]>>,
    /// `0.5"} ` for each bound.
    tails: Vec<String>,
    /// `a="x",b="y"` of the series being written.
    labels: String,
    /// `name_bucket{a="x",b="y",le="` of the series being written.
    head: String,
}

impl Buckets {
    pub(super) fn new(push_float: fn(&mut String, f64)) -> Self {
        Self { push_float, bounds: None, tails: Vec::new(), labels: String::new(), head: String::new() }
    }

    /// Appends the cumulative bucket lines, and returns the number of observations: the `+Inf` bucket, which equals
    /// `_count`. `after` may add to the line of a bucket by its index before the line ends.
    pub(super) fn push(
        &mut self,
        out: &mut String,
        name: &str,
        labels: &Labels,
        distribution: &Distribution,
        mut after: impl FnMut(&mut String, usize),
    ) -> u64 {
        self.prepare(name, labels, &distribution.bounds);
        let mut cumulative = 0_u64;
        for (index, tail) in self.tails.iter().enumerate() {
            cumulative = cumulative.wrapping_add(distribution.counts.get(index).copied().unwrap_or(0));
            out.push_str(&self.head);
            out.push_str(tail);
            push_int(out, cumulative);
            after(out, index);
            out.push('\n');
        }
        let count = distribution.count();
        out.push_str(&self.head);
        out.push_str("+Inf\"} ");
        push_int(out, count);
        after(out, self.tails.len());
        out.push('\n');
        count
    }

    /// Appends `_sum`, unless it is omitted, and `_count` of the last series.
    pub(super) fn push_totals(&self, out: &mut String, name: &str, sum: Option<f64>, count: u64) {
        if let Some(sum) = sum {
            self.push_sample(out, name, "_sum");
            (self.push_float)(out, sum);
            out.push('\n');
        }
        self.push_sample(out, name, "_count");
        push_int(out, count);
        out.push('\n');
    }

    fn push_sample(&self, out: &mut String, name: &str, suffix: &str) {
        out.push_str(name);
        out.push_str(suffix);
        if !self.labels.is_empty() {
            out.push('{');
            out.push_str(&self.labels);
            out.push('}');
        }
        out.push(' ');
    }

    /// Sets the labels of a series without buckets (a summary).
    pub(super) fn set_labels(&mut self, labels: &Labels) {
        self.labels.clear();
        push_labels(&mut self.labels, labels);
    }

    fn prepare(&mut self, name: &str, labels: &Labels, bounds: &Arc<[f64]>) {
        self.set_labels(labels);
        self.head.clear();
        self.head.push_str(name);
        self.head.push_str("_bucket{");
        self.head.push_str(&self.labels);
        if !self.labels.is_empty() {
            self.head.push(',');
        }
        self.head.push_str("le=\"");
        let same = self.bounds.as_ref().is_some_and(|known| Arc::ptr_eq(known, bounds) || known == bounds);
        if same {
            return;
        }
        self.tails.clear();
        for bound in bounds.iter() {
            let mut tail = String::new();
            // A bound of -0 is the bound 0, not another series.
            (self.push_float)(&mut tail, *bound + 0.0);
            tail.push_str("\"} ");
            self.tails.push(tail);
        }
        self.bounds = Some(Arc::clone(bounds));
    }
}
