//! The ChatKit server SDK: a responder, a store, and the turn engine between them.
