//! A user's data in a folder, written as it is read: no more than a page is in memory.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use futures::TryStreamExt as _;
use parlor_chatkit::{
    AttachmentRecord, AttachmentState, AttachmentStore as _, Clock as _, ErrorChain, FileKey,
    Owner, PageQuery, SystemClock, Visibility,
    protocol::{AttachmentId, FeedbackKind, Order, ThreadId, ThreadMetadata, Timestamp},
};
use parlor_store::{FileStore, GivenFeedback, Login, UsageQuery};
use serde::Serialize;

use super::{
    super::{opened::DataStore, usage::Line},
    Format, markdown,
};

/// Records that are read and written at a time.
const PAGE: u32 = 200;
/// Models whose usage is written, at most.
const MODELS: u32 = 1_000;
/// Bytes of a file's name that are kept: with its id fewer than any system takes.
const NAME: usize = 150;

/// What an export has written.
#[derive(Default)]
pub(super) struct Exported {
    threads: u64,
    items: u64,
    feedback: u64,
    files: u64,
    sign_ins: u64,
    connected: u64,
    /// Files whose bytes could not be had, each with the reason.
    pub(super) missing: Vec<String>,
}

impl Exported {
    pub(super) fn counts(&self) -> [(&'static str, u64); 7] {
        [
            ("threads", self.threads),
            ("items", self.items),
            ("feedback", self.feedback),
            ("files", self.files),
            ("files_missing", self.missing.len() as u64),
            ("sign_ins", self.sign_ins),
            ("connected", self.connected),
        ]
    }
}

/// Writes all that is kept of the owner.
pub(super) async fn export(
    store: &dyn DataStore,
    files: &FileStore,
    owner: &Owner,
    format: Format,
    folder: &Path,
) -> anyhow::Result<Exported> {
    make_folder(folder)?;
    let now = SystemClock.now();
    let mut exported = Exported::default();
    let mut index = Index::begin(folder, format, owner, now)?;
    index.section("Signed in", "sign_ins.json")?;
    let mut after = None;
    loop {
        let logins = store.logins_of(owner, after.as_ref(), PAGE).await?;
        for login in &logins {
            exported.sign_ins += 1;
            index.sign_in(login)?;
        }
        match logins.last() {
            Some(last) if logins.len() == PAGE as usize => after = Some(last.id),
            _ => break,
        }
    }
    index.section("Connected servers", "connected.json")?;
    for grant in store.grants_of(owner).await? {
        exported.connected += 1;
        // Never the tokens: they are not for reading, and would open what they are for.
        let entry = serde_json::json!({ "name": grant.name, "granted_at": grant.granted_at });
        let (name, since) = (markdown::line(&grant.name), markdown::moment(grant.granted_at));
        index.add(&entry, || format!("{name}, since {since}"))?;
    }
    index.section("Files", "files.json")?;
    export_files(store, files, owner, folder, &mut index, &mut exported).await?;
    index.section("Conversations", "threads.json")?;
    let threads = folder.join("threads");
    fs::create_dir(&threads).with_context(|| cannot_write(&threads))?;
    let mut query = PageQuery { limit: PAGE, order: Order::Asc, after: None };
    loop {
        // The cursor's thread was deleted meanwhile: there is nothing behind it that we know of.
        let Some(page) = store.threads(owner, &query).await? else {
            bail!("a conversation was deleted while it was exported; run the command again");
        };
        for thread in &page.data {
            exported.threads += 1;
            let name = match format {
                Format::Json => format!("{}.json", plain(thread.id.as_str())),
                Format::Markdown => {
                    format!("{:04}-{}.md", exported.threads, plain(thread.id.as_str()))
                }
            };
            let path = threads.join(&name);
            let file = File::create(&path).with_context(|| cannot_write(&path))?;
            let mut out = BufWriter::new(file);
            export_thread(store, owner, thread, format, &mut out, &mut exported).await?;
            out.flush().with_context(|| cannot_write(&path))?;
            index.thread(thread, &name)?;
        }
        match page.after {
            Some(after) if page.has_more => query.after = Some(after),
            _ => break,
        }
    }
    export_usage(store, owner, &mut index).await?;
    index.end(folder, owner, now, &exported)?;
    Ok(exported)
}

/// Writes what the owner's answers took, by model, if there is something.
async fn export_usage(
    store: &dyn DataStore,
    owner: &Owner,
    index: &mut Index,
) -> anyhow::Result<()> {
    let query = UsageQuery {
        tenant: Some(owner.tenant().clone()),
        user: Some(owner.user().clone()),
        limit: MODELS,
        ..UsageQuery::default()
    };
    let sums = store.usage(&query).await?;
    if sums.is_empty() {
        return Ok(());
    }
    index.section("What answers took", "usage.json")?;
    for sum in &sums {
        let (used, model) = (&sum.used, markdown::line(&sum.model));
        index.add(&Line::of(sum), || {
            let (input, output) = (used.input_tokens, used.output_tokens);
            format!("{model}: {} answers, {input} tokens in, {output} out", sum.turns)
        })?;
    }
    Ok(())
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write `{}`", path.display())
}

/// One that nobody else may read, and in which nothing else is.
fn make_folder(folder: &Path) -> anyhow::Result<()> {
    match fs::read_dir(folder) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                bail!(
                    "the folder `{}` is not empty; name a new one with --output",
                    folder.display()
                );
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = DirBuilder::new();
            #[cfg(unix)]
            {
                use std::os::unix::fs::DirBuilderExt as _;
                builder.mode(0o700);
            }
            builder
                .recursive(true)
                .create(folder)
                .with_context(|| format!("cannot make the folder `{}`", folder.display()))
        }
        Err(error) => {
            Err(error).with_context(|| format!("cannot use the folder `{}`", folder.display()))
        }
    }
}

async fn export_files(
    store: &dyn DataStore,
    files: &FileStore,
    owner: &Owner,
    folder: &Path,
    index: &mut Index,
    exported: &mut Exported,
) -> anyhow::Result<()> {
    let place = folder.join("files");
    let mut after: Option<AttachmentId> = None;
    loop {
        let page = store.files_of(owner, after.as_ref(), PAGE).await?;
        for record in &page {
            if exported.files == 0 && exported.missing.is_empty() {
                fs::create_dir(&place).with_context(|| cannot_write(&place))?;
            }
            let name = file_name(record.id.as_str(), &record.name);
            let path = place.join(&name);
            match copy(files, owner, record, &path).await? {
                None => {
                    exported.files += 1;
                    index.file(record, Some(&name))?;
                }
                Some(reason) => {
                    exported.missing.push(format!("{}: {reason}", record.id));
                    index.file(record, None)?;
                }
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE as usize => after = Some(last.id.clone()),
            _ => return Ok(()),
        }
    }
}

/// Copies a file's bytes. Gives why not, when the storage has not got them.
async fn copy(
    files: &FileStore,
    owner: &Owner,
    record: &AttachmentRecord,
    path: &Path,
) -> anyhow::Result<Option<String>> {
    let key = FileKey::original(&record.id);
    let mut opened = match files.get(&record.place(owner), &key).await {
        Ok(Some(opened)) => opened,
        Ok(None) if record.state == AttachmentState::Waiting => {
            return Ok(Some("it was announced, and its bytes never came".to_owned()));
        }
        Ok(None) => return Ok(Some("its bytes are not in the storage".to_owned())),
        Err(error) => return Ok(Some(ErrorChain(&error).to_string())),
    };
    let mut out = BufWriter::new(File::create(path).with_context(|| cannot_write(path))?);
    loop {
        match opened.bytes.try_next().await {
            Ok(Some(piece)) => out.write_all(&piece).with_context(|| cannot_write(path))?,
            Ok(None) => break,
            Err(error) => {
                drop(out);
                fs::remove_file(path).with_context(|| cannot_write(path))?;
                return Ok(Some(error.to_string()));
            }
        }
    }
    out.flush().with_context(|| cannot_write(path))?;
    Ok(None)
}

async fn export_thread(
    store: &dyn DataStore,
    owner: &Owner,
    thread: &ThreadMetadata,
    format: Format,
    out: &mut impl Write,
    exported: &mut Exported,
) -> anyhow::Result<()> {
    let feedback = store.feedback_in(owner, &thread.id).await?;
    exported.feedback += feedback.len() as u64;
    match format {
        Format::Json => {
            out.write_all(b"{\"thread\":")?;
            serde_json::to_writer(&mut *out, thread)?;
            out.write_all(b",\n\"feedback\":")?;
            let feedback: Vec<_> = feedback.iter().map(Judged::new).collect();
            serde_json::to_writer(&mut *out, &feedback)?;
            out.write_all(b",\n\"items\":[")?;
        }
        Format::Markdown => markdown::begin(thread, out)?,
    }
    let mut query = PageQuery { limit: PAGE, order: Order::Asc, after: None };
    let mut first = true;
    // A thread that is deleted meanwhile ends here.
    while let Some(page) = store.items(owner, &thread.id, &query, Visibility::Visible).await? {
        for item in &page.data {
            exported.items += 1;
            match format {
                Format::Json => {
                    out.write_all(if first { b"\n" } else { b",\n" })?;
                    serde_json::to_writer(&mut *out, item)?;
                }
                Format::Markdown => markdown::item(item, &feedback, out)?,
            }
            first = false;
        }
        match page.after {
            Some(after) if page.has_more => query.after = Some(after),
            _ => break,
        }
    }
    if format == Format::Json {
        out.write_all(b"\n]}\n")?;
    }
    Ok(())
}

/// The name of a file in the export: its id keeps it apart from others, and what the user called
/// it is cut to what every system takes.
pub(super) fn file_name(id: &str, name: &str) -> String {
    let cut: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' })
        .collect();
    // The end says what kind of file it is.
    let mut end = cut.as_str();
    while end.len() > NAME {
        end = end.get(end.chars().next().map_or(1, char::len_utf8)..).unwrap_or_default();
    }
    format!("{}-{end}", plain(id))
}

/// An id as part of a file's name.
fn plain(id: &str) -> String {
    id.chars()
        .map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' })
        .collect()
}

#[derive(Serialize)]
struct Judged<'a> {
    item_id: &'a str,
    kind: &'static str,
    given_at: Timestamp,
}

impl<'a> Judged<'a> {
    fn new(given: &'a GivenFeedback) -> Self {
        Self {
            item_id: given.item_id.as_str(),
            kind: match given.kind {
                FeedbackKind::Positive => "positive",
                FeedbackKind::Negative => "negative",
            },
            given_at: given.given_at,
        }
    }
}

#[derive(Serialize)]
struct SignIn<'a> {
    name: Option<&'a str>,
    email: Option<&'a str>,
    roles: &'a [String],
    good_until: Timestamp,
    ends_at: Timestamp,
}

#[derive(Serialize)]
struct ExportedFile<'a> {
    id: &'a AttachmentId,
    name: &'a str,
    mime_type: &'a str,
    size: u64,
    created_at: Timestamp,
    thread_id: Option<&'a ThreadId>,
    /// Where it is in the export.
    path: Option<String>,
}

#[derive(Serialize)]
struct Summary<'a> {
    tenant: &'a str,
    user: &'a str,
    exported_at: Timestamp,
    counts: std::collections::BTreeMap<&'static str, u64>,
}

/// What is where: a list a file for programs, one page for people.
enum Index {
    Json { folder: PathBuf, list: Option<BufWriter<File>>, first: bool },
    Markdown(BufWriter<File>),
}

impl Index {
    fn begin(folder: &Path, format: Format, owner: &Owner, now: Timestamp) -> anyhow::Result<Self> {
        if format == Format::Json {
            return Ok(Self::Json { folder: folder.to_owned(), list: None, first: true });
        }
        let path = folder.join("index.md");
        let mut out = BufWriter::new(File::create(&path).with_context(|| cannot_write(&path))?);
        let user = markdown::line(owner.user().as_str());
        write!(
            out,
            "# What is kept of {user}\n\n{}, tenant {}\n",
            markdown::moment(now),
            markdown::line(owner.tenant().as_str())
        )?;
        Ok(Self::Markdown(out))
    }

    fn section(&mut self, title: &str, list: &str) -> anyhow::Result<()> {
        match self {
            Self::Markdown(out) => write!(out, "\n## {title}\n\n")?,
            Self::Json { folder, list: open, first } => {
                end_list(open)?;
                let path = folder.join(list);
                let file = File::create(&path).with_context(|| cannot_write(&path))?;
                let mut out = BufWriter::new(file);
                out.write_all(b"[")?;
                (*open, *first) = (Some(out), true);
            }
        }
        Ok(())
    }

    fn add(&mut self, value: &impl Serialize, line: impl FnOnce() -> String) -> anyhow::Result<()> {
        match self {
            Self::Markdown(out) => writeln!(out, "- {}", line())?,
            Self::Json { list: Some(out), first, .. } => {
                out.write_all(if *first { b"\n" } else { b",\n" })?;
                serde_json::to_writer(&mut *out, value)?;
                *first = false;
            }
            Self::Json { list: None, .. } => {}
        }
        Ok(())
    }

    fn sign_in(&mut self, login: &Login) -> anyhow::Result<()> {
        let identity = &login.identity;
        let (name, email) = (identity.name.as_deref(), identity.email.as_deref());
        let (good_until, ends_at) = (login.good_until, login.ends_at);
        self.add(&SignIn { name, email, roles: &identity.roles, good_until, ends_at }, || {
            let mut known: Vec<_> = [name, email].into_iter().flatten().collect();
            known.extend(identity.roles.iter().map(String::as_str));
            let known = if known.is_empty() { "no name".to_owned() } else { known.join(", ") };
            format!("{}, until {}", markdown::line(&known), markdown::moment(good_until))
        })
    }

    fn file(&mut self, record: &AttachmentRecord, name: Option<&str>) -> anyhow::Result<()> {
        let file = ExportedFile {
            id: &record.id,
            name: &record.name,
            mime_type: &record.mime_type,
            size: record.size,
            created_at: record.created_at,
            thread_id: record.thread_id.as_ref(),
            path: name.map(|name| format!("files/{name}")),
        };
        self.add(&file, || {
            let shown = markdown::line(&record.name);
            let link = match name {
                Some(name) => format!("[{shown}](<files/{name}>)"),
                None => format!("{shown} (its bytes are not there)"),
            };
            format!("{link}, {} bytes, {}", record.size, markdown::moment(record.created_at))
        })
    }

    fn thread(&mut self, thread: &ThreadMetadata, name: &str) -> anyhow::Result<()> {
        let entry = serde_json::json!({
            "id": thread.id, "title": thread.title, "created_at": thread.created_at,
            "path": format!("threads/{name}"),
        });
        self.add(&entry, || {
            let title = markdown::line(thread.title.as_deref().unwrap_or("Without a title"));
            format!("[{title}](<threads/{name}>), {}", markdown::moment(thread.created_at))
        })
    }

    fn end(
        self,
        folder: &Path,
        owner: &Owner,
        now: Timestamp,
        exported: &Exported,
    ) -> anyhow::Result<()> {
        match self {
            Self::Markdown(mut out) => out.flush()?,
            Self::Json { mut list, .. } => {
                end_list(&mut list)?;
                let path = folder.join("user.json");
                let summary = Summary {
                    tenant: owner.tenant().as_str(),
                    user: owner.user().as_str(),
                    exported_at: now,
                    counts: exported.counts().into(),
                };
                // Last: an export without it is not whole.
                fs::write(&path, serde_json::to_vec_pretty(&summary)?)
                    .with_context(|| cannot_write(&path))?;
            }
        }
        Ok(())
    }
}

fn end_list(list: &mut Option<BufWriter<File>>) -> io::Result<()> {
    if let Some(mut out) = list.take() {
        out.write_all(b"\n]\n")?;
        out.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_lead_nowhere_else() {
        assert_eq!(file_name("atc_1", "Bericht März.pdf"), "atc_1-Bericht_März.pdf");
        assert_eq!(file_name("atc_1", "../../etc/passwd"), "atc_1-.._.._etc_passwd");
        assert_eq!(file_name("a/../b", "C:\\x\0\n"), "a____b-C__x__");
        assert_eq!(file_name("atc_1", ""), "atc_1-");
        let long = format!("{}.pdf", "a".repeat(500));
        let name = file_name("atc_1", &long);
        assert!(name.len() < 200 && name.ends_with("a.pdf"), "{name}");
    }
}
