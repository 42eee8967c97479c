#![doc = include_str!("../README.md")]

mod attachments;
mod chatkit;
mod clock;
mod context;
mod error;
mod ids;
mod limits;
mod measure;
mod owner;
mod peers;
mod quota;
mod registry;
mod responder;
mod store;
pub mod testing;
mod trace;
pub mod turn;
mod validate;
pub mod widgets;

pub use parlor_protocol as protocol;

pub use attachments::{
    AttachmentLimits, AttachmentLinks, AttachmentReadError, AttachmentRecord, AttachmentState,
    AttachmentStore, AttachmentStoreError, Attachments, ByteError, ByteStream,
    DeleteAttachmentOutcome, DoomedAttachment, FileKey, MadeFile, OpenFile, PREVIEWED_TYPES,
    Rendition, SignedLink, UNKNOWN_TYPE, UnsentQuota, Upload, UploadedFile,
};
pub use chatkit::{ChatKit, ChatKitBuilder, GivenIds, JsonResponse, RequestOptions, Response};
pub use clock::{Clock, SystemClock};
pub use context::{Extension, Identity, PageContext, RequestContext, UserInfo};
pub use error::{ChatKitError, ErrorChain, TurnError};
pub use limits::Limits;
pub use measure::describe_metrics;
pub use owner::{Owner, TenantId, UserId};
pub use peers::{Delivery, Peers};
pub use quota::{Admission, LimitReached, Quota, TokenMeter, Work};
pub use responder::{ActionSender, Feedback, Responder};
pub use store::{
    BeginOutcome, BeginTurn, FeedbackCursor, FeedbackQuery, FeedbackRecord, HeldTurn, ItemState,
    ItemWrite, PageQuery, RecordedTurn, ReplaceOutcome, Store, StoreError, ThreadTitle, TurnKey,
    TurnState, TurnThread, Visibility,
};
pub use turn::{
    EventStream, ImageWriter, MessageWriter, Noted, Notes, Observer, OnDisconnect, PausedImage,
    PausedWorkflow, Screen, Turn, Verdict, WorkflowWriter,
};
pub use widgets::{WidgetTemplate, WidgetTemplateError, WidgetWriter, diff_widget};
