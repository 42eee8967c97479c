//! Documents that a server indexes by itself: `[[search.sources]]`.

use std::{collections::HashSet, path::PathBuf, time::Duration};

use parlor_search::is_site;
use serde::{Deserialize, Serialize};

/// Where documents come from, and how often it is looked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// A folder or file with documents. Either this or `url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The address of a sitemap, or of a site that has one. Either this or `path`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How often it is looked: `30s`, `10m`, `1h` or `1d`. Absent: a minute for a path, an hour for a site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// Where the documents of a path are on the site. Absent: `search.base_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Tags that all of the documents get, beside their own.
    pub tags: Vec<String>,
    /// Language of the documents that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Only users of this tenant find the documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Further hosts whose pages a sitemap may list.
    pub hosts: Vec<String>,
    /// Pages of a site that are read at most.
    pub max_pages: usize,
    /// Larger files and pages are skipped, in bytes.
    pub max_file_bytes: u64,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            path: None,
            url: None,
            every: None,
            base_url: None,
            tags: Vec::new(),
            language: None,
            tenant: None,
            hosts: Vec::new(),
            max_pages: 10_000,
            max_file_bytes: 10 * 1024 * 1024,
        }
    }
}

impl Source {
    const SECTION: &str = "search.sources";
    /// A site is asked no more often.
    const SHORTEST_FOR_SITES: Duration = Duration::from_secs(60);

    /// What it is called in the log, in figures and in the index.
    pub fn name(&self) -> String {
        let place = match (&self.path, &self.url) {
            (Some(path), _) => path.display().to_string(),
            (None, url) => url.clone().unwrap_or_default(),
        };
        match &self.tenant {
            None => place,
            Some(tenant) => format!("{place} ({tenant})"),
        }
    }

    /// How often it is looked.
    pub fn every(&self) -> Duration {
        let default = if self.url.is_some() { 60 * 60 } else { 60 };
        self.every.as_deref().and_then(duration).unwrap_or(Duration::from_secs(default))
    }

    /// Settings that cannot be meant.
    pub(super) fn check_all(sources: &[Self]) -> Result<(), String> {
        let mut names = HashSet::new();
        for source in sources {
            source.check()?;
            let name = source.name();
            if !names.insert(name.clone()) {
                return Err(format!("{} has `{name}` twice; remove one", Self::SECTION));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let section = Self::SECTION;
        let name = self.name();
        let wrong = |what: String| Err(format!("{section}, `{name}`: {what}"));
        match (&self.path, &self.url) {
            (None, None) => {
                return Err(format!("{section} has an entry without `path` and `url`; set one"));
            }
            (Some(_), Some(_)) => {
                return wrong("it has `path` and `url`; make two entries of it".to_owned());
            }
            (None, Some(url)) if !is_site(url) => {
                return wrong(
                    "`url` is no http or https address; for a folder use `path`".to_owned(),
                );
            }
            (Some(path), None) if path.to_str().is_some_and(is_site) => {
                return wrong("`path` is an address; use `url`".to_owned());
            }
            (Some(_), None) if !self.hosts.is_empty() => {
                return wrong("`hosts` is for sites, and this is a path; remove it".to_owned());
            }
            (None, Some(_)) if self.base_url.is_some() => {
                return wrong(
                    "`base_url` is for paths; pages of a site have their own addresses, so remove it"
                        .to_owned(),
                );
            }
            _ => {}
        }
        if let Some(every) = &self.every {
            match duration(every) {
                None => {
                    return wrong(format!(
                        "`every` is `{every}`; use a number and a unit such as `30s`, `10m`, `1h` or `1d`"
                    ));
                }
                Some(often) if self.url.is_some() && often < Self::SHORTEST_FOR_SITES => {
                    return wrong(format!(
                        "`every` is `{every}`; a site is asked every `1m` at most"
                    ));
                }
                Some(_) => {}
            }
        }
        if self.max_pages == 0 || self.max_file_bytes == 0 {
            return wrong("`max_pages` and `max_file_bytes` are at least 1".to_owned());
        }
        Ok(())
    }
}

/// `30s`, `10m`, `1h`, `1d`; at least a second.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, seconds) = match text.char_indices().next_back()? {
        (at, 's') => (&text[..at], 1),
        (at, 'm') => (&text[..at], 60),
        (at, 'h') => (&text[..at], 60 * 60),
        (at, 'd') => (&text[..at], 24 * 60 * 60),
        _ => return None,
    };
    let number: u32 = number.trim_end().parse().ok()?;
    (number > 0).then(|| Duration::from_secs(u64::from(number) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_a_unit() {
        let seconds = |text| duration(text).map(|time| time.as_secs());
        assert_eq!(seconds("30s"), Some(30));
        assert_eq!(seconds(" 10 m "), Some(600));
        assert_eq!(seconds("1h"), Some(3_600));
        assert_eq!(seconds("2d"), Some(172_800));
        for wrong in ["", "s", "0s", "-1h", "1.5h", "60", "1w", "é"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sources_that_cannot_be_meant_are_refused_with_advice() {
        for (toml, why) in [
            ("[[s]]\ntags = []", "without `path` and `url`"),
            ("[[s]]\npath = \"docs\"\nurl = \"https://a.example\"", "make two entries"),
            ("[[s]]\npath = \"https://a.example\"", "use `url`"),
            ("[[s]]\nurl = \"docs\"", "use `path`"),
            ("[[s]]\npath = \"docs\"\nevery = \"often\"", "`30s`"),
            ("[[s]]\nurl = \"https://a.example\"\nevery = \"5s\"", "`1m`"),
            ("[[s]]\npath = \"docs\"\nhosts = [\"b\"]", "remove it"),
            ("[[s]]\nurl = \"https://a.example\"\nbase_url = \"/\"", "remove it"),
            ("[[s]]\npath = \"docs\"\n[[s]]\npath = \"docs\"", "`docs` twice"),
            ("[[s]]\nurl = \"https://a.example\"\nmax_pages = 0", "at least 1"),
        ] {
            #[derive(Deserialize)]
            struct File {
                s: Vec<Source>,
            }
            let said = toml::from_str::<File>(toml).map(|file| Source::check_all(&file.s));
            assert!(matches!(&said, Ok(Err(said)) if said.contains(why)), "{toml}: {said:?}");
        }
    }
}
