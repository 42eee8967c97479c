//! Answers questions about widgets, one a line, for the comparison with the official SDK
//! (`tests/conformance/check_widget_diff.py`).
//!
//! A line is `{"before": <widget>, "after": <widget>}`, answered with the updates that
//! `diff_widget` finds, or `{"template": <widget file>, "data": <object>}`, answered with
//! `{"widget": <widget>}` or `{"error": <message>, "cause": <message>}`.

use std::{
    error::Error,
    io::{BufRead as _, Write as _},
};

use parlor_chatkit::{WidgetTemplate, diff_widget, protocol::widgets::WidgetRoot};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(untagged)]
enum Question {
    Diff { before: WidgetRoot, after: WidgetRoot },
    Template { template: Value, data: Value },
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?)? {
            Question::Diff { before, after } => serde_json::to_value(diff_widget(&before, &after))?,
            Question::Template { template, data } => {
                let built = WidgetTemplate::parse(&template.to_string())
                    .and_then(|template| template.build(data));
                match built {
                    Ok(widget) => json!({"widget": widget}),
                    Err(error) => {
                        let cause = error.source().map(ToString::to_string);
                        json!({"error": error.to_string(), "cause": cause})
                    }
                }
            }
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}
