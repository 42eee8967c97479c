//! What is acceptable beyond being well-formed.

use std::collections::HashSet;

use parlor_protocol::{JsonMap, UserMessageContent, UserMessageInput};

use crate::{AttachmentLimits, ChatKitError, Limits};

/// Checks a message by itself. `attachments` is `None` where they are not enabled.
pub(crate) fn message(
    input: &UserMessageInput,
    limits: &Limits,
    attachments: Option<&AttachmentLimits>,
) -> Result<(), ChatKitError> {
    let field = "params.input.content";
    if input.content.len() > limits.message_parts {
        return Err(ChatKitError::invalid(
            field,
            format!(
                "has {} parts, at most {} are allowed",
                input.content.len(),
                limits.message_parts
            ),
        ));
    }
    let mut chars = 0;
    let mut blank = true;
    for (index, part) in input.content.iter().enumerate() {
        if let UserMessageContent::Unknown(unknown) = part {
            return Err(ChatKitError::invalid(
                format!("{field}[{index}].type"),
                format!(
                    "`{}` is not known; use one of {}",
                    unknown.tag(),
                    UserMessageContent::TAGS.join(", ")
                ),
            ));
        }
        no_nul(part.text(), || format!("{field}[{index}].text"))?;
        chars += part.text().chars().count();
        blank &= part.text().trim().is_empty();
    }
    if chars > limits.message_chars {
        return Err(ChatKitError::invalid(
            field,
            format!("is {chars} characters long, at most {} are allowed", limits.message_chars),
        ));
    }
    if blank && input.attachments.is_empty() {
        return Err(ChatKitError::invalid(field, "is empty; a message needs some text"));
    }
    if let Some(quoted) = &input.quoted_text {
        let field = "params.input.quoted_text";
        no_nul(quoted, || field.to_owned())?;
        at_most(quoted, limits.quoted_chars, field)?;
    }
    if !input.attachments.is_empty() {
        let field = "params.input.attachments";
        let Some(limits) = attachments else {
            return Err(ChatKitError::invalid(
                field,
                "attachments are not enabled on this server; send the message without them",
            ));
        };
        let (count, max) = (input.attachments.len(), limits.per_message);
        if count > max {
            let message = format!("names {count} files, at most {max} are allowed");
            return Err(ChatKitError::invalid(field, message));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = input.attachments.iter().position(|id| !seen.insert(id)) {
            let message = "names a file that was named before; name each once";
            return Err(ChatKitError::invalid(format!("{field}[{twice}]"), message));
        }
    }
    Ok(())
}

/// Checks a thread's title; gives it trimmed.
pub(crate) fn title<'a>(title: &'a str, limits: &Limits) -> Result<&'a str, ChatKitError> {
    let field = "params.title";
    let title = title.trim();
    if title.is_empty() {
        return Err(ChatKitError::invalid(field, "is empty; a title needs some text"));
    }
    no_nul(title, || field.to_owned())?;
    at_most(title, limits.title_chars, field)?;
    Ok(title)
}

/// Checks the size of request metadata.
pub(crate) fn metadata(metadata: &JsonMap, limits: &Limits) -> Result<(), ChatKitError> {
    let bytes = serde_json::to_vec(metadata).map_or(usize::MAX, |json| json.len());
    if bytes > limits.metadata_bytes {
        return Err(ChatKitError::invalid(
            "metadata",
            format!("is {bytes} bytes long, at most {} are allowed", limits.metadata_bytes),
        ));
    }
    Ok(())
}

/// Checks the `Idempotency-Key` header.
pub(crate) fn idempotency_key(key: &str) -> Result<(), ChatKitError> {
    /// As the header is used elsewhere; a UUID has 36.
    const MAX: usize = 255;
    let field = "Idempotency-Key";
    if key.is_empty() {
        return Err(ChatKitError::invalid(field, "is empty; leave it out or send a fresh UUID"));
    }
    no_nul(key, || field.to_owned())?;
    at_most(key, MAX, field)
}

/// The number of records for one page.
pub(crate) fn page_size(limit: Option<i64>, limits: &Limits) -> Result<u32, ChatKitError> {
    /// What the reference gives when nothing is asked for.
    const DEFAULT: i64 = 20;
    match limit.unwrap_or(DEFAULT) {
        negative @ ..0 => Err(ChatKitError::invalid(
            "params.limit",
            format!("is {negative}; it must be a positive number"),
        )),
        // The reference reads 0 as "not given".
        0 => Ok(u32::try_from(DEFAULT).unwrap_or(u32::MAX).min(limits.page_size)),
        wish => Ok(u32::try_from(wish).unwrap_or(u32::MAX).min(limits.page_size)),
    }
}

fn no_nul(text: &str, field: impl FnOnce() -> String) -> Result<(), ChatKitError> {
    if text.contains('\0') {
        return Err(ChatKitError::invalid(field(), "contains a NUL character; remove it"));
    }
    Ok(())
}

fn at_most(text: &str, max: usize, field: &'static str) -> Result<(), ChatKitError> {
    let chars = text.chars().count();
    if chars > max {
        return Err(ChatKitError::invalid(
            field,
            format!("is {chars} characters long, at most {max} are allowed"),
        ));
    }
    Ok(())
}
