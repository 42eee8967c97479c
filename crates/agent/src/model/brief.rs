//! Short questions to a model whose answer is one text, read when it is whole.

use std::sync::Arc;

use super::{InputItem, ModelClient, ModelError, ModelEvent, ModelRequest};
use crate::measure::Spent;

/// Bounds what the model may spend. Answers are some ten or twenty tokens; models that reason need
/// more for that.
const MAX_OUTPUT_TOKENS: u32 = 2_000;

/// How much of an answer is read, in bytes. The rest is none of what was asked for.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

impl ModelRequest {
    /// A question of one message, without tools. `model` is its name; empty means the configured one.
    pub(crate) fn brief(model: &str, instructions: String, message: String) -> Self {
        Self {
            model: model.to_owned(),
            instructions,
            input: vec![InputItem::User(message)],
            tools: Arc::default(),
            tool_choice: None,
            user: None,
            max_output_tokens: Some(MAX_OUTPUT_TOKENS),
            reasoning: None,
            images: None,
        }
    }
}

impl ModelClient {
    /// The text that a model says, without the reasoning that some servers leave in it.
    pub(crate) async fn text(
        &self,
        request: &ModelRequest,
        spent: &mut Spent,
    ) -> Result<String, ModelError> {
        let mut stream = self.stream(request).await.inspect_err(|_| spent.nothing())?;
        let mut answer = String::new();
        while let Some(event) = stream.next().await {
            match event? {
                ModelEvent::TextDelta(delta) => {
                    spent.said(delta.len());
                    answer.push_str(&delta);
                    if answer.len() > MAX_ANSWER_BYTES {
                        break;
                    }
                }
                ModelEvent::Done { usage: Some(usage), .. } => spent.used(&usage),
                _ => {}
            }
        }
        Ok(without_thoughts(&answer).to_owned())
    }
}

fn without_thoughts(answer: &str) -> &str {
    match answer.trim_start().strip_prefix("<think>") {
        Some(thoughts) => thoughts.split_once("</think>").map_or("", |(_, said)| said),
        None => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_that_is_left_in_a_text_is_no_part_of_it() {
        for (answer, said) in [
            ("Billing", "Billing"),
            ("<think>\nHm. A title.\n</think>\n\nBilling", "\n\nBilling"),
            (" \n<think></think>Billing", "Billing"),
            ("<think>{\"verdict\": \"refuse\"}?</think>{}", "{}"),
            ("<think>never comes to an end", ""),
            ("About <think>", "About <think>"),
        ] {
            assert_eq!(without_thoughts(answer), said, "{answer}");
        }
    }
}
