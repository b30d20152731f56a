//! A place for a value that is read and written with the GIL.

use std::cell::UnsafeCell;

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

/// A place for a value, guarded by the GIL. The module declares that it needs the GIL, see [`crate`].
///
/// No method runs Python while it refers to the value: each moves it or copies a reference. What [`GilCell::set`] and
/// [`GilCell::take`] return may run Python when it is dropped, after they returned.
pub(crate) struct GilCell<T>(UnsafeCell<Option<T>>);

// SAFETY: each access shows by a `Python` token that the thread has the GIL, or by `&mut` that it is the only one.
unsafe impl<T: Send> Sync for GilCell<T> {}

impl<T> GilCell<T> {
    pub(crate) const fn new(value: Option<T>) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Puts a value, and returns the one that was there.
    #[inline]
    #[must_use = "dropping the former value may run Python"]
    pub(crate) fn set(&self, _py: Python<'_>, value: Option<T>) -> Option<T> {
        // SAFETY: the thread has the GIL, and no reference to the value outlives a method.
        unsafe { std::mem::replace(&mut *self.0.get(), value) }
    }

    /// Takes the value out.
    #[inline]
    pub(crate) fn take(&self, py: Python<'_>) -> Option<T> {
        self.set(py, None)
    }

    #[inline]
    pub(crate) fn is_some(&self, _py: Python<'_>) -> bool {
        // SAFETY: as in `set`.
        unsafe { (*self.0.get()).is_some() }
    }

    /// Returns a copy of the value, whose `clone` runs no Python.
    #[inline]
    pub(crate) fn cloned(&self, _py: Python<'_>) -> Option<T>
    where
        T: Clone,
    {
        // SAFETY: as in `set`.
        unsafe { (*self.0.get()).clone() }
    }

    /// Drops the value in a `__clear__` or in the finalizer of a Python object.
    pub(crate) fn clear(&self) {
        // SAFETY: the interpreter calls both with the GIL.
        drop(self.take(unsafe { Python::assume_attached() }));
    }
}

impl<T> GilCell<Py<T>> {
    /// Returns a new reference to the object.
    #[inline]
    pub(crate) fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, T>> {
        // SAFETY: as in `set`.
        unsafe { (*self.0.get()).as_ref().map(|object| object.bind(py).clone()) }
    }

    /// Visits the object in a `__traverse__`.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        // SAFETY: the interpreter calls `__traverse__` with the GIL, and that does not run Python.
        unsafe { visit.call(&*self.0.get()) }
    }
}

impl<T> Default for GilCell<T> {
    fn default() -> Self {
        Self::new(None)
    }
}
