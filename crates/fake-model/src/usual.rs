//! What the server does when no script says otherwise: a modest assistant, and the words in a
//! user's message that make it misbehave by hand.

use serde_json::json;

use crate::asked::{Api, Asked};
use crate::behaviour::{Behaviour, ErrorShape, Ids, ImageState, LineEnds, Purpose, Step};

/// The tool that the assistant knows how to use.
const SEARCH_TOOL: &str = "search_documents";

pub(crate) fn usual(asked: &Asked) -> Behaviour {
    if asked.purpose() == Purpose::Title {
        return Behaviour::new().text(title(&asked.user_message));
    }
    if asked.purpose() == Purpose::Verdict {
        let verdict = if asked.user_message.contains("/bad") { "refuse" } else { "pass" };
        return Behaviour::new().text(format!("{{\"verdict\": \"{verdict}\"}}"));
    }
    let words: Vec<&str> = asked.user_message.split_whitespace().collect();
    let argument_of = |trigger: &str| {
        let at = words.iter().position(|word| *word == trigger)?;
        Some(words.get(at + 1).copied().unwrap_or_default())
    };
    let has = |trigger: &str| words.contains(&trigger);
    let half = "The first half of an answer, ";

    if let Some(status) = argument_of("/fail") {
        let status = status.parse().unwrap_or(500);
        let retry_after = (status == 429).then_some(7);
        let step = Step::Status { status, retry_after, code: None, message: None };
        return Behaviour::new().step(step);
    }
    if has("/cut") {
        return Behaviour::new().text(half).cut();
    }
    if has("/end") {
        return Behaviour::new().text(half).end();
    }
    if has("/silent") {
        return Behaviour::new().stall();
    }
    if has("/stall") {
        return Behaviour::new().text(half).stall();
    }
    if has("/malformed") {
        return Behaviour::new().text(half).malformed().text("and the second half.");
    }
    if has("/unknown") {
        return Behaviour::new().text(half).unknown_event().text("and the second half.");
    }
    if has("/error") {
        let message = "The model is overloaded.";
        let shape = match asked.api {
            Api::Responses => ErrorShape::Event,
            Api::ChatCompletions => ErrorShape::Object,
        };
        return Behaviour::new().text(half).error(shape, "server_error", message);
    }
    if has("/incomplete") {
        return Behaviour::new().text(half).incomplete("max_output_tokens");
    }
    if has("/refuse") {
        return Behaviour::new().refusal("I cannot help with that.");
    }
    if has("/reason") {
        return Behaviour::new().reasoning("First I think about it.").text("Then I answer.");
    }
    if let Some(partial) = asked.partial_images
        && (has("/image") || has("/image-refused"))
    {
        let mut prompt = question_of(&asked.user_message);
        if asked.images > 0 {
            prompt = format!("{prompt} (as in {} images before)", asked.images);
        }
        let hold = argument_of("/hold");
        let mut behaviour = Behaviour::new().image(ImageState::Begun, "");
        for _ in 0..partial {
            behaviour = behaviour.image(ImageState::Partial, prompt.as_str());
            if let Some(name) = hold {
                behaviour = behaviour.hold(name);
            }
        }
        if has("/image-refused") {
            let (code, categories) = ("moderation_blocked".into(), vec!["violence".into()]);
            return behaviour.image(ImageState::Failed { code, categories }, "");
        }
        return behaviour.image(ImageState::Done, prompt.as_str()).text("Here it is.");
    }
    if has("/instructions") {
        return Behaviour::new().step(Step::EchoInstructions);
    }
    if has("/markdown") {
        return paced(Behaviour::new().text(MARKDOWN), argument_of("/slow"));
    }
    if let Some(size) = argument_of("/long") {
        let text = long_text(bytes(size).unwrap_or(60_000));
        return paced(Behaviour::new().text_in_chunks(text, 16), argument_of("/slow"));
    }

    let mut behaviour = Behaviour::new();
    if has("/odd") {
        behaviour = behaviour.line_ends(LineEnds::CrLf).ids(Ids::Constant).comment("odd");
        behaviour.bom = true;
    }
    if let Some(name) = argument_of("/hold") {
        if asked.tool_results.is_empty() && asked.tools.is_empty() {
            behaviour = behaviour.text(half);
        }
        behaviour = behaviour.hold(name);
    }
    let question = question_of(&asked.user_message);
    let behaviour = if asked.tool_results.is_empty() {
        if asked.tools.iter().any(|tool| tool == SEARCH_TOOL) && !has("/notools") {
            behaviour.tool_call(SEARCH_TOOL, json!({ "query": question }))
        } else {
            behaviour.text(format!("You said: {question}"))
        }
    } else {
        behaviour.text(cited_answer(asked))
    };
    paced(behaviour, argument_of("/slow"))
}

/// A title such as a modest model gives: the message's first words. Words for this server are
/// left as they are: they are for the answer.
fn title(message: &str) -> String {
    let words = message.split_whitespace().filter(|word| !word.contains("message>"));
    format!("About: {}", words.take(6).collect::<Vec<_>>().join(" "))
}

/// The user's message without the words that are meant for this server.
///
/// The files that stand behind a question are none of it.
fn question_of(message: &str) -> String {
    let message = message.split("\n\n<file name=").next().unwrap_or_default();
    let mut words = message.split_whitespace().peekable();
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "/slow" => {
                words.next_if(|next| next.parse::<u64>().is_ok());
            }
            "/hold" => {
                words.next();
            }
            "/odd" | "/notools" | "/image" | "/image-refused" => {}
            _ => kept.push(word),
        }
    }
    kept.join(" ")
}

/// Puts a delay before each delta when `/slow` was given.
fn paced(mut behaviour: Behaviour, slow: Option<&str>) -> Behaviour {
    if let Some(argument) = slow {
        let delay = argument.parse().unwrap_or(60);
        for step in &mut behaviour.steps {
            if let Step::Text { delay_ms, .. } = step {
                *delay_ms = Some(delay);
            }
        }
    }
    behaviour
}

/// Reads `60kb`, `1mb` or a number of bytes.
fn bytes(size: &str) -> Option<usize> {
    let size = size.to_ascii_lowercase();
    let (number, unit) = match size.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => size.split_at(at),
        None => (size.as_str(), ""),
    };
    let unit = match unit {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        _ => return None,
    };
    // A few megabytes are enough for any test; more would only exhaust this process.
    number.parse::<usize>().ok().map(|number| number.saturating_mul(unit).min(8_000_000))
}

/// Says the first sentence of the first passages and cites each as the instructions ask.
fn cited_answer(asked: &Asked) -> String {
    let passages: Vec<(usize, String)> =
        asked.tool_results.iter().flat_map(|result| passages_in(result)).collect();
    if passages.is_empty() {
        let result = asked.tool_results.last().map_or("", String::as_str);
        let start: String = result.chars().take(200).collect();
        return format!("The search said: {start}");
    }
    let marker = |number: usize| {
        if asked.instructions.contains("【1】") {
            format!("【{number}】")
        } else {
            format!("[{number}]")
        }
    };
    let mut answer = String::from("Here is what the documents say. ");
    for (number, sentence) in passages.iter().take(2) {
        answer.push_str(sentence);
        answer.push(' ');
        answer.push_str(&marker(*number));
        answer.push(' ');
    }
    answer.trim_end().to_owned()
}

/// The passages in a tool result: `<passage number="1">`, lines of `key: value`, a blank line,
/// the text, `</passage>`. Gives each number with the first sentence of its prose.
fn passages_in(result: &str) -> Vec<(usize, String)> {
    let mut passages = Vec::new();
    for part in result.split("<passage number=\"").skip(1) {
        let Some((number, rest)) = part.split_once("\">") else { continue };
        let Ok(number) = number.parse() else { continue };
        let body = rest.split("</passage>").next().unwrap_or_default();
        let text = body.split_once("\n\n").map_or(body, |(_, text)| text);
        passages.push((number, first_sentence(text)));
    }
    passages
}

/// The first sentence of the first paragraph of prose.
fn first_sentence(text: &str) -> String {
    let mut in_code = false;
    let mut prose = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code || line.starts_with('#') || line.starts_with('|') {
            continue;
        }
        if line.is_empty() {
            if prose.is_empty() {
                continue;
            }
            break;
        }
        if !prose.is_empty() {
            prose.push(' ');
        }
        prose.push_str(line);
    }
    let end = prose.find(". ").map_or(prose.len(), |at| at + 1);
    let sentence: String = prose[..end].chars().take(300).collect();
    if sentence.is_empty() { "(a passage without prose)".into() } else { sentence }
}

fn long_text(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 200);
    let mut section = 0;
    while text.len() < bytes {
        section += 1;
        text.push_str(&format!("## Section {section}\n\n"));
        for sentence in 1..=6 {
            text.push_str(&format!(
                "Sentence {sentence} of section {section} has **strong** and `code` words in it. "
            ));
        }
        text.push_str("\n\n- one\n- two\n- three\n\n");
        if section % 5 == 0 {
            text.push_str("```rust\nfn main() {\n    let answer = 42;\n}\n```\n\n");
        }
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.truncate(end);
    text
}

const MARKDOWN: &str = r#"# A heading

A paragraph with **strong**, *emphasised*, ~~struck~~ and `code` words, a
[link](https://example.com/page "Title") and an emoji 👋🏽.

## A list

1. First
2. Second
   - nested
   - [x] done
   - [ ] not done

> A quotation
> over two lines.

| Name | Size | Note |
| :--- | ---: | :--: |
| alpha | 1 | a |
| beta | 22 | b \| c |

```rust
fn main() {
    println!("Hello, {}!", "world");
}
```

Mathematics: $e^{i\pi} + 1 = 0$, and on its own:

$$\int_0^1 x^2 \, dx = \frac{1}{3}$$

---

The end.
"#;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn asked(message: &str, tools: &[&str], tool_results: &[&str]) -> Asked {
        let mut asked = Asked::new(Api::Responses, &json!({ "input": message }));
        asked.tools = tools.iter().map(|&tool| tool.to_owned()).collect();
        asked.tool_results = tool_results.iter().map(|&result| result.to_owned()).collect();
        asked.instructions = "Cite as [1].".into();
        asked
    }

    #[test]
    fn it_searches_first_and_then_cites_what_was_found() {
        let first = usual(&asked("How do I install it?", &[SEARCH_TOOL], &[]));
        let query = json!({"query": "How do I install it?"});
        assert_eq!(first, Behaviour::new().tool_call(SEARCH_TOOL, query));

        let found = "<passage number=\"1\">\ntitle: A\n\n# Install\n\nRun the\ninstaller. Then \
                     wait.\n</passage>\n<passage number=\"2\">\ntitle: B\n\n```sh\nmake\n```\nUse \
                     make.\n</passage>";
        let second = usual(&asked("How do I install it?", &[SEARCH_TOOL], &[found]));
        let text = "Here is what the documents say. Run the installer. [1] Use make. [2]";
        assert_eq!(second, Behaviour::new().text(text));
    }

    #[test]
    fn without_tools_it_echoes() {
        assert_eq!(usual(&asked("Hello", &[], &[])), Behaviour::new().text("You said: Hello"));
    }

    #[test]
    fn words_in_the_message_make_it_misbehave() {
        let fail = usual(&asked("please /fail 429 now", &[SEARCH_TOOL], &[]));
        assert_eq!(fail, Behaviour::new().rate_limited(7));
        let long = usual(&asked("/long 60kb", &[], &[]));
        let Step::Text { text, .. } = long.steps.first().unwrap() else { panic!("no text") };
        assert_eq!(text.len(), 60_000);
        let slow = usual(&asked("/slow 5 Hello", &[], &[]));
        let Step::Text { text, delay_ms, .. } = slow.steps.first().unwrap() else {
            panic!("no text")
        };
        assert_eq!((text.as_str(), *delay_ms), ("You said: Hello", Some(5)));
    }
}
