//! Reading and writing the XML of the SOAP service.

use std::fmt::Write as _;

use quick_xml::{
    escape::{escape, unescape},
    events::{BytesStart, Event},
    name::ResolveResult,
    reader::NsReader,
};

/// Namespace of everything that is Workday's.
pub const BSVC: &str = "urn:com.workday/bsvc";
/// Namespace of the envelope.
pub const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// Deeper than any documented request.
const DEEPEST: usize = 40;

/// An element with everything in it; names are without their prefixes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Its namespace; empty when it is in none.
    pub namespace: String,
    pub name: String,
    /// Names and values of its attributes.
    pub attributes: Vec<(String, String)>,
    /// Its text, without spaces around it.
    pub text: String,
    /// The elements in it.
    pub children: Vec<Element>,
}

impl Element {
    /// The first element in it of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All elements in it of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element at the end of these names.
    pub fn at(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The text at the end of these names, when there is one.
    pub fn text_at(&self, names: &[&str]) -> Option<&str> {
        self.at(names).map(|element| element.text.as_str()).filter(|text| !text.is_empty())
    }

    /// Whether a flag is set, as `true` or `1`.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.text_at(&[name]), Some("true" | "1"))
    }

    /// An attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a document.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read(text: &str) -> Result<Element, String> {
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        let (resolved, event) = reader.read_resolved_event().map_err(|error| error.to_string())?;
        let namespace = match resolved {
            ResolveResult::Bound(namespace) => namespace.0.to_owned(),
            ResolveResult::Unbound | ResolveResult::Unknown(_) => String::new(),
        };
        match event {
            Event::Start(start) => {
                if open.len() > DEEPEST {
                    return Err("elements are nested too deeply".to_owned());
                }
                open.push(begun(namespace, &start)?);
            }
            Event::Empty(start) => put(&mut open, begun(namespace, &start)?)?,
            Event::End(_) => {
                let mut element = open.pop().ok_or("an element ends that did not begin")?;
                element.text = element.text.trim().to_owned();
                put(&mut open, element)?;
            }
            Event::Text(text) => say(&mut open, &text.xml10_content()),
            Event::CData(text) => say(&mut open, &text.xml10_content()),
            Event::GeneralRef(name) => {
                let reference = format!("&{};", &*name.xml10_content());
                say(&mut open, &unescape(&reference).map_err(|error| error.to_string())?);
            }
            Event::DocType(_) => return Err("a document type is not allowed".to_owned()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    match <[Element; 1]>::try_from(open) {
        Ok([document]) => document.children.into_iter().next().ok_or_else(|| "there is no element".to_owned()),
        Err(_) => Err("an element does not end".to_owned()),
    }
}

fn begun(namespace: String, start: &BytesStart<'_>) -> Result<Element, String> {
    let mut element = Element { namespace, name: start.local_name().into_inner().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let value = unescape(&attribute.value).map_err(|error| error.to_string())?;
        element.attributes.push((attribute.key.local_name().into_inner().to_owned(), value.into_owned()));
    }
    Ok(element)
}

fn put(open: &mut [Element], element: Element) -> Result<(), String> {
    open.last_mut().ok_or("an element ends that did not begin")?.children.push(element);
    Ok(())
}

fn say(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// A document that is being written, with the prefix `wd` for everything in it.
#[derive(Debug, Default)]
pub struct Writer(String);

impl Writer {
    pub fn done(self) -> String {
        self.0
    }

    /// An element with something in it. Attributes may stand after the name.
    pub fn within(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        let _infallible = write!(self.0, "<wd:{name}>");
        fill(self);
        let end = name.split(' ').next().unwrap_or_default();
        let _infallible = write!(self.0, "</wd:{end}>");
    }

    /// An element with a text.
    pub fn leaf(&mut self, name: &str, text: &str) {
        let _infallible = write!(self.0, "<wd:{name}>{}</wd:{name}>", escape(text));
    }

    /// An element with a text, when there is one.
    pub fn leaf_if(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.leaf(name, text);
        }
    }

    /// A flag, which Workday writes as 1 or 0.
    pub fn flag(&mut self, name: &str, set: bool) {
        self.leaf(name, if set { "1" } else { "0" });
    }

    /// What refers to an object: its descriptor, and its ids with their types.
    pub fn reference(&mut self, name: &str, descriptor: Option<&str>, ids: &[(&str, &str)]) {
        let descriptor = descriptor.map(|text| format!(" wd:Descriptor=\"{}\"", escape(text))).unwrap_or_default();
        self.within(&format!("{name}{descriptor}"), |writer| {
            for (kind, id) in ids {
                let _infallible = write!(writer.0, "<wd:ID wd:type=\"{kind}\">{}</wd:ID>", escape(*id));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_with_its_namespaces_references_and_flags() {
        let read = read(
            "<?xml version=\"1.0\"?><a:b xmlns:a=\"urn:x\" a:c=\"&lt;1&gt;\"><!-- no --><d>x &amp; &#233;<![CDATA[<y>]]></d>\
             <d/><f xmlns=\"urn:y\"> 1 </f></a:b>",
        );
        let read = read.unwrap_or_default();
        assert_eq!((read.namespace.as_str(), read.name.as_str(), read.attribute("c")), ("urn:x", "b", Some("<1>")));
        assert_eq!(read.all("d").map(|d| d.text.as_str()).collect::<Vec<_>>(), ["x & é<y>", ""]);
        assert!(read.flag("f") && !read.flag("d"));
        assert_eq!(read.child("f").map(|f| f.namespace.as_str()), Some("urn:y"));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in ["", "<a>", "<a></b>", "<!DOCTYPE a><a/>", "<a>&b;</a>", &"<a>".repeat(60)] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let mut writer = Writer::default();
        writer.within("A xmlns:wd=\"urn:x\"", |writer| {
            writer.reference("B", Some("\"R&D\" <1>"), &[("WID", "a<b")]);
            writer.leaf_if("C", None);
            writer.flag("D", true);
        });
        let read = read(&writer.done()).unwrap_or_default();
        assert_eq!(read.child("B").and_then(|b| b.attribute("Descriptor")), Some("\"R&D\" <1>"));
        assert_eq!(read.text_at(&["B", "ID"]), Some("a<b"));
        assert!(read.child("C").is_none() && read.flag("D"));
    }
}
