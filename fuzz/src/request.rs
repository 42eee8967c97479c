//! Bytes to a request.

use parlor_chatkit::protocol::{Request, RequestError};
use serde_json::Value;

/// Any bytes are a request or an error that says what is wrong; a request that is written and
/// read again is the same.
pub fn request(bytes: &[u8]) {
    match Request::parse(bytes) {
        Ok(request) => {
            let written = written(&request);
            let again = Request::parse(written.to_string().as_bytes()).unwrap();
            assert_eq!(again, request, "written as {written}");
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            if let RequestError::InvalidField { field, message } = error {
                assert!(!field.is_empty() && !message.is_empty());
            }
        }
    }
}

/// The request as a client would send it.
fn written(request: &Request) -> Value {
    serde_json::to_value(request).unwrap()
}
