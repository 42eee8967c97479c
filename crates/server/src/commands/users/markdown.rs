//! A conversation for people to read.

use std::io::{self, Write};

use parlor_chatkit::protocol::{
    AssistantMessageItem, Attachment, FeedbackKind, ImageAttachment, Source, StructuredInput,
    StructuredInputItem, Task, ThreadItem, ThreadMetadata, Timestamp, UserMessageItem, Workflow,
    WorkflowSummary,
};
use parlor_store::GivenFeedback;

use super::export::file_name;

/// `2026-11-22 16:00:00 UTC`
pub(super) fn moment(time: Timestamp) -> String {
    time.as_datetime().format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Text as part of a line, without what Markdown would make of it.
pub(super) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => line.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' | '&' => {
                line.push('\\');
                line.push(c);
            }
            c => line.push(c),
        }
    }
    line
}

pub(super) fn begin(thread: &ThreadMetadata, out: &mut impl Write) -> io::Result<()> {
    let title = thread.title.as_deref().unwrap_or("Without a title");
    writeln!(
        out,
        "# {}\n\n{}, begun {}",
        line(title),
        line(thread.id.as_str()),
        moment(thread.created_at)
    )
}

/// One entry of the conversation.
pub(super) fn item(
    item: &ThreadItem,
    feedback: &[GivenFeedback],
    out: &mut impl Write,
) -> io::Result<()> {
    match item {
        ThreadItem::UserMessage(message) => user_message(message, out)?,
        ThreadItem::AssistantMessage(message) => assistant_message(message, out)?,
        ThreadItem::Widget(widget) => match &widget.copy_text {
            Some(text) => {
                head("Shown", widget.created_at, out)?;
                quoted(text, out)?;
            }
            None => raw(item, out)?,
        },
        ThreadItem::StructuredInput(questions) => structured_input(questions, out)?,
        ThreadItem::Workflow(steps) => {
            head("Steps", steps.created_at, out)?;
            workflow(&steps.workflow, out)?;
        }
        ThreadItem::Task(step) => {
            head("Step", step.created_at, out)?;
            task(&step.task, out)?;
        }
        ThreadItem::EndOfTurn(_) => {}
        _ => raw(item, out)?,
    }
    let judged = item.id().and_then(|id| feedback.iter().find(|given| given.item_id == id));
    if let Some(given) = judged {
        let kind = match given.kind {
            FeedbackKind::Positive => "good",
            FeedbackKind::Negative => "not good",
        };
        writeln!(out, "\n*Found {kind}, {}*", moment(given.given_at))?;
    }
    Ok(())
}

fn head(who: &str, time: Timestamp, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n---\n\n**{who}**, {}\n", moment(time))
}

/// What somebody wrote, so that nothing in it looks like part of the page.
fn quoted(text: &str, out: &mut impl Write) -> io::Result<()> {
    text.lines().try_for_each(|line| writeln!(out, "> {line}"))
}

fn user_message(message: &UserMessageItem, out: &mut impl Write) -> io::Result<()> {
    head("User", message.created_at, out)?;
    if let Some(text) = &message.quoted_text {
        writeln!(out, "About:\n")?;
        quoted(text, out)?;
        writeln!(out)?;
    }
    quoted(&message.text(), out)?;
    for attachment in &message.attachments {
        let file = match attachment {
            Attachment::File(file) | Attachment::Image(ImageAttachment { file, .. }) => file,
            Attachment::Unknown(_) => continue,
        };
        let name = file_name(file.id.as_str(), &file.name);
        writeln!(out, "\n- File: [{}](<../files/{name}>)", line(&file.name))?;
    }
    Ok(())
}

fn assistant_message(message: &AssistantMessageItem, out: &mut impl Write) -> io::Result<()> {
    head("Assistant", message.created_at, out)?;
    quoted(&message.text(), out)?;
    let mut named = Vec::new();
    for annotation in message.content.iter().flat_map(|part| &part.annotations) {
        let shown = match &annotation.source {
            Source::Url(page) => format!("{} ({})", line(&page.title), line(&page.url)),
            Source::File(file) => format!("{} ({})", line(&file.title), line(&file.filename)),
            Source::Entity(entity) => line(&entity.title),
            Source::Unknown(_) => continue,
        };
        if !named.contains(&shown) {
            named.push(shown);
        }
    }
    if !named.is_empty() {
        writeln!(out, "\nSources:\n")?;
    }
    named.iter().try_for_each(|shown| writeln!(out, "- {shown}"))
}

fn structured_input(questions: &StructuredInputItem, out: &mut impl Write) -> io::Result<()> {
    head("Questions", questions.created_at, out)?;
    for input in &questions.inputs {
        let question = match input {
            StructuredInput::MultipleChoice(input) => &input.question,
            StructuredInput::Freeform(input) => &input.question,
            StructuredInput::Unknown(_) => continue,
        };
        let answer = questions.answer(input.id()).map(|values| values.join(", "));
        let answer = answer.unwrap_or_else(|| "no answer".to_owned());
        writeln!(out, "- {}: {}", line(question), line(&answer))?;
    }
    Ok(())
}

fn workflow(workflow: &Workflow, out: &mut impl Write) -> io::Result<()> {
    match &workflow.summary {
        Some(WorkflowSummary::Custom(summary)) => writeln!(out, "{}\n", line(&summary.title))?,
        Some(WorkflowSummary::Duration(summary)) => {
            writeln!(out, "{} seconds\n", summary.duration)?;
        }
        None => {}
    }
    workflow.tasks.iter().try_for_each(|step| task(step, out))
}

fn task(task: &Task, out: &mut impl Write) -> io::Result<()> {
    let (title, content) = match task {
        Task::Custom(task) => (task.title.as_deref(), task.content.as_deref()),
        Task::WebSearch(task) => (task.title.as_deref(), task.title_query.as_deref()),
        Task::Thought(task) => (task.title.as_deref(), Some(task.content.as_str())),
        Task::File(task) => (task.title.as_deref(), None),
        Task::Image(task) => (task.title.as_deref(), None),
        Task::Unknown(_) => (None, None),
    };
    writeln!(out, "- {}", line(title.unwrap_or("Step")))?;
    content.unwrap_or_default().lines().try_for_each(|text| writeln!(out, "  > {text}"))
}

/// What has no form for people.
fn raw(item: &ThreadItem, out: &mut impl Write) -> io::Result<()> {
    let json = serde_json::to_string_pretty(item)?;
    writeln!(out, "\n---\n")?;
    // Indented, it is code, whatever is in it.
    json.lines().try_for_each(|text| writeln!(out, "    {text}"))
}
