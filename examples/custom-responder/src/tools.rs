//! What the model can do: look up orders and rules, and propose a refund.

use parlor_agent::model::ToolSpec;
use parlor_chatkit::{
    Owner,
    protocol::{EntitySource, Source, widgets::Card},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    orders::{Order, Orders, POLICIES, State},
    widgets,
};

/// A call of one of our tools.
#[derive(Debug)]
pub enum Call {
    /// Looks up an order.
    FindOrder(OrderNumber),
    /// Reads the shop's rules.
    ReadPolicies,
    /// Asks the customer whether to pay an order back.
    ProposeRefund(OrderNumber),
}

/// The arguments of the tools that are about an order.
#[derive(Debug, Deserialize)]
pub struct OrderNumber {
    number: u32,
}

/// What a tool found.
#[derive(Default)]
pub struct Outcome {
    /// What the model is told.
    pub told: String,
    /// What the customer is shown.
    pub shown: Option<(Card, String)>,
}

/// The tools, as the model is told of them.
pub fn specs() -> Vec<ToolSpec> {
    let number = json!({
        "type": "object",
        "properties": {"number": {"type": "integer", "description": "The order's number."}},
        "required": ["number"],
        "additionalProperties": false,
    });
    let nothing = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let spec = |name: &str, description: &str, parameters: &Value| ToolSpec {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters: parameters.clone(),
    };
    vec![
        spec("find_order", "Looks up one of the customer's orders, and shows it to them.", &number),
        spec("read_policies", "The shop's rules on returns, refunds and delivery.", &nothing),
        spec("propose_refund", "Asks the customer to confirm a refund. Pays nothing.", &number),
    ]
}

impl Call {
    /// Reads a call.
    ///
    /// # Errors
    /// What to tell the model, which can call again: models write what they like.
    pub fn parse(name: &str, arguments: &str) -> Result<Self, String> {
        let order = || {
            serde_json::from_str(arguments)
                .map_err(|error| format!("Error: the arguments of {name} are wrong: {error}"))
        };
        match name {
            "find_order" => order().map(Self::FindOrder),
            "read_policies" => Ok(Self::ReadPolicies),
            "propose_refund" => order().map(Self::ProposeRefund),
            _ => Err("Error: there is no such tool.".to_owned()),
        }
    }

    /// What the customer reads while it runs.
    pub fn title(&self) -> String {
        match self {
            Self::FindOrder(order) => format!("Looking up order {}", order.number),
            Self::ReadPolicies => "Reading the shop’s rules".to_owned(),
            Self::ProposeRefund(order) => format!("Preparing the refund of {}", order.number),
        }
    }

    /// The icon beside it.
    pub fn icon(&self) -> &'static str {
        match self {
            Self::FindOrder(_) => "search",
            Self::ReadPolicies => "book-open",
            Self::ProposeRefund(_) => "reload",
        }
    }

    /// Runs it for a customer. What it found is numbered in `sources`, for the model to cite.
    pub fn run(&self, orders: &Orders, customer: &Owner, sources: &mut Vec<Source>) -> Outcome {
        match self {
            Self::FindOrder(wanted) => match orders.find(customer, wanted.number) {
                Some(order) => {
                    let number = cite(sources, entity(&order));
                    Outcome {
                        told: format!("Cite as [{number}]: {}", json!(order)),
                        shown: Some((widgets::order(&order), copied(&order))),
                    }
                }
                None => not_found(wanted),
            },
            Self::ReadPolicies => {
                let rules = POLICIES.iter().map(|policy| {
                    let number = cite(sources, policy.source());
                    format!("[{number}] {}: {}", policy.title, policy.text)
                });
                Outcome { told: rules.collect::<Vec<_>>().join("\n"), shown: None }
            }
            Self::ProposeRefund(wanted) => match orders.find(customer, wanted.number) {
                Some(order) if order.state == State::Refunded => {
                    Outcome { told: "Error: it is refunded already.".to_owned(), shown: None }
                }
                Some(order) => Outcome {
                    told: "The customer is asked to confirm. Say so, and stop.".to_owned(),
                    shown: Some((widgets::refund_question(&order), copied(&order))),
                },
                None => not_found(wanted),
            },
        }
    }
}

/// Numbers a source; one that is there already keeps its number.
fn cite(sources: &mut Vec<Source>, source: impl Into<Source>) -> usize {
    let source = source.into();
    let at = sources.iter().position(|known| *known == source).unwrap_or_else(|| {
        sources.push(source);
        sources.len() - 1
    });
    at + 1
}

fn entity(order: &Order) -> EntitySource {
    EntitySource {
        icon: Some("cube".into()),
        interactive: true,
        ..EntitySource::new(order.number.to_string(), format!("Order {}", order.number))
    }
}

fn copied(order: &Order) -> String {
    format!("Order {}: {}", order.number, order.what)
}

fn not_found(wanted: &OrderNumber) -> Outcome {
    Outcome { told: format!("Error: the customer has no order {}.", wanted.number), shown: None }
}
