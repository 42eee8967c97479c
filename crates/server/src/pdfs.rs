//! Who takes the text out of PDFs: the program that the configuration names, or this one again, in a
//! process of its own.

use std::path::PathBuf;

use parlor_agent::pdf::{DocumentPdfs, PdfCommand};

use crate::config::Config;

/// The command that does it.
pub(crate) const COMMAND: &str = "extract-pdf";
/// Its flag for documents that are indexed.
pub(crate) const DOCUMENT: &str = "document";

/// Makes this program the one that reads PDFs, where the configuration names none. Only for the
/// program `parlor`: others do not know the command.
pub(crate) fn find_reader(config: &mut Config) {
    if config.model.pdf_command.is_empty() {
        match itself() {
            Some(command) => config.model.pdf_command = command,
            None => tracing::warn!(
                "Parlor does not find itself, and will read PDFs in its own process or not at all; set model.pdf_command"
            ),
        }
    }
}

/// The reader of PDFs that are indexed, if there is one.
pub(crate) fn of_documents(config: &Config) -> Option<DocumentPdfs> {
    let command = &config.model.pdf_command;
    let (program, arguments) = command.split_first()?;
    let mut reader = arguments.iter().fold(PdfCommand::new(program), PdfCommand::arg);
    if itself().is_some_and(|itself| itself == *command) {
        reader = reader.arg(format!("--{DOCUMENT}"));
    }
    Some(DocumentPdfs::new(reader))
}

fn itself() -> Option<Vec<String>> {
    // Linux knows it also when its file was replaced by a newer one.
    let itself = PathBuf::from("/proc/self/exe");
    let program = if itself.exists() { itself } else { std::env::current_exe().ok()? };
    Some(vec![program.into_os_string().into_string().ok()?, COMMAND.to_owned()])
}
