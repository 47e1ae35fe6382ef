//! XML of third parties: read into nodes by their local names, written with everything escaped.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape;
use quick_xml::events::{BytesStart, Event};

/// Deeper than anything that is documented; a deeper one would only be meant to do harm.
const DEEPEST: usize = 64;

/// One element. Namespaces are left out: every element that we look for is in Workday's or the envelope's.
#[derive(Default)]
pub(super) struct Node {
    pub(super) name: String,
    text: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Node>,
}

impl Node {
    /// Reads a document.
    ///
    /// # Errors
    /// A description of the error, without any content of the document.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "the text is not UTF-8".to_owned())?;
        let mut reader = Reader::from_str(text);
        let mut path = vec![Self::default()];
        loop {
            let place = reader.buffer_position();
            let broken = || format!("the XML is broken at byte {place}");
            match reader.read_event().map_err(|_| broken())? {
                Event::Start(start) if path.len() <= DEEPEST => path.push(Self::of(&start).ok_or_else(broken)?),
                Event::Start(_) => return Err("the XML is too deep".to_owned()),
                Event::Empty(start) => {
                    let node = Self::of(&start).ok_or_else(broken)?;
                    path.last_mut().ok_or_else(broken)?.children.push(node);
                }
                Event::End(_) => {
                    let node = path.pop().ok_or_else(broken)?;
                    path.last_mut().ok_or_else(broken)?.children.push(node);
                }
                Event::Text(piece) => Self::append(&mut path, &piece.xml10_content()),
                Event::CData(piece) => Self::append(&mut path, &piece.xml10_content()),
                Event::GeneralRef(name) => {
                    let reference = format!("&{};", name.xml10_content());
                    Self::append(&mut path, &escape::unescape(&reference).map_err(|_| broken())?);
                }
                Event::Eof => break,
                // Entities of its own are what a hostile document needs; no service of Workday sends a type.
                Event::DocType(_) => return Err("the XML has a document type".to_owned()),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
        match (path.pop(), path.is_empty()) {
            (Some(mut document), true) if !document.children.is_empty() => Ok(document.children.swap_remove(0)),
            _ => Err("the XML ends too early".to_owned()),
        }
    }

    fn of(start: &BytesStart<'_>) -> Option<Self> {
        let mut node = Self { name: start.local_name().into_inner().to_owned(), ..Self::default() };
        for attribute in start.attributes() {
            let attribute = attribute.ok()?;
            let value = escape::unescape(&attribute.value).ok()?.into_owned();
            node.attributes.push((attribute.key.local_name().into_inner().to_owned(), value));
        }
        Some(node)
    }

    fn append(path: &mut [Self], piece: &str) {
        if let Some(node) = path.last_mut() {
            node.text.push_str(piece);
        }
    }

    /// The first element of that name below it.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Every element of that name below it.
    pub(super) fn every<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The element at the end of a path such as `A/B`.
    pub(super) fn find(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |node, name| node.get(name))
    }

    /// The text at the end of a path, without space around it; none where it is empty.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.find(path).map(|node| node.text.trim()).filter(|text| !text.is_empty())
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The id of a type that the reference at the end of a path has.
    pub(super) fn id(&self, path: &str, kind: &str) -> Option<&str> {
        let ids = self.find(path)?.every("ID");
        ids.filter(|id| id.attribute("type") == Some(kind)).map(|id| id.text.trim()).find(|id| !id.is_empty())
    }

    /// The WID that the reference at the end of a path has.
    pub(super) fn wid(&self, path: &str) -> Option<&str> {
        self.id(path, "WID")
    }

    /// The name of the object of the reference at the end of a path: the descriptor, or else the business id.
    pub(super) fn named(&self, path: &str) -> Option<&str> {
        let reference = self.find(path)?;
        let ids = reference.every("ID").filter(|id| id.attribute("type") != Some("WID")).map(|id| id.text.trim());
        reference.attribute("Descriptor").into_iter().chain(ids).find(|name| !name.is_empty())
    }

    /// Whether the flag at the end of a path is set.
    pub(super) fn is_set(&self, path: &str) -> bool {
        matches!(self.text(path), Some("1" | "true"))
    }
}

/// An element with elements in it.
pub(super) fn element(name: &str, inner: &str) -> String {
    format!("<wd:{name}>{inner}</wd:{name}>")
}

/// An element with a text.
pub(super) fn leaf(name: &str, text: &str) -> String {
    element(name, &escaped(text))
}

/// A reference by an id of a type.
pub(super) fn reference(name: &str, kind: &str, id: &str) -> String {
    element(name, &format!("<wd:ID wd:type=\"{}\">{}</wd:ID>", escaped(kind), escaped(id)))
}

/// A text, escaped for a document.
pub(super) fn escaped(text: &str) -> Cow<'_, str> {
    escape::escape(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ids_and_flags_are_found_whatever_the_prefixes_are() {
        let text = "<?xml version='1.0'?><a:R xmlns:a='urn:x'><a:S a:Descriptor='R&amp;D'><a:ID a:type='WID'> 7 </a:ID>\
            <a:ID a:type='Stage_ID'>RD</a:ID></a:S><T><ID type='WID'>8</ID><ID type='X_ID'>&#233;<![CDATA[<]]></ID></T>\
            <F>1</F><G>0</G><E/></a:R>";
        let node = Node::parse(text.as_bytes()).expect("readable");
        assert_eq!((node.wid("S"), node.named("S"), node.id("S", "Stage_ID")), (Some("7"), Some("R&D"), Some("RD")));
        assert_eq!((node.wid("T"), node.named("T")), (Some("8"), Some("é<")));
        assert!(node.is_set("F") && !node.is_set("G") && !node.is_set("H"));
        assert_eq!((node.text("E"), node.named("E"), node.text("S/ID")), (None, None, Some("7")));
    }

    #[test]
    fn a_broken_document_is_refused_without_quoting_it() {
        let deep = "<a>".repeat(100);
        for text in
            ["", "Jane", "<a>Jane", "<a>Jane</b>", "<!DOCTYPE Jane><a/>", "<a>&Jane;</a>", "<a b='Jane' b=''/>", &deep]
        {
            let error = Node::parse(text.as_bytes()).err().unwrap_or_default();
            assert!(!error.is_empty() && !error.contains("Jane"), "{text}: {error}");
        }
        assert!(Node::parse(&[b'<', 0xff]).is_err());
    }

    #[test]
    fn what_is_written_cannot_break_out() {
        assert_eq!(leaf("A", "<x>&\"'"), "<wd:A>&lt;x&gt;&amp;&quot;&apos;</wd:A>");
        assert_eq!(reference("A", "WID", "<"), "<wd:A><wd:ID wd:type=\"WID\">&lt;</wd:ID></wd:A>");
    }
}
