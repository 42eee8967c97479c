//! The shop: what a real one would ask its database.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use parlor_chatkit::{Owner, protocol::UrlSource};
use serde::Serialize;

/// An order.
#[derive(Clone, Debug, Serialize)]
pub struct Order {
    /// Its number.
    pub number: u32,
    /// What was bought.
    pub what: &'static str,
    /// In cents.
    pub price_cents: u32,
    /// How far it is.
    pub state: State,
}

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// With the carrier.
    OnItsWay,
    /// With the customer.
    Delivered,
    /// The money is on its way back.
    Refunded,
}

/// Why an order was not refunded.
#[derive(Debug, thiserror::Error)]
pub enum RefundError {
    /// This customer has none of that number.
    #[error("there is no order {0}")]
    NoSuchOrder(u32),
    /// It was refunded before.
    #[error("order {0} is refunded already")]
    AlreadyRefunded(u32),
}

/// Everybody's orders. Each customer begins with the same three, and sees only their own.
#[derive(Default)]
pub struct Orders(Mutex<HashMap<Owner, Vec<Order>>>);

impl Orders {
    /// A customer's order. Somebody else's is not found.
    pub fn find(&self, customer: &Owner, number: u32) -> Option<Order> {
        self.with(customer, |orders| orders.iter().find(|order| order.number == number).cloned())
    }

    /// Pays a customer's order back.
    ///
    /// # Errors
    /// When there is none, or it was refunded before.
    pub fn refund(&self, customer: &Owner, number: u32) -> Result<Order, RefundError> {
        self.with(customer, |orders| {
            let order = orders.iter_mut().find(|order| order.number == number);
            let order = order.ok_or(RefundError::NoSuchOrder(number))?;
            if order.state == State::Refunded {
                return Err(RefundError::AlreadyRefunded(number));
            }
            order.state = State::Refunded;
            Ok(order.clone())
        })
    }

    fn with<T>(&self, customer: &Owner, ask: impl FnOnce(&mut Vec<Order>) -> T) -> T {
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ask(orders.entry(customer.clone()).or_insert_with(|| {
            vec![
                Order {
                    number: 1042,
                    what: "Walnut desk",
                    price_cents: 48_900,
                    state: State::Delivered,
                },
                Order {
                    number: 1043,
                    what: "Desk lamp",
                    price_cents: 7_950,
                    state: State::OnItsWay,
                },
                Order {
                    number: 1044,
                    what: "Cork board",
                    price_cents: 2_400,
                    state: State::Delivered,
                },
            ]
        }))
    }
}

/// A rule of the shop, on the page that the assistant can refer to.
pub struct Policy {
    /// Its heading.
    pub title: &'static str,
    /// Where it stands.
    pub url: &'static str,
    /// What it says.
    pub text: &'static str,
}

impl Policy {
    /// It, as something that an answer refers to.
    pub fn source(&self) -> UrlSource {
        UrlSource::new(self.title, self.url)
    }
}

/// When the money comes.
pub const REFUNDS: Policy = Policy {
    title: "Refunds",
    url: "/#refunds",
    text: "Refunds go back to the card that paid, and arrive within five working days.",
};

/// The shop's rules.
pub const POLICIES: [Policy; 3] = [
    Policy {
        title: "Returns",
        url: "/#returns",
        text: "Everything can be returned within 30 days of delivery. The return label is in the \
               box and costs nothing.",
    },
    REFUNDS,
    Policy {
        title: "Delivery",
        url: "/#delivery",
        text: "Orders leave the warehouse on the day they are placed, and arrive on the next \
               working day.",
    },
];
