//! Modules of a crate and the files that each file uses, read from its source with `syn`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// Longest chain of re-exports that is followed.
const MAX_HOPS: usize = 16;

/// A path in code, by its segments.
pub(crate) type Segments = Vec<String>;

/// The modules of one crate.
pub(crate) struct Crate {
    modules: Vec<Module>,
}

/// One module: the names in its scope and the paths its code uses.
#[derive(Default)]
struct Module {
    name: String,
    file: PathBuf,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    /// Names that `use` declarations bring into scope, with the paths they stand for.
    bindings: BTreeMap<String, Segments>,
    globs: Vec<Segments>,
    paths: BTreeSet<Segments>,
}

/// An item found by its path.
enum Found {
    Module(usize),
    Item { module: usize, name: String },
}

/// A use of one module's item by another module.
pub(crate) struct Use {
    /// Path of the module that uses the item; empty for the root.
    pub(crate) from: Segments,
    /// Path of the module that defines it.
    pub(crate) to: Segments,
    /// Name of the item.
    pub(crate) name: String,
}

impl Crate {
    /// Reads the crate whose root file is `root`, without its tests.
    pub(crate) fn read(root: &Path) -> Self {
        let mut krate = Self { modules: Vec::new() };
        krate.read_file(root, None, &root.with_extension(""));
        krate
    }

    /// Returns the uses between the crate's modules. A name that a module re-exports counts for the module whose
    /// file defines it.
    pub(crate) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (at, module) in self.modules.iter().enumerate() {
            for path in &module.paths {
                if let Some(Found::Item { module, name }) = self.find(at, path, 0) {
                    uses.push(Use { from: self.path(at), to: self.path(module), name });
                }
            }
        }
        uses
    }

    /// Returns the path of the module that has a file of its own and is, or holds, module `at`.
    fn path(&self, at: usize) -> Segments {
        let module = &self.modules[at];
        let Some(parent) = module.parent else { return Segments::new() };
        let mut path = self.path(parent);
        if module.file != self.modules[parent].file {
            path.push(module.name.clone());
        }
        path
    }

    fn read_file(&mut self, file: &Path, parent: Option<usize>, folder: &Path) -> usize {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        // `lib.rs`, `main.rs` and `mod.rs` have their modules beside them, other files in a folder of their name.
        let is_front =
            matches!(file.file_name().and_then(|name| name.to_str()), Some("lib.rs" | "main.rs" | "mod.rs"));
        let folder = if is_front { file.parent().unwrap() } else { folder };
        self.read_items(file, parent, folder, &parsed.items)
    }

    fn read_items(
        &mut self,
        file: &Path,
        parent: Option<usize>,
        folder: &Path,
        items: &[syn::Item],
    ) -> usize {
        let at = self.modules.len();
        self.modules.push(Module { file: file.to_owned(), parent, ..Module::default() });
        for item in items {
            if is_test(attributes(item)) {
                continue;
            }
            if let syn::Item::Mod(module) = item {
                let name = module.ident.to_string();
                let child = match &module.content {
                    Some((_, items)) => self.read_items(file, Some(at), &folder.join(&name), items),
                    None => {
                        let inside = folder.join(&name);
                        let flat = inside.with_extension("rs");
                        let path = if flat.exists() { flat } else { inside.join("mod.rs") };
                        self.read_file(&path, Some(at), &inside)
                    }
                };
                for twin in twins(&module.attrs) {
                    let twin = self.read_file(&file.with_file_name(twin), Some(at), &folder.join(&name));
                    self.modules[twin].name.clone_from(&name);
                }
                self.modules[child].name.clone_from(&name);
                self.modules[at].children.insert(name, child);
                continue;
            }
            if let Some(name) = name_of(item) {
                self.modules[at].items.insert(name);
            }
            Reader { module: &mut self.modules[at] }.visit_item(item);
        }
        at
    }

    /// Finds what `path` stands for in the scope of a module.
    fn find(&self, from: usize, path: &[String], hops: usize) -> Option<Found> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(0, rest, hops),
            "self" => self.walk(from, rest, hops),
            "super" => self.walk(self.modules[from].parent?, rest, hops),
            _ => self.walk(from, path, hops),
        }
    }

    fn walk(&self, at: usize, path: &[String], hops: usize) -> Option<Found> {
        if hops > MAX_HOPS {
            return None;
        }
        let Some((first, rest)) = path.split_first() else { return Some(Found::Module(at)) };
        let module = &self.modules[at];
        if first == "super" || first == "self" {
            return self.find(at, path, hops + 1);
        }
        if let Some(child) = module.children.get(first) {
            return self.walk(*child, rest, hops);
        }
        if module.items.contains(first) {
            return Some(Found::Item { module: at, name: first.clone() });
        }
        if let Some(binding) = module.bindings.get(first)
            && binding.first() != Some(first)
        {
            return match self.find(at, binding, hops + 1)? {
                Found::Module(module) => self.walk(module, rest, hops + 1),
                item => Some(item),
            };
        }
        module.globs.iter().find_map(|glob| match self.find(at, glob, hops + 1)? {
            Found::Module(module) if module != at => self.walk(module, path, hops + 1),
            _ => None,
        })
    }
}

/// Collects the paths of one item into its module.
struct Reader<'a> {
    module: &'a mut Module,
}

impl Reader<'_> {
    fn take_use(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.take_use(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.take_use(prefix, tree)),
            syn::UseTree::Glob(_) => self.module.globs.push(prefix.to_vec()),
            syn::UseTree::Name(name) if name.ident == "self" => {
                let Some(last) = prefix.last() else { return };
                self.bind(last.clone(), prefix.to_vec());
            }
            syn::UseTree::Name(name) => self.bind(name.ident.to_string(), with(&name.ident)),
            syn::UseTree::Rename(rename) => self.bind(rename.rename.to_string(), with(&rename.ident)),
        }
    }

    fn bind(&mut self, name: String, path: Segments) {
        self.module.paths.insert(path.clone());
        self.module.bindings.insert(name, path);
    }

    /// Takes the paths out of a macro's arguments, which are not parsed.
    fn take_tokens(&mut self, tokens: TokenStream) {
        let mut path = Segments::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.take_path(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Group(group) => {
                    self.take_tokens(group.stream());
                    colons = 0;
                }
                _ => colons = 0,
            }
        }
        self.take_path(path);
    }

    fn take_path(&mut self, path: Segments) {
        if !path.is_empty() {
            self.module.paths.insert(path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.take_use(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.take_path(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.take_tokens(item.tokens.clone());
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Const(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            visit::visit_impl_item(self, item);
        }
    }
}

fn name_of(item: &syn::Item) -> Option<String> {
    let ident = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        syn::Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns the files that replace a module in builds without a feature: `#[cfg_attr(..., path = "FILE")]`.
fn twins(attributes: &[syn::Attribute]) -> Vec<String> {
    let conditional = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg_attr"));
    let tokens =
        conditional.filter_map(|attribute| Some(attribute.meta.require_list().ok()?.tokens.to_string()));
    tokens.filter_map(|text| Some(text.split_once("path = \"")?.1.split_once('"')?.0.to_owned())).collect()
}

/// Returns true for an item that is compiled for tests alone.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        let condition = attribute.meta.require_list().map(|list| list.tokens.to_string());
        condition.is_ok_and(|it| it == "test" || it.starts_with("all") && it.contains("test"))
    })
}
