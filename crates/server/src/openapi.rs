//! The HTTP interface as an OpenAPI document: `parlor openapi`, and `GET /openapi.json`.
//!
//! What is in the bodies comes from the types (`parlor_protocol::json_schema`); addresses, headers
//! and statuses are described here. A test holds the addresses against the router's, and
//! `tests/conformance` every answer of the running server against the document.

use parlor_chatkit::protocol::json_schema;
use serde_json::{Map, Value, json};

use crate::{
    app::{PROTOCOL_HEADER, TURN_HEADER},
    auth::{SESSION_COOKIE, VISITOR_COOKIE},
    config::TrustedHeader,
    routes::chatkit::MAX_KEY,
};

/// A way in which an address refuses: status, when, the codes in the body.
type Refusal = (u16, &'static str, &'static [&'static str]);

/// How `POST /chatkit` refuses. `docs/protocol.md` lists all codes, which a test checks.
const REFUSALS: &[Refusal] = &[
    (
        400,
        "The body is no request.",
        &["malformed_json", "not_a_request", "incomplete_body", "invalid_idempotency_key"],
    ),
    UNAUTHORIZED,
    (
        403,
        "The request names another user than its token, or a page of another site sent it.",
        &["forbidden"],
    ),
    (404, "It does not exist, or belongs to somebody else.", &["not_found", "no_running_turn"]),
    (408, "A long recording did not arrive in time.", &["too_slow"]),
    (
        409,
        "The conversation takes no message now.",
        &["thread_busy", "thread_locked", "thread_closed"],
    ),
    (413, "Larger than the limit.", &["too_large"]),
    (
        415,
        "The body is not sent as JSON, or files of this type are not taken.",
        &["unsupported_media_type", "unsupported_type"],
    ),
    (
        422,
        "Understood, but not acceptable; `field` says what.",
        &["invalid_field", "unknown_operation", "not_enabled", "refused", "too_many_unsent_files"],
    ),
    LIMITED,
    INTERNAL,
    UNAVAILABLE,
];

/// How `POST /agui` refuses.
const REFUSED_RUNS: &[Refusal] = &[
    (400, "The body is no JSON.", &["malformed_json", "incomplete_body"]),
    UNAUTHORIZED,
    (403, "A page of another site sent it.", &["forbidden"]),
    (
        404,
        "There is no such conversation, or it is somebody else's; or `ag_ui.enabled` is not set.",
        &["not_found"],
    ),
    (
        409,
        "The conversation takes no message now.",
        &["thread_busy", "thread_locked", "thread_closed"],
    ),
    (413, "Larger than the limit.", &["too_large"]),
    (
        415,
        "The body is not sent as JSON, or files of this type are not taken.",
        &["unsupported_media_type", "unsupported_type"],
    ),
    (
        422,
        "Understood, but not acceptable; `field` says what.",
        &["invalid_field", "not_enabled", "refused", "too_many_unsent_files", "invalid_image"],
    ),
    LIMITED,
    INTERNAL,
    UNAVAILABLE,
];

/// How `POST /files` refuses.
const REFUSED_FORMS: &[Refusal] = &[
    (400, "The connection ended too early.", &["incomplete_body"]),
    UNAUTHORIZED,
    (403, "Sent by a page of another site, or for another user than its token.", &["forbidden"]),
    (408, "Nothing came for too long.", &["too_slow"]),
    (413, "Larger than the limit.", &["too_large"]),
    (
        415,
        "Not a form, or a file of a type that is not taken or not what it is said to be.",
        &["unsupported_media_type", "unsupported_type"],
    ),
    (
        422,
        "Not one file in the form, or a file that is not acceptable.",
        &[
            "invalid_form",
            "invalid_field",
            "empty_file",
            "invalid_image",
            "too_many_unsent_files",
            "not_enabled",
        ],
    ),
    LIMITED,
    INTERNAL,
    UNAVAILABLE,
];

/// How `PUT /files/{id}` refuses.
const REFUSED_BYTES: &[Refusal] = &[
    (400, "The connection ended too early.", &["incomplete_body"]),
    UNAUTHORIZED,
    REFUSED_LINK,
    (404, "There is no such file, or it is somebody else's.", &["not_found"]),
    (408, "Nothing came for too long.", &["too_slow"]),
    (409, "The bytes are there, or coming.", &["already_uploaded", "upload_running"]),
    (413, "Larger than the limit.", &["too_large"]),
    (415, "The file is not what it was said to be.", &["unsupported_type"]),
    (
        422,
        "Not the announced bytes, or a file that is not acceptable.",
        &["other_size", "empty_file", "invalid_image", "not_enabled"],
    ),
    LIMITED,
    INTERNAL,
    UNAVAILABLE,
];

/// How `GET /files/{id}` refuses.
const REFUSED_DOWNLOADS: &[Refusal] = &[
    UNAUTHORIZED,
    REFUSED_LINK,
    (404, "There is no such file, or it is somebody else's.", &["not_found"]),
    (422, "The server takes no files.", &["not_enabled"]),
    LIMITED,
    INTERNAL,
    UNAVAILABLE,
];

const UNAUTHORIZED: Refusal =
    (401, "It is not known who is asking.", &["unauthorized", "login_required"]);
const NO_SESSIONS: Refusal =
    (404, "The server signs nobody in itself: `auth.mode` is not `session`.", &["not_found"]);
const REFUSED_LINK: Refusal = (
    403,
    "The signed link was changed or is too old, or the request names another user than its token.",
    &["invalid_link", "link_expired", "forbidden"],
);
const LIMITED: Refusal = (
    429,
    "A limit is reached: `limit` says which, `scope` whose, `reset_at` and `Retry-After` until when.",
    &["rate_limited"],
);
const INTERNAL: Refusal =
    (500, "A fault of the server; its log has more under the request id.", &["internal"]);
const UNAVAILABLE: Refusal = (
    503,
    "Not at the moment; `Retry-After` says when to try again.",
    &["storage_unavailable", "shutting_down", "unavailable"],
);

/// The document.
pub(crate) fn document() -> Value {
    let mut schema = json_schema();
    let mut schemas = match schema["$defs"].take() {
        Value::Object(definitions) => definitions,
        _ => Map::new(),
    };
    schemas.values_mut().for_each(point_into_components);
    let answers = answers(&schemas);
    name_the_operations(&mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Parlor",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A self-hosted ChatKit server.",
            "description": "Everything of the ChatKit protocol goes through one address, \
                `POST /chatkit`: the body's `type` says which operation is meant. Some operations \
                answer with one JSON document, the others with a stream of events.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "trustedHeader": [] }, { "token": [] }, { "session": [] }, { "visitor": [] }, {}],
        "paths": {
            "/agui": { "post": agui() },
            "/auth/callback": { "get": {
                "operationId": "completeLogin",
                "summary": "Back from the identity provider",
                "description": "Where the identity provider sends people back to.",
                "tags": ["auth"],
                "security": [],
                "parameters": [
                    text_parameter("state", "Of the login that is under way."),
                    text_parameter("code", "What the login is redeemed with."),
                    text_parameter("error", "Why there is no code."),
                    text_parameter("iss", "The provider (RFC 9207)."),
                ],
                "responses": navigation("To where the login began, with a session cookie."),
            } },
            "/connect": { "get": connect("followSignIn"), "post": connect("confirmSignIn") },
            "/connect/callback": { "get": {
                "operationId": "completeSignIn",
                "summary": "Back from a server of tools",
                "description": "Where authorization servers send people back to who connect a \
                    server of tools.",
                "tags": ["connect"],
                "security": [],
                "parameters": [
                    text_parameter("state", "Of the sign-in that is under way in this browser."),
                    text_parameter("code", "What tokens are got with."),
                    text_parameter("error", "Why there is no code."),
                    text_parameter("iss", "The authorization server (RFC 9207)."),
                ],
                "responses": connecting("A page that says that they are connected."),
            } },
            "/connect/client.json": { "get": {
                "operationId": "getClient",
                "summary": "Who Parlor is for authorization servers",
                "description": "The OAuth Client ID Metadata Document, where `server.public_url` is \
                    an https address.",
                "tags": ["connect"],
                "security": [],
                "responses": {
                    "200": {
                        "description": "The document.",
                        "content": { "application/json": {} },
                    },
                    "404": refusal(404, "There is none.", &["not_found"], false),
                },
            } },
            "/auth/login": { "get": {
                "operationId": "beginLogin",
                "summary": "Sign in",
                "description": "For browsers, as a link: the identity provider asks who they are.",
                "tags": ["auth"],
                "security": [],
                "parameters": [text_parameter(
                    "return_to",
                    "Where to go afterwards: a path of this server, or a page of an origin in site.cors_origins. Anything else is its beginning.",
                )],
                "responses": navigation("To the identity provider."),
            } },
            "/auth/logout": { "post": {
                "operationId": "endLogin",
                "summary": "Sign out",
                "description": "Ends the login of this browser, in all its tabs. Who accepts \
                    `text/html`, as a form does, is sent on to sign out at the identity provider.",
                "tags": ["auth"],
                "security": [{ "session": [] }, {}],
                "responses": with_redirection(responses(json!({
                    "description": "Signed out.",
                    "headers": {
                        "X-Request-Id": { "$ref": "#/components/headers/RequestId" },
                    },
                    "content": { "application/json": { "schema": {
                        "type": "object",
                        "properties": {
                            "authenticated": { "const": false },
                            "provider_logout_url": {
                                "type": ["string", "null"],
                                "description": "Where to sign out at the identity provider, too.",
                            },
                        },
                        "required": ["authenticated", "provider_logout_url"],
                    } } },
                }), &[
                    (403, "Sent by a page of another site.", &["forbidden"]),
                    NO_SESSIONS,
                    LIMITED,
                    INTERNAL,
                    UNAVAILABLE,
                ])),
            } },
            "/auth/session": { "get": {
                "operationId": "getSession",
                "summary": "Who has signed in?",
                "tags": ["auth"],
                "security": [{ "session": [] }, {}],
                "responses": responses(json!({
                    "description": "Whoever it is.",
                    "headers": {
                        "X-Request-Id": { "$ref": "#/components/headers/RequestId" },
                    },
                    "content": { "application/json": { "schema": {
                        "type": "object",
                        "properties": {
                            "authenticated": { "type": "boolean" },
                            "user": {
                                "type": "object",
                                "properties": {
                                    "id": { "type": "string" },
                                    "name": { "type": ["string", "null"] },
                                    "email": { "type": ["string", "null"] },
                                    "roles": { "type": "array", "items": { "type": "string" } },
                                },
                                "required": ["id", "name", "email", "roles"],
                            },
                            "expires_at": {
                                "type": "string",
                                "format": "date-time",
                                "description": "When the login ends in any case.",
                            },
                            "anonymous": {
                                "type": "boolean",
                                "description": "Whether the chat can be used without signing in.",
                            },
                            "login_url": { "type": "string" },
                            "logout_url": { "type": "string" },
                        },
                        "required": ["authenticated", "anonymous", "login_url", "logout_url"],
                    } } },
                }), &[NO_SESSIONS, LIMITED, INTERNAL, UNAVAILABLE]),
            } },
            "/chatkit": { "post": chatkit(&answers) },
            "/chatkit.js": { "get": asset(
                "getElement", "The element", "The element `<openai-chatkit>` as a module.", json!([]),
            ) },
            "/widget.js": { "get": asset(
                "getWidget", "The site widget", "The chat on any site, as a module.", json!([]),
            ) },
            "/chunks/{path}": { "get": asset(
                "getChunk",
                "A part of the element or the widget",
                "A part that is loaded on first use. Its name changes with its content.",
                json!([{
                    "name": "path",
                    "in": "path",
                    "required": true,
                    "description": "The file's name.",
                    "schema": { "type": "string" },
                }]),
            ) },
            "/files": { "post": {
                "operationId": "uploadFile",
                "summary": "A file in a form",
                "description": "Direct upload: the attachment is complete with the answer.",
                "tags": ["files"],
                "requestBody": {
                    "required": true,
                    "content": { "multipart/form-data": { "schema": {
                        "type": "object",
                        "properties": {
                            "file": { "contentMediaType": "application/octet-stream" },
                        },
                        "required": ["file"],
                    } } },
                },
                "responses": responses(attachment(), REFUSED_FORMS),
            } },
            "/files/{id}": {
                "parameters": link_parameters(),
                "put": {
                    "operationId": "uploadBytes",
                    "summary": "The bytes of an announced file",
                    "description": "The second half of an upload that `attachments.create` began: \
                        its `upload_descriptor` has the address, signed.",
                    "tags": ["files"],
                    "requestBody": {
                        "required": true,
                        "content": { "application/octet-stream": {} },
                    },
                    "responses": responses(attachment(), REFUSED_BYTES),
                },
                "get": {
                    "operationId": "downloadFile",
                    "summary": "A file's bytes",
                    "tags": ["files"],
                    "responses": responses(bytes(), REFUSED_DOWNLOADS),
                },
            },
            "/files/{id}/preview": {
                "parameters": link_parameters(),
                "get": {
                    "operationId": "downloadPreview",
                    "summary": "The small image of an image file",
                    "tags": ["files"],
                    "responses": responses(bytes(), REFUSED_DOWNLOADS),
                },
            },
            "/healthz": { "get": {
                "operationId": "getHealth",
                "summary": "Is the process there?",
                "tags": ["operation"],
                "security": [],
                "responses": { "200": status("It is.", &["ok"], None) },
            } },
            "/readyz": { "get": {
                "operationId": "getReadiness",
                "summary": "Can chat be answered?",
                "tags": ["operation"],
                "security": [],
                "responses": {
                    "200": status("It can.", &["ready"], None),
                    "503": status("Not now.", &["unavailable"], Some(&["database"])),
                },
            } },
            "/metrics": { "get": {
                "operationId": "getMetrics",
                "summary": "Figures for Prometheus",
                "description": "For those who send `metrics.token`; where none is set, for \
                    programs on the server's machine that ask it directly.",
                "tags": ["operation"],
                "security": [],
                "responses": responses(
                    json!({
                        "description": "The figures, in the text format.",
                        "content": { "text/plain": { "schema": { "type": "string" } } },
                    }),
                    &[(404, "They are not kept, or not for the caller.", &["not_found"])],
                ),
            } },
            "/openapi.json": { "get": {
                "operationId": "getContract",
                "summary": "This document",
                "tags": ["operation"],
                "security": [],
                "responses": {
                    "200": {
                        "description": "The document.",
                        "headers": { "ETag": { "schema": { "type": "string" } } },
                        "content": { "application/json": { "schema": { "type": "object" } } },
                    },
                    "304": { "description": "The caller has it: `If-None-Match`." },
                },
            } },
        },
        "components": {
            "schemas": schemas,
            "headers": {
                "RequestId": header("The id to look for in the server's log.", "RequestId"),
                "Turn": header("The turn that the stream is of, or that is running.", "TurnId"),
                "Protocol": {
                    "description": "Announces `threads.stop`, `threads.resume` and \
                        `Idempotency-Key`.",
                    "schema": { "type": "string", "const": "1" },
                },
                "RetryAfter": {
                    "description": "Seconds after which trying again makes sense.",
                    "schema": { "type": "integer", "minimum": 0 },
                },
            },
            "securitySchemes": {
                "trustedHeader": {
                    "type": "apiKey",
                    "in": "header",
                    "name": TrustedHeader::default().user,
                    "description": "`auth.mode = \"trusted-header\"`: a proxy in front says who is \
                        asking. The header's name is a setting.",
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "`auth.mode = \"jwt\"`: a token that an identity provider has \
                        signed.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": format!("__Host-{SESSION_COOKIE}"),
                    "description": "`auth.mode = \"session\"`: who has signed in with \
                        `GET /auth/login`. Without `__Host-` where the server is reached on \
                        loopback by plain HTTP. Requests that change something must come from a \
                        page of the server's own origin, or of one in `site.cors_origins`.",
                },
                "visitor": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": VISITOR_COOKIE,
                    "description": "`auth.mode = \"anonymous\"`: a signed cookie tells visitors \
                        apart. Who has none gets one with the answer.",
                },
            },
        },
    })
}

/// Makes a reference to a definition one to a component.
fn point_into_components(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(target) if key == "$ref" => {
                        *target = target.replace("#/$defs/", "#/components/schemas/");
                    }
                    value => point_into_components(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(point_into_components),
        _ => {}
    }
}

/// What operations answer that don't stream, each kind of answer once.
fn answers(schemas: &Map<String, Value>) -> Vec<Value> {
    let by_operation = schemas["JsonResults"]["properties"].as_object();
    let mut answers: Vec<Value> = Vec::new();
    for answer in by_operation.into_iter().flat_map(Map::values) {
        if !answers.contains(answer) {
            answers.push(answer.clone());
        }
    }
    answers
}

/// Says which arm of `Request` belongs to which `type`.
fn name_the_operations(schemas: &mut Map<String, Value>) {
    let mut mapping = Map::new();
    for arm in schemas["Request"]["oneOf"].as_array().into_iter().flatten() {
        let target = arm["$ref"].as_str().unwrap_or_default();
        let name = target.rsplit('/').next().unwrap_or_default();
        let tag = &schemas[name]["properties"]["type"];
        let names =
            tag["enum"].as_array().map_or(std::slice::from_ref(&tag["const"]), Vec::as_slice);
        for name in names.iter().filter_map(Value::as_str) {
            mapping.insert(name.to_owned(), target.into());
        }
    }
    schemas["Request"]["discriminator"] = json!({ "propertyName": "type", "mapping": mapping });
}

/// The address of AG-UI.
fn agui() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let stream = json!({
        "description": "The run's events, as server-sent events.",
        "headers": { "X-Request-Id": { "$ref": "#/components/headers/RequestId" } },
        "content": { "text/event-stream": { "schema": {
            "type": "object",
            "description": "One of them. The first is `RUN_STARTED`, the last `RUN_FINISHED` or \
                `RUN_ERROR`. While there is nothing to send, the comment `: keep-alive` comes every \
                15 seconds.",
            "properties": { "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {
                    "type": "object",
                    "properties": { "type": { "type": "string" } },
                    "required": ["type"],
                },
            } },
            "required": ["data"],
        } } },
    });
    json!({
        "operationId": "runAgent",
        "summary": "The same conversations over AG-UI",
        "description": "AG-UI 1.0: `RunAgentInput` in, its events out. Only there where \
            `ag_ui.enabled` is set.",
        "tags": ["chat"],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": {
                "type": "object",
                "properties": {
                    "threadId": text("The conversation: an id of ours, or one that the client has made up."),
                    "runId": text("Made up by the client. A run that is sent again is one run."),
                    "messages": {
                        "type": "array",
                        "description": "What is new at its end is read: a user's message, or results \
                            of the page's tools.",
                        "items": { "type": "object" },
                    },
                    "context": {
                        "type": ["array", "null"],
                        "items": {
                            "type": "object",
                            "properties": {
                                "description": { "type": "string" },
                                "value": { "type": "string" },
                            },
                            "required": ["description", "value"],
                        },
                    },
                    "forwardedProps": { "description": "What ChatKit calls `metadata`." },
                    "resume": {
                        "type": ["array", "null"],
                        "description": "Answers to the interrupts of the run before.",
                        "items": {
                            "type": "object",
                            "properties": {
                                "interruptId": { "type": "string" },
                                "status": { "enum": ["resolved", "cancelled"] },
                                "payload": {},
                            },
                            "required": ["interruptId", "status"],
                        },
                    },
                },
                "required": ["threadId", "runId", "messages"],
            } } },
        },
        "responses": responses(stream, REFUSED_RUNS),
    })
}

fn chatkit(answers: &[Value]) -> Value {
    let mut responses = Map::new();
    responses.insert("200".to_owned(), json!({
        "description": "The answer: one JSON document (see `JsonResults` for which), or a stream.",
        "headers": {
            "X-Request-Id": { "$ref": "#/components/headers/RequestId" },
            PROTOCOL_HEADER.as_str(): { "$ref": "#/components/headers/Protocol" },
            TURN_HEADER.as_str(): { "$ref": "#/components/headers/Turn" },
        },
        "content": {
            "application/json": { "schema": { "anyOf": answers } },
            "text/event-stream": {
                "schema": {
                    "type": "object",
                    "description": "One of the server-sent events that the body consists of. While \
                        there is nothing to send, the comment `: keep-alive` comes every 15 \
                        seconds. The last line is the comment `: end` with `done`, `failed`, \
                        `stopped` or `interrupted`; a stream without it was cut off, and \
                        `threads.resume` goes on with it.",
                    "properties": {
                        "id": {
                            "type": "string",
                            "pattern": "^[0-9]+$",
                            "description": "The event's number within the turn, from 1.",
                        },
                        "data": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "contentSchema": { "$ref": "#/components/schemas/ThreadStreamEvent" },
                        },
                    },
                    "required": ["id", "data"],
                },
            },
        },
    }));
    for (status, when, codes) in REFUSALS {
        responses.insert(status.to_string(), refusal(*status, when, codes, true));
    }
    json!({
        "operationId": "chatkit",
        "summary": "All operations of the protocol",
        "tags": ["chat"],
        "parameters": [{
            "name": "Idempotency-Key",
            "in": "header",
            "description": "A fresh random value for every message. A request that is repeated \
                with the same key is one message: the running stream is joined, or what the turn \
                made is sent again.",
            "schema": { "type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[\\t -~]+$" },
        }],
        "requestBody": {
            "required": true,
            "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/Request" },
                "examples": {
                    "list": {
                        "summary": "The caller's conversations",
                        "value": { "type": "threads.list", "params": { "limit": 20 } },
                    },
                    "create": {
                        "summary": "A new conversation",
                        "value": {
                            "type": "threads.create",
                            "params": { "input": { "content": [
                                { "type": "input_text", "text": "Which formats are indexed?" },
                            ] } },
                            "metadata": { "pageContext": { "title": "Documents" } },
                        },
                    },
                },
            } },
        },
        "responses": responses,
    })
}

/// An error in the envelope that all have, with the codes that it may carry.
fn refusal(status: u16, when: &str, codes: &[&str], chatkit: bool) -> Value {
    let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/RequestId" } });
    if chatkit {
        headers[PROTOCOL_HEADER.as_str()] = json!({ "$ref": "#/components/headers/Protocol" });
    }
    if matches!(status, 429 | 503) {
        headers["Retry-After"] = json!({ "$ref": "#/components/headers/RetryAfter" });
    }
    json!({
        "description": when,
        "headers": headers,
        "content": { "application/json": { "schema": {
            "allOf": [
                { "$ref": "#/components/schemas/ErrorEnvelope" },
                { "properties": { "error": { "properties": { "code": { "enum": codes } } } } },
            ],
        } } },
    })
}

fn text_parameter(name: &str, description: &str) -> Value {
    json!({
        "name": name,
        "in": "query",
        "description": description,
        "schema": { "type": "string" },
    })
}

/// The answers of addresses that browsers go to.
fn navigation(to: &str) -> Value {
    let page = |description: &str| {
        json!({
            "description": description,
            "headers": { "X-Request-Id": { "$ref": "#/components/headers/RequestId" } },
            "content": { "text/html": {}, "application/json": {} },
        })
    };
    let (status, when, codes) = NO_SESSIONS;
    json!({
        "303": {
            "description": to,
            "headers": { "Location": { "schema": { "type": "string" } } },
        },
        "401": page("A page that says that it did not work."),
        "404": refusal(status, when, codes, false),
        "500": page("A fault of the server; its log has more under the request id."),
        "503": page("Not at the moment."),
    })
}

/// The link on a card, and the form behind it.
fn connect(operation: &str) -> Value {
    let mut responses = connecting("A page that asks whether it is them who go on.");
    responses["303"] = json!({
        "description": "To the authorization server, or to sign in here first.",
        "headers": { "Location": { "schema": { "type": "string" } } },
    });
    json!({
        "operationId": operation,
        "summary": "Connect a server of tools",
        "description": "For browsers: the link on a card that asks a user to sign in. It works for \
            that user only, and for an hour.",
        "tags": ["connect"],
        "security": [],
        "parameters": [text_parameter("link", "What the card has.")],
        "responses": responses,
    })
}

/// What a browser gets on its way to a server of tools and back: pages.
fn connecting(done: &str) -> Value {
    let page = |description: &str| {
        json!({
            "description": description,
            "headers": { "X-Request-Id": { "$ref": "#/components/headers/RequestId" } },
            "content": { "text/html": {} },
        })
    };
    json!({
        "200": page(done),
        "400": page("The link or the sign-in is over, was used, or is another browser's."),
        "403": page("It is somebody else's, or the user said no."),
        "404": refusal(404, "There are no servers to sign in to.", &["not_found"], false),
        "502": page("The server or its authorization server does not do as it should."),
    })
}

fn with_redirection(mut responses: Value) -> Value {
    responses["303"] = json!({
        "description": "Signed out, and on to the identity provider.",
        "headers": { "Location": { "schema": { "type": "string" } } },
    });
    responses
}

/// An answer and how it is refused.
fn responses(answer: Value, refusals: &[Refusal]) -> Value {
    let mut responses = Map::new();
    responses.insert("200".to_owned(), answer);
    for (status, when, codes) in refusals {
        responses.insert(status.to_string(), refusal(*status, when, codes, false));
    }
    responses.into()
}

fn attachment() -> Value {
    json!({
        "description": "The attachment, complete.",
        "headers": { "X-Request-Id": { "$ref": "#/components/headers/RequestId" } },
        "content": { "application/json": { "schema": {
            "$ref": "#/components/schemas/Attachment",
        } } },
    })
}

fn bytes() -> Value {
    json!({
        "description": "The bytes, with the file's type and name.",
        "headers": {
            "X-Request-Id": { "$ref": "#/components/headers/RequestId" },
            "Content-Disposition": { "schema": { "type": "string" } },
        },
        "content": { "*/*": {} },
    })
}

/// What the addresses of a file take: its id, and what signs a link.
fn link_parameters() -> Value {
    json!([
        {
            "name": "id",
            "in": "path",
            "required": true,
            "schema": { "$ref": "#/components/schemas/AttachmentId" },
        },
        {
            "name": "expires",
            "in": "query",
            "description": "Of a signed link, which needs no other authentication: until when it \
                is good, in seconds since 1970.",
            "schema": { "type": "string" },
        },
        {
            "name": "signature",
            "in": "query",
            "description": "Of a signed link.",
            "schema": { "type": "string" },
        },
    ])
}

fn asset(operation: &str, summary: &str, description: &str, parameters: Value) -> Value {
    json!({
        "operationId": operation,
        "summary": summary,
        "description": description,
        "tags": ["element"],
        "security": [],
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "The file.",
                "headers": { "ETag": { "schema": { "type": "string" } } },
                "content": {
                    "text/javascript": { "schema": { "type": "string" } },
                    "text/css": { "schema": { "type": "string" } },
                    "application/json": {},
                    "application/octet-stream": {},
                },
            },
            "304": { "description": "The caller has it: `If-None-Match`." },
            "404": refusal(404, "There is no such file.", &["not_found"], false),
        },
    })
}

/// The answer of a health check.
fn status(description: &str, status: &[&str], waiting_for: Option<&[&str]>) -> Value {
    let mut properties = json!({ "status": { "type": "string", "enum": status } });
    let mut required = vec!["status"];
    if let Some(parts) = waiting_for {
        properties["waiting_for"] = json!({
            "type": "string", "enum": parts, "description": "What does not answer.",
        });
        required.push("waiting_for");
    }
    json!({
        "description": description,
        "content": { "application/json": { "schema": {
            "type": "object", "properties": properties, "required": required,
        } } },
    })
}

fn header(description: &str, schema: &str) -> Value {
    json!({
        "description": description,
        "schema": { "$ref": format!("#/components/schemas/{schema}") },
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn the_committed_document_is_the_current_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contract/openapi.json");
        let committed = fs::read_to_string(path).unwrap_or_default();
        let current = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        assert!(
            committed == current,
            "contract/openapi.json is not what `parlor openapi` prints any more; run `make contract`"
        );
    }

    #[test]
    fn the_documentation_lists_the_same_errors() {
        let page = include_str!("../../../docs/protocol.md");
        let section = page.split("## Errors outside a stream").nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let all = [REFUSALS, REFUSED_FORMS, REFUSED_BYTES, REFUSED_DOWNLOADS];
        for (status, _, codes) in all.into_iter().flatten() {
            for code in *codes {
                let listed = section
                    .lines()
                    .filter(|line| line.starts_with(&format!("| {status} |")))
                    .any(|line| line.contains(&format!("`{code}`")));
                assert!(listed, "docs/protocol.md does not list {code} with {status}");
            }
        }
    }

    /// Addresses of the API, in the document's notation.
    fn described() -> BTreeSet<String> {
        document()["paths"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn every_route_is_described_and_everything_described_is_a_route() {
        // The router shows its addresses in no other way.
        let router = format!("{:?}", crate::app::routes(true));
        let routes = router
            .split("): \"/")
            .skip(1)
            .map(|rest| format!("/{}", rest.split('"').next().unwrap()).replace("{*", "{"));
        // Pages for people.
        let pages = ["/", "/docs/", "/docs/{path}", "/demo/{path}"];
        let routes = routes.filter(|path| !path.contains("__private"));
        let (pages, routes): (BTreeSet<_>, BTreeSet<_>) =
            routes.partition(|path| pages.contains(&path.as_str()));
        assert_eq!(pages.len(), 4, "the pages that are no part of the API");
        assert_eq!(
            routes,
            described(),
            "routes on the left, what crates/server/src/openapi.rs describes on the right"
        );
    }
}
