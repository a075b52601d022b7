//! The layout of the sources: layers, imports between files, and the length of files.
//!
//! The test parses every source file and resolves each `use` and each inline path that begins
//! with `crate`, `super` or `self`. Re-exports are followed to the file that defines the item.
//! Code under `#[cfg(test)]` does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Item, ItemMod, UseTree, Visibility};

/// The modules of the library, lowest first. A module imports only from modules before it.
const LAYERS: [&str; 25] = [
    "log", "number", "types", "error", "process", "sync", "encoding", "clock", "archive", "order",
    "order_no", "rules", "verify", "contract", "format", "engine", "query", "commit", "store",
    "remote", "transfer", "wechat", "manual", "testing", "prelude",
];

/// Maximum length of a file, in lines. A longer file usually covers more than one subject.
const LINES_MAX: usize = 450;

/// The path of a module, from the root of its crate.
type Module = Vec<String>;

/// The files of one crate, by module, with the paths that each imports.
struct Sources {
    imports: BTreeMap<Module, Vec<Module>>,
    /// Re-exports of each module: name → full path.
    exports: BTreeMap<(Module, String), Module>,
}

impl Sources {
    fn read(root: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
        let mut sources = Self {
            imports: BTreeMap::new(),
            exports: BTreeMap::new(),
        };
        for file in rust_files(&root) {
            if is_test(&file) {
                continue;
            }
            let module = module_of(file.strip_prefix(&root).unwrap());
            let parsed = syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap();
            let mut imports = Imports {
                module: module.clone(),
                found: Vec::new(),
                exports: &mut sources.exports,
            };
            imports.visit_file(&parsed);
            let found = imports.found;
            assert!(sources.imports.insert(module, found).is_none(), "{file:?}");
        }
        assert!(!sources.imports.is_empty(), "no sources in {root:?}");
        sources
    }

    /// Returns the file that defines the item at a path.
    fn file_of(&self, path: &[String]) -> Module {
        let mut path = path.to_vec();
        // A chain of more than 8 re-exports counts as a loop.
        for _ in 0..8 {
            let file = (0..=path.len())
                .rev()
                .map(|len| path[..len].to_vec())
                .find(|module| self.imports.contains_key(module))
                .unwrap_or_default();
            let Some(name) = path.get(file.len()) else {
                return file;
            };
            let Some(target) = self.exports.get(&(file.clone(), name.clone())) else {
                return file;
            };
            let rest = path[file.len() + 1..].to_vec();
            path = [target.clone(), rest].concat();
        }
        panic!("a loop of re-exports at {path:?}");
    }

    /// Returns the files that each file imports from. The crate root re-exports everything, so the
    /// result does not contain it.
    fn edges(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let edges = self.imports.iter().map(|(module, paths)| {
            let targets = paths.iter().map(|path| self.file_of(path));
            let others = targets.filter(|target| target != module && !target.is_empty());
            (module.clone(), others.collect())
        });
        edges.filter(|(module, _)| !module.is_empty()).collect()
    }
}

/// Collects the paths that a file imports.
struct Imports<'a> {
    module: Module,
    found: Vec<Module>,
    exports: &'a mut BTreeMap<(Module, String), Module>,
}

impl Imports<'_> {
    fn resolve(&self, path: &[String]) -> Option<Module> {
        let supers = path.iter().take_while(|part| *part == "super").count();
        match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([self.module.clone(), path[1..].to_vec()].concat()),
            "super" => {
                let kept = self.module.len().checked_sub(supers)?;
                Some([self.module[..kept].to_vec(), path[supers..].to_vec()].concat())
            }
            _ => None,
        }
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if is_cfg_test(&item.attrs) || item.content.is_none() {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Fn(function) = item
            && is_cfg_test(&function.attrs)
        {
            return;
        }
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_export = !matches!(item.vis, Visibility::Inherited);
        for (path, name) in leaves(&item.tree, &[]) {
            // A path without `crate`, `self` or `super` names a child module or another crate.
            let resolved = self.resolve(&path).or_else(|| {
                let child = [self.module.clone(), path].concat();
                is_export.then_some(child)
            });
            let Some(target) = resolved else { continue };
            if is_export {
                let own = [self.module.clone(), vec![name.clone()]].concat();
                if target != own {
                    self.exports.insert((self.module.clone(), name), target);
                }
            } else {
                self.found.push(target);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        if parts.len() > 1
            && let Some(target) = self.resolve(&parts)
        {
            self.found.push(target);
        }
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(in crate::engine)` imports nothing.
    }
}

/// Returns every path of a `use` item and the name that the item gives to it.
fn leaves(tree: &UseTree, before: &[String]) -> Vec<(Vec<String>, String)> {
    let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(&path.ident)),
        UseTree::Name(name) if name.ident == "self" => {
            let name = before.last().cloned().unwrap_or_default();
            vec![(before.to_vec(), name)]
        }
        UseTree::Name(name) => vec![(with(&name.ident), name.ident.to_string())],
        UseTree::Rename(rename) => vec![(with(&rename.ident), rename.rename.to_string())],
        UseTree::Glob(_) => vec![(before.to_vec(), String::from("*"))],
        UseTree::Group(group) => {
            let each = group.items.iter().flat_map(|tree| leaves(tree, before));
            each.collect()
        }
    }
}

fn is_cfg_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    files(dir, "rs")
}

/// Returns the files below a directory with this extension.
fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .flat_map(|path| match path.is_dir() {
            true => files(&path, extension),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|it| it == extension))
        .collect();
    files.sort();
    files
}

/// Returns whether a file contains only tests.
fn is_test(file: &Path) -> bool {
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
    let is_of = |part: &str| part == "tests" || part == "tests.rs" || part == "schedules";
    let from_src = parts.iter().rposition(|part| part == "src").unwrap_or(0);
    parts[from_src..].iter().any(|part| is_of(part))
}

fn module_of(file: &Path) -> Module {
    let mut parts: Module = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if let Some("mod" | "lib" | "main") = parts.last().map(String::as_str) {
        parts.pop();
    }
    parts
}

/// Returns the files of all circular imports.
fn circles(edges: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<Module> {
    let mut open = edges.clone();
    // A file that imports no remaining file, or that no remaining file imports, is in no circle.
    // Remove such files until there are none. The files that remain form the circles, or connect
    // two of them.
    loop {
        let imported: BTreeSet<Module> = open.values().flatten().cloned().collect();
        let is_free = |(module, targets): (&Module, &BTreeSet<Module>)| {
            let is_sink = targets.iter().all(|target| !open.contains_key(target));
            (is_sink || !imported.contains(module)).then(|| module.clone())
        };
        let free: Vec<Module> = open.iter().filter_map(is_free).collect();
        if free.is_empty() {
            return open.into_keys().collect();
        }
        free.iter().for_each(|module| drop(open.remove(module)));
    }
}

/// Source directories that are checked for circular imports.
const CRATES: [&str; 7] = [
    "src",
    "crates/cli/src",
    "crates/server/src",
    "benches/small",
    "benches/durable",
    "benches/cluster",
    "benches/rivals/src",
];

#[test]
fn source_files_have_no_circular_imports() {
    for root in CRATES {
        let found = circles(&Sources::read(root).edges());
        assert!(found.is_empty(), "circular imports in {root}: {found:?}");
    }
}

#[test]
fn modules_import_only_from_lower_layers() {
    let rank = |module: &Module| LAYERS.iter().position(|layer| *layer == module[0]);
    for (module, targets) in Sources::read("src").edges() {
        let own = rank(&module).unwrap_or_else(|| panic!("{module:?} is in no layer"));
        for target in targets {
            let other = rank(&target).unwrap_or_else(|| panic!("{target:?} is in no layer"));
            assert!(
                other <= own,
                "{module:?} imports from {target:?}, a higher layer"
            );
        }
    }
}

#[test]
fn engines_do_not_import_each_other() {
    let engine = |module: &Module| {
        let is_engine = module.len() > 1 && module[0] == "engine";
        let engines = ["local", "memory", "postgres"];
        module
            .get(1)
            .filter(|it| is_engine && engines.contains(&it.as_str()))
            .cloned()
    };
    for (module, targets) in Sources::read("src").edges() {
        for target in &targets {
            if let (Some(own), Some(other)) = (engine(&module), engine(target)) {
                assert_eq!(own, other, "{module:?} imports from {target:?}");
            }
        }
    }
}

#[test]
fn source_files_have_at_most_450_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        rust_files(&root.join("src")),
        rust_files(&root.join("crates")),
    ]
    .concat();
    for file in files {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{file:?} has {lines} lines");
    }
}

/// Checks the resolver itself: if it missed imports, the other tests would find no violation.
#[test]
fn resolver_finds_reexports_and_inline_paths() {
    let edges = Sources::read("src").edges();
    let of = |text: &str| -> Module { text.split("::").map(String::from).collect() };
    let imports = |from: &str, to: &str| edges[&of(from)].contains(&of(to));
    assert!(imports("rules::close", "order::status"));
    assert!(imports("commit::group", "contract"));
    assert!(imports("engine::local::checkpoint", "engine::local::core"));
    let circle = BTreeMap::from([
        (of("a"), BTreeSet::from([of("b")])),
        (of("b"), BTreeSet::from([of("c")])),
        (of("c"), BTreeSet::from([of("b")])),
    ]);
    assert_eq!(circles(&circle), [of("b"), of("c")]);
}

/// A rename of a test leaves its files behind, and then nobody reads them.
#[test]
fn every_snapshot_and_regression_file_belongs_to_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = root.join("crates/cli/tests/cli");
    for entry in fs::read_dir(tests.join("snapshots")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let [_, module, snapshot] = name.split("__").collect::<Vec<_>>()[..] else {
            panic!("{name} is not the name of a snapshot");
        };
        let snapshot = snapshot.strip_suffix(".snap").unwrap();
        // The test of the help makes one snapshot for each command that the help lists.
        let (source, wanted) = match snapshot.rsplit_once('_').filter(|_| module == "help") {
            Some((parent, command)) => {
                let listed = tests.join(format!("snapshots/cli__help__{parent}.snap"));
                (listed, format!("  {command} "))
            }
            None => {
                let source = tests.join(module).with_extension("rs");
                (source, format!("\"{snapshot}\""))
            }
        };
        let is_used = fs::read_to_string(source).is_ok_and(|text| text.contains(&wanted));
        assert!(is_used, "no test compares {name}: rename or delete it");
    }
    let regressions = root.join("proptest-regressions");
    for file in files(&regressions, "txt") {
        let source = file.strip_prefix(&regressions).unwrap();
        let source = root.join("src").join(source).with_extension("rs");
        let is_read = fs::read_to_string(&source).is_ok_and(|text| text.contains("proptest!"));
        assert!(
            is_read,
            "no test reads {file:?}: move it along with its test"
        );
    }
}
