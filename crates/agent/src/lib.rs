//! A responder made of a model, tools and context.
