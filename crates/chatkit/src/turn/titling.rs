//! A title for a new conversation, made beside its first answer.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use parlor_protocol::{Page, ThreadMetadata, ThreadUpdatedEvent, UserMessageItem};
use tokio::{task::JoinHandle, time::timeout};
use tracing::Instrument as _;

use super::Shared;
use crate::{
    Owner, RequestContext, ThreadTitle, TurnKey, registry::Registry, responder::DynResponder,
    trace::Traced as _,
};

/// How long a responder may take to think of a title.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a turn that is done waits for its title before its stream ends. Once in a
/// conversation, and after the answer is whole: long enough for most titles of short answers, too
/// short to be felt.
const PATIENCE: Duration = Duration::from_millis(500);

/// The title of a turn's thread.
pub(super) enum Titling {
    /// It has one, or there is no message to make one of.
    NotWanted,
    /// It is to be made as soon as the answer has begun. Not before: a model that does not answer
    /// is not asked for a title.
    Wanted(Arc<dyn DynResponder>),
    /// It is being made.
    Running(JoinHandle<Option<String>>),
}

impl Titling {
    pub(super) fn new(
        responder: &Arc<dyn DynResponder>,
        thread: &ThreadMetadata,
        input: Option<&UserMessageItem>,
    ) -> Self {
        match (input, &thread.title) {
            (Some(_), None) => Self::Wanted(Arc::clone(responder)),
            _ => Self::NotWanted,
        }
    }

    /// The answer has begun.
    pub(super) fn start(
        &mut self,
        context: &RequestContext,
        thread: &ThreadMetadata,
        input: Option<&UserMessageItem>,
        max_chars: usize,
    ) {
        let (Self::Wanted(responder), Some(input)) = (&*self, input) else { return };
        let responder = Arc::clone(responder);
        let (context, thread, input) = (context.clone(), thread.clone(), input.clone());
        let work = async move {
            let title = responder.title(&context, &thread, &input);
            match timeout(LONGEST, AssertUnwindSafe(title).catch_unwind()).await {
                Ok(Ok(title)) => title.and_then(|title| one_line(&title, max_chars)),
                Ok(Err(_)) => {
                    tracing::error!(thread_id = %thread.id, "the responder panicked over a title");
                    None
                }
                Err(_) => {
                    tracing::warn!(thread_id = %thread.id, "a title took too long");
                    None
                }
            }
        };
        *self = Self::Running(tokio::spawn(work.in_current_span()));
    }

    /// The title, if it is there already.
    pub(super) async fn ready(&mut self) -> Option<String> {
        let Self::Running(task) = self else { return None };
        if !task.is_finished() {
            return None;
        }
        let title = task.await.ok().flatten();
        *self = Self::NotWanted;
        title
    }

    /// The title, if it comes soon.
    pub(super) async fn soon(&mut self) -> Option<String> {
        let Self::Running(task) = self else { return None };
        let title = timeout(PATIENCE, task).await.ok()?.ok().flatten();
        *self = Self::NotWanted;
        title
    }

    /// It is not wanted any more: what makes it is dropped, and with it the request to a model.
    pub(super) fn give_up(&mut self) {
        if let Self::Running(task) = std::mem::replace(self, Self::NotWanted) {
            task.abort();
        }
    }
}

/// A title that was not there when the stream of its turn ended.
pub(crate) struct LateTitle {
    pub(super) task: JoinHandle<Option<String>>,
    /// The automatic title that it takes the place of.
    pub(super) instead_of: Option<String>,
    pub(super) owner: Owner,
    pub(super) key: TurnKey,
}

impl LateTitle {
    /// Saves the title when it comes, unless the thread has got another meanwhile, and tells
    /// those who follow a later turn.
    pub(crate) async fn save(self, shared: &Shared, registry: &Registry) {
        let Self { task, instead_of, owner, key } = self;
        let Ok(Some(title)) = task.await else { return };
        let title = ThreadTitle { title: &title, instead_of: instead_of.as_deref() };
        match shared.store.title_thread(&owner, &key.thread_id, title).traced("title_thread").await
        {
            Ok(Some(thread)) => {
                if let Some(running) = registry.running(&owner, &key.thread_id) {
                    let thread = thread.into_response(Page::default());
                    let event = ThreadUpdatedEvent { thread }.into();
                    // A log that is full has no room for a title.
                    let _ = running.log.append(&event, shared.limits.turn_bytes);
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(thread_id = %key.thread_id, %error, "a title was not saved");
            }
        }
    }
}

/// A title as it may be stored: one line, nothing invisible, not too long.
fn one_line(title: &str, max_chars: usize) -> Option<String> {
    // Characters that turn the direction of the text around them, or cannot be seen.
    let unseen = |c: char| {
        matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
    };
    let mut line = String::new();
    for word in title.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word = word.chars().filter(|c| !unseen(*c));
        let begins = !line.is_empty() && !line.ends_with(' ');
        if begins {
            line.push(' ');
        }
        line.extend(word);
    }
    let line = line.trim_end();
    let end = line.char_indices().nth(max_chars).map_or(line.len(), |(end, _)| end);
    let line = line[..end].trim_end();
    // Joiners belong into emoji and into several scripts, but alone they are nothing to read.
    let readable = line.chars().any(|c| !matches!(c, ' ' | '\u{200c}' | '\u{200d}'));
    readable.then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_title_is_one_line_without_anything_invisible() {
        let title = |text| one_line(text, 20);
        assert_eq!(title(" Kettles\r\n\tand  pots ").as_deref(), Some("Kettles and pots"));
        assert_eq!(title("\u{202e}evil\u{202c} \u{200b} x\u{0}y").as_deref(), Some("evil x y"));
        let long = "long words ".repeat(9);
        assert_eq!(title(&long).as_deref(), Some("long words long word"));
        assert_eq!(title(" \n\u{200b}\u{7}"), None);
        assert_eq!(title(""), None);
        assert_eq!(title("👩\u{200d}🚀").as_deref(), Some("👩\u{200d}🚀"));
        assert_eq!(title("\u{200d} \u{200c}"), None);
    }

    proptest! {
        #[test]
        fn whatever_the_model_says(text in any::<String>(), max in 0_usize..50) {
            if let Some(title) = one_line(&text, max) {
                prop_assert!(!title.is_empty() && title.chars().count() <= max);
                let breaks = title.contains(|c: char| c.is_control() || c == '\u{2028}');
                prop_assert!(!breaks);
                prop_assert_eq!(title.trim(), title.as_str());
            }
        }
    }
}
