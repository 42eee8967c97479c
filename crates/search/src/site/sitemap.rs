//! Sitemaps, as <https://www.sitemaps.org/protocol.html> describes them: XML or one address a line,
//! packed with gzip or not.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use quick_xml::{Reader, events::Event};

/// Largest sitemap, unpacked, in bytes: what the protocol allows.
pub(crate) const MAX_BYTES: u64 = 50 * 1024 * 1024;

/// Longest address that is taken, in bytes. The protocol allows 2,048 characters.
const MAX_ADDRESS: usize = 8_192;

/// What a sitemap lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sitemap {
    /// Addresses of pages, as they are written.
    Pages(Vec<String>),
    /// Addresses of other sitemaps.
    Sitemaps(Vec<String>),
}

impl Sitemap {
    /// Reads a sitemap.
    ///
    /// # Errors
    ///
    /// Why it is none, to be said after "it". One that is cut off is none: what it does not list
    /// would seem to be gone.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let unpacked;
        let mut bytes = bytes;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            unpacked = unpack(bytes)?;
            bytes = &unpacked;
        }
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
            return Err(too_large());
        }
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{FEFF}').trim_start();
        if text.starts_with('<') { xml(text) } else { lines(text) }
    }
}

fn too_large() -> String {
    format!("is larger than {MAX_BYTES} bytes; divide it, and name the sitemap of its parts")
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(MAX_BYTES + 1).read_to_end(&mut unpacked);
    if u64::try_from(unpacked.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(too_large());
    }
    read.map_err(|error| format!("cannot be unpacked: {error}"))?;
    Ok(unpacked)
}

/// One address a line.
fn lines(text: &str) -> Result<Sitemap, String> {
    let mut pages = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if !(line.starts_with("http://") || line.starts_with("https://")) {
            return Err("is neither XML nor a list of addresses".to_owned());
        }
        if line.len() <= MAX_ADDRESS {
            pages.push(line.to_owned());
        }
    }
    Ok(Sitemap::Pages(pages))
}

fn xml(text: &str) -> Result<Sitemap, String> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    // The names of the elements that are open; only the first three matter.
    let mut open: Vec<String> = Vec::new();
    let mut depth = 0_usize;
    let mut root = None;
    let mut address = String::new();
    let mut found = Vec::new();
    loop {
        let event = reader
            .read_event()
            .map_err(|error| format!("is broken at byte {}: {error}", reader.error_position()))?;
        match event {
            Event::Start(element) => {
                depth += 1;
                if depth <= 3 {
                    let name = String::from_utf8_lossy(element.local_name().as_ref()).into_owned();
                    if depth == 1 {
                        root = Some(root_of(&name)?);
                    }
                    open.push(name);
                    address.clear();
                }
            }
            Event::End(_) => {
                if depth == 3 && is_address(&open) {
                    let taken = address.trim();
                    if !taken.is_empty() && taken.len() <= MAX_ADDRESS {
                        found.push(taken.to_owned());
                    }
                }
                if depth <= 3 {
                    open.pop();
                }
                depth = depth.saturating_sub(1);
            }
            Event::Empty(element) if depth == 0 => {
                let name = String::from_utf8_lossy(element.local_name().as_ref()).into_owned();
                root = Some(root_of(&name)?);
            }
            Event::Text(text) if depth == 3 => {
                push(&mut address, &text.decode().unwrap_or_default())
            }
            Event::CData(text) if depth == 3 => {
                push(&mut address, &text.decode().unwrap_or_default())
            }
            Event::GeneralRef(reference) if depth == 3 => match reference.resolve_char_ref() {
                Ok(Some(char)) => push(&mut address, char.encode_utf8(&mut [0; 4])),
                _ => push(&mut address, named(&reference.decode().unwrap_or_default())),
            },
            Event::Eof => break,
            _ => {}
        }
    }
    match root {
        _ if depth > 0 => Err("is cut off".to_owned()),
        Some(Root::Pages) => Ok(Sitemap::Pages(found)),
        Some(Root::Sitemaps) => Ok(Sitemap::Sitemaps(found)),
        None => Err("is empty".to_owned()),
    }
}

#[derive(Clone, Copy)]
enum Root {
    Pages,
    Sitemaps,
}

fn root_of(name: &str) -> Result<Root, String> {
    match name {
        "urlset" => Ok(Root::Pages),
        "sitemapindex" => Ok(Root::Sitemaps),
        name if name.eq_ignore_ascii_case("html") => Err("is a page and no sitemap".to_owned()),
        name => {
            let name: String = name.chars().take(40).collect();
            Err(format!("begins with <{name}> and not with <urlset> or <sitemapindex>"))
        }
    }
}

/// Whether the text within these elements is an address.
fn is_address(open: &[String]) -> bool {
    matches!(open, [_, entry, loc] if matches!(entry.as_str(), "url" | "sitemap") && loc == "loc")
}

fn push(address: &mut String, text: &str) {
    // Beyond the longest it only has to be known to be too long.
    if address.len() <= MAX_ADDRESS {
        address.push_str(text);
    }
}

/// The entities that XML knows by itself.
fn named(entity: &str) -> &'static str {
    match entity {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;

    fn pages(text: &str) -> Result<Vec<String>, String> {
        match Sitemap::read(text.as_bytes())? {
            Sitemap::Pages(pages) => Ok(pages),
            Sitemap::Sitemaps(_) => Err("lists sitemaps".to_owned()),
        }
    }

    fn list(addresses: &[&str]) -> Vec<String> {
        addresses.iter().map(|&address| address.to_owned()).collect()
    }

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let written = encoder.write_all(bytes);
        assert!(written.is_ok());
        encoder.finish().unwrap_or_default()
    }

    #[test]
    fn pages_are_listed_in_xml_with_entities_and_extensions() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?><!-- made by hand -->
            <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="x">
              <url><loc> https://a.example/?a=1&amp;b=&#50;&#x33; </loc><lastmod>2026-01-01</lastmod>
                <image:image><image:loc>https://a.example/i.png</image:loc></image:image></url>
              <url><priority>1</priority><loc><![CDATA[https://a.example/c]]></loc></url>
              <url><loc/></url><loc>https://a.example/stray</loc>
            </urlset>"#;
        assert_eq!(pages(xml), Ok(list(&["https://a.example/?a=1&b=23", "https://a.example/c"])));
        let prefixed =
            "<s:urlset xmlns:s='x'><s:url><s:loc>https://a.example/</s:loc></s:url></s:urlset>";
        assert_eq!(pages(prefixed), Ok(list(&["https://a.example/"])));
        assert_eq!(pages("<urlset/>"), Ok(Vec::new()));
    }

    #[test]
    fn sitemaps_of_sitemaps_are_told_from_those_of_pages() {
        let xml =
            "<sitemapindex><sitemap><loc>https://a.example/1.xml.gz</loc></sitemap></sitemapindex>";
        let found = Sitemap::read(&packed(xml.as_bytes()));
        assert_eq!(found, Ok(Sitemap::Sitemaps(list(&["https://a.example/1.xml.gz"]))));
    }

    #[test]
    fn a_list_of_lines_is_a_sitemap() {
        let text = "\u{FEFF}https://a.example/1\r\n\r\n http://a.example/2 \n";
        assert_eq!(pages(text), Ok(list(&["https://a.example/1", "http://a.example/2"])));
    }

    #[test]
    fn what_is_no_sitemap_or_cut_off_is_refused() {
        for (text, why) in [
            ("<!doctype html><html><body>Not found</body></html>", "is a page"),
            ("<rss><channel/></rss>", "<rss>"),
            ("Service unavailable", "neither XML"),
            ("<urlset><url><loc>https://a.example/</loc></url>", "cut off"),
            ("<urlset><url><loc>https://a.example/", "cut off"),
            ("<urlset><url></urlset>", "broken"),
            ("<!-- nothing -->", "is empty"),
        ] {
            let said = pages(text).err().unwrap_or_default();
            assert!(said.contains(why), "{text}: {said}");
        }
        let half = packed(b"<urlset></urlset>");
        assert!(Sitemap::read(&half[..half.len() - 9]).is_err());
        let bomb = packed(&vec![b' '; 60 * 1024 * 1024]);
        assert!(Sitemap::read(&bomb).is_err_and(|why| why.contains("larger than")));
    }

    proptest! {
        #[test]
        fn every_address_that_is_written_is_read(
            addresses in prop::collection::vec("https://[a-z]{1,8}\\.example/[ -~é漢]{0,30}", 0..20),
        ) {
            let mut xml = "<urlset>".to_owned();
            for address in &addresses {
                let text = address.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                xml.push_str(&format!("<url><loc>{text}</loc></url>"));
            }
            xml.push_str("</urlset>");
            let trimmed: Vec<_> = addresses.iter().map(|address| address.trim().to_owned()).collect();
            prop_assert_eq!(pages(&xml), Ok(trimmed.clone()));
            prop_assert_eq!(Sitemap::read(&packed(xml.as_bytes())), Ok(Sitemap::Pages(trimmed)));
        }

        #[test]
        fn a_sitemap_that_is_cut_anywhere_is_none(cut in 0_usize..70) {
            let xml = "<urlset><url><loc>https://a.example/é?a&amp;b</loc></url></urlset>";
            let cut = xml.floor_char_boundary(cut.min(xml.len() - 1));
            let text = &xml[..cut];
            prop_assert!(text.is_empty() || pages(text).is_err(), "{}", text);
        }

        #[test]
        fn any_text_is_a_sitemap_or_not(text in "[<>/!?&;#a-z\"= \\[\\]-]{0,200}", bytes: Vec<u8>) {
            let _ = Sitemap::read(text.as_bytes());
            let _ = Sitemap::read(&bytes);
            let _ = Sitemap::read(&[&[0x1f, 0x8b], bytes.as_slice()].concat());
        }
    }
}
