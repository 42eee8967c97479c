//! Finding the files of an ingest.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;

use crate::{IngestOptions, PageList, SearchError, SkipReason, Skipped, document::Format};

/// A file to index.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// Where it is, absolute.
    pub(crate) path: PathBuf,
    /// The same as text: the document's identity in the index.
    pub(crate) key: String,
    /// The directory that was given, or the file itself.
    pub(crate) root: String,
    /// Path below the root, parts separated by `/`.
    pub(crate) relative: String,
    /// Its address, where a list of pages says it.
    pub(crate) url: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) unsupported: BTreeMap<String, u64>,
    /// The directories and files that were looked at, absolute.
    pub(crate) roots: Vec<String>,
    /// What could not be looked into: what the index knows below is not known to be gone.
    pub(crate) blind: Vec<String>,
    /// Somebody can read PDFs.
    pdfs: bool,
}

/// Walks all paths of the options.
pub(crate) fn walk(options: &IngestOptions) -> Result<Found, SearchError> {
    let mut found = Found { pdfs: options.pdf.is_some(), ..Found::default() };
    let mut missing = None;
    let mut exists = false;
    let mut seen = HashSet::new();
    if options.paths.is_empty() {
        return Err(SearchError::NoPaths);
    }
    if options.pages.is_some() && options.paths.len() > 1 {
        return Err(SearchError::PagesOfManyPaths);
    }
    for path in &options.paths {
        match path.canonicalize() {
            Ok(root) => {
                exists = true;
                let before = found.files.len() + found.skipped.len();
                if let Some(pages) = &options.pages {
                    take_pages(&root, pages, &mut seen, &mut found);
                } else if root.is_dir() {
                    walk_directory(&root, options, &mut seen, &mut found);
                    if found.files.len() + found.skipped.len() == before {
                        found.skip(root, SkipReason::NoDocuments);
                    }
                } else {
                    take_single_file(&root, &mut seen, &mut found);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                found.skip(path.clone(), SkipReason::Missing);
                missing.get_or_insert_with(|| path.clone());
            }
            Err(source) if options.paths.len() == 1 => {
                return Err(SearchError::Io { path: path.clone(), source });
            }
            Err(error) => {
                exists = true;
                found.skip(path.clone(), SkipReason::Unreadable { message: error.to_string() });
            }
        }
    }
    match missing {
        Some(path) if !exists => Err(SearchError::NoSuchPath { path }),
        _ => Ok(found),
    }
}

impl Found {
    fn is_document(&self, path: &Path) -> bool {
        Format::of(path).is_some_and(|format| format != Format::Pdf || self.pdfs)
    }

    fn skip(&mut self, path: PathBuf, reason: SkipReason) {
        self.skipped.push(Skipped { path, reason });
    }

    fn take(&mut self, path: &Path, root: &Path, relative: &Path, seen: &mut HashSet<PathBuf>) {
        let (Some(key), Some(root), Some(relative)) =
            (path.to_str(), root.to_str(), relative.to_str())
        else {
            self.skip(path.to_owned(), SkipReason::NameNotUtf8);
            return;
        };
        // Two of the given paths may overlap.
        if seen.insert(path.to_owned()) {
            self.files.push(SourceFile {
                path: path.to_owned(),
                key: key.to_owned(),
                root: root.to_owned(),
                relative: relative.replace(std::path::MAIN_SEPARATOR, "/"),
                url: None,
            });
        }
    }
}

/// What a list names, and nothing else.
fn take_pages(root: &Path, list: &PageList, seen: &mut HashSet<PathBuf>, found: &mut Found) {
    found.roots.extend(root.to_str().map(str::to_owned));
    found.blind.extend(
        list.keep.iter().filter_map(|folder| root.join(folder).to_str().map(str::to_owned)),
    );
    for page in &list.pages {
        let path = root.join(&page.file);
        match path.canonicalize() {
            Ok(target) if target.starts_with(root) => {}
            Ok(_) => {
                found.skip(path, SkipReason::Outside);
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                found.skip(path, SkipReason::Missing);
                continue;
            }
            Err(error) => {
                found.skip(path, SkipReason::Unreadable { message: error.to_string() });
                continue;
            }
        }
        if !found.is_document(&path) {
            found.skip(path, SkipReason::Unsupported);
            continue;
        }
        let before = found.files.len();
        found.take(&path, root, Path::new(&page.file), seen);
        if let Some(file) = found.files.get_mut(before) {
            file.url = Some(page.url.clone());
        }
    }
}

fn take_single_file(path: &Path, seen: &mut HashSet<PathBuf>, found: &mut Found) {
    let (Some(name), true) = (path.file_name(), path.is_file()) else {
        found.skip(path.to_owned(), SkipReason::Unsupported);
        return;
    };
    found.roots.extend(path.to_str().map(str::to_owned));
    if !found.is_document(path) {
        found.skip(path.to_owned(), SkipReason::Unsupported);
        return;
    }
    found.take(path, path, Path::new(name), seen);
}

fn walk_directory(
    root: &Path,
    options: &IngestOptions,
    seen: &mut HashSet<PathBuf>,
    found: &mut Found,
) {
    found.roots.extend(root.to_str().map(str::to_owned));
    let walker = WalkBuilder::new(root)
        .hidden(!options.include_hidden)
        .follow_links(false)
        // A .gitignore counts outside of a repository too; a global one is about somebody's
        // editor, not about these documents.
        .require_git(false)
        .git_global(false)
        .sort_by_file_name(|a, b| a.cmp(b))
        .filter_entry(|entry| {
            entry.depth() == 0
                || !matches!(entry.file_name().to_str(), Some("node_modules" | ".git"))
        })
        .build();
    let mut links = Vec::new();
    for entry in walker {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = path_of(&error).unwrap_or(root).to_owned();
                // A line of a .gitignore that can't be understood is no reason to stop.
                tracing::debug!(%error, "walking");
                if error.io_error().is_some() {
                    found.blind.extend(path.to_str().map(str::to_owned));
                    found.skip(path, SkipReason::Unreadable { message: io_message(&error) });
                }
                continue;
            }
        };
        let Some(kind) = entry.file_type() else { continue };
        if kind.is_symlink() {
            links.push(entry.into_path());
        } else if kind.is_file() {
            take_file(entry.path(), root, seen, found);
        }
    }
    // After the files, so that a link to one of them is known to add nothing.
    for link in links {
        take_link(&link, root, seen, found);
    }
}

fn take_file(path: &Path, root: &Path, seen: &mut HashSet<PathBuf>, found: &mut Found) {
    if !found.is_document(path) {
        let extension = path
            .extension()
            .map(|extension| extension.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        *found.unsupported.entry(extension).or_default() += 1;
        return;
    }
    let relative = path.strip_prefix(root).unwrap_or(path);
    found.take(path, root, relative, seen);
}

/// Links are not followed out of the root nor into folders; a link to a file inside the root is
/// that file, unless it is indexed already. (Mounted configuration is made of links to files in a
/// hidden folder.)
fn take_link(link: &Path, root: &Path, seen: &mut HashSet<PathBuf>, found: &mut Found) {
    let reason = match link.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => SkipReason::SymlinkBroken,
        // The kind for "too many levels of symbolic links" is not stable; nothing else but a
        // refused permission keeps a link from being resolved.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            SkipReason::Unreadable { message: error.to_string() }
        }
        Err(_) => SkipReason::SymlinkLoop,
        Ok(target) if link.starts_with(&target) => SkipReason::SymlinkLoop,
        Ok(target) if !target.starts_with(root) => SkipReason::SymlinkOutside,
        Ok(target) if target.is_dir() => SkipReason::SymlinkToFolder,
        Ok(target) => {
            if !seen.contains(&target) {
                take_file(link, root, seen, found);
            }
            return;
        }
    };
    found.skip(link.to_owned(), reason);
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => {
            path_of(err)
        }
        _ => None,
    }
}

/// What the operating system said, without the path, which is reported beside it.
fn io_message(error: &ignore::Error) -> String {
    error.io_error().map_or_else(|| error.to_string(), ToString::to_string)
}
