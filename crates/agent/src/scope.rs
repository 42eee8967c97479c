//! Which documents are searched for whom.

use parlor_chatkit::RequestContext;
use parlor_search::{SearchFilter, SearchRequest};

/// Which documents are searched for a user.
#[derive(Debug, Clone, Default)]
pub struct SearchScope {
    /// Only documents with one of these tags, where there are some.
    pub filter: SearchFilter,
    /// Only documents in a language, and those that name none.
    pub language: SearchLanguage,
}

/// In which language documents must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SearchLanguage {
    /// In any.
    #[default]
    Any,
    /// In the reader's, as far as it is known.
    Readers,
    /// In this one, as a BCP 47 tag.
    Only(String),
}

impl SearchScope {
    /// A search for somebody: from their page, in their tenant's documents, within the scope.
    pub(crate) fn request<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a str,
        limit: usize,
    ) -> SearchRequest<'a> {
        let language = match &self.language {
            SearchLanguage::Any => None,
            SearchLanguage::Readers => context.locale(),
            SearchLanguage::Only(language) => Some(language.as_str()),
        };
        let page = context.page();
        SearchRequest::new(query, limit)
            .on_page(page.url.as_deref().or(page.path.as_deref()))
            .of_tenant(context.owner().tenant().as_str())
            .filtered(&self.filter)
            .in_language(language)
    }
}
