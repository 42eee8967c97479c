//! What answers take: tokens, and what they cost.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use parlor_chatkit::{Owner, protocol::ThreadId};
use serde::{Deserialize, Serialize};

use crate::model::Usage;

/// What something costs, in billionths of the currency that prices are written in.
pub type Nanos = u64;

/// What a million tokens of a model cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of requests.
    pub input: f64,
    /// Of those parts of requests that the provider had kept; as `input` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached: Option<f64>,
    /// Of answers.
    pub output: f64,
}

impl Price {
    /// Whether it can be one: no part is negative or no number.
    pub fn is_valid(&self) -> bool {
        let parts = [self.input, self.cached.unwrap_or(0.0), self.output];
        parts.iter().all(|part| part.is_finite() && *part >= 0.0)
    }

    /// What this usage costs.
    pub fn of(&self, usage: &Usage) -> Nanos {
        let cached = usage.cached_tokens.min(usage.input_tokens);
        let fresh = usage.input_tokens - cached;
        let parts = [
            (fresh, self.input),
            (cached, self.cached.unwrap_or(self.input)),
            (usage.output_tokens, self.output),
        ];
        // Per million, in billionths. No turn has as many tokens as a float cannot count.
        #[expect(clippy::cast_precision_loss, reason = "see above")]
        let cost: f64 = parts.iter().map(|(tokens, price)| *tokens as f64 * price * 1_000.0).sum();
        nanos(cost)
    }
}

/// An amount of the currency as it is counted.
pub fn amount(written: f64) -> Nanos {
    nanos(written * 1_000_000_000.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as casts saturate")]
fn nanos(cost: f64) -> Nanos {
    cost.round() as Nanos
}

/// Prices of models, by their names.
pub type Prices = HashMap<String, Price>;

/// What one model took for one turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelUsage {
    /// The model's name.
    pub model: String,
    /// Requests for an answer.
    pub requests: u32,
    /// Tokens of the requests.
    pub input_tokens: u64,
    /// Those of them that came from the provider's cache.
    pub cached_tokens: u64,
    /// Tokens of the answers.
    pub output_tokens: u64,
    /// What it cost, where the model's price is known.
    pub cost: Option<Nanos>,
}

/// What a turn took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnUsage {
    /// Who asked.
    pub owner: Owner,
    /// In which thread.
    pub thread_id: ThreadId,
    /// What it was for.
    pub purpose: Purpose,
    /// By model, each once.
    pub models: Vec<ModelUsage>,
}

/// What a model was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// An answer.
    Answer,
    /// A conversation's title.
    Title,
    /// A guardrail's question whether a text may pass.
    Guardrail,
}

/// Is told what turns took, once each, when they are over: also of those that were stopped or failed.
/// It must not block.
pub trait UsageSink: Send + Sync + 'static {
    /// A turn took this. Tokens that a model server did not count are guessed.
    fn used(&self, usage: TurnUsage);
}

/// Adds up what one turn takes, and tells it when the last one who adds is gone. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tab(Arc<Inner>);

struct Inner {
    sink: Option<Arc<dyn UsageSink>>,
    prices: Arc<Prices>,
    usage: Mutex<TurnUsage>,
}

impl Tab {
    pub(crate) fn open(
        sink: Option<Arc<dyn UsageSink>>,
        prices: Arc<Prices>,
        owner: Owner,
        thread_id: ThreadId,
        purpose: Purpose,
    ) -> Self {
        let usage = Mutex::new(TurnUsage { owner, thread_id, purpose, models: Vec::new() });
        Self(Arc::new(Inner { sink, prices, usage }))
    }

    /// A model took this.
    pub(crate) fn add(&self, model: &str, used: &Usage) {
        let mut usage = self.0.lock();
        let at = usage.models.iter().position(|known| known.model == model).unwrap_or_else(|| {
            usage.models.push(ModelUsage { model: model.to_owned(), ..ModelUsage::default() });
            usage.models.len() - 1
        });
        let sum = &mut usage.models[at];
        sum.requests += 1;
        sum.input_tokens += used.input_tokens;
        sum.cached_tokens += used.cached_tokens;
        sum.output_tokens += used.output_tokens;
        if let Some(price) = self.0.prices.get(model) {
            sum.cost = Some(sum.cost.unwrap_or(0).saturating_add(price.of(used)));
        }
    }

    /// What it cost so far, as far as prices are known.
    pub(crate) fn cost(&self) -> Nanos {
        let usage = self.0.lock();
        usage.models.iter().filter_map(|model| model.cost).fold(0, u64::saturating_add)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, TurnUsage> {
        // A panic while it was held leaves whole sums.
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let usage = self.usage.get_mut().unwrap_or_else(PoisonError::into_inner);
        if usage.models.is_empty() {
            return;
        }
        for model in &usage.models {
            tracing::debug!(
                thread_id = %usage.thread_id, purpose = ?usage.purpose, model = model.model,
                requests = model.requests, input_tokens = model.input_tokens,
                cached_tokens = model.cached_tokens, output_tokens = model.output_tokens,
                cost_nanos = model.cost, "what a turn took"
            );
        }
        if let Some(sink) = &self.sink {
            let models = std::mem::take(&mut usage.models);
            sink.used(TurnUsage { models, ..usage.clone() });
        }
    }
}

impl fmt::Debug for Tab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tab").field("cost", &self.cost()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_by_the_provider_costs_what_that_costs() {
        let price = Price { input: 0.25, cached: Some(0.025), output: 2.0 };
        let usage =
            Usage { input_tokens: 1_000_000, cached_tokens: 400_000, output_tokens: 10_000 };
        // 0.6 * 0.25 + 0.4 * 0.025 + 0.01 * 2
        assert_eq!(price.of(&usage), amount(0.18));
        let plain = Price { cached: None, ..price };
        assert_eq!(plain.of(&usage), amount(0.27));
        // A server that counts oddly costs no more than what it says it read.
        let odd = Usage { input_tokens: 1, cached_tokens: 5, output_tokens: 0 };
        assert_eq!(price.of(&odd), 25);
        assert!(price.is_valid());
        for wrong in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(!Price { output: wrong, ..price }.is_valid());
            assert!(!Price { cached: Some(wrong), ..price }.is_valid());
        }
    }
}
