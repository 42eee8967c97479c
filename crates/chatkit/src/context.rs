//! Who asks, and from where.

use std::{
    any::{Any, type_name},
    fmt,
    sync::Arc,
};

use parlor_protocol::{JsonMap, RequestId};
use serde::Serialize;
use serde_json::Value;

use crate::{Owner, Quota, TokenMeter};

/// What authentication found out about the caller, apart from the [`Owner`].
///
/// Claims made here win over what the browser says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Name to address the user by.
    pub name: Option<String>,
    /// Mail address.
    pub email: Option<String>,
    /// Roles that the identity provider gave them.
    pub roles: Vec<String>,
}

/// A value of the integrator's own that travels with a request: permissions, a tenant's settings,
/// a handle to their database. [`RequestContext::extension`] gives it to the responder.
///
/// ```
/// use parlor_chatkit::Extension;
///
/// struct Permissions {
///     may_refund: bool,
/// }
///
/// let extension = Extension::new(Permissions { may_refund: true });
/// assert!(extension.get::<Permissions>().is_some_and(|permissions| permissions.may_refund));
/// assert!(extension.get::<String>().is_none());
/// assert!(extension.and(7_u8).get::<u8>() == Some(&7));
/// ```
#[derive(Clone, Default)]
pub struct Extension(Vec<(&'static str, Arc<dyn Any + Send + Sync>)>);

impl Extension {
    /// Takes a value along.
    pub fn new<T: Any + Send + Sync>(value: T) -> Self {
        Self::default().and(value)
    }

    /// Takes another value along, of another type.
    #[must_use]
    pub fn and<T: Any + Send + Sync>(mut self, value: T) -> Self {
        self.0.push((type_name::<T>(), Arc::new(value)));
        self
    }

    /// The value of this type, if there is one.
    pub fn get<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.0.iter().find_map(|(_, value)| value.downcast_ref())
    }
}

impl fmt::Debug for Extension {
    /// Names the types; the values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Everything a turn knows about its request.
#[derive(Clone, Debug)]
pub struct RequestContext {
    owner: Owner,
    request_id: RequestId,
    user: UserInfo,
    page: PageContext,
    locale: Option<String>,
    metadata: JsonMap,
    extension: Extension,
    quota: Option<Arc<dyn Quota>>,
}

impl RequestContext {
    /// Reads user, page and locale from the request's metadata.
    ///
    /// Two sources are read, the envelope's `metadata` and `params.input.metadata`, where
    /// published integration samples put it; the envelope's keys win. Keys may be written in
    /// camelCase or snake_case. What is of the wrong type is left out, what is too long is cut:
    /// a page with an odd title must not keep its readers from asking.
    pub fn new(
        owner: Owner,
        request_id: RequestId,
        identity: &Identity,
        mut metadata: JsonMap,
        input_metadata: JsonMap,
    ) -> Self {
        for (key, value) in input_metadata {
            metadata.entry(key).or_insert(value);
        }
        let empty = JsonMap::new();
        let object = |keys: [&str; 2]| {
            keys.iter().find_map(|key| metadata.get(*key)?.as_object()).unwrap_or(&empty)
        };
        let user = UserInfo::read(&owner, identity, object(["userInfo", "user_info"]));
        let page = PageContext::read(object(["pageContext", "page_context"]));
        let locale = text(&metadata, ["locale", "language"], 35);
        let extension = Extension::default();
        Self { owner, request_id, user, page, locale, metadata, extension, quota: None }
    }

    /// With a value of the integrator's own.
    #[must_use]
    pub fn with_extension(mut self, extension: Extension) -> Self {
        self.extension = extension;
        self
    }

    /// With a limit on what may be used.
    #[must_use]
    pub(crate) fn with_quota(mut self, quota: Option<Arc<dyn Quota>>) -> Self {
        self.quota = quota;
        self
    }

    pub(crate) fn quota(&self) -> Option<&Arc<dyn Quota>> {
        self.quota.as_ref()
    }

    /// Counts the tokens that models take for this request.
    pub fn token_meter(&self) -> TokenMeter {
        TokenMeter(self.quota.clone())
    }

    /// The value that the HTTP layer sent along, if it is one of this type: what the official SDK
    /// calls the request's context.
    pub fn extension<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.extension.get()
    }

    /// Whose data the request may touch.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Id of the request, as in logs and errors.
    pub fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// Who asks.
    pub fn user(&self) -> &UserInfo {
        &self.user
    }

    /// The page they are on.
    pub fn page(&self) -> &PageContext {
        &self.page
    }

    /// Language that the page or the client asked for, as a BCP 47 tag.
    pub fn locale(&self) -> Option<&str> {
        self.locale.as_deref().or(self.page.language.as_deref())
    }

    /// The request's metadata as the client sent it. Untrusted.
    pub fn metadata(&self) -> &JsonMap {
        &self.metadata
    }
}

/// Who asks. Name and mail address may be the browser's word; the id never is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UserInfo {
    /// The authenticated user id.
    pub id: String,
    /// Name to address the user by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Roles that authentication established; never the browser's word.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// What else the site said of the user, as short texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
}

impl UserInfo {
    const DETAILS: usize = 20;

    fn read(owner: &Owner, identity: &Identity, info: &JsonMap) -> Self {
        let known =
            ["id", "userId", "user_id", "name", "displayName", "display_name", "email", "roles"];
        let details = details(info, &known, 500).take(Self::DETAILS).collect();
        let name = identity.name.clone();
        let email = identity.email.clone();
        Self {
            id: owner.user().as_str().to_owned(),
            name: name
                .or_else(|| text(info, ["name", "displayName"], 200))
                .or_else(|| text(info, ["display_name", "fullName"], 200)),
            email: email.or_else(|| text(info, ["email", "mail"], 320)),
            roles: identity.roles.clone(),
            details,
        }
    }

    /// Whether authentication gave the user this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|known| known == role)
    }

    /// The name, if one is known. Ids are not names.
    pub fn display_name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// The page the user is on, as the browser describes it. Untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PageContext {
    /// Absolute URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Path on the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The document's title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The document's description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The document's keywords.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keywords: Option<String>,
    /// Headings of the main content, at most ten.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headings: Vec<String>,
    /// What the user has selected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selected_text: Option<String>,
    /// The document's language, as a BCP 47 tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The reader's local time, as ISO 8601 with the offset from UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// What else the page says of itself, as short texts: a cart, the row that is open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<(String, String)>,
}

impl PageContext {
    const HEADINGS: usize = 10;
    const DETAILS: usize = 20;

    fn read(page: &JsonMap) -> Self {
        let headings = page
            .get("headings")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            // Either plain texts or objects with one.
            .filter_map(|heading| heading.as_str().or_else(|| heading.get("text")?.as_str()))
            .map(|heading| cut(heading, 200))
            .filter(|heading| !heading.is_empty())
            .take(Self::HEADINGS)
            .collect();
        let keywords = match page.get("keywords").or_else(|| page.get("metaKeywords")) {
            Some(Value::Array(words)) => {
                let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
                (!words.is_empty()).then(|| cut(&words.join(", "), 500))
            }
            _ => text(page, ["keywords", "metaKeywords"], 500),
        };
        Self {
            url: text(page, ["url", "href"], 2_000),
            path: text(page, ["path", "pathname"], 1_000),
            title: text(page, ["title", "pageTitle"], 300),
            description: text(page, ["description", "metaDescription"], 1_000),
            keywords,
            headings,
            selected_text: text(page, ["selectedText", "selected_text"], 4_000),
            language: text(page, ["language", "lang"], 35),
            time: text(page, ["time", "localTime"], 35),
            details: page
                .get("details")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(|said| details(said, &[], 2_000))
                .take(Self::DETAILS)
                .collect(),
        }
    }

    /// What to call the page: its title, else its URL or path, else "this page".
    pub fn title(&self) -> &str {
        [&self.title, &self.url, &self.path]
            .into_iter()
            .find_map(|name| name.as_deref())
            .unwrap_or("this page")
    }

    /// Whether nothing is known of the page.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The first of `keys` that holds a text which is not blank, cut to `max` characters.
fn text(object: &JsonMap, keys: [&str; 2], max: usize) -> Option<String> {
    keys.iter()
        .filter_map(|key| object.get(*key)?.as_str())
        .map(|text| cut(text, max))
        .find(|text| !text.is_empty())
}

/// What an object says in texts, numbers and booleans, but for the known keys.
fn details<'a>(
    object: &'a JsonMap,
    known: &'a [&str],
    max: usize,
) -> impl Iterator<Item = (String, String)> + 'a {
    object.iter().filter(|(key, _)| !known.contains(&key.as_str())).filter_map(
        move |(key, value)| {
            let value = match value {
                Value::String(text) => cut(text, max),
                Value::Number(number) => number.to_string(),
                Value::Bool(bool) => bool.to_string(),
                _ => return None,
            };
            (!value.is_empty()).then(|| (cut(key, 60), value))
        },
    )
}

/// Trimmed, without control characters (except line ends and tabs), at most `max` characters.
fn cut(text: &str, max: usize) -> String {
    text.trim()
        .chars()
        .filter(|char| !char.is_control() || matches!(char, '\n' | '\t'))
        .take(max)
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::UserId;

    fn context(identity: &Identity, envelope: Value, input: Value) -> RequestContext {
        let object = |value: Value| value.as_object().unwrap().clone();
        RequestContext::new(
            Owner::single_tenant(UserId::new("u1")),
            RequestId::new("req_1"),
            identity,
            object(envelope),
            object(input),
        )
    }

    #[test]
    fn user_and_page_are_read_in_either_spelling() {
        for (info, page) in [("userInfo", "pageContext"), ("user_info", "page_context")] {
            let context = context(
                &Identity::default(),
                json!({
                    info: {"name": "Ada", "role": "admin", "id": "somebody-else", "nested": {}},
                    page: {
                        "title": "Install", "headings": ["One", {"text": "Two"}, 3], "url": 5,
                        "details": {"cart": "3 things", "total": 12.5, "nested": {}},
                    },
                }),
                json!({}),
            );
            assert_eq!(context.user().display_name(), Some("Ada"));
            assert_eq!(context.user().id, "u1", "the browser does not say who it is");
            assert_eq!(context.user().details, [("role".to_owned(), "admin".to_owned())]);
            assert_eq!(context.page().title(), "Install");
            assert_eq!(context.page().headings, ["One", "Two"]);
            assert_eq!(context.page().url, None);
            let details =
                context.page().details.iter().map(|(key, value)| format!("{key}={value}"));
            assert_eq!(details.collect::<Vec<_>>(), ["cart=3 things", "total=12.5"]);
        }
    }

    #[test]
    fn authentication_wins_over_the_browser() {
        let identity = Identity { name: Some("Grace".to_owned()), ..Identity::default() };
        let context =
            context(&identity, json!({"userInfo": {"name": "Mallory", "email": "m@x"}}), json!({}));
        assert_eq!(context.user().display_name(), Some("Grace"));
        assert_eq!(context.user().email.as_deref(), Some("m@x"));
    }

    #[test]
    fn the_envelope_wins_over_the_input() {
        let context = context(
            &Identity::default(),
            json!({"pageContext": {"title": "envelope"}}),
            json!({"pageContext": {"title": "input"}, "userInfo": {"name": "Ada"}}),
        );
        assert_eq!(context.page().title(), "envelope");
        assert_eq!(context.user().display_name(), Some("Ada"));
    }

    #[test]
    fn long_and_hostile_texts_are_cut_and_cleaned() {
        let context = context(
            &Identity::default(),
            json!({"pageContext": {"title": format!("\u{0}\u{1b}[31m{}", "x".repeat(10_000))}}),
            json!({}),
        );
        assert_eq!(context.page().title().chars().count(), 300);
        assert!(!context.page().title().contains('\u{1b}'));
    }
}
