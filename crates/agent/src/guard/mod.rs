//! Guardrails: checks of what users say and of what is answered.
//!
//! [`Guards::begin`] puts them before a turn, whoever answers it. What a user says is checked before a
//! model is asked, or beside it while nothing gets out; what is answered is checked while it is said
//! and once more when it is whole, and taken back if it must not stay.

mod guarded;
mod judge;
mod moderation;
mod rules;
mod screen;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared, join_all},
};
use parlor_chatkit::{Notes, TokenMeter, Turn, TurnError};
use serde_json::json;
use tokio::time::Instant;
use tracing::Instrument as _;

pub use guarded::Guarded;
pub use judge::{JUDGE_INSTRUCTIONS, Judge};
pub use moderation::{ModerationClient, ModerationConfig};
pub use rules::{Preset, RuleError, Rules};

use crate::{
    measure,
    titles::title_of,
    usage::{Prices, Purpose, Tab, UsageSink},
};
use screen::GuardScreen;

/// What is said where a guardrail has no message of its own.
const REFUSED: &str = "This message cannot be answered here.";
const TAKEN_BACK: &str = "The answer was taken back: it broke a rule of this site.";
const UNAVAILABLE: &str =
    "This could not be checked just now, so there is no answer. Please try again later.";

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// What a user says.
    Input,
    /// What is answered.
    Output,
}

impl Side {
    fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// What happens where a check cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IfUnavailable {
    /// As if it had passed.
    #[default]
    Allow,
    /// As if it had not, and the user is told why.
    Refuse,
}

/// How a guardrail is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardrailConfig {
    /// For figures and the log.
    pub name: String,
    /// What is checked.
    pub on: Vec<Side>,
    /// What the user is told when it trips. By default that something was refused or taken back.
    pub message: Option<String>,
    /// What happens where the check cannot be made.
    pub if_unavailable: IfUnavailable,
    /// How long a check may take. Longer is unavailable.
    pub timeout: Duration,
    /// Checks what a user says beside the first request to the model, and not before it. Nothing gets
    /// out meanwhile, but the model server is sent the message.
    pub beside: bool,
    /// How many characters of an answer are said between two checks of it, for checks that ask
    /// somebody else. `None`: only when it is whole.
    pub window_chars: Option<usize>,
}

impl GuardrailConfig {
    /// One that checks this, with 5 s of patience, before the model is asked, and an answer when it is
    /// whole.
    pub fn new(name: impl Into<String>, on: impl Into<Vec<Side>>) -> Self {
        Self {
            name: name.into(),
            on: on.into(),
            message: None,
            if_unavailable: IfUnavailable::default(),
            timeout: Duration::from_secs(5),
            beside: false,
            window_chars: None,
        }
    }
}

/// How a text is checked.
#[derive(Debug, Clone)]
pub enum Check {
    /// By rules, at once.
    Rules(Rules),
    /// By rules, and what they find is replaced before a model is told it. For what users say only.
    Redact(Rules),
    /// By a moderation model.
    Moderation(ModerationClient),
    /// By a model that judges.
    Judge(Judge),
}

/// One guardrail.
#[derive(Debug, Clone)]
pub struct Guardrail {
    config: GuardrailConfig,
    check: Check,
}

impl Guardrail {
    /// One that is applied in this way.
    pub fn new(config: GuardrailConfig, check: Check) -> Self {
        Self { config, check }
    }

    fn is_on(&self, side: Side) -> bool {
        self.config.on.contains(&side)
    }

    fn kind(&self) -> &'static str {
        match self.check {
            Check::Rules(_) | Check::Redact(_) => "rules",
            Check::Moderation(_) => "moderation",
            Check::Judge(_) => "judge",
        }
    }

    /// Whether somebody else is asked.
    fn asks(&self) -> bool {
        matches!(self.check, Check::Moderation(_) | Check::Judge(_))
    }

    fn tripped(&self, side: Side, what: &str) -> Tripped {
        // No word of the text: what was said is nobody's business but its user's.
        tracing::warn!(
            guardrail = self.config.name,
            on = side.as_str(),
            kind = self.kind(),
            found = what,
            "a guardrail tripped"
        );
        let message = self.config.message.as_deref().unwrap_or(match side {
            Side::Input => REFUSED,
            Side::Output => TAKEN_BACK,
        });
        Tripped { message: message.into() }
    }

    /// Asks somebody else about a text.
    async fn ask(&self, side: Side, text: &str, asker: &Asker) -> Option<Tripped> {
        let timeout = self.config.timeout;
        let since = Instant::now();
        let answered = match &self.check {
            Check::Moderation(client) => client.category(text, timeout).await,
            Check::Judge(judge) => judge.refuses(side, text, asker, timeout).await,
            Check::Rules(_) | Check::Redact(_) => Ok(None),
        };
        let mut found = None;
        let (outcome, tripped) = match answered {
            Ok(None) => ("passed", None),
            Ok(Some(what)) => {
                let tripped = self.tripped(side, &what);
                found = Some(what);
                ("tripped", Some(tripped))
            }
            Err(error) => {
                found = Some(error.to_string());
                let name = &self.config.name;
                tracing::warn!(guardrail = name, %error, "a check could not be made");
                let refuses = self.config.if_unavailable == IfUnavailable::Refuse;
                ("unavailable", refuses.then(|| Tripped { message: UNAVAILABLE.into() }))
            }
        };
        let took = since.elapsed();
        measure::guardrail(&self.config.name, side.as_str(), outcome, Some(took));
        self.note(&asker.notes, side, outcome, found.as_deref(), Some(took));
        tripped
    }

    fn note(
        &self,
        notes: &Notes,
        side: Side,
        outcome: &str,
        found: Option<&str>,
        took: Option<Duration>,
    ) {
        notes.add("guardrail", || {
            json!({ "name": self.config.name, "kind": self.kind(), "on": side.as_str(),
                "outcome": outcome, "found": found,
                "ms": took.map(|took| took.as_secs_f64() * 1_000.0) })
        });
    }
}

/// On whose account somebody is asked, and where what they say is noted.
#[derive(Clone)]
struct Asker {
    meter: TokenMeter,
    tab: Tab,
    notes: Notes,
}

/// A guardrail has tripped.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tripped {
    /// What the user is told.
    message: Arc<str>,
}

/// What becomes of a message: `None` if it passes.
type InputCheck = Shared<BoxFuture<'static, Option<Tripped>>>;

/// Guardrails, in order. Cheap to clone.
#[derive(Clone, Default)]
pub struct Guards {
    guardrails: Arc<Vec<Guardrail>>,
    prices: Arc<Prices>,
    usage_to: Option<Arc<dyn UsageSink>>,
}

impl Guards {
    /// These guardrails.
    pub fn new(guardrails: Vec<Guardrail>) -> Self {
        Self { guardrails: Arc::new(guardrails), ..Self::default() }
    }

    /// Tells what judges take of their models, with these prices.
    #[must_use]
    pub fn usage_to(mut self, sink: Arc<dyn UsageSink>, prices: Prices) -> Self {
        (self.usage_to, self.prices) = (Some(sink), Arc::new(prices));
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.guardrails.is_empty()
    }

    fn on(&self, side: Side) -> impl Iterator<Item = &Guardrail> {
        self.guardrails.iter().filter(move |guardrail| guardrail.is_on(side))
    }

    fn asker(&self, turn: &Turn) -> Asker {
        let (context, thread) = (turn.context(), turn.thread().id.clone());
        let (sink, prices) = (self.usage_to.clone(), Arc::clone(&self.prices));
        let tab = Tab::open(sink, prices, context.owner().clone(), thread, Purpose::Guardrail);
        Asker { meter: context.token_meter(), tab, notes: turn.notes().clone() }
    }

    /// Puts the guardrails before a turn, and checks what the user said. Call it before anybody
    /// answers, and answer within [`Begun::race`].
    ///
    /// # Errors
    ///
    /// When the message is not to be answered. Pass the error on: the turn then says why.
    pub async fn begin(&self, turn: &mut Turn) -> Result<Begun, TurnError> {
        let asked = turn.input().map(|message| {
            let text = message.text();
            match &message.quoted_text {
                Some(quoted) => format!("{text}\n\n{quoted}"),
                None => text,
            }
        });
        let asker = self.asker(turn);
        let mut begun = Begun { beside: None };
        let mut before: Vec<InputCheck> = Vec::new();
        if let Some(text) = asked.filter(|_| self.on(Side::Input).next().is_some()) {
            let by_rules = self.by_rules(&text, turn.notes());
            let at_once = by_rules.is_none();
            before.push(futures::future::ready(by_rules).boxed().shared());
            if at_once {
                let text: Arc<str> = text.into();
                before.extend(self.asking(&asker, &text, false));
                begun.beside = self.asking(&asker, &text, true);
            }
        }
        let checks = before.iter().chain(&begun.beside).cloned().collect();
        let screen = GuardScreen::new(self.clone(), checks, asker);
        turn.screen(Box::new(screen));
        if let Some(title) = turn.input().and_then(|message| title_of(&message.text()))
            && turn.thread().title.is_none()
        {
            // One without an answer can be told from the others, too.
            turn.set_title_at_end(title);
        }
        for check in before {
            if check.await.is_some() {
                return Err(refused());
            }
        }
        if let Some(check) = begun.beside.clone() {
            let gate = check.map(|tripped| tripped.map_or(Ok(()), |_| Err(refused())));
            turn.hold_until(gate.boxed());
        }
        self.redact(turn);
        Ok(begun)
    }

    /// What rules find in what a user says.
    fn by_rules(&self, text: &str, notes: &Notes) -> Option<Tripped> {
        self.on(Side::Input).find_map(|guardrail| {
            let Check::Rules(rules) = &guardrail.check else { return None };
            let found = rules.find(text, text.len(), true).map(rules::Found::name);
            let outcome = if found.is_some() { "tripped" } else { "passed" };
            measure::guardrail(&guardrail.config.name, "input", outcome, None);
            guardrail.note(notes, Side::Input, outcome, found.as_deref(), None);
            Some(guardrail.tripped(Side::Input, &found?))
        })
    }

    /// Asks all who are to be asked about what a user says, in a task: a turn that is stopped must
    /// still learn what became of its message.
    fn asking(&self, asker: &Asker, text: &Arc<str>, beside: bool) -> Option<InputCheck> {
        let is_meant =
            |guardrail: &&Guardrail| guardrail.asks() && guardrail.config.beside == beside;
        let asked: Vec<Guardrail> = self.on(Side::Input).filter(is_meant).cloned().collect();
        if asked.is_empty() {
            return None;
        }
        let (asker, text) = (asker.clone(), Arc::clone(text));
        let work = async move {
            let asking = asked.iter().map(|one| one.ask(Side::Input, &text, &asker));
            join_all(asking).await.into_iter().flatten().next()
        };
        let task = tokio::spawn(work.in_current_span());
        // A check that panicked is one that could not be made, and the strictest is meant.
        let lost = || Some(Tripped { message: UNAVAILABLE.into() });
        Some(task.map(move |checked| checked.unwrap_or_else(|_| lost())).boxed().shared())
    }

    /// Has the model told what users say without what is to be kept from it.
    fn redact(&self, turn: &mut Turn) {
        let rules: Vec<Rules> = self
            .on(Side::Input)
            .filter_map(|guardrail| match &guardrail.check {
                Check::Redact(rules) => Some(rules.clone()),
                _ => None,
            })
            .collect();
        if rules.is_empty() {
            return;
        }
        turn.read_as(move |text| {
            let redacted =
                rules.iter().fold(Cow::Borrowed(text), |text, rules| match rules.redacted(&text) {
                    Cow::Owned(redacted) => Cow::Owned(redacted),
                    Cow::Borrowed(_) => text,
                });
            match redacted {
                Cow::Owned(redacted) => Some(redacted),
                Cow::Borrowed(_) => None,
            }
        });
    }
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guards").field(&self.guardrails).finish()
    }
}

/// A turn whose guardrails are in place.
#[derive(Debug)]
#[must_use = "a message may turn out to be refused while it is answered"]
pub struct Begun {
    beside: Option<InputCheck>,
}

impl Begun {
    /// Answers, and gives that up when the message is refused meanwhile.
    ///
    /// # Errors
    ///
    /// As the answer's; and when the message is refused. Pass it on: the turn then says why.
    pub async fn race(
        self,
        answer: impl Future<Output = Result<(), TurnError>> + Send,
    ) -> Result<(), TurnError> {
        let Some(check) = self.beside else { return answer.await };
        let refusal = async {
            if check.await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            () = refusal => Err(refused()),
            answered = answer => answered,
        }
    }
}

/// Ends an answer. What is said in its place is the screen's to decide.
fn refused() -> TurnError {
    TurnError::new("guardrail.refused", REFUSED)
}

/// Ends an answer that is taken back.
fn taken_back() -> TurnError {
    TurnError::new("guardrail.taken_back", TAKEN_BACK)
}
