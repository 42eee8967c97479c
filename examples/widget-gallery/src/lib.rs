#![doc = include_str!("../README.md")]

pub mod chapters;

use std::time::Duration;

use axum::{Router, response::Html, routing::get};
use parlor_chatkit::{
    ActionSender, ChatKit, RequestContext, Responder, Turn, TurnError, WidgetTemplate,
    protocol::{
        Action, SyncCustomActionResponse, ThreadMetadata, WidgetItem,
        widgets::{Badge, BadgeColor, WidgetRoot},
    },
};
use parlor_server::Server;
use parlor_store::SqliteStore;
use serde::de::DeserializeOwned;

use crate::chapters::{actions, charts, content, fields, form, layout, live, streaming};

/// Shows the chapter that a message names.
pub struct Gallery {
    boarding_pass: WidgetTemplate,
}

impl Gallery {
    /// A gallery with its template read.
    ///
    /// # Errors
    /// When the template has a mistake.
    pub fn new() -> Result<Self, parlor_chatkit::WidgetTemplateError> {
        let source = include_str!("../assets/boarding-pass.widget");
        Ok(Self { boarding_pass: WidgetTemplate::parse(source)? })
    }
}

impl Responder for Gallery {
    async fn respond(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let title = turn.input().map(|message| message.text()).unwrap_or_default();
        let wanted = title.to_lowercase();
        let all = wanted.contains("everything");
        let mut shown = false;
        for chapter in chapters::ALL {
            if all || wanted.contains(chapter) {
                self.show(turn, chapter).await?;
                shown = true;
            }
        }
        if !shown {
            let list = chapters::ALL.map(|chapter| format!("- {chapter}")).join("\n");
            return say(turn, &format!("Name a chapter, or everything:\n\n{list}")).await;
        }
        turn.set_title_at_end(title);
        Ok(())
    }

    /// Actions that are answered with a stream.
    async fn action(&self, turn: &mut Turn, sender: ActionSender) -> Result<(), TurnError> {
        match sender.action.r#type.as_str() {
            form::BOOK => {
                let booking: form::Booking = payload(&sender.action)?;
                if booking.guests == "8" {
                    // The user reads this below the widget, and can change the form and try again.
                    return Err(TurnError::new("booking.full", "There is no table for 8."));
                }
                replace(turn, sender.widget, form::booked(&booking)).await?;
                say(turn, &format!("See you on {}, {}.", booking.day, booking.name)).await
            }
            form::SUBSCRIBE => {
                let form::SignUp { to } = payload(&sender.action)?;
                replace(turn, sender.widget, form::subscribed(&to)).await
            }
            form::CANCEL => replace(turn, sender.widget, form::cancelled()).await,
            live::PACK => {
                let list: live::PackingList = payload(&sender.action)?;
                replace(turn, sender.widget, list.widget()).await
            }
            actions::WORK => {
                tokio::time::sleep(Duration::from_millis(1200)).await;
                turn.notice(parlor_chatkit::protocol::NoticeLevel::Info, "Worked for a while.")
                    .await
            }
            other => Err(TurnError::new("action.unknown", format!("Nothing handles “{other}”."))),
        }
    }

    /// Actions that are answered with the changed widget, without a turn: quick, and nothing
    /// is said.
    async fn sync_action(
        &self,
        _context: &RequestContext,
        _thread: &ThreadMetadata,
        sender: ActionSender,
    ) -> Result<SyncCustomActionResponse, TurnError> {
        let widget = match sender.action.r#type.as_str() {
            live::VOTE => payload::<live::Poll>(&sender.action)?.widget(),
            actions::COUNT => payload::<actions::Counter>(&sender.action)?.widget(),
            other => {
                return Err(TurnError::new(
                    "action.unknown",
                    format!("Nothing handles “{other}”."),
                ));
            }
        };
        let updated_item = sender.widget.map(|item| WidgetItem { widget, ..item }.into());
        Ok(SyncCustomActionResponse { updated_item })
    }
}

impl Gallery {
    async fn show(&self, turn: &mut Turn, chapter: &str) -> Result<(), TurnError> {
        let widgets = match chapter {
            chapters::CONTENT => content::widgets(),
            chapters::LAYOUT => layout::widgets(),
            chapters::FIELDS => fields::widgets(),
            chapters::CHARTS => charts::widgets(),
            chapters::FORM => form::widgets(),
            chapters::ACTIONS => actions::widgets(),
            chapters::STREAMING => return self.stream(turn).await,
            chapters::IN_PLACE => {
                vec![live::PackingList::default().widget(), live::Poll::default().widget()]
            }
            _ => vec![self.boarding_pass.build(chapters::flight())?],
        };
        for widget in widgets {
            turn.widget(widget, Some(format!("A widget of the chapter “{chapter}”"))).await?;
        }
        Ok(())
    }

    /// One widget in many versions.
    async fn stream(&self, turn: &mut Turn) -> Result<(), TurnError> {
        let mut widget = turn.begin_widget(streaming::empty(), None).await?;
        let mut written = String::new();
        for word in streaming::LETTER.split_inclusive(' ') {
            // Text that grows is sent as it grows; `append` needs no comparison at all.
            widget.append(streaming::TEXT, word).await?;
            written.push_str(word);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        // Anything else sends the new version, as far as it differs.
        let done = Badge::new("Finished").color(BadgeColor::Success);
        widget.update(streaming::letter(&written, done, false)).await?;
        widget.finish().await?;
        Ok(())
    }
}

/// What an action carries, read into what it ought to be.
fn payload<T: DeserializeOwned>(action: &Action) -> Result<T, TurnError> {
    serde_json::from_value(action.payload.clone().unwrap_or_default()).map_err(|error| {
        TurnError::new("action.payload", format!("“{}” came incomplete.", action.r#type))
            .caused_by(error)
    })
}

/// Puts a new version of a widget in its place.
async fn replace(
    turn: &mut Turn,
    item: Option<WidgetItem>,
    widget: WidgetRoot,
) -> Result<(), TurnError> {
    match item {
        Some(item) => turn.replace_item(WidgetItem { widget, ..item }).await,
        None => Ok(()),
    }
}

async fn say(turn: &mut Turn, text: &str) -> Result<(), TurnError> {
    let mut reply = turn.assistant_message().await?;
    reply.push(text).await?;
    reply.finish().await
}

/// The gallery's page with the chat, on one port.
///
/// # Errors
/// When the database cannot be opened or the address is taken.
pub async fn server(database: &str, address: &str) -> anyhow::Result<Server> {
    let chatkit = ChatKit::new(SqliteStore::open(database).await?, Gallery::new()?);
    let pages = Router::new().route("/", get(async || Html(include_str!("../page.html"))));
    Ok(Server::bind(chatkit, address, pages).await?)
}
